"""Ends, errors and usage of streams are found whatever the cuts and however large an event is."""

import itertools
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest
from tollway.core.usage import Usage
from tollway.dialects.openai_passed import EdgesWatch, OpenAIPassed, decoded, duration_usage, parse_usage, text_of

TOKENS = {"input_tokens": 4, "output_tokens": 9, "total_tokens": 13}
DONE = b'data: {"type":"transcript.text.done","text":"hi","usage":%b}\n\n' % msgspec.json.encode(TOKENS)
DELTA = b'data: {"type":"transcript.text.delta","delta":"hi \\"type\\":\\"x.done\\""}\n\n'
FAILED = b'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n'


def watched(*pieces: bytes) -> EdgesWatch:
    watch = EdgesWatch()
    assert b"".join(watch.feed(piece) for piece in pieces) == b"".join(pieces)
    return watch


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    at = [0, *sorted(one % (len(data) + 1) for one in cuts), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(at)]


@given(st.lists(st.integers(0, 10_000), max_size=8), st.sampled_from([b"\n", b"\r\n"]))
def test_any_cut_of_the_same_bytes_says_the_same(cuts: list[int], line: bytes) -> None:
    data = (DELTA + DELTA + DONE).replace(b"\n", line)
    watch = watched(*cut(data, cuts))
    assert (watch.ended, watch.failed, watch.facts().usage) == (True, False, Usage(input_fresh=4, output_text=9))


@pytest.mark.parametrize("usage_first", [True, False])
@pytest.mark.parametrize("piece", [1_000_000, 65_536, 7_000])
def test_an_event_of_many_megabytes_is_looked_into_at_its_edges(piece: int, usage_first: bool) -> None:
    members = [b'"type":"image_generation.completed"', b'"b64_json":"%b"' % (b"A" * 6_000_000)]
    members.insert(1 if usage_first else 2, b'"usage":' + msgspec.json.encode(TOKENS))
    data = b"data: {" + b",".join(members) + b"}\n\n"
    watch = watched(*[data[at : at + piece] for at in range(0, len(data), piece)])
    assert watch.ended
    assert watch.facts().usage == Usage(input_fresh=4, output_text=9)
    assert len(watch._event) == 0


def test_what_is_kept_of_a_large_event_is_bounded() -> None:
    watch = watched(*[b"A" * 10_000] * 500)
    assert len(watch._event) + len(watch._head) < 200_000


def test_an_error_ends_it_and_a_text_about_one_does_not() -> None:
    assert watched(DELTA, FAILED).failed
    talk = b'data: {"type":"transcript.text.delta","delta":"the \\"error\\": {\\"type\\":\\"error\\"}"}\n\n'
    assert not watched(talk).failed


def test_a_stream_without_its_last_event_has_not_ended() -> None:
    watch = watched(DELTA, DONE[:-1])
    assert (watch.ended, watch.facts().usage) == (False, None)


@pytest.mark.parametrize("usage", [b'{"input_tokens":', b'{"input_tokens":"x"}', b"{{{", b"3"])
def test_a_usage_that_is_none_is_not_read(usage: bytes) -> None:
    watch = watched(b'data: {"type":"speech.audio.done","usage":' + usage + b"}\n\n")
    assert watch.ended
    assert (watch.facts().usage or Usage()).total_tokens == 0


@pytest.mark.parametrize(
    ("value", "usage"),
    [
        ({}, None),
        ({"type": "duration", "seconds": 2.5}, Usage(input_audio_ms=2500)),
        ({"type": "duration"}, None),
        (TOKENS, Usage(input_fresh=4, output_text=9)),
        (
            {**TOKENS, "input_token_details": {"text_tokens": 1, "audio_tokens": 3}},
            Usage(input_fresh=1, input_audio=3, output_text=9),
        ),
        (
            {**TOKENS, "input_tokens_details": {"image_tokens": 3}, "output_tokens_details": {"image_tokens": 8}},
            Usage(input_fresh=1, input_image=3, output_text=1, output_image=8),
        ),
    ],
)
def test_usage_is_tokens_or_a_length(value: Any, usage: Usage | None) -> None:
    assert parse_usage(value) == usage


@pytest.mark.parametrize("seconds", [None, -1, True, "3", 1e12, float("nan")])
def test_a_length_that_is_none_is_not_counted(seconds: object) -> None:
    assert duration_usage(seconds) is None


def test_what_cannot_be_read_is_empty() -> None:
    assert [decoded(None), decoded(b"x"), decoded(b"[]"), decoded(b"[" * 100_000)] == [{}, {}, {}, {}]
    members = {"a": msgspec.Raw(b'"x"'), "b": msgspec.Raw(b"3"), "c": msgspec.Raw(b'"\xff"')}
    assert [text_of(members, name) for name in "abcd"] == ["x", "", "", ""]


def test_errors_are_those_of_the_family() -> None:
    dialect = OpenAIPassed()
    error = BadRequest("no", param="voice")
    assert msgspec.json.decode(dialect.render_error(error))["error"]["param"] == "voice"
    assert dialect.render_stream_error(error).startswith(b"event: error\ndata: {")
    assert dialect.parse_error(429, b'{"error":{"message":"slow"}}', {"retry-after": "3"}).retry_after_seconds == 3
    assert dialect.ask_for_usage({}) is False
