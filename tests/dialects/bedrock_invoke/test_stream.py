import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from tollway.core.conversation import Text
from tollway.core.errors import UpstreamCut, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.aws_envelope import chunk_event, chunk_frame
from tollway.dialects.bedrock_invoke.stream import InvokeParser, InvokeRenderer, InvokeWatch
from tollway.dialects.collect import collect_stream
from tollway.wire.aws_event_stream import FrameDecoder, encode_event, encode_exception, event_name

_USAGE = Usage(input_fresh=3, output_text=2)
_EVENTS: list[StreamEvent] = [
    AnswerStarted("msg_1", "claude"),
    PartStarted(0, 0, "text"),
    PartDelta(0, 0, 'a "message_stop" here'),
    PartEnded(0, 0),
    ChoiceFinished(0, "length"),
    UsageReported(_USAGE),
    AnswerEnded(),
]
_NOVA = b"".join(
    map(
        chunk_frame,
        (
            b'{"messageStart":{"role":"assistant"}}',
            b'{"contentBlockDelta":{"delta":{"text":"a"}}}',
            b'{"messageStop":{"stopReason":"max_tokens"}}',
            b'{"metadata":{},"amazon-bedrock-invocationMetrics":{"inputTokenCount":3,"outputTokenCount":2}}',
        ),
    )
)


def _written() -> bytes:
    renderer = InvokeRenderer("m", "01NEW")
    return b"".join(renderer.feed([event]) for event in _EVENTS)


def _read(data: bytes, cut: int) -> list[StreamEvent]:
    parser = InvokeParser()
    found = [event for at in range(0, len(data), cut) for event in parser.feed(data[at : at + cut])]
    return [*found, *parser.close()]


@given(st.integers(1, 400))
def test_what_is_written_is_read_again_however_cut(cut: int) -> None:
    events = _read(_written(), cut)
    answer = collect_stream(events)
    assert answer.choices[0].parts == (Text('a "message_stop" here'),)
    assert (answer.usage, answer.choices[0].finish) == (_USAGE, "length")
    assert isinstance(events[-1], AnswerEnded)


def test_only_the_last_event_has_the_metrics() -> None:
    events = [msgspec.json.decode(chunk_event(frame.payload)) for frame in FrameDecoder().feed(_written())]
    told = [event for event in events if "amazon-bedrock-invocationMetrics" in event]
    assert told == [events[-1]]
    assert told[0]["amazon-bedrock-invocationMetrics"] == {"inputTokenCount": 3, "outputTokenCount": 2}


def test_errors_are_frames_of_their_own() -> None:
    renderer = InvokeRenderer("m", "01NEW")
    out = renderer.feed([*_EVENTS[:3], StreamFailed("slow", status=429)])
    assert event_name(FrameDecoder().feed(out)[-1]) == "exception:throttlingException"
    (frame,) = FrameDecoder().feed(renderer.fail(UpstreamCut("it stopped")))
    assert event_name(frame) == "exception:modelStreamErrorException"


def test_an_exception_ends_the_reading() -> None:
    wire = encode_exception("validationException", b'{"message":"no"}') + _written()
    assert _read(wire, 1000) == [StreamFailed("no", status=400, kind="ValidationException")]


@pytest.mark.parametrize("data", [b"event: message_start\n\n", encode_event("chunk", b"{}x")])
def test_what_is_no_such_stream_is_garbled(data: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        _read(data, 100)


@given(st.integers(1, 400), st.booleans())
def test_watching_finds_what_was_used_whatever_the_family(cut: int, nova: bool) -> None:
    data = _NOVA if nova else _written()
    watch = InvokeWatch()
    seen = b"".join(watch.feed(data[at : at + cut]) for at in range(0, len(data), cut))
    facts = watch.facts()
    assert seen == data
    assert (watch.ended, watch.failed) == (True, False)
    assert (facts.usage, facts.finish) == (_USAGE, "max_tokens")


@pytest.mark.parametrize(
    ("data", "failed"), [(encode_exception("x", b"{}"), True), (encode_event("chunk", b"?"), False), (b"?" * 20, False)]
)
def test_watching_breaks_on_nothing(data: bytes, failed: bool) -> None:
    watch = InvokeWatch()
    assert watch.feed(data) == data
    assert (watch.ended, watch.failed, watch.facts().usage) == (False, failed, None)
