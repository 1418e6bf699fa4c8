import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.sse import SseDecoder, SseEvent, sse_event

LINE_ENDS = st.sampled_from(["\n", "\r\n", "\r"])
# Fields, comments, blank lines and noise, joined by any line end: strangers' streams in small.
LINES = st.one_of(
    st.sampled_from(["", "data", "data:", "data: x", "data:  two spaces", "event: ping", "id: 7", "retry: 10", ": hi"]),
    st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), max_size=12),
)
STREAMS = st.lists(st.tuples(LINES, LINE_ENDS), max_size=16).map(
    lambda lines: "".join(line + end for line, end in lines).encode()
)


def decoded(*pieces: bytes) -> list[SseEvent]:
    decoder = SseDecoder()
    found = [event for piece in pieces for event in decoder.feed(piece)]
    return found + decoder.close()


@given(STREAMS, st.data())
def test_any_cut_of_the_same_bytes_gives_the_same_events(stream: bytes, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    pieces = [stream[start:end] for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert decoded(*pieces) == decoded(stream)
    assert decoded(*(bytes([byte]) for byte in stream)) == decoded(stream)


@given(st.binary(max_size=200))
def test_no_bytes_make_it_fail(stream: bytes) -> None:
    for event in decoded(stream):
        assert "\r" not in event.event + event.data


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1),
            st.text("abcdefghij._", max_size=12),
        )
    )
)
def test_what_is_written_can_be_read(events: list[tuple[str, str]]) -> None:
    stream = b"".join(sse_event(data.encode(), name.encode()) for data, name in events)
    assert decoded(stream) == [SseEvent(name, data) for data, name in events]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        pytest.param(b"data: a\ndata: b\n\n", [("", "a\nb")], id="several data lines are joined"),
        pytest.param(b"data:a\n\ndata: a\n\ndata:  a\n\n", [("", "a"), ("", "a"), ("", " a")], id="one space is taken"),
        pytest.param(b"event: ping\n\ndata: a\n\n", [("", "a")], id="an event without data is none"),
        pytest.param(b"event: one\nevent: two\ndata: a\n\n", [("two", "a")], id="the last name counts"),
        pytest.param(b"event: one\ndata: a\n\ndata: b\n\n", [("one", "a"), ("", "b")], id="a name is for one event"),
        pytest.param(b": note\nid: 1\nretry: 5\ndata: a\n\n", [("", "a")], id="comments, ids and retries are left out"),
        pytest.param(b"data\n\n", [("", "")], id="a field without a colon has an empty value"),
        pytest.param(b"Data: a\n\n", [], id="names of fields are lower case"),
        pytest.param(b"data: a\r\rdata: b\r\n\r\ndata: c\n\n", [("", "a"), ("", "b"), ("", "c")], id="all line ends"),
        pytest.param(b"\xef\xbb\xbfdata: a\n\n", [("", "a")], id="a byte order mark at the start"),
        pytest.param(b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [("", "a")], id="and nowhere else"),
        pytest.param(b"data: \xff\n\n", [("", "\N{REPLACEMENT CHARACTER}")], id="bytes that are no text"),
        pytest.param(b"data: a: b\n\n", [("", "a: b")], id="only the first colon separates"),
        pytest.param(b"data: a\n\n\n\n\n", [("", "a")], id="more blank lines mean nothing"),
    ],
)
def test_a_stream_is_read_as_the_standard_says(stream: bytes, events: list[tuple[str, str]]) -> None:
    assert decoded(stream) == [SseEvent(name, data) for name, data in events]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r", b"\r\n"], ids=["no end", "LF", "CR", "CRLF"])
def test_a_last_event_without_its_blank_line_is_not_lost(end: bytes) -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"event: done\ndata: last" + end) == []
    assert decoder.close() == [SseEvent("done", "last")]
    assert decoder.close() == []


def test_an_event_comes_out_with_the_byte_that_completes_it() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [SseEvent("", "a")]


@pytest.mark.parametrize(
    "endless", [b"data: " + b"x" * 64, b"data: xxxxxxxx\n" * 9], ids=["one line", "many lines of one event"]
)
def test_an_event_larger_than_the_limit_is_refused(endless: bytes) -> None:
    decoder = SseDecoder(max_event_bytes=50)
    kept = len(endless) // 2 // 7 * 7
    for start in range(0, kept, 7):
        assert decoder.feed(endless[start : start + 7]) == []
    with pytest.raises(ValueError, match="larger than 50 bytes"):
        decoder.feed(endless[kept:])


def test_many_events_together_may_be_larger_than_one_may_be() -> None:
    assert len(SseDecoder(max_event_bytes=50).feed(sse_event(b"{}") * 100)) == 100
