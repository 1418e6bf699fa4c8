from typing import Any

import pytest

from tollway.core.conversation import Image, Message, Reasoning, Text, ToolCall, ToolResult
from tollway.core.errors import BadRequest
from tollway.dialects.ollama_chat.content import MessageReader, call_object, picture


def _read(*messages: Any) -> list[Message]:
    reader = MessageReader()
    return [reader.message(message, f"m[{position}]") for position, message in enumerate(messages)]


def _calls(*functions: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": "", "tool_calls": [{"function": one} for one in functions]}


def _result(**more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": "x", **more}


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        ("iVBORw0KGgoAAAA", "image/png"),
        ("/9j/4AAQ", "image/jpeg"),
        ("R0lGODlh", "image/gif"),
        ("UklGRiQA", "image/webp"),
        ("AAAA", None),
    ],
)
def test_a_pictures_first_bytes_tell_its_type(data: str, media_type: str | None) -> None:
    assert picture(data) == Image(data=data, media_type=media_type)


def test_every_member_is_read() -> None:
    message = {"role": "assistant", "content": "a", "thinking": "hm", "images": ["AAAA"], "z": 1}
    assert _read(message) == [Message("assistant", (Reasoning("hm"), Text("a"), Image(data="AAAA")), rest={"z": 1})]


def test_calls_without_ids_are_numbered_through_the_conversation() -> None:
    first, second = _read(_calls({"name": "f"}, {"name": "g", "arguments": {"a": 1}}), _calls({"name": "f"}))
    assert [part for message in (first, second) for part in message.parts] == [
        ToolCall("call_0", "f", "{}"),
        ToolCall("call_1", "g", '{"a":1}'),
        ToolCall("call_2", "f", "{}"),
    ]


@pytest.mark.parametrize(
    ("results", "answered"),
    [
        ([{"tool_name": "g"}, {"tool_name": "f"}], ["call_1", "call_0"]),
        ([{}, {}], ["call_0", "call_1"]),
        ([{"tool_name": "unknown"}, {"tool_name": "f"}], ["call_0", "call_1"]),
        ([{"tool_call_id": "call_1"}, {"tool_call_id": "elsewhere"}], ["call_1", "elsewhere"]),
        ([{}, {}, {}], ["call_0", "call_1", "call"]),
    ],
    ids=["by name", "by order", "a name of no call", "by id", "one too many"],
)
def test_a_result_finds_its_call(results: list[dict[str, str]], answered: list[str]) -> None:
    messages = _read(_calls({"name": "f"}, {"name": "g"}), *(_result(**one) for one in results))
    found = [part for message in messages for part in message.parts if isinstance(part, ToolResult)]
    assert [result.call_id for result in found] == answered


def test_given_ids_and_unknown_members_stay() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": {}, "index": 0}}
    (message,) = _read({"role": "assistant", "tool_calls": [call]})
    assert message.parts == (ToolCall("c", "f", "{}", rest={"function": {"index": 0}}),)


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"content": "x"}, "m[0].role"),
        ({"role": "nobody"}, "m[0].role"),
        ({"role": "user", "content": ["x"]}, "m[0].content"),
        ({"role": "user", "images": [1]}, "m[0].images[0]"),
        (_calls({"arguments": {}}), "m[0].tool_calls[0].function.name"),
        (_calls({"name": "f", "arguments": "{}"}), "m[0].tool_calls[0].function.arguments"),
    ],
)
def test_what_is_wrong_is_named(message: Any, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _read(message)
    assert refused.value.param == param


def test_a_call_is_written_with_an_object() -> None:
    assert call_object(ToolCall("c", "f", "{}"), {"a": 1}) == {
        "id": "c",
        "function": {"name": "f", "arguments": {"a": 1}},
    }
