"""How the events of a stream are told apart, sans I/O: what each way needs to be passed, shown and written.

Rules of this file:
- Only framing lives here. What an event's data means belongs to a dialect.
- A streamed JSON array is server-sent events framed anew (`json_array.py`), so both share one entry.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple, Protocol

from tollway.interfaces.dialect import StreamFraming
from tollway.wire.aws_event_stream import FrameBoundary, FrameDecoder, encode_named, event_name
from tollway.wire.sse import SseDecoder, sse_event


class FramedEvent(NamedTuple):
    """One event, unread."""

    event: str
    """Its name; empty where the stream does not name its events."""
    data: bytes


class EventDecoder(Protocol):
    """Tells the events of one stream apart, whatever the cuts."""

    def feed(self, data: bytes) -> Sequence[FramedEvent]:
        """Take the next bytes; return the events they complete.

        Raises:
            ValueError: the bytes are not framed so, or an event is larger than is taken.
        """
        ...


class Boundary(Protocol):
    """Finds where events end in the bytes of one stream that passes unread."""

    def whole(self, data: bytes) -> int:
        """Find where the last whole event ends; 0 when there is none.

        `data` begins where the last answer said, or behind what `passed` was told of.

        Raises:
            ValueError: the bytes are not framed so.
        """
        ...

    def passed(self, data: bytes) -> None:
        """Learn that these bytes, all that was left behind the last whole event, went on without its end.

        Raises:
            ValueError: the bytes are not framed so.
        """
        ...


class Framing(Protocol):
    """One way of telling events apart."""

    media_type: bytes
    """What the content type begins with, lower case."""
    content_type: bytes
    """Header lines of a stream to a caller."""
    mark: bytes
    """Comes once in every event; counted to estimate what a cut stream used."""
    closing: bytes
    """Ends a last event whose end never came; empty where a cut event can never be read."""

    def boundary(self) -> Boundary:
        """Make what finds the ends of one stream's events."""
        ...

    def decoder(self) -> EventDecoder:
        """Make the reader of one stream."""
        ...

    def encode(self, event: FramedEvent) -> bytes:
        """Write one event."""
        ...


class _SseEvents:
    """Adapts the decoder of server-sent events."""

    __slots__ = ("_decoder",)

    def __init__(self) -> None:
        self._decoder = SseDecoder()

    def feed(self, data: bytes) -> Sequence[FramedEvent]:
        return [FramedEvent(event.event, event.data.encode()) for event in self._decoder.feed(data)]


class ServerSentEvents:
    """Server-sent events. WHATWG HTML standard, section 9.2."""

    media_type = b"text/event-stream"
    content_type = (
        b"content-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
    )
    mark = b"data:"
    closing = b"\n\n"

    def boundary(self) -> Boundary:
        """Give itself: an end can be seen in the bytes alone."""
        return self

    def whole(self, data: bytes) -> int:
        """Find the last blank line, whichever of the standard's line ends it has."""
        end = data.rfind(b"\n\n") + 2
        windows = data.rfind(b"\r\n\r\n") + 4
        old = data.rfind(b"\r\r") + 2
        return max(end if end > 1 else 0, windows if windows > 3 else 0, old if old > 1 else 0)

    def passed(self, data: bytes) -> None:
        """Nothing to remember."""

    def decoder(self) -> EventDecoder:
        """Make the reader of one stream."""
        return _SseEvents()

    def encode(self, event: FramedEvent) -> bytes:
        """Write one event whose data is a single line, as JSON is."""
        return sse_event(event.data, event.event.encode())


class _Lines:
    """Tells lines apart."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held = b""

    def feed(self, data: bytes) -> Sequence[FramedEvent]:
        *lines, self._held = (self._held + data).split(b"\n")
        if len(self._held) > _LARGEST_LINE:
            msg = f"a line of the stream is larger than {_LARGEST_LINE} bytes"
            raise ValueError(msg)
        return [FramedEvent("", line.rstrip(b"\r")) for line in lines if line.strip()]


class NewlineDelimitedJson:
    """One JSON value a line."""

    media_type = b"application/x-ndjson"
    content_type = b"content-type: application/x-ndjson\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
    mark = b"\n"
    closing = b"\n"

    def boundary(self) -> Boundary:
        """Give itself: an end can be seen in the bytes alone."""
        return self

    def whole(self, data: bytes) -> int:
        """Find the last end of a line."""
        return data.rfind(b"\n") + 1

    def passed(self, data: bytes) -> None:
        """Nothing to remember."""

    def decoder(self) -> EventDecoder:
        """Make the reader of one stream."""
        return _Lines()

    def encode(self, event: FramedEvent) -> bytes:
        """Write one line."""
        return event.data + b"\n"


class _AwsEvents:
    """Adapts the decoder of binary frames."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        self._frames = FrameDecoder()

    def feed(self, data: bytes) -> Sequence[FramedEvent]:
        return [FramedEvent(event_name(frame), frame.payload) for frame in self._frames.feed(data)]


class AwsEventStream:
    """Binary frames with a length before and a checksum behind each."""

    media_type = b"application/vnd.amazon.eventstream"
    content_type = (
        b"content-type: application/vnd.amazon.eventstream\r\ncache-control: no-cache\r\nx-accel-buffering: no\r\n"
    )
    mark = b":message-type"
    closing = b""

    def boundary(self) -> Boundary:
        """Make one that counts: nothing in the bytes themselves tells where a frame ends."""
        return FrameBoundary()

    def decoder(self) -> EventDecoder:
        """Make the reader of one stream."""
        return _AwsEvents()

    def encode(self, event: FramedEvent) -> bytes:
        """Write one event, or an exception by the name the reader gives it."""
        return encode_named(event.event, event.data)


_LARGEST_LINE: Final = 16 * 1024 * 1024

SSE: Final[Framing] = ServerSentEvents()
NDJSON: Final[Framing] = NewlineDelimitedJson()
AWS_EVENT_STREAM: Final[Framing] = AwsEventStream()

FRAMINGS: Final[Mapping[StreamFraming, Framing]] = {
    "sse": SSE,
    "json-array": SSE,  # framed as events until `JsonArrayFramer` makes the array of them
    "ndjson": NDJSON,
    "aws-event-stream": AWS_EVENT_STREAM,
}
"""How to handle each framing."""
