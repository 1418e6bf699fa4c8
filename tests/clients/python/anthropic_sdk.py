"""The Anthropic SDK: Messages."""

from typing import Any

import anthropic
from pydantic import BaseModel
from task import CAPITAL, CITY, LONG, TASK, TOLD, WEATHER, run

client = anthropic.Anthropic(base_url=TASK["url"], api_key=TASK["key"], max_retries=0)
ASKED: list[Any] = [{"role": "user", "content": CAPITAL}]
TOOLS: Any = [{"name": "weather", "description": "The weather in a city.", "input_schema": CITY}]


class City(BaseModel):
    city: str


def ask(**changes: Any) -> dict[str, Any]:
    return {"model": TASK["model"], "max_tokens": 500, "messages": ASKED, **changes}


def said(message: Any) -> Any:
    usage = message.usage
    text = "".join(block.text for block in message.content if block.type == "text")
    return {"text": text, "tokens": usage.input_tokens + usage.output_tokens}


def chat() -> Any:
    return said(client.messages.create(**ask()))


def stream() -> Any:
    with client.messages.stream(**ask()) as events:
        text = "".join(events.text_stream)
        final = said(events.get_final_message())
    assert final["text"] == text
    return final


def tools() -> Any:
    asked: list[Any] = [{"role": "user", "content": WEATHER}]
    with client.messages.stream(**ask(messages=asked, tools=TOOLS)) as events:
        first = events.get_final_message()
    calls = [block for block in first.content if block.type == "tool_use"]
    told = [{"type": "tool_result", "tool_use_id": call.id, "content": TOLD} for call in calls]
    before = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]}
    messages = [*asked, before, {"role": "user", "content": told}]
    return said(client.messages.create(**ask(messages=messages, tools=TOOLS)))


def structured() -> Any:
    return client.messages.parse(**ask(), output_format=City).parsed_output.model_dump()


def error() -> Any:
    client.messages.create(**ask(model=TASK["missing"]))


def unauthorized() -> Any:
    client.with_options(api_key="nobody:nothing").messages.create(**ask())


def cancel() -> Any:
    with client.messages.create(
        **ask(model=TASK["stalling"], messages=[{"role": "user", "content": LONG}]), stream=True
    ) as events:
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
