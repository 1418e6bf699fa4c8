import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.aws_event_stream import (
    LARGEST_FRAME,
    Frame,
    FrameBoundary,
    FrameDecoder,
    HeaderValue,
    decode_frame,
    encode_event,
    encode_exception,
    encode_frame,
    encode_named,
    event_name,
    frame_length,
)

# `{"role":"assistant"}` as the event `messageStart`; botocore's own `EventStreamBuffer` reads it so.
_EVENT: Final = bytes.fromhex(
    "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74656e742d74"
    "7970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576656e747b22726f6c65"
    "223a22617373697374616e74227d6fa8c599"
)

_values = st.one_of(
    st.booleans(),
    st.integers(-(1 << 63), (1 << 63) - 1),
    st.binary(max_size=40),
    st.text(max_size=20),
    st.uuids(),
    st.integers(0, 4_000_000_000_000).map(lambda ms: datetime.fromtimestamp(ms // 1000, UTC)),
)
_names = st.text(min_size=1, max_size=12)
_frames = st.builds(Frame, st.dictionaries(_names, _values, max_size=4), st.binary(max_size=60))


def _wire(frames: list[Frame]) -> bytes:
    return b"".join(encode_frame(frame.headers, frame.payload) for frame in frames)


@given(_frames)
def test_a_frame_comes_back_as_it_was_written(frame: Frame) -> None:
    assert decode_frame(encode_frame(frame.headers, frame.payload)) == frame


@given(st.lists(_frames, max_size=5), st.integers(1, 50))
def test_any_cut_gives_the_same_frames(frames: list[Frame], cut: int) -> None:
    wire = _wire(frames)
    decoder = FrameDecoder()
    read = [one for at in range(0, len(wire), cut) for one in decoder.feed(wire[at : at + cut])]
    assert read == frames
    assert decoder.empty


def test_an_event_has_the_bytes_that_the_services_send() -> None:
    assert encode_event("messageStart", b'{"role":"assistant"}') == _EVENT


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (0, b"", True),
        (1, b"", False),
        (2, b"\xff", -1),
        (3, b"\x01\x00", 256),
        (4, b"\xff\xff\xff\xfe", -2),
        (5, b"\x00\x00\x00\x01\x00\x00\x00\x00", 1 << 32),
        (6, b"\x00\x02ab", b"ab"),
        (7, b"\x00\x03\xe2\x82\xac", "€"),
        (8, b"\x00\x00\x00\x00\x00\x00\x03\xe8", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        (9, bytes(range(16)), UUID(bytes=bytes(range(16)))),
    ],
    ids=["true", "false", "byte", "short", "integer", "long", "bytes", "string", "timestamp", "uuid"],
)
def test_headers_of_every_type_are_read(kind: int, raw: bytes, value: HeaderValue) -> None:
    assert decode_frame(_frame(b"\x01n" + bytes((kind,)) + raw)).headers == {"n": value}


def _frame(headers: bytes, payload: bytes = b"") -> bytes:
    lengths = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    body = lengths + struct.pack(">I", zlib.crc32(lengths)) + headers + payload
    return body + struct.pack(">I", zlib.crc32(body))


@pytest.mark.parametrize(
    "headers",
    [b"\x05ab", b"\x01n", b"\x01n\x0a", b"\x01n\x07\x00\x09a", b"\x01n\x05\x00", b"\x01\xff\x00", b"\x01n\x09ab"],
    ids=["short name", "no type", "unknown type", "short text", "short number", "not UTF-8", "short uuid"],
)
def test_headers_that_cannot_be_read_are_an_error(headers: bytes) -> None:
    with pytest.raises(ValueError, match="header"):
        decode_frame(_frame(headers))


@given(_frames, st.data())
def test_a_single_wrong_bit_is_noticed(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode_frame(frame.headers, frame.payload))
    at = data.draw(st.integers(0, len(wire) - 1))
    wire[at] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(ValueError, match=r"checksum|claims"):
        decode_frame(bytes(wire))


@pytest.mark.parametrize(
    ("total", "headers"),
    [(15, 0), (LARGEST_FRAME + 1, 0), (100, 90), (1_000_000, 131_073)],
    ids=["too small", "too large", "headers beyond the frame", "too many headers"],
)
def test_lengths_are_refused_before_anything_is_kept(total: int, headers: int) -> None:
    lengths = struct.pack(">II", total, headers)
    with pytest.raises(ValueError, match="claims"):
        FrameDecoder().feed(lengths + struct.pack(">I", zlib.crc32(lengths)))


def test_a_frame_must_be_as_long_as_it_claims() -> None:
    with pytest.raises(ValueError, match="claims 16 bytes and has 17"):
        decode_frame(encode_frame({}, b"") + b"x")


@pytest.mark.parametrize(
    "headers", [{"": "x"}, {"n" * 256: "x"}, {"n": "x" * 32_768}], ids=["no name", "long name", "long value"]
)
def test_what_the_format_cannot_say_is_not_written(headers: Mapping[str, HeaderValue]) -> None:
    with pytest.raises(ValueError, match="header"):
        encode_frame(headers, b"")


@given(st.lists(_frames, min_size=1, max_size=5), st.integers(1, 40), st.integers(1, 60))
def test_the_boundary_knows_where_frames_end_also_when_one_passes_in_pieces(
    frames: list[Frame], cut: int, most_held: int
) -> None:
    wire = _wire(frames)
    ends = {0}
    for frame in frames:
        ends.add(max(ends) + len(encode_frame(frame.headers, frame.payload)))
    boundary = FrameBoundary()
    held, passed = b"", 0
    for at in range(0, len(wire), cut):
        data = held + wire[at : at + cut]
        end = boundary.whole(data)
        held = data[end:]
        passed += end
        assert end == 0 or passed in ends
        if len(held) > max(most_held, 11):
            boundary.passed(held)
            passed, held = passed + len(held), b""
    assert (passed, held) == (len(wire), b"")


def test_the_boundary_refuses_what_is_no_frame() -> None:
    with pytest.raises(ValueError, match="checksum"):
        FrameBoundary().whole(b"data: not a frame at all\n\n")


@pytest.mark.parametrize(
    ("wire", "name"),
    [
        (encode_event("metadata", b"{}"), "metadata"),
        (encode_exception("throttlingException", b"{}"), "exception:throttlingException"),
        (encode_frame({":message-type": "error", ":error-code": "Oops"}, b""), "exception:Oops"),
    ],
    ids=["event", "exception", "error"],
)
def test_frames_have_names(wire: bytes, name: str) -> None:
    assert event_name(decode_frame(wire)) == name


def test_a_named_event_is_written_as_what_it_was() -> None:
    assert encode_named("metadata", b"1") == encode_event("metadata", b"1")
    assert encode_named("exception:a", b"1") == encode_exception("a", b"1")


def test_the_length_of_a_frame_is_unknown_until_its_beginning_is_whole() -> None:
    wire = encode_event("metadata", b"{}")
    assert [frame_length(wire[:size]) for size in (0, 11, 12)] == [0, 0, len(wire)]
