from typing import Any

import pytest

from tollway.core.conversation import Opaque, Tool, ToolChoice
from tollway.core.errors import BadRequest
from tollway.dialects.openai_responses.tools import (
    echoed_tool,
    parse_tool_choice,
    parse_tools,
    tool_choice_value,
    tool_object,
)

_SCHEMA = {"type": "object", "properties": {}}


@pytest.mark.parametrize(
    ("written", "tool"),
    [
        (
            {"type": "function", "name": "f", "description": "d", "parameters": _SCHEMA, "strict": False, "x": 1},
            Tool("f", "d", _SCHEMA, strict=False, rest={"x": 1}),
        ),
        ({"type": "function", "name": "f", "parameters": _SCHEMA}, Tool("f", parameters=_SCHEMA)),
        (
            {"type": "custom", "name": "c", "description": "d", "format": {"type": "text"}},
            Tool("c", "d", custom_format={"type": "text"}),
        ),
        ({"type": "custom", "name": "c"}, Tool("c", custom_format={})),
        (
            {"type": "namespace", "name": "n", "tools": []},
            Tool(builtin=Opaque("openai-responses", {"type": "namespace", "name": "n", "tools": []})),
        ),
    ],
    ids=["function", "bare", "custom", "free", "unknown"],
)
def test_a_tool_is_read_and_written_back_the_same(written: dict[str, Any], tool: Tool) -> None:
    assert parse_tools([written]) == (tool,)
    assert tool_object(tool, own=True) == written


def test_a_tool_of_another_caller_is_not_strict_unless_it_says_so() -> None:
    assert tool_object(Tool("f", rest={"x": 1}), own=False) == {
        "type": "function",
        "name": "f",
        "parameters": _SCHEMA,
        "strict": False,
    }
    assert tool_object(Tool("f", strict=True), own=False)["strict"] is True


def test_an_answer_repeats_every_member_of_a_function() -> None:
    echoed = {"type": "function", "name": "f", "description": None, "parameters": None, "strict": None}
    assert echoed_tool(Tool("f")) == echoed
    assert echoed_tool(Tool("c", custom_format={})) == {"type": "custom", "name": "c"}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (1, "tools[0]"),
        ({}, "tools[0].type"),
        ({"type": "function"}, "tools[0].name"),
        ({"type": "function", "name": "f", "parameters": 1}, "tools[0].parameters"),
        ({"type": "custom", "name": "c", "format": "x"}, "tools[0].format"),
    ],
)
def test_a_tool_of_the_wrong_form_is_refused_with_its_place(value: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_tools([value])
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("written", "choice"),
    [
        ("auto", ToolChoice("auto")),
        ("none", ToolChoice("none")),
        ("required", ToolChoice("required")),
        ({"type": "function", "name": "f"}, ToolChoice("named", names=("f",))),
        ({"type": "custom", "name": "c"}, ToolChoice("named", names=("c",))),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "c"}],
            },
            ToolChoice("allowed", names=("f", "c")),
        ),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}]},
            ToolChoice(
                "opaque",
                opaque=Opaque(
                    "openai-responses",
                    {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "mcp", "server_label": "s"}]},
                ),
            ),
        ),
        (
            {"type": "web_search"},
            ToolChoice("opaque", opaque=Opaque("openai-responses", {"type": "web_search"})),
        ),
    ],
    ids=["auto", "none", "required", "function", "custom", "allowed", "allowed-built-in", "built-in"],
)
def test_a_tool_choice_is_read_and_written_back_the_same(written: Any, choice: ToolChoice) -> None:
    assert parse_tool_choice(written) == choice
    assert tool_choice_value(choice, frozenset({"c"})) == written


@pytest.mark.parametrize("value", ["sometimes", 7, []])
def test_a_tool_choice_of_the_wrong_form_is_refused(value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_tool_choice(value)
    assert caught.value.param == "tool_choice"


def test_no_tool_choice_is_none() -> None:
    assert parse_tool_choice(None) is None
