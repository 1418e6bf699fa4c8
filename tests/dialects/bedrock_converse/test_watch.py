import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import Usage
from tollway.dialects.bedrock_converse.watch import ConverseWatch, FrameWatch, answer_facts
from tollway.interfaces.dialect import AnswerFacts
from tollway.wire.aws_event_stream import encode_event, encode_exception, encode_frame

_WORDS = msgspec.json.encode({"contentBlockIndex": 0, "delta": {"text": ":event-type metadata exception"}})
_STREAM = b"".join(
    (
        encode_event("messageStart", b'{"role":"assistant"}'),
        encode_event("contentBlockDelta", _WORDS),
        encode_event("messageStop", b'{"stopReason":"max_tokens"}'),
        encode_event("metadata", b'{"usage":{"inputTokens":3,"outputTokens":2},"serviceTier":{"type":"flex"}}'),
    )
)
_FACTS = AnswerFacts(usage=Usage(input_fresh=3, output_text=2), finish="max_tokens", service_tier="flex")


@given(st.integers(1, 500))
def test_any_cut_of_a_stream_tells_the_same(cut: int) -> None:
    watch = ConverseWatch()
    seen = b"".join(watch.feed(_STREAM[at : at + cut]) for at in range(0, len(_STREAM), cut))
    assert seen == _STREAM
    assert (watch.ended, watch.failed, watch.facts()) == (True, False, _FACTS)


@pytest.mark.parametrize(
    "frame",
    [
        encode_exception("throttlingException", b"{}"),
        encode_frame({":message-type": "error", ":error-code": "x"}, b""),
    ],
)
def test_an_exception_is_seen(frame: bytes) -> None:
    watch = ConverseWatch()
    watch.feed(frame)
    assert (watch.ended, watch.failed) == (False, True)


def test_words_of_a_model_look_like_nothing_else() -> None:
    watch = ConverseWatch()
    watch.feed(encode_event("contentBlockDelta", _WORDS))
    assert (watch.ended, watch.failed, watch.facts()) == (False, False, AnswerFacts())


def test_what_is_not_framed_so_passes_unread() -> None:
    watch = ConverseWatch()
    assert watch.feed(b"data: hello, world\n\n") == b"data: hello, world\n\n"
    watch.feed(_STREAM)
    assert (watch.ended, watch.facts()) == (False, AnswerFacts())


def test_a_very_large_frame_is_passed_over() -> None:
    large, frames = encode_event("contentBlockDelta", b"x" * 600_000), FrameWatch()
    data = large + _STREAM
    seen = b"".join(frames.whole(data[at : at + 100_000]) for at in range(0, len(data), 100_000))
    assert seen.endswith(_STREAM)


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"usage":1}'])
def test_a_body_that_is_no_answer_tells_nothing(body: bytes) -> None:
    assert answer_facts(body) == AnswerFacts()
