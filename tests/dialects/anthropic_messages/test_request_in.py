from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Message, OutputFormat, Text, ToolChoice, ToolResult
from tollway.core.errors import BadRequest
from tollway.dialects.anthropic_messages.request_in import parse_request

_LEAST: dict[str, Any] = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}


def _parse(**members: Any) -> Any:
    return parse_request(msgspec.json.encode(_LEAST | members))


def test_the_least_request_is_a_model_a_limit_and_messages() -> None:
    request = _parse()
    assert (request.model, request.max_output_tokens, request.stream) == ("m", 9, False)
    assert request.messages == (Message("user", (Text("hi"),)),)


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"model": None}, "model"),
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": "9"}, "max_tokens"),
        ({"max_tokens": 9.5}, "max_tokens"),
        ({"messages": None}, "messages"),
        ({"messages": {}}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"content": "x"}]}, "messages[0].role"),
        ({"system": 7}, "system"),
        ({"temperature": "hot"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_k": 1.5}, "top_k"),
        ({"stream": "yes"}, "stream"),
        ({"stop_sequences": "END"}, "stop_sequences"),
        ({"stop_sequences": [1]}, "stop_sequences[0]"),
        ({"tools": [{"name": "f"}]}, "tools[0].input_schema"),
        ({"tools": [{"input_schema": {}}]}, "tools[0].name"),
        ({"tools": ["f"]}, "tools[0]"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"tool_choice": {}}, "tool_choice.type"),
        ({"tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"metadata": {"user_id": 7}}, "metadata.user_id"),
        ({"thinking": {}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking.budget_tokens"),
        ({"output_config": {"effort": 1}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "grammar"}}}, "output_config.format.type"),
        ({"output_format": {"type": "json_schema"}}, "output_format.schema"),
    ],
)
def test_a_callers_mistake_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _parse(**members)
    assert refused.value.param == param


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'"hi"'])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_request(body)


def test_tool_results_are_messages_of_their_own_in_their_order() -> None:
    content = [
        {"type": "text", "text": "before"},
        {"type": "tool_result", "tool_use_id": "a", "content": "1"},
        {"type": "tool_result", "tool_use_id": "b", "content": "2"},
        {"type": "text", "text": "after"},
    ]
    request = _parse(messages=[{"role": "user", "content": content}])
    assert request.messages == (
        Message("user", (Text("before"),)),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        Message("tool", (ToolResult("b", (Text("2"),)),)),
        Message("user", (Text("after"),)),
    )


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        ({"type": "auto"}, ToolChoice("auto"), None),
        ({"type": "any", "disable_parallel_tool_use": True}, ToolChoice("required"), False),
        ({"type": "tool", "name": "f", "disable_parallel_tool_use": False}, ToolChoice("named", names=("f",)), True),
        ({"type": "none"}, ToolChoice("none"), None),
    ],
)
def test_tool_choices_are_read(choice: dict[str, Any], expected: ToolChoice, parallel: bool | None) -> None:
    request = _parse(tool_choice=choice)
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


def test_a_tool_choice_of_a_later_version_is_kept_whole() -> None:
    choice = _parse(tool_choice={"type": "maybe", "x": 1}).tool_choice
    assert choice.opaque.value == {"type": "maybe", "x": 1}


def test_both_places_of_the_answers_schema_are_read() -> None:
    form = {"type": "json_schema", "schema": {"type": "object"}}
    expected = OutputFormat(kind="schema", schema={"type": "object"}, strict=True)
    assert _parse(output_format=form).output == expected
    assert _parse(output_config={"format": form}).output == expected


def test_fields_of_this_api_alone_and_unknown_ones_are_kept_apart() -> None:
    request = _parse(container="c", speed="fast", from_tomorrow=1, metadata={"user_id": "u", "more": 2})
    assert request.specific == {"container": "c", "speed": "fast", "metadata.more": 2}
    assert request.rest == {"from_tomorrow": 1}
    assert (request.user, request.essential) == ("u", ())


def test_a_field_that_holds_part_of_the_conversation_is_essential() -> None:
    assert _parse(thread={"id": "t"}).essential == ("thread",)


def test_unknown_members_of_a_message_stay_with_it() -> None:
    content = [{"type": "tool_result", "tool_use_id": "a"}, {"type": "text", "text": "x"}]
    messages = _parse(messages=[{"role": "user", "content": content, "note": 1}]).messages
    assert [message.rest for message in messages] == [{}, {"note": 1}]


def test_null_is_absent() -> None:
    request = _parse(system=None, temperature=None, tools=None, thinking=None, metadata=None, stop_sequences=None)
    assert request == _parse()
