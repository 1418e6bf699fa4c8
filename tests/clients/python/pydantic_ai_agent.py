"""Pydantic AI's agent over three vendors' models."""

import asyncio
from typing import Any

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.google import GoogleModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.google import GoogleProvider
from pydantic_ai.providers.openai import OpenAIProvider
from task import CAPITAL, LONG, TASK, WEATHER, run, weather


def connect(model: str, key: str = TASK["key"]) -> Any:
    url = TASK["url"]
    if TASK["speaks"] == "anthropic":
        return AnthropicModel(model, provider=AnthropicProvider(base_url=url, api_key=key))
    if TASK["speaks"] == "google":
        return GoogleModel(f"models/{model}", provider=GoogleProvider(base_url=url, api_key=key))
    provider = OpenAIProvider(base_url=f"{url}/v1", api_key=key)
    kind = OpenAIResponsesModel if TASK["speaks"] == "responses" else OpenAIChatModel
    return kind(model, provider=provider)


class City(BaseModel):
    """A city."""

    city: str


def chat() -> Any:
    result = Agent(connect(TASK["model"])).run_sync(CAPITAL)
    usage = result.usage() if callable(result.usage) else result.usage
    return {"text": result.output, "tokens": usage.total_tokens}


def stream() -> Any:
    async def read() -> Any:
        async with Agent(connect(TASK["model"])).run_stream(CAPITAL) as result:
            text = "".join([delta async for delta in result.stream_text(delta=True)])
            usage = result.usage() if callable(result.usage) else result.usage
        return {"text": text, "tokens": usage.total_tokens}

    return asyncio.run(read())


def tools() -> Any:
    return {"text": Agent(connect(TASK["model"]), tools=[weather]).run_sync(WEATHER).output}


def structured() -> Any:
    return Agent(connect(TASK["model"]), output_type=City).run_sync(CAPITAL).output.model_dump()


def error() -> Any:
    Agent(connect(TASK["missing"])).run_sync(CAPITAL)


def unauthorized() -> Any:
    Agent(connect(TASK["model"], "nobody:nothing")).run_sync(CAPITAL)


def cancel() -> Any:
    async def leave() -> Any:
        async with Agent(connect(TASK["stalling"])).run_stream(LONG) as result:
            async for delta in result.stream_text(delta=True, debounce_by=None):
                return {"read": bool(delta)}
        return None

    return asyncio.run(leave())


run(
    chat=chat,
    stream=stream,
    tools=tools,
    structured=structured,
    error=error,
    unauthorized=unauthorized,
    cancel=cancel,
)
