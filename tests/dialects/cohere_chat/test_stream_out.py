from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.support.neutral_streams import neutral_streams

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import Opaque
from tollway.core.errors import UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.cohere_chat.stream_in import ChatParser
from tollway.dialects.cohere_chat.stream_out import ChatRenderer
from tollway.dialects.collect import collect_stream
from tollway.wire.sse import SseDecoder

_START = AnswerStarted("1", "m", dialect="gemini")
_FINISH = ChoiceFinished(0, "stop")


def _events(*events: StreamEvent) -> list[dict[str, Any]]:
    found = SseDecoder().feed(ChatRenderer("new").feed(events))
    assert all(
        event.event in {"", msgspec.json.decode(event.data)["type"]} for event in found if event.data != "[DONE]"
    )
    return [msgspec.json.decode(event.data) for event in found if event.data != "[DONE]"]


def _part(number: int, kind: Any, *texts: str, **more: Any) -> list[StreamEvent]:
    return [PartStarted(0, number, kind, **more), *(PartDelta(0, number, text) for text in texts), PartEnded(0, number)]


def test_a_stream_has_every_event_of_the_api() -> None:
    events = _events(
        _START,
        *_part(0, "reasoning", "h"),
        *_part(1, "text", "a", "b"),
        *_part(2, "tool_call", "{}", id="c", name="f"),
        _FINISH,
        UsageReported(Usage(input_fresh=1)),
        AnswerEnded(),
    )
    assert [event["type"] for event in events] == [
        "message-start",
        *("content-start", "content-delta", "content-end"),
        *("content-start", "content-delta", "content-delta", "content-end"),
        *("tool-call-start", "tool-call-delta", "tool-call-end"),
        "message-end",
    ]
    assert [event["index"] for event in events if event["type"] == "content-start"] == [0, 1]
    assert events[-1]["delta"]["usage"]["tokens"] == {"input_tokens": 1, "output_tokens": 0}


@given(events=neutral_streams())
def test_what_is_written_is_read_again(events: list[StreamEvent]) -> None:
    wire = ChatRenderer("new").feed(events)
    assert wire.endswith(b"data: [DONE]\n\n")
    read = collect_stream(ChatParser().feed(wire))
    expected = collect_stream(events)
    assert [part for part in read.choices[0].parts if part] == [part for part in expected.choices[0].parts if part]
    finish = expected.choices[0].finish
    assert read.choices[0].finish == ("stop" if finish == "content_filter" else finish)
    assert read.usage == (expected.usage or Usage())


def test_overlapping_calls_keep_their_indexes() -> None:
    events = _events(
        _START, PartStarted(0, 0, "tool_call", id="a", name="f"), PartStarted(0, 1, "tool_call", id="b", name="g"),
        PartDelta(0, 1, "["), PartDelta(0, 0, "{"), PartEnded(0, 0), PartEnded(0, 1),
    )  # fmt: skip
    assert [(event["type"], event["index"]) for event in events[1:]] == [
        ("tool-call-start", 0),
        ("tool-call-start", 1),
        ("tool-call-delta", 1),
        ("tool-call-delta", 0),
        ("tool-call-end", 0),
        ("tool-call-end", 1),
    ]


def test_its_own_plan_and_blocks_come_back() -> None:
    block = {"type": "own"}
    events = _events(
        _START,
        *_part(0, "text", "p", origin={"tool_plan": True}),
        *_part(1, "opaque", opaque=Opaque("cohere-chat", block)),
        *_part(2, "opaque", opaque=Opaque("gemini", {})),
    )
    assert [event["type"] for event in events[1:]] == ["tool-plan-delta", "content-start", "content-end"]
    assert events[2]["delta"]["message"]["content"] == block


def test_citations_of_this_api_are_events() -> None:
    citation = {"start": 0, "end": 1, "sources": []}
    events = _events(_START, PartStarted(0, 0, "text"), PartDelta(0, 0, "a", annotations=(citation, {"type": "other"})))
    assert [event["type"] for event in events[-2:]] == ["citation-start", "citation-end"]
    assert events[-2]["delta"]["message"]["citations"] == citation


def test_thinking_that_is_not_shown_has_no_block() -> None:
    assert len(_events(_START, *_part(0, "reasoning"), *_part(1, "reasoning", encrypted="x"))) == 1


def test_a_picture_is_words() -> None:
    events = _events(_START, *_part(0, "image", "QU", "JD", media_type="image/png"))
    assert events[2]["delta"]["message"]["content"] == {"text": "![image](data:image/png;base64,QUJD)"}


def test_probabilities_are_joined() -> None:
    entries = [{"token": "a", "logprob": -1}, {"token": "b", "logprob": -2}]
    events = _events(_START, PartStarted(0, 0, "text"), PartDelta(0, 0, "ab", logprobs=entries))
    assert events[-1]["logprobs"] == {"text": "ab", "token_ids": [], "logprobs": [-1, -2]}


def test_other_choices_are_not_written() -> None:
    assert len(_events(_START, PartStarted(1, 0, "text"), PartDelta(1, 0, "a"), ChoiceFinished(1, "length"))) == 1


def test_an_empty_answer_has_a_beginning_and_an_end() -> None:
    start, end = _events(AnswerEnded())
    assert (start["id"], end["delta"]["finish_reason"]) == ("new", "COMPLETE")


@pytest.mark.parametrize("streamed", [True, False])
def test_a_failure_is_never_a_clean_end(streamed: bool) -> None:
    renderer = ChatRenderer("new")
    wire = renderer.feed([StreamFailed("broken")]) if streamed else renderer.fail(UpstreamCut("broken"))
    (event,) = SseDecoder().feed(wire)
    assert msgspec.json.decode(event.data)["delta"] == {"finish_reason": "ERROR", "error": "broken"}


def test_a_first_beginning_counts() -> None:
    assert len(_events(_START, AnswerStarted("2", "m"))) == 1
