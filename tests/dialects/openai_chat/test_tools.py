from typing import Any

import pytest

from tollway.core.conversation import Opaque, Tool, ToolCall, ToolChoice
from tollway.core.errors import BadRequest
from tollway.dialects.caller_fields import Fields
from tollway.dialects.openai_chat.tools import (
    parse_tool_call,
    parse_tool_choice,
    parse_tools,
    tool_call_object,
    tool_choice_value,
    tool_object,
)

_SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


@pytest.mark.parametrize(
    ("written", "tool"),
    [
        ({"type": "function", "function": {"name": "f"}}, Tool("f")),
        (
            {
                "type": "function",
                "function": {"name": "f", "description": "d", "parameters": _SCHEMA, "strict": True, "x": 1},
                "cache_control": {"type": "ephemeral"},
                "y": 2,
            },
            Tool(
                "f",
                "d",
                _SCHEMA,
                strict=True,
                cache={"type": "ephemeral"},
                rest={"y": 2, "function": {"x": 1}},
            ),
        ),
        ({"type": "custom", "custom": {"name": "c"}}, Tool("c", custom_format={})),
        (
            {
                "type": "custom",
                "custom": {
                    "name": "c",
                    "format": {"type": "grammar", "grammar": {"syntax": "regex", "definition": "a"}},
                },
            },
            Tool("c", custom_format={"type": "grammar", "syntax": "regex", "definition": "a"}),
        ),
        (
            {"type": "custom", "custom": {"name": "c", "format": {"type": "text"}}},
            Tool("c", custom_format={"type": "text"}),
        ),
    ],
    ids=["bare", "full", "custom", "grammar", "text"],
)
def test_a_tool_is_read_and_written_back_the_same(written: dict[str, Any], tool: Tool) -> None:
    assert parse_tools(Fields({"tools": [written]})) == (tool,)
    assert tool_object(tool, own=True) == written


def test_a_tool_of_another_callers_leaves_its_extras_behind() -> None:
    tool = Tool("f", cache={"type": "ephemeral"}, rest={"y": 2})
    assert tool_object(tool, own=False) == {"type": "function", "function": {"name": "f"}}


def test_a_type_nobody_knows_is_a_built_in_tool() -> None:
    value = {"type": "web_search", "x": 1}
    assert parse_tools(Fields({"tools": [value]})) == (Tool(builtin=Opaque("openai-chat", value)),)


def test_a_function_without_its_type_is_taken_for_one() -> None:
    assert parse_tools(Fields({"tools": [{"function": {"name": "f"}}]})) == (Tool("f"),)


@pytest.mark.parametrize(
    ("tools", "param"),
    [
        ({}, "tools"),
        ([1], "tools[0]"),
        ([{}], "tools[0].type"),
        ([{"type": "function"}], "tools[0].function"),
        ([{"type": "function", "function": {}}], "tools[0].function.name"),
        ([{"type": "function", "function": {"name": "f", "parameters": []}}], "tools[0].function.parameters"),
        ([{"type": "custom", "custom": {"name": 1}}], "tools[0].custom.name"),
    ],
)
def test_a_tool_of_the_wrong_form_is_refused_with_its_place(tools: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_tools(Fields({"tools": tools}))
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("written", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "function": {"name": "f"}}, ToolChoice("named", names=("f",))),
        ({"type": "custom", "custom": {"name": "c"}}, ToolChoice("named", names=("c",))),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required",
                    "tools": [
                        {"type": "function", "function": {"name": "f"}},
                        {"type": "custom", "custom": {"name": "c"}},
                    ],
                },
            },
            ToolChoice("allowed", names=("f", "c"), required=True),
        ),
        ({"type": "mcp", "x": 1}, ToolChoice("opaque", opaque=Opaque("openai-chat", {"type": "mcp", "x": 1}))),
    ],
    ids=["auto", "none", "required", "function", "custom", "allowed", "unknown"],
)
def test_a_tool_choice_is_read_and_written_back_the_same(written: Any, choice: ToolChoice) -> None:
    assert parse_tool_choice(Fields({"tool_choice": written})) == choice
    assert tool_choice_value(choice, frozenset({"c"})) == written


@pytest.mark.parametrize(
    ("fields", "choice"),
    [
        ({}, None),
        ({"tool_choice": "any"}, ToolChoice("required")),
        ({"function_call": "auto"}, ToolChoice("auto")),
        ({"function_call": {"name": "f"}}, ToolChoice("named", names=("f",))),
        ({"tool_choice": {"type": "function", "name": "f"}}, ToolChoice("named", names=("f",))),
    ],
)
def test_older_and_neighbouring_forms_are_understood(fields: dict[str, Any], choice: ToolChoice | None) -> None:
    assert parse_tool_choice(Fields(fields)) == choice


@pytest.mark.parametrize("value", ["sometimes", 7, [], {"type": "function", "function": {}}])
def test_a_tool_choice_of_the_wrong_form_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_tool_choice(Fields({"tool_choice": value}))
    assert caught.value.param is not None
    assert caught.value.param.startswith("tool_choice")


@pytest.mark.parametrize(
    ("call", "written"),
    [
        (
            ToolCall("c", "f", '{"a": 1}'),
            {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}},
        ),
        (ToolCall("c", "p", "x", custom=True), {"id": "c", "type": "custom", "custom": {"name": "p", "input": "x"}}),
        (
            ToolCall("c", "f", "{}", signature="s"),
            {
                "id": "c",
                "type": "function",
                "function": {"name": "f", "arguments": "{}"},
                "extra_content": {"google": {"thought_signature": "s"}},
            },
        ),
    ],
    ids=["function", "custom", "signed"],
)
def test_a_tool_call_is_written_and_read_back_the_same(call: ToolCall, written: dict[str, Any]) -> None:
    assert tool_call_object(call) == written
    assert parse_tool_call(written, "x") == call


def test_no_arguments_are_written_as_an_empty_object() -> None:
    assert tool_call_object(ToolCall("c", "f", ""))["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"type": "function", "function": {"name": "f"}}, "x.id"),
        ({"id": "c", "function": {}}, "x.function.name"),
        ({"id": "c", "function": {"name": "f", "arguments": {}}}, "x.function.arguments"),
        ({"id": "c", "type": "custom"}, "x.custom"),
    ],
)
def test_a_tool_call_of_the_wrong_form_is_refused_with_its_place(value: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_tool_call(value, "x")
    assert caught.value.param == param
