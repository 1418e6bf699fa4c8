import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.dialects.passthrough import CutEvents, data_in, events_in

_EVENTS = [
    b'data: {"a":1}\n\n',
    b": a comment\n\n",
    b'event: x\r\ndata: {"b":2}\r\n\r\n',
    b"data: one\ndata: two\n\n",
    b"data: [DONE]\n\n",
    b"data:tight\r\r",
]


def test_events_are_split_at_every_kind_of_blank_line() -> None:
    assert events_in(b"".join(_EVENTS)) == _EVENTS


def test_the_rest_of_a_cut_event_is_given_too() -> None:
    assert events_in(b"data: a\n\ndata: b") == [b"data: a\n\n", b"data: b"]


def test_data_is_joined_from_its_lines_and_comments_have_none() -> None:
    found = [b'{"a":1}', b'{"b":2}', b"one\ntwo", b"[DONE]", b"tight"]
    assert list(data_in(b"".join(_EVENTS))) == found


@given(st.lists(st.integers(1, 20), max_size=40), st.booleans())
def test_cut_events_come_out_whole_and_in_order_and_no_byte_is_lost(cuts: list[int], hides: bool) -> None:
    body = b"".join(_EVENTS) * 2
    joiner = CutEvents(hides=hides)
    seen: list[bytes] = []
    shown = b""
    at = 0
    for size in [*cuts, len(body)]:
        joined = joiner.add(body[at : at + size])
        at += size
        seen += events_in(joined.seen)
        shown += joined.begun + joined.fresh + joiner.release()
    assert seen == _EVENTS * 2
    assert shown == body
    assert not joiner.holds()


@pytest.mark.parametrize("start", [b"data: [DO", b": comm", b"event: x", b"data: wo"])
def test_what_cannot_become_a_hidden_event_is_not_held_back(start: bytes) -> None:
    joiner = CutEvents(hides=True)
    joiner.add(start)
    assert joiner.release() == start
    assert joiner.release() == b""


@pytest.mark.parametrize("start", [b"d", b"data:", b'data: {"usage"', b'data:{"usage"'])
def test_what_may_become_one_is(start: bytes) -> None:
    joiner = CutEvents(hides=True)
    joiner.add(start)
    assert joiner.release() == b""


def test_a_large_cut_event_is_not_held_back_for_ever() -> None:
    joiner = CutEvents(hides=True)
    joiner.add(b'data: {"image":"')
    assert joiner.release() == b""
    joiner.add(b"x" * 20_000)
    assert len(joiner.release()) == 20_016
    joined = joiner.add(b'"}\n\ndata: b\n\n')
    assert (joined.begun, joined.fresh) == (b'"}\n\n', b"data: b\n\n")
    assert joined.seen.startswith(b'data: {"image":"xxx')


def test_an_endless_event_does_not_fill_the_memory_and_what_follows_is_seen() -> None:
    joiner = CutEvents(hides=True)
    shown = 0
    for _ in range(100):
        shown += len(joiner.add(b"x" * 100_000).begun) + len(joiner.release())
    assert shown == 10_000_000
    joined = joiner.add(b"\n\ndata: b\n\n")
    assert joined.seen == b"data: b\n\n"
    assert joined.begun + joined.fresh == b"\n\ndata: b\n\n"
