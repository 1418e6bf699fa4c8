"""Scripts as data."""

import gzip

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.testing.script import (
    Answer,
    Cut,
    Hang,
    Pause,
    Rule,
    Script,
    Send,
    SendRaw,
    compressed,
    cut_after,
    failure,
    load,
    raw,
    reply,
    sse,
)


def test_a_script_is_read_from_json():
    text = b"""{"rules": [{"path": "/v1/*", "when_used_up": "cycle", "answers": [
        {"status": 500},
        {"framing": "chunked", "headers": [["content-type", "text/event-stream"]], "acts": [
            {"type": "send", "text": "data: 1\\n\\n"}, {"type": "pause", "seconds": 0.5},
            {"type": "raw", "data": "AAE="}, {"type": "cut", "reset": true}]}]}]}"""
    acts = [Send(text="data: 1\n\n"), Pause(0.5), SendRaw(b"\x00\x01"), Cut(reset=True)]
    streamed = Answer(framing="chunked", headers=[("content-type", "text/event-stream")], acts=acts)
    rule = Rule(path="/v1/*", when_used_up="cycle", answers=[Answer(status=500), streamed])
    assert load(text) == Script([rule])


def test_a_script_that_is_not_understood_is_refused():
    with pytest.raises(msgspec.ValidationError, match="dance"):
        load(b'{"rules": [{"answers": [{"acts": [{"type": "dance"}]}]}]}')


def test_every_answer_survives_the_way_through_json():
    answers = [reply(json={"a": 1}), sse(["a", b"b"], pause=1), failure(429, retry_after=3), raw(b"x", Hang())]
    script = Script([Rule(answers=answers)])
    assert load(msgspec.json.encode(script)) == script


def test_a_reply_of_json_says_so():
    answer = reply(201, json={"a": [1]}, headers=[("x", "y")])
    assert answer.headers == [("content-type", "application/json"), ("x", "y")]
    assert (answer.status, answer.body) == (201, b'{"a":[1]}')


def test_a_stream_pauses_between_its_events_and_not_around_them():
    assert sse(["a", "b"], pause=0.5).acts == [Send(b"a"), Pause(0.5), Send(b"b")]


def test_a_failure_carries_its_time_to_wait():
    assert ("retry-after", "Wed, 21 Oct 2026 07:28:00 GMT") in failure(
        503, retry_after="Wed, 21 Oct 2026 07:28:00 GMT"
    ).headers
    assert "retry-after" not in dict(failure(500).headers)


@given(events=st.lists(st.binary(min_size=1, max_size=5), max_size=5), count=st.integers(0, 30))
def test_a_cut_keeps_exactly_so_many_bytes(events, count):
    whole = sse(events, pause=0.1)
    cut = cut_after(whole, count)
    assert cut.body == whole.body[:count]
    assert isinstance(cut.acts[-1], Cut)


def test_a_cut_answer_with_a_length_announces_the_whole_length():
    assert cut_after(reply(body=b"0123456789"), 4).content_length == 10


def test_a_compressed_body_is_sent_after_the_pauses_and_before_the_cut():
    acts = compressed(Answer(acts=[Send(b"a"), Pause(1), Send(b"b"), Cut()])).acts
    assert [type(act) for act in acts] == [Pause, Send, Cut]
    assert gzip.decompress(acts[1].data) == b"ab"


def test_compression_keeps_the_body_and_says_what_it_is():
    answer = compressed(reply(body=b"hello " * 20))
    assert gzip.decompress(answer.body) == b"hello " * 20
    assert ("content-encoding", "gzip") in answer.headers
