"""Groq's SDK: Chat Completions under `/openai/v1`."""

from typing import Any

import groq
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run

client = groq.Groq(base_url=TASK["url"], api_key=TASK["key"], max_retries=0)
MODEL = TASK["model"]
ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]


def chat() -> Any:
    answer = client.chat.completions.create(model=MODEL, messages=ASKED)
    return {"text": answer.choices[0].message.content, "tokens": answer.usage.total_tokens}


def stream() -> Any:
    chunks = list(client.chat.completions.create(model=MODEL, messages=ASKED, stream=True))
    return {"text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)}


def tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    first = client.chat.completions.create(model=MODEL, messages=asked, tools=TOOLS).choices[0].message
    told = [{"role": "tool", "tool_call_id": call.id, "content": TOLD} for call in first.tool_calls]
    messages = [*asked, first.model_dump(exclude_none=True), *told]
    return {
        "text": client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message.content
    }


def error() -> Any:
    client.chat.completions.create(model=TASK["missing"], messages=ASKED)


def unauthorized() -> Any:
    client.with_options(api_key="nobody:nothing").chat.completions.create(model=MODEL, messages=ASKED)


def cancel() -> Any:
    with client.chat.completions.create(
        model=TASK["stalling"], messages=[{"role": "user", "content": LONG}], stream=True
    ) as events:
        return {"read": bool(next(iter(events)))}


run(chat=chat, stream=stream, tools=tools, error=error, unauthorized=unauthorized, cancel=cancel)
