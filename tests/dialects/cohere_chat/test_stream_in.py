from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.support.neutral_streams import CUTS, cut
from tests.support.recordings import recordings

from tollway.core.answer import Answer, AnswerEnded, PartEnded, PartStarted, StreamEvent, StreamFailed, UsageReported
from tollway.core.conversation import Opaque, Reasoning, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.cohere_chat.answer import parse_answer
from tollway.dialects.cohere_chat.stream_in import ChatParser
from tollway.dialects.collect import collect_stream

_CITATION = {"start": 0, "end": 1, "text": "a", "sources": [], "content_index": 1}


def _event(kind: str, message: Any = None, **more: Any) -> bytes:
    value = {"type": kind, **more}
    if message is not None:
        value["delta"] = {"message": message}
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(value) + b"\n\n"


def _content(index: int, kind: str, *pieces: str) -> bytes:
    return b"".join(
        [
            _event("content-start", {"content": {"type": kind, kind: ""}}, index=index),
            *(_event("content-delta", {"content": {kind: piece}}, index=index) for piece in pieces),
            _event("content-end", index=index),
        ]
    )


_START = _event("message-start", {"role": "assistant"}, id="1")
_END = _event(
    "message-end", delta={"finish_reason": "COMPLETE", "usage": {"tokens": {"input_tokens": 3, "output_tokens": 2}}}
)
_CALL = (
    _event("tool-call-start", {"tool_calls": {"id": "c", "function": {"name": "f", "arguments": ""}}}, index=0)
    + _event("tool-call-delta", {"tool_calls": {"function": {"arguments": '{"a":'}}}, index=0)
    + _event("tool-call-delta", {"tool_calls": {"function": {"arguments": "1}"}}}, index=0)
    + _event("tool-call-end", index=0)
)
_WHOLE = (
    _START
    + _content(0, "thinking", "h", "m")
    + _content(1, "text", "a", "b")
    + _event("citation-start", {"citations": _CITATION}, index=0)
    + _event("citation-end", index=0)
    + _event("tool-plan-delta", {"tool_plan": "pl"})
    + _event("tool-plan-delta", {"tool_plan": "an"})
    + _CALL
    + _END
    + b"data: [DONE]\n\n"
)


def _read(*chunks: bytes) -> list[StreamEvent]:
    parser = ChatParser()
    found = [event for chunk in chunks for event in parser.feed(chunk)]
    return [*found, *parser.close()]


def _answer(*chunks: bytes) -> Answer:
    return collect_stream(_read(*chunks))


def test_everything_said_is_read() -> None:
    answer = _answer(_WHOLE)
    assert answer.choices[0].parts == (
        Reasoning("hm"),
        Text("ab", annotations=(_CITATION,)),
        Text("plan", origin={"tool_plan": True}),
        ToolCall("c", "f", '{"a":1}'),
    )
    assert (answer.id, answer.choices[0].finish, answer.usage) == ("1", "stop", Usage(input_fresh=3, output_text=2))


@given(sizes=CUTS)
def test_any_cut_gives_the_same_events(sizes: list[int]) -> None:
    assert _read(*cut(_WHOLE, sizes)) == _read(_WHOLE)


def test_every_part_that_starts_ends_and_nothing_follows_the_end() -> None:
    events = _read(_WHOLE, _WHOLE)
    started = [event.part for event in events if isinstance(event, PartStarted)]
    assert started == sorted(event.part for event in events if isinstance(event, PartEnded)) == [0, 1, 2, 3]
    assert [isinstance(event, AnswerEnded) for event in events].index(True) == len(events) - 1


def test_a_citation_after_the_end_of_its_text_still_finds_it() -> None:
    lone = {"start": 0, "end": 1, "sources": []}
    answer = _answer(_START, _content(0, "text", "a"), _event("citation-start", {"citations": lone}), _END)
    assert answer.choices[0].parts == (Text("a", annotations=(lone,)),)


def test_a_citation_without_a_text_is_passed_over() -> None:
    assert _answer(_START, _event("citation-start", {"citations": _CITATION}), _END).choices[0].parts == ()


def test_calls_may_come_interleaved() -> None:
    def call(index: int, text: str = "") -> bytes:
        inner = {"function": {"arguments": text}} if text else {"id": f"c{index}", "function": {"name": "f"}}
        return _event("tool-call-delta" if text else "tool-call-start", {"tool_calls": inner}, index=index)

    answer = _answer(_START, call(0), call(1), call(0, "{"), call(1, "["), call(0, "}"), call(1, "]"), _END)
    assert [part.arguments for part in answer.choices[0].parts if isinstance(part, ToolCall)] == ["{}", "[]"]


def test_a_block_of_a_later_version_stays_whole() -> None:
    block = {"type": "video", "x": 1}
    answer = _answer(_START, _event("content-start", {"content": block}, index=0), _END)
    assert answer.choices[0].parts == (Opaque("cohere-chat", block),)


def test_words_without_a_beginning_are_not_lost() -> None:
    piece = _event("content-delta", {"content": {"text": "a"}}, index=0)
    assert _answer(piece, _END).choices[0].parts == (Text("a"),)


def test_probabilities_come_with_their_words() -> None:
    logprobs = {"text": "a", "token_ids": [1], "logprobs": [-0.5]}
    piece = _event("content-delta", {"content": {"text": "a"}}, index=0, logprobs=logprobs)
    assert _answer(_START, piece, _END).choices[0].logprobs == [{"token": "a", "logprob": -0.5}]


@pytest.mark.parametrize(
    "failure",
    [
        _event("message-end", delta={"finish_reason": "ERROR", "error": "broken"}),
        b'data: {"error":{"message":"broken"}}\n\n',
        b'data: {"error":"broken"}\n\n',
    ],
    ids=["finish reason", "error", "words"],
)
def test_a_failure_ends_the_stream(failure: bytes) -> None:
    events = _read(_START, failure, _END)
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].message == "broken"


def test_what_a_failed_stream_used_is_told_first() -> None:
    usage = {"tokens": {"input_tokens": 3, "output_tokens": 2}}
    events = _read(_START, _event("message-end", delta={"finish_reason": "TIMEOUT", "usage": usage}))
    assert isinstance(events[-2], UsageReported)
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].status == 504


def test_a_stream_that_stops_has_no_end() -> None:
    assert not any(isinstance(event, AnswerEnded) for event in _read(_START, _content(0, "text", "a")))


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: " + b"x" * (17 * 1024 * 1024)], ids=["no JSON", "too large"])
def test_what_is_no_event_is_garbled(data: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        _read(data)


def test_a_type_may_be_named_by_the_event_alone() -> None:
    assert _read(b'event: message-start\ndata: {"id":"7"}\n\n')


@pytest.mark.parametrize("recording", recordings("cohere", "chat"), ids=lambda one: one.id)
def test_recorded_answers_are_read(recording: Any) -> None:
    answer = _answer(recording.body) if recording.is_stream else parse_answer(recording.body)
    assert answer.choices[0].parts
    assert answer.usage is not None
    assert answer.usage.billed_input is not None
