"""The six cases of the OpenResponses compliance suite, by every provider; every object and event fits the schemas.

Basic text, streamed, a system prompt, a tool, a picture, and several turns: as the suite asks them, with plain HTTP.
"""

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.e2e.test_sdk_openai import MODELS, PIXEL, RESPONSES_TOOL
from tests.support.running import Gateway
from tests.support.validators import complaints

PASSED = {"openai", "azureopenai"}
"""Whose own events pass: until an answer is complete they hold no usage, which one of the schemas demands."""


@pytest.fixture(scope="module")
def http(gateway: Gateway) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{gateway.url}/open/v1", timeout=30) as made:
        yield made


def ask(http: httpx.Client, provider: str, **body: Any) -> dict[str, Any]:
    """Ask for a response that must be given and must fit every schema."""
    answer = http.post("/responses", json={"model": MODELS[provider], **body})
    assert answer.status_code == 200, answer.text
    response = answer.json()
    assert complaints("openai.response", response) == []
    assert response["status"] == "completed"
    return response


def text(response: dict[str, Any]) -> str:
    return "".join(part["text"] for item in response["output"] if item["type"] == "message" for part in item["content"])


@pytest.mark.parametrize("provider", MODELS)
def test_basic_text(http: httpx.Client, provider: str) -> None:
    question = [{"type": "message", "role": "user", "content": "Reply with exactly: hello there"}]
    response = ask(http, provider, input=question)
    assert text(response) == "hello there"
    assert response["usage"]["total_tokens"] > 0


@pytest.mark.parametrize("provider", MODELS)
def test_streamed(http: httpx.Client, provider: str) -> None:
    body = {"model": MODELS[provider], "input": [{"type": "message", "role": "user", "content": "Count to 5."}]}
    with http.stream("POST", "/responses", json={**body, "stream": True}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        events = [msgspec.json.decode(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    for event in events:
        assert complaints("openai.response.event", event) == [], event["type"]
        if "response" in event and (provider not in PASSED or event["type"] == "response.completed"):
            assert complaints("openai.response", event["response"]) == [], event["type"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["response.created", "response.in_progress"]
    assert kinds[-1] == "response.completed"
    said = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert said == text(events[-1]["response"])


@pytest.mark.parametrize("provider", MODELS)
def test_a_system_prompt(http: httpx.Client, provider: str) -> None:
    items = [
        {"type": "message", "role": "system", "content": "You are a pirate. Always respond in pirate speak."},
        {"type": "message", "role": "user", "content": "What are your instructions?"},
    ]
    assert "pirate" in text(ask(http, provider, input=items))


@pytest.mark.parametrize("provider", MODELS)
def test_a_tool(http: httpx.Client, provider: str) -> None:
    items = [{"type": "message", "role": "user", "content": "What's the weather like in San Francisco?"}]
    response = ask(http, provider, input=items, tools=[RESPONSES_TOOL])
    (call,) = [item for item in response["output"] if item["type"] == "function_call"]
    assert call["name"] == "get_weather"
    assert "city" in msgspec.json.decode(call["arguments"])


@pytest.mark.parametrize("provider", MODELS)
def test_a_picture(http: httpx.Client, provider: str) -> None:
    content = [
        {"type": "input_text", "text": "What do you see in this image?"},
        {"type": "input_image", "image_url": f"data:image/png;base64,{PIXEL}"},
    ]
    items = [{"type": "message", "role": "user", "content": content}]
    assert "image" in text(ask(http, provider, input=items))


@pytest.mark.parametrize("provider", MODELS)
def test_several_turns(http: httpx.Client, provider: str) -> None:
    items = [
        {"type": "message", "role": "user", "content": "My name is Alice."},
        {"type": "message", "role": "assistant", "content": "Hello Alice! Nice to meet you."},
        {"type": "message", "role": "user", "content": "Reply with exactly: Alice"},
    ]
    assert text(ask(http, provider, input=items)) == "Alice"
