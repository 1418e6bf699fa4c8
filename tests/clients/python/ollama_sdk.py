"""Ollama's SDK: its own chat API."""

import json  # noqa: TID251 - a client's environment has no other
from typing import Any

import ollama
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run


def connect(key: str) -> Any:
    return ollama.Client(host=TASK["url"], headers={"authorization": f"Bearer {key}"})


client = connect(TASK["key"])
MODEL = TASK["model"]
ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "description": "Weather.", "parameters": CITY}}]


def chat() -> Any:
    answer = client.chat(model=MODEL, messages=ASKED)
    return {"text": answer.message.content, "tokens": answer.prompt_eval_count + answer.eval_count}


def stream() -> Any:
    chunks = list(client.chat(model=MODEL, messages=ASKED, stream=True))
    last = chunks[-1]
    return {"text": "".join(one.message.content or "" for one in chunks), "tokens": last.prompt_eval_count}


def tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    first = client.chat(model=MODEL, messages=asked, tools=TOOLS).message
    told = [{"role": "tool", "tool_name": call.function.name, "content": TOLD} for call in first.tool_calls]
    return {"text": client.chat(model=MODEL, messages=[*asked, first, *told], tools=TOOLS).message.content}


def structured() -> Any:
    return json.loads(client.chat(model=MODEL, messages=ASKED, format=CITY).message.content)


def error() -> Any:
    client.chat(model=TASK["missing"], messages=ASKED)


def unauthorized() -> Any:
    connect("nobody:nothing").chat(model=MODEL, messages=ASKED)


def cancel() -> Any:
    events = client.chat(model=TASK["stalling"], messages=[{"role": "user", "content": LONG}], stream=True)
    first = next(events)
    events.close()
    return {"read": first is not None}


run(
    chat=chat,
    stream=stream,
    tools=tools,
    structured=structured,
    error=error,
    unauthorized=unauthorized,
    cancel=cancel,
)
