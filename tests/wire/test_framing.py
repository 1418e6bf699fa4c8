from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.framing import AWS_EVENT_STREAM, FRAMINGS, NDJSON, SSE, FramedEvent, Framing

_DISTINCT = [pytest.param(framing, id=name) for name, framing in FRAMINGS.items()]
_payload = st.binary(max_size=9).map(lambda raw: b'{"a":"%b"}' % raw.hex().encode())


@pytest.mark.parametrize("framing", _DISTINCT)
@given(payloads=st.lists(_payload, max_size=5), cut=st.integers(1, 40))
def test_any_cut_gives_the_same_events(framing: Framing, payloads: Sequence[bytes], cut: int) -> None:
    wire = b"".join(framing.encode(FramedEvent("", payload)) for payload in payloads)
    decoder = framing.decoder()
    read = [event for at in range(0, len(wire), cut) for event in decoder.feed(wire[at : at + cut])]
    assert [event.data for event in read] == list(payloads)


@pytest.mark.parametrize("framing", _DISTINCT)
@given(payloads=st.lists(_payload, min_size=1, max_size=4), data=st.data())
def test_what_is_whole_ends_at_an_event(framing: Framing, payloads: Sequence[bytes], data: st.DataObject) -> None:
    events = [framing.encode(FramedEvent("", payload)) for payload in payloads]
    wire = b"".join(events)
    cut = data.draw(st.integers(0, len(wire)))
    ends = [sum(map(len, events[:number])) for number in range(len(events) + 1)]
    assert framing.boundary().whole(wire[:cut]) == max(end for end in ends if end <= cut)


@pytest.mark.parametrize("framing", _DISTINCT)
def test_the_mark_comes_once_an_event(framing: Framing) -> None:
    assert framing.encode(FramedEvent("", b'{"a":1}')).count(framing.mark) == 1


@pytest.mark.parametrize(
    ("framing", "name"),
    [(SSE, "ping"), (AWS_EVENT_STREAM, "messageStart"), (AWS_EVENT_STREAM, "exception:throttlingException")],
    ids=["sse", "aws", "aws exception"],
)
def test_names_of_events_survive(framing: Framing, name: str) -> None:
    wire = framing.encode(FramedEvent(name, b"{}"))
    assert framing.decoder().feed(wire) == [FramedEvent(name, b"{}")]


@pytest.mark.parametrize(
    ("data", "end"),
    [(b"data: 1\r\n\r\ndata", 11), (b"data: 1\r\rdata", 9), (b"data: 1\n\ndata", 9), (b"data: 1\n", 0)],
    ids=["windows", "old", "unix", "none"],
)
def test_events_end_in_each_of_the_standards_ways(data: bytes, end: int) -> None:
    assert SSE.boundary().whole(data) == end


def test_blank_lines_and_carriage_returns_are_no_values() -> None:
    assert NDJSON.decoder().feed(b'{"a":1}\r\n\n{"b":2}\n') == [
        FramedEvent("", b'{"a":1}'),
        FramedEvent("", b'{"b":2}'),
    ]


def test_a_line_without_end_is_not_kept_for_ever() -> None:
    decoder = NDJSON.decoder()
    decoder.feed(b"x" * (16 * 1024 * 1024))
    with pytest.raises(ValueError, match="larger than"):
        decoder.feed(b"x")
