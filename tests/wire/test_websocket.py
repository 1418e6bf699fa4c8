"""Framing over any cut of the bytes, and what the protocol forbids."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.websocket import (
    CUT,
    GOING_AWAY,
    INTERNAL,
    NO_CODE,
    NORMAL,
    Closed,
    Message,
    WebSocketFraming,
    accept_token,
    fitting_reason,
    is_key,
)

MASK = b"\x01\x02\x03\x04"
LIMIT = 100_000


def frame(opcode: int, data: bytes = b"", *, fin: bool = True, mask: bool = True, reserved: int = 0) -> bytes:
    """Write one frame, well-formed or not."""
    first = (0x80 if fin else 0) | reserved | opcode
    size = len(data)
    marked = 0x80 if mask else 0
    if size < 126:
        head = struct.pack("!BB", first, marked | size)
    elif size < 65_536:
        head = struct.pack("!BBH", first, marked | 126, size)
    else:
        head = struct.pack("!BBQ", first, marked | 127, size)
    if not mask:
        return head + data
    return head + MASK + bytes(byte ^ MASK[index % 4] for index, byte in enumerate(data))


def server(limit: int = LIMIT) -> WebSocketFraming:
    return WebSocketFraming(server=True, message_bytes=limit)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({place % (len(data) + 1) for place in places})
    return [data[start:end] for start, end in zip([0, *edges], [*edges, len(data)], strict=True)]


MESSAGES = st.lists(
    st.one_of(
        st.text(max_size=300).map(lambda text: Message(text.encode(), text=True)),
        st.binary(max_size=300).map(lambda data: Message(data, text=False)),
        st.integers(65_530, 65_540).map(lambda size: Message(b"x" * size, text=False)),
    ),
    max_size=5,
)


@given(MESSAGES, st.lists(st.integers(0, 1 << 20), max_size=8), st.booleans())
def test_any_cut_of_the_same_bytes_gives_the_same_messages(
    messages: list[Message], places: list[int], sent_by_server: bool
) -> None:
    sender = WebSocketFraming(server=sent_by_server, message_bytes=LIMIT)
    receiver = WebSocketFraming(server=not sent_by_server, message_bytes=LIMIT)
    for message in messages:
        sender.send(message)
    sender.close(NORMAL, "enough")
    received = [event for piece in cut(sender.take_output(), places) for event in receiver.feed(piece)]
    assert received == [*messages, Closed(NORMAL, "enough")]


@given(st.text(min_size=1, max_size=200), st.lists(st.integers(0, 200), max_size=6), st.lists(st.integers(0, 999)))
def test_a_message_in_fragments_is_handed_on_whole(text: str, fragments: list[int], places: list[int]) -> None:
    data = text.encode()
    pieces = cut(data, fragments)
    frames = [
        frame(1 if index == 0 else 0, piece, fin=index == len(pieces) - 1) + frame(9, b"still there?")
        for index, piece in enumerate(pieces)
    ]
    ours = server()
    received = [event for piece in cut(b"".join(frames), places) for event in ours.feed(piece)]
    assert received == [Message(data, text=True)]
    assert ours.take_output().count(b"still there?") == len(pieces)


@given(st.binary(max_size=200))
def test_no_bytes_of_a_stranger_raise(data: bytes) -> None:
    ours = server()
    events = [*ours.feed(data), *ours.eof()]
    assert [type(event) for event in events[-1:]] == [Closed]
    assert all(isinstance(event, Message) for event in events[:-1])


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"{}", mask=False), 1002),
        (frame(1, b"{}", reserved=0x40), 1002),
        (frame(3, b""), 1002),
        (frame(0, b"of nothing"), 1002),
        (frame(1, b"a", fin=False) + frame(1, b"b"), 1002),
        (frame(9, b"x" * 126), 1002),
        (frame(9, b"x", fin=False), 1002),
        (frame(8, b"\x03"), 1002),
        (frame(8, struct.pack("!H", 1006)), 1002),
        (frame(1, b"\xff\xfe"), 1007),
        (frame(1, b"\xc3", fin=False) + frame(0, b"("), 1007),
        (frame(2, b"x" * (LIMIT + 1)), 1009),
        (frame(2, b"x" * LIMIT, fin=False) + frame(0, b"x"), 1009),
    ],
    ids=[
        "a frame of a client without a mask",
        "a reserved bit",
        "a reserved opcode",
        "a continuation of nothing",
        "a message within a message",
        "a long ping",
        "a ping in fragments",
        "a close with half a code",
        "a close with a code that is never sent",
        "text that is not UTF-8",
        "text that is not UTF-8 across fragments",
        "a message that is too large",
        "fragments that are too large together",
    ],
)
def test_what_the_protocol_forbids_fails_the_connection(data: bytes, code: int) -> None:
    ours = server()
    (event,) = ours.feed(data)
    assert (event.code, event.fault) == (code, True)
    assert struct.pack("!H", code) in ours.take_output()
    assert ours.feed(frame(1, b"{}")) == []
    assert ours.eof() == []


def test_no_more_is_kept_of_a_message_than_may_come() -> None:
    ours = server()
    head = frame(2, b"x" * (LIMIT + 1))[:10]
    assert [event.code for event in ours.feed(head)] == [1009]


def test_an_end_without_a_close_is_a_cut_and_one_after_a_close_is_not() -> None:
    ours = server()
    assert ours.eof() == [Closed(CUT, "")]
    closed = server()
    assert closed.feed(frame(8)) == [Closed(NO_CODE, "")]
    assert closed.eof() == []


def test_a_close_is_answered_with_its_own_code() -> None:
    ours = server()
    assert ours.feed(frame(8, struct.pack("!H", 4001) + b"bye")) == [Closed(4001, "bye")]
    assert ours.take_output() == frame(8, struct.pack("!H", 4001) + b"bye", mask=False)
    ours.send(Message(b"too late", text=True))
    ours.ping()
    ours.close(NORMAL)
    assert ours.take_output() == b""


@pytest.mark.parametrize(
    ("code", "sent"),
    [(GOING_AWAY, GOING_AWAY), (4999, 4999), (CUT, INTERNAL), (1015, INTERNAL), (7, INTERNAL)],
)
def test_a_code_that_may_not_be_sent_becomes_one_that_may(code: int, sent: int) -> None:
    ours, theirs = server(), WebSocketFraming(server=False, message_bytes=LIMIT)
    ours.close(code, "why")
    assert theirs.feed(ours.take_output()) == [Closed(sent, "why")]


def test_a_close_without_a_code_is_passed_on_as_one() -> None:
    ours, theirs = server(), WebSocketFraming(server=False, message_bytes=LIMIT)
    ours.close(NO_CODE, "dropped: there is no place for it")
    assert theirs.feed(ours.take_output()) == [Closed(NO_CODE, "")]


@given(st.text(max_size=200))
def test_a_reason_always_fits(reason: str) -> None:
    fitting = fitting_reason(reason)
    assert reason.startswith(fitting)
    assert len(fitting.encode()) <= 123


def test_the_handshake_is_that_of_the_standard() -> None:
    # RFC 6455, section 1.3 has this pair.
    assert accept_token(b"dGhlIHNhbXBsZSBub25jZQ==") == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    assert is_key(b"dGhlIHNhbXBsZSBub25jZQ==")
    assert not any(map(is_key, (b"", b"dGhl", b"not base 64 at all!!====", b"\xff" * 24)))
