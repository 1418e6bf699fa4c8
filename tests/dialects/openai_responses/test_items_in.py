from typing import Any

import pytest

from tollway.core.conversation import (
    Audio,
    File,
    Image,
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
from tollway.dialects.openai_responses.items_in import ItemReader, parse_content
from tollway.dialects.openai_responses.proofs import call_proof


def _read(*items: Any) -> tuple[Message, ...]:
    return ItemReader().read(list(items))


def test_a_string_is_what_the_user_says() -> None:
    assert ItemReader().read("hi") == (Message("user", (Text("hi"),)),)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"role": "user", "content": "a"}, Message("user", (Text("a"),))),
        (
            {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "a"}], "id": "msg_1"},
            Message("developer", (Text("a"),), id="msg_1"),
        ),
        ({"role": "assistant", "content": "a"}, Message("assistant", (Text("a"),))),
        (
            {"type": "message", "role": "assistant", "id": "msg_1", "status": "incomplete", "content": []},
            Message("assistant", (), id="msg_1", rest={"status": "incomplete"}),
        ),
        (
            {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"},
            Message("assistant", (ToolCall("c", "f", "{}", item_id="fc", rest={"namespace": "n"}),)),
        ),
        (
            {"type": "custom_tool_call", "call_id": "c", "name": "p", "input": "x", "status": "completed"},
            Message("assistant", (ToolCall("c", "p", "x", custom=True),)),
        ),
        (
            {"type": "function_call_output", "call_id": "c", "output": "r", "id": None},
            Message("tool", (ToolResult("c", (Text("r"),)),)),
        ),
        (
            {"type": "custom_tool_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "r"}]},
            Message("tool", (ToolResult("c", (Text("r"),), custom=True),)),
        ),
        (
            {
                "type": "reasoning",
                "id": "rs",
                "summary": [{"type": "summary_text", "text": "s"}],
                "content": [{"type": "reasoning_text", "text": "t"}],
                "encrypted_content": "gAAA",
                "status": None,
            },
            Message("assistant", (Reasoning("t", summary=("s",), encrypted="gAAA", id="rs"),)),
        ),
        (
            {"type": "web_search_call", "id": "ws"},
            Message("assistant", (Opaque("openai-responses", {"type": "web_search_call", "id": "ws"}),)),
        ),
        (
            {"type": "computer_call_output", "call_id": "c"},
            Message("tool", (Opaque("openai-responses", {"type": "computer_call_output", "call_id": "c"}),)),
        ),
    ],
)
def test_each_kind_of_item_is_read(item: dict[str, Any], message: Message) -> None:
    assert _read(item) == (message,)


def test_the_items_of_one_turn_become_one_message() -> None:
    items = [
        {"role": "user", "content": "a"},
        {"type": "reasoning", "id": "rs", "summary": []},
        {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "b"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call", "call_id": "d", "name": "g", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "r"},
    ]
    user, turn, result = _read(*items)
    assert user.role == "user"
    assert turn == Message(
        "assistant",
        (Reasoning(id="rs"), Text("b"), ToolCall("c", "f", "{}"), ToolCall("d", "g", "{}")),
        id="msg_1",
    )
    assert result.role == "tool"


@pytest.mark.parametrize(
    "second",
    [
        {"role": "assistant", "content": "two"},
        {"type": "reasoning", "id": "rs", "summary": []},
    ],
    ids=["message", "thinking"],
)
def test_a_second_message_of_a_turn_and_thinking_after_words_stand_apart(second: dict[str, Any]) -> None:
    assert len(_read({"role": "assistant", "content": "one"}, second)) == 2


def test_words_after_a_call_stand_apart() -> None:
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    assert len(_read(call, {"role": "assistant", "content": "one"})) == 2


def test_a_reference_is_kept_and_must_not_be_lost() -> None:
    reader = ItemReader()
    for item in ({"type": "item_reference", "id": "x"}, {"id": "y"}):
        assert reader.read([item])
    assert set(reader.essential) == {"input[item_reference]"}


def test_the_signature_of_a_call_finds_its_call() -> None:
    proof = {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": call_proof("s")}
    call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
    assert _read(proof, call, call)[0].parts == (
        ToolCall("c", "f", "{}", signature="s"),
        ToolCall("c", "f", "{}"),
    )


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ({"type": "input_text", "text": "a", "x": 1}, Text("a", rest={"x": 1})),
        (
            {"type": "output_text", "text": "a", "annotations": [{"type": "url_citation"}], "logprobs": []},
            Text("a", annotations=({"type": "url_citation"},)),
        ),
        (
            {"type": "output_text", "text": "a", "logprobs": [{"token": "a"}]},
            Text("a", rest={"logprobs": [{"token": "a"}]}),
        ),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        ({"type": "input_image", "image_url": "u", "detail": "low"}, Image(url="u", detail="low")),
        ({"type": "input_image", "file_id": "f"}, Image(file_id="f")),
        (
            {"type": "input_image", "image_url": "data:image/png;base64,QQ=="},
            Image(data="QQ==", media_type="image/png"),
        ),
        ({"type": "input_file", "file_url": "u"}, File(url="u")),
        (
            {"type": "input_file", "file_data": "data:application/pdf;base64,QQ==", "filename": "a.pdf"},
            File(data="QQ==", media_type="application/pdf", filename="a.pdf"),
        ),
        ({"type": "input_file", "file_id": "f"}, File(file_id="f")),
        ({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}, Audio("QQ==", "wav")),
        ({"type": "input_video", "x": 1}, Opaque("openai-responses", {"type": "input_video", "x": 1})),
    ],
)
def test_each_kind_of_content_is_read(written: dict[str, Any], part: Part) -> None:
    assert parse_content([written], "x") == (part,)


@pytest.mark.parametrize(
    ("value", "param"),
    [
        (7, "input"),
        ({}, "input"),
        ([7], "input[0]"),
        ([{}], "input[0]"),
        ([{"role": "wizard", "content": "x"}], "input[0].role"),
        ([{"type": "message", "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": 7}], "input[0].content"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": [{"type": "input_image"}]}], "input[0].content[0].image_url"),
        ([{"type": "function_call", "name": "f"}], "input[0].call_id"),
        ([{"type": "function_call", "call_id": "c"}], "input[0].name"),
        ([{"type": "function_call_output", "call_id": "c"}], "input[0].output"),
        ([{"type": "function_call_output", "call_id": "c", "output": {}}], "input[0].output"),
        ([{"type": "reasoning", "summary": "x"}], "input[0].summary"),
        ([{"type": 7}], "input[0].type"),
    ],
)
def test_input_of_the_wrong_form_is_refused_with_its_place(value: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        ItemReader().read(value)
    assert caught.value.param == param
