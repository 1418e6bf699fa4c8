import base64
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
from tollway.dialects.cohere_chat.messages_out import MessageWriter

_CALL = ToolCall("1", "f", "{}")


def _written(*messages: Message, dialect: str = "openai-chat") -> tuple[list[dict[str, Any]], list[Any], list[str]]:
    losses = Losses()
    writer = MessageWriter(Conversation(dialect=dialect, model="m", messages=messages), losses)
    return writer.write(), writer.documents, losses.fields


def test_words_beside_calls_are_the_plan() -> None:
    (message,), _, _ = _written(Message("assistant", (Text("I look."), _CALL)))
    assert (message["tool_plan"], "content" in message) == ("I look.", False)


def test_several_words_beside_calls_are_content() -> None:
    (message,), _, _ = _written(Message("assistant", (Text("a"), Text("b"), _CALL)))
    assert [block["text"] for block in message["content"]] == ["a", "b"]


def test_a_developer_speaks_as_the_system() -> None:
    (message,), _, _ = _written(Message("developer", (Text("x"),)))
    assert message == {"role": "system", "content": "x"}


@pytest.mark.parametrize(
    "file",
    [
        File(plain="words", filename="a.txt"),
        File(data=base64.b64encode(b"words").decode(), media_type="text/plain", filename="a.txt"),
        File(url="data:text/plain,words", filename="a.txt"),
    ],
    ids=["plain", "base64", "data URL"],
)
def test_plain_text_files_are_documents(file: File) -> None:
    (message,), documents, lost = _written(Message("user", (file, Text("hi"))))
    assert documents == [{"data": {"text": "words", "title": "a.txt"}}]
    assert (message, lost) == ({"role": "user", "content": "hi"}, [])


@pytest.mark.parametrize(
    "part",
    [
        File(data="JVBERi0=", media_type="application/pdf"),
        File(url="https://x/a.pdf"),
        File(file_id="f"),
        File(data="%%", media_type="text/plain"),
        Audio("UklGRg==", "wav"),
        Image(file_id="f"),
    ],
    ids=["pdf", "address", "file id", "no base64", "sound", "picture by id"],
)
def test_what_the_user_showed_is_never_left_out(part: Part) -> None:
    with pytest.raises(BadRequest) as refused:
        _written(Message("user", (part, Text("hi"))))
    assert refused.value.param == "messages"


def test_another_providers_thinking_is_left_out_and_named() -> None:
    (message,), _, lost = _written(Message("assistant", (Reasoning("hm"), Text("x", signature="s"))))
    assert (message, lost) == ({"role": "assistant", "content": "x"}, ["messages.reasoning"])


def test_its_own_thinking_goes_back() -> None:
    (message,), _, lost = _written(Message("assistant", (Reasoning("hm"),)), dialect="cohere-chat")
    assert (message["content"], lost) == ([{"type": "thinking", "thinking": "hm"}], [])


def test_pictures_in_a_result_follow_in_a_message_of_their_own() -> None:
    result = ToolResult("1", (Text("seen"), Image(url="https://x")), is_error=True, cache={"type": "ephemeral"})
    messages, _, lost = _written(
        Message("assistant", (_CALL,)), Message("tool", (result,)), Message("user", (Text("?"),))
    )
    assert [one["role"] for one in messages] == ["assistant", "tool", "user", "user"]
    assert messages[1] == {"role": "tool", "tool_call_id": "1", "content": "seen"}
    assert [block["type"] for block in messages[2]["content"]] == ["text", "image_url"]
    assert lost == ["tool_result.is_error", "cache_control"]


def test_other_apis_own_parts_and_marks_are_named() -> None:
    parts = (Opaque("gemini", {"type": "x"}), Text("a", cache={"type": "ephemeral"}, rest={"z": 1}), Refusal("no"))
    (message,), _, lost = _written(Message("user", parts, name="ada", rest={"q": 1}))
    assert [block["text"] for block in message["content"]] == ["a", "no"]
    assert lost == ["content[x]", "cache_control", "messages.z", "messages.name", "messages.q"]


def test_a_message_of_which_nothing_is_left_is_not_sent() -> None:
    assert _written(Message("assistant", (Reasoning("hm"),)), Message("user", (Text(""),)))[0] == []


def test_pictures_of_the_model_are_left_out_and_named() -> None:
    (message,), _, lost = _written(Message("assistant", (Image(url="https://x"), Text("a"))))
    assert (message["content"], lost) == ("a", ["content[image]"])


def test_signed_calls_lose_their_proof() -> None:
    _, _, lost = _written(Message("assistant", (ToolCall("1", "f", "{}", signature="s", cache={"a": 1}),)))
    assert lost == ["cache_control", "messages.reasoning"]
