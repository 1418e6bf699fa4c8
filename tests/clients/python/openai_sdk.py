"""The OpenAI SDK: Chat Completions, Responses and Embeddings."""

from typing import Any

import openai
from pydantic import BaseModel
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run

client = openai.OpenAI(base_url=f"{TASK['url']}/v1", api_key=TASK["key"], max_retries=0)
if TASK["speaks"] == "azure":
    client = openai.AzureOpenAI(
        azure_endpoint=TASK["url"], api_key=TASK["key"], api_version="2024-10-21", max_retries=0
    )
MODEL = TASK["model"]
ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]
FUNCTION = {"name": "weather", "description": "The weather in a city.", "parameters": CITY}


class City(BaseModel):
    city: str


def chat() -> Any:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED)
    return {"text": answer.choices[0].message.content, "tokens": answer.usage.total_tokens}


def stream() -> Any:
    text, tokens = "", 0
    options = {"include_usage": True}
    for chunk in client.chat.completions.create(model=MODEL, messages=ASKED, stream=True, stream_options=options):
        text += (chunk.choices[0].delta.content or "") if chunk.choices else ""
        tokens = chunk.usage.total_tokens if chunk.usage else tokens
    return {"text": text, "tokens": tokens}


def tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    offered: Any = [{"type": "function", "function": FUNCTION}]
    with client.chat.completions.stream(model=MODEL, messages=asked, tools=offered) as events:
        message = events.get_final_completion().choices[0].message
    calls = [
        {
            "id": call.id,
            "type": "function",
            "function": {"name": call.function.name, "arguments": call.function.arguments},
        }
        for call in message.tool_calls
    ]
    told = [{"role": "tool", "tool_call_id": call["id"], "content": TOLD} for call in calls]
    said = {"role": "assistant", "content": message.content, "tool_calls": calls}
    again = client.chat.completions.create(model=MODEL, messages=[*asked, said, *told], tools=offered)
    return {"text": again.choices[0].message.content}


def structured() -> Any:
    answer = client.chat.completions.parse(model=MODEL, messages=ASKED, response_format=City)
    return answer.choices[0].message.parsed.model_dump()


def embed() -> Any:
    vectors = client.embeddings.create(model=TASK["embedding"], input=["toll", "road"], dimensions=256)
    return {"sizes": [len(one.embedding) for one in vectors.data]}


def error() -> Any:
    client.chat.completions.create(model=TASK["missing"], messages=ASKED)


def unauthorized() -> Any:
    client.with_options(api_key="nobody:nothing").chat.completions.create(model=MODEL, messages=ASKED)


def cancel() -> Any:
    with client.chat.completions.create(
        model=TASK["stalling"], messages=[{"role": "user", "content": LONG}], stream=True
    ) as events:
        return {"read": bool(next(iter(events)))}


def respond() -> Any:
    answer = client.responses.create(model=MODEL, input=CAPITAL)
    return {"text": answer.output_text, "tokens": answer.usage.total_tokens}


def respond_stream() -> Any:
    with client.responses.stream(model=MODEL, input=CAPITAL) as events:
        text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
        final = events.get_final_response()
    assert final.output_text == text
    return {"text": text, "tokens": final.usage.total_tokens}


def respond_tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    offered: Any = [{"type": "function", "strict": False, **FUNCTION}]
    first = client.responses.create(model=MODEL, input=asked, tools=offered)
    calls = [item for item in first.output if item.type == "function_call"]
    told = [{"type": "function_call_output", "call_id": call.call_id, "output": TOLD} for call in calls]
    said = [item.model_dump(exclude_none=True) for item in first.output]
    return {"text": client.responses.create(model=MODEL, input=[*asked, *said, *told], tools=offered).output_text}


def respond_structured() -> Any:
    return client.responses.parse(model=MODEL, input=CAPITAL, text_format=City).output_parsed.model_dump()


def respond_error() -> Any:
    client.responses.create(model=TASK["missing"], input=CAPITAL)


def respond_cancel() -> Any:
    with client.responses.create(model=TASK["stalling"], input=LONG, stream=True) as events:
        return {"read": bool(next(iter(events)))}


if TASK["speaks"] == "responses":
    run(
        chat=respond,
        stream=respond_stream,
        tools=respond_tools,
        structured=respond_structured,
        error=respond_error,
        cancel=respond_cancel,
    )
else:
    run(
        chat=chat,
        stream=stream,
        tools=tools,
        structured=structured,
        embed=embed,
        error=error,
        unauthorized=unauthorized,
        cancel=cancel,
    )
