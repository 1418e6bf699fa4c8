from typing import Any

import msgspec
import pytest

from tollway.core.conversation import (
    Conversation,
    File,
    Message,
    OutputFormat,
    ReasoningRequest,
    Text,
    ToolChoice,
)
from tollway.core.errors import BadRequest
from tollway.dialects.cohere_chat.request_in import parse_request

_USER = {"role": "user", "content": "hi"}
_TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}, "y": 1}, "z": 2}


def _parse(*messages: Any, **more: Any) -> Conversation:
    return parse_request(msgspec.json.encode({"model": "m", "messages": messages or [_USER], **more}))


def test_every_field_has_its_neutral_place() -> None:
    request = _parse(
        max_tokens=9, temperature=0.1, p=0.2, k=3, seed=4, stop_sequences=["a"], presence_penalty=0.5,
        frequency_penalty=0.6, logprobs=True, stream=True, safety_mode="OFF", priority=1, brand_new=7,
    )  # fmt: skip
    assert (request.max_output_tokens, request.temperature, request.top_p, request.top_k) == (9, 0.1, 0.2, 3)
    assert (request.seed, request.stop, request.logprobs, request.stream) == (4, ("a",), True, True)
    assert (request.presence_penalty, request.frequency_penalty) == (0.5, 0.6)
    assert request.specific == {"safety_mode": "OFF", "priority": 1}
    assert request.rest == {"brand_new": 7}


@pytest.mark.parametrize(("word", "mode"), [("REQUIRED", "required"), ("none", "none")])
def test_a_tool_choice_is_read_in_any_case(word: str, mode: str) -> None:
    choice = _parse(tools=[_TOOL], tool_choice=word).tool_choice
    assert choice is not None
    assert choice.mode == mode


def test_tools_are_strict_together() -> None:
    (tool,) = _parse(tools=[_TOOL], strict_tools=True).tools
    assert (tool.name, tool.strict, tool.rest) == ("f", True, {"z": 2, "function": {"y": 1}})
    assert _parse(strict_tools=True).specific == {"strict_tools": True}


def test_a_tool_of_another_type_stays_whole() -> None:
    (tool,) = _parse(tools=[{"type": "search", "x": 1}]).tools
    assert tool.builtin is not None
    assert tool.builtin.value == {"type": "search", "x": 1}


@pytest.mark.parametrize(
    ("written", "output"),
    [
        ({"type": "text"}, OutputFormat("text")),
        ({"type": "json_object"}, OutputFormat("json")),
        ({"type": "json_object", "json_schema": {"a": 1}}, OutputFormat("schema", schema={"a": 1})),
        ({"type": "json_object", "schema": {"a": 1}}, OutputFormat("schema", schema={"a": 1})),
    ],
)
def test_an_output_format_is_read(written: Any, output: OutputFormat) -> None:
    assert _parse(response_format=written).output == output


@pytest.mark.parametrize(
    ("written", "reasoning"),
    [
        ({"type": "enabled", "token_budget": 5}, ReasoningRequest(enabled=True, budget_tokens=5, show=True)),
        ({"type": "disabled"}, ReasoningRequest(enabled=False)),
        ({"token_budget": 5, "x": 1}, ReasoningRequest(budget_tokens=5, show=True, rest={"x": 1})),
    ],
)
def test_thinking_is_read(written: Any, reasoning: ReasoningRequest) -> None:
    assert _parse(thinking=written).reasoning == reasoning


def test_documents_stand_before_the_last_question() -> None:
    document = File(plain="a", media_type="text/plain", origin={"document": "a"})
    answer = {"role": "assistant", "content": "x"}
    request = _parse(_USER, answer, _USER, documents=["a"])
    assert request.messages[0] == Message("user", (Text("hi"),))
    assert request.messages[2] == Message("user", (document, Text("hi")))
    assert _parse(answer, documents=["a"]).messages[-1] == Message("user", (document,))


def test_no_choice_is_none() -> None:
    assert _parse().tool_choice is None
    assert ToolChoice("required") == _parse(tools=[_TOOL], tool_choice="REQUIRED").tool_choice


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [_USER]}, "model"),
        ({"model": "m"}, "messages"),
        ({"model": "m", "messages": []}, "messages"),
        ({"model": "m", "messages": [{"role": "nobody", "content": "x"}]}, "messages[0].role"),
        ({"model": "m", "messages": [{"role": "user"}]}, "messages[0].content"),
        ({"model": "m", "messages": [{"role": "tool", "content": "x"}]}, "messages[0].tool_call_id"),
        ({"model": "m", "messages": [_USER], "tool_choice": "f"}, "tool_choice"),
        ({"model": "m", "messages": [_USER], "stop_sequences": [1]}, "stop_sequences[0]"),
        ({"model": "m", "messages": [_USER], "response_format": {"type": "xml"}}, "response_format.type"),
        ({"model": "m", "messages": [_USER], "documents": [7]}, "documents[0]"),
        ({"model": "m", "messages": [_USER], "k": "x"}, "k"),
    ],
)
def test_what_is_wrong_is_named(body: Any, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parse_request(msgspec.json.encode(body))
    assert refused.value.param == param
