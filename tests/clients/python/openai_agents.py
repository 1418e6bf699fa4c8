"""OpenAI's Agents SDK over Responses or Chat Completions."""

import asyncio
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from pydantic import BaseModel
from task import CAPITAL, TASK, WEATHER, run, weather

set_tracing_disabled(disabled=True)


class City(BaseModel):
    city: str


def agent(model: str = TASK["model"], key: str = TASK["key"], **more: Any) -> Any:
    client = AsyncOpenAI(base_url=f"{TASK['url']}/v1", api_key=key, max_retries=0)
    kind = OpenAIResponsesModel if TASK["speaks"] == "responses" else OpenAIChatCompletionsModel
    made = kind(model=model, openai_client=client)
    return Agent(name="proof", model=made, model_settings=ModelSettings(include_usage=True), **more)


def chat() -> Any:
    result = Runner.run_sync(agent(), CAPITAL)
    return {"text": result.final_output, "tokens": result.context_wrapper.usage.total_tokens}


def stream() -> Any:
    async def read() -> Any:
        result = Runner.run_streamed(agent(), CAPITAL)
        text = ""
        async for event in result.stream_events():
            if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
                text += event.data.delta
        assert result.final_output == text
        return {"text": text, "tokens": result.context_wrapper.usage.total_tokens}

    return asyncio.run(read())


def tools() -> Any:
    return {"text": Runner.run_sync(agent(tools=[function_tool(weather)]), WEATHER).final_output}


def structured() -> Any:
    return Runner.run_sync(agent(output_type=City), CAPITAL).final_output.model_dump()


def error() -> Any:
    Runner.run_sync(agent(TASK["missing"]), CAPITAL)


def unauthorized() -> Any:
    Runner.run_sync(agent(key="nobody:nothing"), CAPITAL)


run(chat=chat, stream=stream, tools=tools, structured=structured, error=error, unauthorized=unauthorized)
