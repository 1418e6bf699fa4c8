from typing import Any

import msgspec
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
from tollway.dialects.openai_chat.messages_out import MessageWriter
from tollway.providers.openai_compatible import PROVIDER

_MARK = {"type": "ephemeral"}


def _write(
    *messages: Message, dialect: DialectName = "anthropic-messages", lacks: tuple[str, ...] = (), **told: Any
) -> tuple[list[dict[str, Any]], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=messages)
    provider = msgspec.structs.replace(PROVIDER, unsupported=frozenset(lacks), **told)
    return MessageWriter(request, losses, provider).write(), losses.fields


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (Text("a"), "a"),
        (Image(url="u"), [{"type": "image_url", "image_url": {"url": "u"}}]),
        (Audio("QQ==", "mp3"), [{"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}}]),
        (
            File(data="QQ==", media_type="application/pdf", filename="a.pdf"),
            [{"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}}],
        ),
        (File(plain="words", filename="a.txt", media_type="text/plain"), "a.txt:\nwords"),
        (File(plain="words"), "words"),
    ],
    ids=["text", "image", "audio", "file", "plain-named", "plain"],
)
def test_a_part_of_a_user_is_written_in_this_apis_form(part: Part, written: Any) -> None:
    assert _write(Message("user", (part,))) == ([{"role": "user", "content": written}], [])


@pytest.mark.parametrize(
    "part",
    [Image(file_id="f"), File(file_id="f"), File(url="https://x")],
    ids=["picture-by-id", "file-by-id", "file-by-address"],
)
def test_what_this_api_cannot_show_the_model_is_refused(part: Part) -> None:
    with pytest.raises(BadRequest) as caught:
        _write(Message("user", (part,)), dialect="openai-responses")
    assert caught.value.param == "input"


def test_a_part_only_another_dialect_understands_is_dropped_and_named() -> None:
    part = Opaque("anthropic-messages", {"type": "search_result"})
    messages, lost = _write(Message("user", (part, Text("a"))))
    assert (messages, lost) == ([{"role": "user", "content": "a"}], ["content[search_result]"])
    assert _write(Message("user", (part,))) == ([], ["content[search_result]"])


def test_cache_marks_and_unknown_members_stay_with_callers_of_this_api() -> None:
    message = Message("user", (Text("a", cache=_MARK, rest={"x": 1}),), name="n", rest={"y": 2})
    own, lost = _write(message, dialect="openai-chat")
    assert own == [
        {
            "role": "user",
            "content": [{"type": "text", "text": "a", "x": 1, "cache_control": _MARK}],
            "name": "n",
            "y": 2,
        }
    ]
    assert lost == []
    assert _write(message) == (
        [{"role": "user", "content": "a", "name": "n"}],
        ["cache_control", "messages.x", "messages.y"],
    )


@pytest.mark.parametrize(("lacks", "role"), [((), "developer"), (("developer",), "system")])
def test_the_developer_is_a_system_where_the_provider_knows_no_other(lacks: tuple[str, ...], role: str) -> None:
    assert _write(Message("developer", (Text("a"),)), lacks=lacks)[0] == [{"role": role, "content": "a"}]


def test_thinking_of_other_callers_is_left_out_and_reported_in_their_words() -> None:
    message = Message("assistant", (Reasoning("r", signature="s"), Text("a")))
    assert _write(message) == ([{"role": "assistant", "content": "a"}], ["messages.thinking"])


def test_thinking_of_this_apis_callers_goes_back_as_it_came() -> None:
    message = Message("assistant", (Reasoning("r", signature="s"), Text("a", signature="g")))
    assert _write(message, dialect="openai-chat") == (
        [
            {
                "role": "assistant",
                "reasoning_content": "r",
                "reasoning_details": [{"type": "reasoning.text", "text": "r", "signature": "s", "index": 0}],
                "content": "a",
                "extra_content": {"google": {"thought_signature": "g"}},
            }
        ],
        [],
    )


def test_a_refusal_and_an_empty_turn_are_written() -> None:
    messages, _ = _write(
        Message("assistant", (Refusal("no"),)), Message("user", (Text("x"),)), Message("assistant", ())
    )
    assert messages[0] == {"role": "assistant", "content": None, "refusal": "no"}
    assert messages[2] == {"role": "assistant", "content": ""}


_CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_one_turn_in_several_messages_becomes_one() -> None:
    messages, _ = _write(
        Message("assistant", (Text("one"),)),
        Message("assistant", (ToolCall("a", "f", ""),)),
        Message("assistant", (Text("two"), ToolCall("b", "g", "{}", signature="s"))),
        Message("tool", (ToolResult("a", (Text("r"),)), ToolResult("b", ()))),
    )
    second = {**_CALL, "id": "b", "function": {"name": "g", "arguments": "{}"}}
    assert messages == [
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}],
            "tool_calls": [_CALL, second | {"extra_content": {"google": {"thought_signature": "s"}}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "r"},
        {"role": "tool", "tool_call_id": "b", "content": ""},
    ]


def test_turns_of_this_apis_callers_are_not_touched() -> None:
    turns = (Message("assistant", (Text("one"),)), Message("assistant", (Text("two"),)))
    assert len(_write(*turns, dialect="openai-chat")[0]) == 2


def test_a_signature_is_left_out_for_a_provider_that_refuses_it() -> None:
    turn = Message("assistant", (ToolCall("a", "f", "{}", signature="s"),))
    messages, lost = _write(turn, dialect="gemini", lacks=("extra_content",))
    assert messages[0]["tool_calls"] == [_CALL]
    assert lost == ["contents.parts.thought"]


def test_results_come_before_what_the_user_says_beside_them() -> None:
    messages, lost = _write(
        Message("user", (Text("and?"), ToolResult("a", (Text("r"),), is_error=True, cache=_MARK))),
    )
    assert messages == [
        {"role": "tool", "tool_call_id": "a", "content": "r"},
        {"role": "user", "content": "and?"},
    ]
    assert lost == ["tool_result.is_error", "cache_control"]


def test_pictures_in_results_follow_the_whole_run_of_results() -> None:
    messages, lost = _write(
        Message("tool", (ToolResult("a", (Text("shot"), Image(url="u"))),)),
        Message("tool", (ToolResult("b", (Image(url="v"),)),)),
        Message("user", (Text("so?"),)),
    )
    assert [message["role"] for message in messages] == ["tool", "tool", "user", "user"]
    assert messages[2]["content"] == [
        {"type": "text", "text": "Output of tool call a:"},
        {"type": "image_url", "image_url": {"url": "u"}},
        {"type": "text", "text": "Output of tool call b:"},
        {"type": "image_url", "image_url": {"url": "v"}},
    ]
    assert lost == []


def test_pictures_in_the_last_results_are_not_forgotten() -> None:
    messages, _ = _write(Message("tool", (ToolResult("a", (Image(url="u"),)),)))
    assert [message["role"] for message in messages] == ["tool", "user"]


def test_functions_of_the_older_kind_keep_their_form() -> None:
    old = {"legacy_function": True}
    messages, _ = _write(
        Message("assistant", (ToolCall("f", "f", "{}", rest=old),)),
        Message("tool", (ToolResult("f", (Text("r"),), name="f", rest=old),)),
        dialect="openai-chat",
    )
    assert messages == [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "r"},
    ]


def test_a_file_keeps_its_form_for_callers_of_this_api() -> None:
    messages, lost = _write(Message("user", (File(file_id="f"), Refusal("no"))), dialect="openai-chat")
    assert messages[0]["content"] == [
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "refusal", "refusal": "no"},
    ]
    assert lost == []


def test_thinking_and_calls_in_a_users_words_are_none_of_theirs() -> None:
    message = Message("user", (Reasoning("r"), ToolCall("c", "f", ""), Text("a")))
    assert _write(message) == ([{"role": "user", "content": "a"}], ["messages.thinking"])


def test_a_mark_on_a_call_is_reported_and_a_results_name_stays_with_callers_of_this_api() -> None:
    call = Message("assistant", (ToolCall("c", "f", "{}", cache=_MARK),))
    result = Message("tool", (ToolResult("c", (Text("r"),), name="f"),), rest={"x": 1})
    assert _write(call, result)[1] == ["cache_control"]
    own, _ = _write(call, result, dialect="openai-chat")
    assert own[1] == {"role": "tool", "tool_call_id": "c", "content": "r", "name": "f", "x": 1}


def test_a_refusal_continues_a_turn() -> None:
    messages, _ = _write(Message("assistant", (Text("one"),)), Message("assistant", (Refusal("no"),)))
    assert messages == [{"role": "assistant", "content": "one", "refusal": "no"}]


def test_a_provider_that_wants_its_thinking_back_gets_the_words_where_it_wants_them() -> None:
    message = Message("assistant", (Reasoning("r", signature="s"), Text("a")))
    written, lost = _write(message, thinking_member="reasoning_content")
    assert written == [{"role": "assistant", "reasoning_content": "r", "content": "a"}]
    assert lost == []
    hidden = Message("assistant", (Reasoning(encrypted="x"), Text("a")))
    assert _write(hidden, thinking_member="reasoning_content") == (
        [{"role": "assistant", "content": "a"}],
        ["messages.thinking"],
    )


def test_a_refusal_is_written_as_its_words_where_the_member_is_refused() -> None:
    message = Message("assistant", (Refusal("no"),))
    assert _write(message, lacks=("refusal",)) == ([{"role": "assistant", "content": "no"}], [])


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (File(url="https://x/a.pdf"), {"type": "document_url", "document_url": "https://x/a.pdf"}),
        (
            File(data="QQ==", media_type="application/pdf", filename="a.pdf"),
            {
                "type": "document_url",
                "document_url": "data:application/pdf;base64,QQ==",
                "document_name": "a.pdf",
            },
        ),
    ],
    ids=["address", "inline"],
)
def test_a_document_goes_by_address_where_that_is_the_only_form(part: Part, written: Any) -> None:
    assert _write(Message("user", (part,)), file_part="document_url") == ([{"role": "user", "content": [written]}], [])


def test_sound_is_bare_where_it_must_be() -> None:
    written, _ = _write(Message("user", (Audio("QQ==", "mp3"),)), bare_audio=True)
    assert written[0]["content"] == [{"type": "input_audio", "input_audio": "QQ=="}]
