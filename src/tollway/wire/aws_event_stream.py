"""Binary event-stream frames of AWS (`application/vnd.amazon.eventstream`), sans I/O.

    total length 4 | headers length 4 | CRC of these 8 | headers | payload | CRC of all before it

Rules of this file:
- Only framing lives here. What a frame's payload means belongs to a dialect.
- Any cut of the same bytes gives the same frames; a test holds it.
- Lengths are checked before anything is kept for them, so a peer cannot fill the memory.

Source: the Smithy specification, "Amazon Event Stream Specification". Numbers are big-endian, the
checksums are CRC-32 of ISO 3309 as in zlib.
"""

import struct
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

HeaderValue = bool | int | bytes | str | datetime | UUID
"""What a header holds. Whole numbers are written as 32 bits where they fit, else as 64."""

LARGEST_FRAME: Final = 24 * 1024 * 1024
"""The specification allows 16 MiB of payload and 128 KiB of headers; some services send a little more."""

_PRELUDE: Final = 12
_SMALLEST_FRAME: Final = _PRELUDE + 4
_LARGEST_HEADERS: Final = 131_072
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_lengths: Final = struct.Struct(">III").unpack_from
_crc: Final = struct.Struct(">I").unpack_from

# The specification's numbers of header types.
_TRUE, _FALSE, _BYTE, _SHORT, _INTEGER, _LONG, _BYTES, _STRING, _TIMESTAMP, _UUID = range(10)
_FIXED: Final[Mapping[int, struct.Struct]] = {
    _BYTE: struct.Struct(">b"),
    _SHORT: struct.Struct(">h"),
    _INTEGER: struct.Struct(">i"),
    _LONG: struct.Struct(">q"),
    _TIMESTAMP: struct.Struct(">q"),
}


class Frame(NamedTuple):
    """One frame."""

    headers: Mapping[str, HeaderValue]
    payload: bytes

    def text(self, name: str) -> str:
        """Give a header that holds text; empty where there is none."""
        value = self.headers.get(name)
        return value if isinstance(value, str) else ""


def frame_length(data: bytes | bytearray | memoryview, start: int = 0) -> int:
    """Read how long the frame that begins at `start` is; 0 while its beginning is not whole.

    Raises:
        ValueError: no frame begins so, or one larger than is taken.
    """
    if len(data) - start < _PRELUDE:
        return 0
    total, headers, checksum = _lengths(data, start)
    if zlib.crc32(memoryview(data)[start : start + 8]) != checksum:
        msg = "an event-stream frame begins with a wrong checksum"
        raise ValueError(msg)
    if not _SMALLEST_FRAME <= total <= LARGEST_FRAME or headers > min(_LARGEST_HEADERS, total - _SMALLEST_FRAME):
        msg = f"an event-stream frame claims {total} bytes with {headers} of headers"
        raise ValueError(msg)
    return total


class FrameDecoder:
    """Turns a byte stream into frames. Feed it bytes as they come."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        """Start before the first byte."""
        self._buffer = bytearray()

    @property
    def empty(self) -> bool:
        """Whether no frame is begun."""
        return not self._buffer

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes and return the frames they complete.

        Raises:
            ValueError: the bytes are not framed so, or a checksum is wrong.
        """
        buffer = self._buffer
        buffer += data
        frames: list[Frame] = []
        start = 0
        while True:
            total = frame_length(buffer, start)
            if total == 0 or len(buffer) - start < total:
                break
            frames.append(decode_frame(bytes(buffer[start : start + total])))
            start += total
        del buffer[:start]
        return frames


class FrameBoundary:
    """Knows where frames end in bytes that pass by, also when one passes in pieces."""

    __slots__ = ("_skip",)

    def __init__(self) -> None:
        """Start before the first byte."""
        self._skip = 0

    def whole(self, data: bytes) -> int:
        """Find where the last whole frame ends; `data` begins where the last call's answer said.

        Raises:
            ValueError: the bytes are not framed so.
        """
        end = self._skip
        if end > len(data):
            return 0
        while True:
            total = frame_length(data, end)
            if total == 0 or len(data) - end < total:
                self._skip = 0
                return end
            end += total

    def passed(self, data: bytes) -> None:
        """Learn that these bytes, which begin at a boundary or within a frame, went on without its end.

        Raises:
            ValueError: the bytes are not framed so.
        """
        if self._skip:
            self._skip -= len(data)
        else:
            total = frame_length(data)
            self._skip = total - len(data)


def decode_frame(data: bytes) -> Frame:
    """Read one whole frame.

    Raises:
        ValueError: a checksum is wrong, or its headers are not as specified.
    """
    total = frame_length(data)
    if total != len(data):
        msg = f"an event-stream frame claims {total} bytes and has {len(data)}"
        raise ValueError(msg)
    if zlib.crc32(memoryview(data)[: total - 4]) != _crc(data, total - 4)[0]:
        msg = "an event-stream frame has a wrong checksum"
        raise ValueError(msg)
    end = _PRELUDE + _lengths(data)[1]
    return Frame(_decode_headers(data[_PRELUDE:end]), data[end : total - 4])


def encode_frame(headers: Mapping[str, HeaderValue], payload: bytes) -> bytes:
    """Write one frame.

    Raises:
        ValueError: a header's name or value is longer than the format can say.
    """
    head = b"".join(_encode_header(name, value) for name, value in headers.items())
    lengths = struct.pack(">II", _SMALLEST_FRAME + len(head) + len(payload), len(head))
    body = b"".join((lengths, struct.pack(">I", zlib.crc32(lengths)), head, payload))
    return body + struct.pack(">I", zlib.crc32(body))


def encode_event(event_type: str, payload: bytes) -> bytes:
    """Write an event whose payload is JSON."""
    return encode_frame(
        {":event-type": event_type, ":content-type": "application/json", ":message-type": "event"}, payload
    )


def encode_exception(exception_type: str, payload: bytes) -> bytes:
    """Write an exception, which ends a stream, with a JSON payload."""
    return encode_frame(
        {":exception-type": exception_type, ":content-type": "application/json", ":message-type": "exception"}, payload
    )


def _encode_header(name: str, value: HeaderValue) -> bytes:
    encoded = name.encode()
    if not 1 <= len(encoded) <= 255:
        msg = f"a header name must have 1 to 255 bytes, not {len(encoded)}"
        raise ValueError(msg)
    return bytes((len(encoded),)) + encoded + _encode_value(value)


def _encode_value(value: HeaderValue) -> bytes:
    match value:
        case bool():
            return bytes((_TRUE if value else _FALSE,))
        case int():
            kind = _INTEGER if -(1 << 31) <= value < 1 << 31 else _LONG
            return bytes((kind,)) + _FIXED[kind].pack(value)
        case str():
            return _sized(_STRING, value.encode())
        case bytes():
            return _sized(_BYTES, value)
        case datetime():
            return bytes((_TIMESTAMP,)) + _FIXED[_TIMESTAMP].pack((value - _EPOCH) // timedelta(milliseconds=1))
        case UUID():
            return bytes((_UUID,)) + value.bytes


def _sized(kind: int, value: bytes) -> bytes:
    if len(value) > 0x7FFF:  # the specification's limit of one header's value
        msg = f"a header value has {len(value)} bytes, more than 32767"
        raise ValueError(msg)
    return struct.pack(">BH", kind, len(value)) + value


def _decode_headers(data: bytes) -> dict[str, HeaderValue]:
    headers: dict[str, HeaderValue] = {}
    at = 0
    try:
        while at < len(data):
            named = at + 1 + data[at]
            name = data[at + 1 : named].decode()
            kind = data[named]
            headers[name], at = _decode_value(kind, data, named + 1)
    except (IndexError, struct.error, UnicodeDecodeError, OverflowError) as error:
        msg = "an event-stream frame has headers that cannot be read"
        raise ValueError(msg) from error
    if at != len(data):
        msg = "an event-stream frame has a header that is longer than its headers"
        raise ValueError(msg)
    return headers


def _decode_value(kind: int, data: bytes, at: int) -> tuple[HeaderValue, int]:
    if kind in (_TRUE, _FALSE):
        return kind == _TRUE, at
    fixed = _FIXED.get(kind)
    if fixed is not None:
        number: int = fixed.unpack_from(data, at)[0]
        value = _EPOCH + timedelta(milliseconds=number) if kind == _TIMESTAMP else number
        return value, at + fixed.size
    if kind == _UUID:
        if len(data) - at < 16:
            raise IndexError
        return UUID(bytes=data[at : at + 16]), at + 16
    if kind not in (_BYTES, _STRING):
        msg = f"an event-stream frame has a header of the unknown type {kind}"
        raise ValueError(msg)
    size: int = struct.unpack_from(">H", data, at)[0]
    found = data[at + 2 : at + 2 + size]
    return found if kind == _BYTES else found.decode(), at + 2 + size


EXCEPTION: Final = "exception:"
"""What the names of exceptions begin with, where frames are shown as events."""


def event_name(frame: Frame) -> str:
    """Name a frame as an event."""
    if frame.text(":message-type") == "exception":
        return EXCEPTION + frame.text(":exception-type")
    if frame.text(":message-type") == "error":
        return EXCEPTION + frame.text(":error-code")
    return frame.text(":event-type")


def encode_named(name: str, payload: bytes) -> bytes:
    """Write an event by the name that `event_name` gives."""
    if name.startswith(EXCEPTION):
        return encode_exception(name.removeprefix(EXCEPTION), payload)
    return encode_event(name, payload)
