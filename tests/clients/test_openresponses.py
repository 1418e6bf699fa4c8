"""The cases of the OpenResponses compliance suite, against Responses that are translated.

https://www.openresponses.org/compliance: each answer must fit the published schema, and say what the case asks for.
No case is passed through: every upstream here speaks another API.
"""

import base64
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from tests.clients.llama_server import LlamaServer
from tests.support.running import Gateway, key_file, routes_to
from tests.support.validators import complaints

from tollway.testing.sim.app import RunningSim

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]

_WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
}


def _png(side: int = 32) -> str:
    """A red square as a data URL."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    pixels = b"".join(b"\0" + b"\xff\0\0" * side for _ in range(side))
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
    return f"data:image/png;base64,{base64.b64encode(image).decode()}"


def _said(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


CASES: dict[str, dict[str, Any]] = {
    "basic-response": {"input": [_said("user", "Say hello in exactly 3 words.")]},
    "streaming-response": {"input": [_said("user", "Count from 1 to 5.")], "stream": True},
    "system-prompt": {"input": [_said("system", "You are a pirate."), _said("user", "Say hello.")]},
    "tool-calling": {"input": [_said("user", "What's the weather like in San Francisco?")], "tools": [_WEATHER]},
    "tool-calling-streaming": {
        "input": [_said("user", "What's the weather like in San Francisco?")],
        "tools": [_WEATHER],
        "stream": True,
    },
    "image-input": {
        "input": [
            _said(
                "user",
                [
                    {"type": "input_text", "text": "What do you see in this image?"},
                    {"type": "input_image", "image_url": _png()},
                ],
            )
        ]
    },
    "multi-turn": {
        "input": [
            _said("user", "My name is Alice."),
            _said("assistant", "Hello Alice! How can I help you today?"),
            _said("user", "What is my name?"),
        ]
    },
}

_SIMULATED = {
    "anthropic": "claude-haiku-4-5",
    "gemini": "gemini-2.5-flash",
    "vllm": "meta-llama/Llama-3.3-70B-Instruct",
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("simulated")
    with RunningSim() as sim:
        routes = routes_to({"anthropic": f"{sim.url}/v1", "gemini": f"{sim.url}/v1beta", "vllm": f"{sim.url}/vllm/v1"})
        resources = {
            "credentials": [{"name": "key", "values": key_file(folder)}],
            "llm_proxies": [{"name": "sim", "base_path": "/sim", "format": "openai", "routes": routes}],
        }
        with Gateway(folder, resources) as gateway:
            yield f"{gateway.url}/sim/v1"


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with LlamaServer("chat") as chat, LlamaServer("tool") as tool:
        routes = [
            {"name": server.kind, "provider": "vllm", "url": f"{server.url}/v1", "models": [server.model]}
            for server in (chat, tool)
        ]
        resources = {"llm_proxies": [{"name": "real", "base_path": "/real", "format": "openai", "routes": routes}]}
        with Gateway(tmp_path_factory.mktemp("real"), resources) as gateway:
            yield f"{gateway.url}/real/v1"


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("provider", _SIMULATED)
def test_a_translated_response_is_compliant(simulated: str, provider: str, case: str) -> None:
    _check(simulated, f"{provider}/{_SIMULATED[provider]}", case)


@pytest.mark.parametrize("case", [case for case in CASES if case != "image-input"])
def test_a_real_servers_chat_is_a_compliant_response(real: str, case: str) -> None:
    _check(real, "tiny-tool" if case.startswith("tool") else "tiny-chat", case)


def test_an_image_that_a_real_server_cannot_see_is_a_clear_error(real: str) -> None:
    answer = httpx.post(f"{real}/responses", json={"model": "tiny-chat", **CASES["image-input"]}, timeout=60)
    assert answer.status_code in {400, 500}
    assert "image" in answer.json()["error"]["message"]


def _check(url: str, model: str, case: str) -> None:
    answer = httpx.post(f"{url}/responses", json={"model": model, **CASES[case]}, timeout=60)
    assert answer.status_code == 200, answer.text
    if CASES[case].get("stream"):
        events = _events(answer.text)
        assert [problem for event in events for problem in complaints("openai.response.event", event)] == []
        assert [event["sequence_number"] for event in events] == list(range(len(events)))
        response = events[-1]["response"]
        if case.startswith("tool"):
            _check_call_events(events)
    else:
        response = answer.json()
    assert complaints("openai.response", response) == []
    assert response["output"]
    if case.startswith("tool"):
        assert "function_call" in {item["type"] for item in response["output"]}
    else:
        assert response["status"] == "completed"


def _check_call_events(events: list[dict[str, Any]]) -> None:
    seen = {(event["type"], event.get("item", {}).get("type")) for event in events}
    assert {
        ("response.output_item.added", "function_call"),
        ("response.function_call_arguments.delta", None),
        ("response.function_call_arguments.done", None),
        ("response.output_item.done", "function_call"),
    } <= seen


def _events(text: str) -> list[dict[str, Any]]:
    lines = [line.removeprefix("data: ") for line in text.split("\n") if line.startswith("data: ")]
    return [msgspec.json.decode(line) for line in lines if line != "[DONE]"]
