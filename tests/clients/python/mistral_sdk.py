"""Mistral's SDK, which speaks Chat Completions in words of its own."""

from typing import Any

from mistralai.client import Mistral
from pydantic import BaseModel
from task import CAPITAL, CITY, TASK, TOLD, WEATHER, run

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
    text, tokens = "", 0
    with client.chat.stream(model=MODEL, messages=ASKED) as events:
        for event in events:
            text += (event.data.choices[0].delta.content or "") if event.data.choices else ""
            tokens = event.data.usage.total_tokens if event.data.usage else tokens
    return {"text": text, "tokens": tokens}


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


def embed() -> Any:
    vectors = client.embeddings.create(model=TASK["embedding"], inputs=["toll", "road"], output_dimension=256)
    return {"sizes": [len(one.embedding) for one in vectors.data]}


def error() -> Any:
    client.chat.complete(model=TASK["missing"], messages=ASKED)


def unauthorized() -> Any:
    Mistral(server_url=TASK["url"], api_key="nobody:nothing").chat.complete(model=MODEL, messages=ASKED)


def cancel() -> Any:
    with client.chat.stream(model=TASK["stalling"], messages=ASKED) as events:
        return {"read": bool(next(iter(events)))}


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
