"""Mistral's SDK, which speaks Chat Completions in words of its own."""

from typing import Any

from mistralai.client import Mistral
from pydantic import BaseModel
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run

client = Mistral(server_url=TASK["url"], api_key=TASK["key"])
MODEL = TASK["model"]
ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]
TOOLS: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]


class City(BaseModel):
    city: str


def chat() -> Any:
    answer = client.chat.complete(model=MODEL, messages=ASKED)
    return {"text": answer.choices[0].message.content, "tokens": answer.usage.total_tokens}


def stream() -> Any:
    with client.chat.stream(model=MODEL, messages=ASKED) as events:
        chunks = [event.data for event in events]
    return {"text": "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)}


def tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    first = client.chat.complete(model=MODEL, messages=asked, tools=TOOLS, tool_choice="auto").choices[0].message
    told = [
        {"role": "tool", "tool_call_id": call.id, "name": call.function.name, "content": TOLD}
        for call in first.tool_calls
    ]
    again = client.chat.complete(model=MODEL, messages=[*asked, first, *told], tools=TOOLS)
    return {"text": again.choices[0].message.content}


def structured() -> Any:
    answer = client.chat.parse(City, model=MODEL, messages=ASKED)
    return answer.choices[0].message.parsed.model_dump()


def error() -> Any:
    client.chat.complete(model=TASK["missing"], messages=ASKED)


def unauthorized() -> Any:
    Mistral(server_url=TASK["url"], api_key="nobody:nothing").chat.complete(model=MODEL, messages=ASKED)


def cancel() -> Any:
    with client.chat.stream(model=TASK["stalling"], messages=[{"role": "user", "content": LONG}]) as events:
        return {"read": bool(next(iter(events)))}


run(
    chat=chat,
    stream=stream,
    tools=tools,
    structured=structured,
    error=error,
    unauthorized=unauthorized,
    cancel=cancel,
)
