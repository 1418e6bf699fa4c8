"""Cohere's SDK: its Chat API, version 2."""

from typing import Any

import cohere
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run

client = cohere.ClientV2(base_url=TASK["url"], api_key=TASK["key"])
MODEL = TASK["model"]
ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
ONCE: Any = {"max_retries": 0}


def text_of(answer: Any) -> str:
    return "".join(block.text for block in answer.message.content if block.type == "text")


def chat() -> Any:
    answer = client.chat(model=MODEL, messages=ASKED)
    return {"text": text_of(answer), "tokens": int(answer.usage.tokens.output_tokens)}


def stream() -> Any:
    events = list(client.chat_stream(model=MODEL, messages=ASKED))
    text = "".join(event.delta.message.content.text for event in events if event.type == "content-delta")
    return {"text": text, "tokens": int(events[-1].delta.usage.tokens.output_tokens)}


def tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    first = client.chat(model=MODEL, messages=asked, tools=TOOLS).message
    told = [{"role": "tool", "tool_call_id": call.id, "content": TOLD} for call in first.tool_calls]
    return {"text": text_of(client.chat(model=MODEL, messages=[*asked, first, *told], tools=TOOLS))}


def error() -> Any:
    client.chat(model=TASK["missing"], messages=ASKED, request_options=ONCE)


def unauthorized() -> Any:
    stranger = cohere.ClientV2(base_url=TASK["url"], api_key="nobody:nothing")
    stranger.chat(model=MODEL, messages=ASKED, request_options=ONCE)


def cancel() -> Any:
    events = client.chat_stream(model=TASK["stalling"], messages=[{"role": "user", "content": LONG}])
    first = next(events)
    events.close()
    return {"read": first is not None}


run(chat=chat, stream=stream, tools=tools, error=error, unauthorized=unauthorized, cancel=cancel)
