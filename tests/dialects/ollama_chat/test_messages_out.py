from typing import Any

import pytest

from tollway.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Losses,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.ollama_chat.messages_out import MessageWriter

_PNG = "data:image/png;base64,iVBORw0KGgo="


def _written(*messages: Message, dialect: str = "openai-chat") -> tuple[list[dict[str, Any]], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=messages)
    return MessageWriter(request, losses).write(), losses.fields


def test_a_message_holds_one_text_and_the_pictures_after_it() -> None:
    messages, lost = _written(Message("user", (Image(url=_PNG), Text("a"), Image(data="AAAA"), Text("b"))))
    assert messages == [
        {"role": "user", "content": "a", "images": ["iVBORw0KGgo=", "AAAA"]},
        {"role": "user", "content": "b"},
    ]
    assert lost == []


def test_calls_stand_with_the_last_text() -> None:
    messages, _ = _written(Message("assistant", (Text("a"), Text("b"), ToolCall("c", "f", '{"x":1}'))))
    assert [("tool_calls" in one) for one in messages] == [False, True]
    assert messages[1]["tool_calls"] == [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}]


def test_a_developer_speaks_as_the_system() -> None:
    assert _written(Message("developer", (Text("x"),)))[0] == [{"role": "system", "content": "x"}]


def test_a_result_names_its_tool() -> None:
    messages, _ = _written(
        Message("assistant", (ToolCall("c", "f", ""),)), Message("tool", (ToolResult("c", (Text("a"), Text("b"))),))
    )
    assert messages[1] == {"role": "tool", "content": "ab", "tool_name": "f", "tool_call_id": "c"}


def test_pictures_in_a_result_follow_in_a_message_of_their_own() -> None:
    result = ToolResult("c", (Text("seen"), Image(data="AAAA")), is_error=True, cache={"a": 1})
    messages, lost = _written(Message("tool", (result,)), Message("user", (Text("?"),)))
    assert [one["role"] for one in messages] == ["tool", "user", "user"]
    assert messages[1] == {"role": "user", "content": "Output of tool call c:", "images": ["AAAA"]}
    assert lost == ["tool_result.is_error", "cache_control"]


def test_in_its_own_api_a_results_pictures_stay_with_it() -> None:
    result = ToolResult("c", (Text("seen"), Image(data="AAAA")), name="f")
    messages, _ = _written(Message("tool", (result,), rest={"z": 1}), dialect="ollama-chat")
    assert messages == [
        {"role": "tool", "content": "seen", "images": ["AAAA"], "tool_name": "f", "tool_call_id": "c", "z": 1}
    ]


def test_plain_text_files_are_texts() -> None:
    files = (File(plain="words", filename="a.txt"), File(data="d29yZHM=", media_type="text/csv"))
    assert [one["content"] for one in _written(Message("user", files))[0]] == ["a.txt:\nwords", "words"]


@pytest.mark.parametrize(
    "part",
    [
        File(data="JVBERi0=", media_type="application/pdf"),
        File(url="https://x/a.pdf"),
        Audio("UklGRg==", "wav"),
        Image(url="https://x/a.png"),
        Image(file_id="f"),
    ],
    ids=["pdf", "file by address", "sound", "picture by address", "picture by id"],
)
def test_what_the_user_showed_is_never_left_out(part: Part) -> None:
    with pytest.raises(BadRequest) as refused:
        _written(Message("user", (part, Text("hi"))))
    assert refused.value.param == "messages"


def test_another_providers_thinking_and_proofs_are_left_out_and_named() -> None:
    parts = (Reasoning("hm"), Text("x", signature="s"), ToolCall("c", "f", "{}", signature="s", cache={"a": 1}))
    messages, lost = _written(Message("assistant", parts))
    assert "thinking" not in messages[0]
    assert lost == ["messages.reasoning", "cache_control"]


def test_its_own_thinking_goes_back() -> None:
    messages, lost = _written(Message("assistant", (Reasoning("hm"), Text("x"))), dialect="ollama-chat")
    assert (messages, lost) == ([{"role": "assistant", "content": "x", "thinking": "hm"}], [])


def test_other_apis_own_parts_and_marks_are_named() -> None:
    parts = (Opaque("gemini", {"type": "x"}), Text("a", cache={"a": 1}, rest={"z": 1}), Refusal("no"))
    messages, lost = _written(Message("user", parts, name="ada", rest={"q": 1}))
    assert [one["content"] for one in messages] == ["a", "no"]
    assert lost == ["messages.name", "content[x]", "cache_control", "messages.z", "messages.q"]


def test_a_message_of_which_nothing_is_left_is_not_sent() -> None:
    assert _written(Message("assistant", (Reasoning("hm"),)))[0] == []
    assert _written(Message("user", ()))[0] == [{"role": "user", "content": ""}]
