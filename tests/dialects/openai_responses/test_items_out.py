from typing import Any

import pytest

from tollway.core.conversation import (
    Audio,
    Conversation,
    DialectName,
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
from tollway.dialects.openai_responses.items_out import ItemWriter

_MARK = {"type": "ephemeral"}


def _write(*messages: Message, dialect: DialectName = "anthropic-messages") -> tuple[list[dict[str, Any]], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=messages)
    return ItemWriter(request, losses).write(messages), losses.fields


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (Text("a"), "a"),
        (Image(url="u"), [{"type": "input_image", "detail": "auto", "image_url": "u"}]),
        (
            Image(data="QQ==", media_type="image/gif", detail="low"),
            [{"type": "input_image", "detail": "low", "image_url": "data:image/gif;base64,QQ=="}],
        ),
        (Audio("QQ==", "wav"), [{"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}]),
        (File(url="u"), [{"type": "input_file", "file_url": "u"}]),
        (
            File(data="QQ==", filename="a.pdf"),
            [{"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}],
        ),
        (File(plain="words", filename="a"), [{"type": "input_text", "text": "a:\nwords"}]),
        (Refusal("no"), [{"type": "input_text", "text": "no"}]),
    ],
)
def test_a_part_of_a_user_is_written_in_this_apis_form(part: Part, content: Any) -> None:
    items, lost = _write(Message("user", (part,)))
    assert items == [{"type": "message", "role": "user", "content": content}]
    assert lost == []


@pytest.mark.parametrize("part", [Image(file_id="f"), File(file_id="f")])
def test_another_stores_file_is_refused(part: Part) -> None:
    with pytest.raises(BadRequest):
        _write(Message("user", (part,)))


def test_a_turn_is_written_as_its_items_in_order() -> None:
    turn = Message(
        "assistant",
        (Text("a"), ToolCall("c", "f", ""), Text("b"), ToolCall("d", "p", "x", custom=True), Refusal("no")),
    )
    items, lost = _write(turn)
    assert [item["type"] for item in items] == [
        "message",
        "function_call",
        "message",
        "custom_tool_call",
        "message",
    ]
    assert items[1] == {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    assert items[3] == {"type": "custom_tool_call", "call_id": "d", "name": "p", "input": "x"}
    assert items[4]["content"] == [{"type": "refusal", "refusal": "no"}]
    assert lost == []


def test_a_result_of_a_custom_call_is_told_by_its_call() -> None:
    call = Message("assistant", (ToolCall("c", "p", "x", custom=True),))
    items, _ = _write(call, Message("tool", (ToolResult("c", (Text("r"),)),)), dialect="openai-chat")
    assert items[1] == {"type": "custom_tool_call_output", "call_id": "c", "output": "r"}


def test_results_keep_their_pictures_and_come_before_what_is_said_beside_them() -> None:
    message = Message("user", (Text("so?"), ToolResult("c", (Text("r"), Image(url="u")), is_error=True, cache=_MARK)))
    items, lost = _write(message)
    assert items[0]["output"] == [
        {"type": "input_text", "text": "r"},
        {"type": "input_image", "detail": "auto", "image_url": "u"},
    ]
    assert items[1]["role"] == "user"
    assert lost == ["tool_result.is_error", "cache_control"]


def test_thinking_goes_only_to_who_may_have_written_it() -> None:
    theirs = Message("assistant", (Reasoning(encrypted="gAAA", id="rs_1", summary=("s",)),))
    items, lost = _write(theirs, dialect="openai-chat")
    assert items == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "s"}],
            "id": "rs_1",
            "encrypted_content": "gAAA",
        }
    ]
    assert lost == []
    other = Message("assistant", (Reasoning("t", signature="s"), Text("a")))
    items, lost = _write(other)
    assert [item["type"] for item in items] == ["message"]
    assert lost == ["messages.thinking"]


def test_marks_names_and_foreign_parts_are_reported() -> None:
    message = Message(
        "user",
        (Text("a", cache=_MARK), Opaque("anthropic-messages", {"type": "search_result"})),
        name="n",
        rest={"x": 1},
    )
    items, lost = _write(message)
    assert items[0]["content"] == [{"type": "input_text", "text": "a"}]
    assert lost == ["messages.name", "cache_control", "content[search_result]", "messages.x"]


def test_a_caller_of_this_api_gets_its_own_items_back() -> None:
    items, lost = _write(
        Message("user", (Text("a", rest={"y": 1}),), id="msg_0", rest={"status": "incomplete"}),
        Message("assistant", (Reasoning("t", id="rs_1"), Text("b", annotations=({"a": 1},))), id="msg_1"),
        Message("assistant", (Opaque("openai-responses", {"type": "web_search_call"}),)),
        Message("tool", (Opaque("openai-responses", {"type": "shell_call_output"}),)),
        Message("assistant", (ToolCall("c", "f", "{}", item_id="fc", rest={"namespace": "n"}),)),
        dialect="openai-responses",
    )
    assert lost == []
    assert items[0] == {
        "type": "message",
        "role": "user",
        "content": [{"type": "input_text", "text": "a", "y": 1}],
        "id": "msg_0",
        "status": "incomplete",
    }
    assert items[1] == {
        "type": "reasoning",
        "summary": [],
        "id": "rs_1",
        "content": [{"type": "reasoning_text", "text": "t"}],
    }
    assert (items[2]["id"], items[2]["status"], items[2]["content"][0]["annotations"]) == (
        "msg_1",
        "completed",
        [{"a": 1}],
    )
    assert [item["type"] for item in items[3:]] == ["web_search_call", "shell_call_output", "function_call"]
    assert (items[5]["id"], items[5]["namespace"]) == ("fc", "n")


def test_a_file_by_id_stays_with_callers_of_the_same_store() -> None:
    items, lost = _write(Message("user", (File(file_id="f", filename="n"),)), dialect="openai-chat")
    assert items[0]["content"] == [{"type": "input_file", "file_id": "f", "filename": "n"}]
    own, _ = _write(Message("user", (Image(file_id="i", rest={"x": 1}),)), dialect="openai-responses")
    assert own[0]["content"] == [{"type": "input_image", "detail": "auto", "file_id": "i", "x": 1}]
    assert lost == []


def test_what_no_turn_of_this_api_can_hold_is_reported() -> None:
    turn = Message("assistant", (Image(url="u"), Opaque("gemini", {"executableCode": {}}), Text("a", cache=_MARK)))
    items, lost = _write(turn)
    assert [item["content"] for item in items] == ["a"]
    assert lost[:2] == ["content[image]", "content[unknown]"]


def test_thinking_in_a_users_words_is_none_of_theirs() -> None:
    assert _write(Message("user", (Reasoning("r"),)))[0] == []
