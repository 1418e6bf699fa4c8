from typing import Any

import pytest

from tollway.core.answer import FinishReason
from tollway.core.conversation import ToolCall
from tollway.dialects.ollama_chat.lines import (
    Words,
    chat_words,
    done_reason,
    native_finish,
    neutral_finish,
    prompt_words,
    seconds_of,
    time_of,
)


def test_a_chat_and_a_prompt_say_their_words_in_different_places() -> None:
    chat, prompt = Words(chat_words("hm", "a", [])), Words(prompt_words("hm", "a", []))
    assert (chat.thinking, chat.text) == (prompt.thinking, prompt.text) == ("hm", "a")


def test_what_is_not_said_has_no_member() -> None:
    assert chat_words("", "a", []) == {"message": {"role": "assistant", "content": "a"}}
    assert prompt_words("", "a", []) == {"response": "a"}


def test_calls_of_different_lines_have_different_ids() -> None:
    call = {"function": {"name": "f", "arguments": {"a": 1}}}
    one, other = (
        Words({"created_at": f"2025-01-01T00:00:0{second}Z", "message": {"tool_calls": [call, call]}}, 3)
        for second in (1, 2)
    )
    assert one.calls[0] == ToolCall("call_20250101000001_3", "f", '{"a":1}')
    assert len({made.id for made in [*one.calls, *other.calls]}) == 4


@pytest.mark.parametrize(
    ("call", "read"),
    [
        ({"id": "c", "function": {"name": "f", "arguments": "{}"}}, ToolCall("c", "f", "{}")),
        ({"function": {"name": "f"}}, ToolCall("call__0", "f", "{}")),
        ({}, ToolCall("call__0", "", "{}")),
    ],
)
def test_calls_are_read_in_whatever_form(call: Any, read: ToolCall) -> None:
    assert Words({"message": {"tool_calls": [call]}}).calls == [read]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2024-05-24T20:26:46.519106Z", 1716582406),
        ("2024-05-24T20:26:46.123456789Z", 1716582406),
        ("2024-05-24T22:26:46+02:00", 1716582406),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_times_are_read(written: str, seconds: int) -> None:
    assert seconds_of({"created_at": written}) == seconds


def test_times_are_written() -> None:
    assert time_of(1716582406) == "2024-05-24T20:26:46Z"


@pytest.mark.parametrize(
    ("reason", "called", "finish", "native"),
    [
        ("stop", False, "stop", None),
        ("stop", True, "tool_calls", None),
        ("length", True, "length", None),
        ("load", False, "other", "load"),
        (None, False, "stop", None),
    ],
)
def test_why_the_model_stopped(reason: Any, called: bool, finish: FinishReason, native: str | None) -> None:
    line = {"done_reason": reason}
    assert (neutral_finish(line, called=called), native_finish(line)) == (finish, native)


@pytest.mark.parametrize(("finish", "reason"), [("length", "length"), ("tool_calls", "stop"), (None, "stop")])
def test_a_stop_is_a_stop(finish: FinishReason | None, reason: str) -> None:
    assert done_reason(finish) == reason
