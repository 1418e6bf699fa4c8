import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import Conversation, Message, Text, Tool, ToolCall, ToolResult
from tollway.dialects.custom_tools import custom_tool_names, unwrapped, without_custom_tools

_PLAIN = Conversation(dialect="openai-chat", model="m", messages=(Message("user", (Text("x"),)),))
_CUSTOM = msgspec.structs.replace(
    _PLAIN,
    tools=(
        Tool("patch", "Edits.", custom_format={"type": "grammar", "syntax": "lark", "definition": "start: /.+/"}),
        Tool("free", custom_format={}),
        Tool("get", parameters={"type": "object"}),
    ),
    messages=(
        Message("assistant", (Text("ok"), ToolCall("c1", "patch", 'a\n"b"', custom=True))),
        Message("tool", (ToolResult("c1", (Text("done"),), custom=True),)),
    ),
)


def test_a_request_without_custom_tools_is_left_alone() -> None:
    assert without_custom_tools(_PLAIN) is _PLAIN


def test_a_custom_tool_becomes_a_function_of_one_text() -> None:
    patch, free, get = without_custom_tools(_CUSTOM).tools
    assert patch.custom_format is None
    assert patch.parameters is not None
    assert patch.parameters["required"] == ["input"]
    assert "start: /.+/" in patch.parameters["properties"]["input"]["description"]
    assert free.parameters is not None
    assert get == _CUSTOM.tools[2]
    assert custom_tool_names(_CUSTOM) == {"patch", "free"}


def test_the_history_is_rewritten_with_its_tools() -> None:
    said, result = without_custom_tools(_CUSTOM).messages
    call = said.parts[1]
    assert isinstance(call, ToolCall)
    assert not call.custom
    assert msgspec.json.decode(call.arguments) == {"input": 'a\n"b"'}
    assert result.parts == (ToolResult("c1", (Text("done"),)),)


@given(st.text())
def test_wrapping_and_unwrapping_gives_the_same_text(text: str) -> None:
    message = Message("assistant", (ToolCall("c", "patch", text, custom=True),))
    request = without_custom_tools(msgspec.structs.replace(_PLAIN, messages=(message,)))
    call = request.messages[0].parts[0]
    assert isinstance(call, ToolCall)
    assert unwrapped(call.arguments) == text


@pytest.mark.parametrize("arguments", ["", "plain", '{"other":1}', '{"input":7}', "[" * 100_000])
def test_arguments_that_are_not_what_was_asked_for_come_back_as_they_are(arguments: str) -> None:
    assert unwrapped(arguments) == arguments
