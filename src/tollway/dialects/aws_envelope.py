"""Streams of other APIs inside AWS frames, opened: InvokeModel's `chunk` and SageMaker's `PayloadPart`.

A `chunk` holds one JSON event, as base64; what comes out are the server-sent events that the event's
own API has. A `PayloadPart` holds a piece of the container's own stream, cut anywhere.
"""

import base64
import binascii
from collections.abc import Sequence
from typing import Final

import msgspec

from tollway.core.errors import UpstreamAnswered
from tollway.dialects.aws_errors import stream_error
from tollway.interfaces.framing import StreamFraming, Unwrapper
from tollway.wire.aws_event_stream import EXCEPTION, Frame, FrameDecoder, encode_event, event_name
from tollway.wire.sse import sse_event


class _Chunk(msgspec.Struct):
    bytes: str = ""


class _Event(msgspec.Struct):
    type: str = ""


_CHUNK: Final = msgspec.json.Decoder(_Chunk)
_EVENT: Final = msgspec.json.Decoder(_Event)


class AwsUnwrapper:
    """Opens the frames of one stream."""

    __slots__ = ("_frames",)

    def __init__(self) -> None:
        """Start before the first byte."""
        self._frames = FrameDecoder()

    def feed(self, data: bytes) -> Sequence[bytes | UpstreamAnswered]:
        """Take the next bytes; return what the frames they complete hold.

        Raises:
            ValueError: the bytes are no such frames.
        """
        return [found for frame in self._frames.feed(data) if (found := _opened(frame)) is not None]


class AwsEnvelope(msgspec.Struct, frozen=True):
    """Frames around the stream of another API."""

    @property
    def framing(self) -> StreamFraming:
        """Binary frames."""
        return "aws-event-stream"

    def unwrapper(self) -> Unwrapper:
        """Make what opens the frames of one stream."""
        return AwsUnwrapper()


def chunk_event(payload: bytes) -> bytes:
    """Take the JSON event out of a chunk's payload.

    Raises:
        ValueError: the payload is no chunk.
    """
    try:
        return base64.b64decode(_CHUNK.decode(payload).bytes, validate=True)
    except (msgspec.DecodeError, binascii.Error, RecursionError) as error:
        msg = "a chunk of the stream does not hold base64 in `bytes`"
        raise ValueError(msg) from error


def chunk_frame(event: bytes) -> bytes:
    """Write a JSON event as a chunk."""
    return encode_event("chunk", msgspec.json.encode({"bytes": base64.b64encode(event).decode()}))


def as_server_sent(event: bytes) -> bytes:
    """Write a JSON event as a server-sent one, named by its type where it has one."""
    try:
        kind = _EVENT.decode(event).type
    except (msgspec.DecodeError, RecursionError):
        kind = ""
    return sse_event(event, kind.encode())


def _opened(frame: Frame) -> bytes | UpstreamAnswered | None:
    name = event_name(frame)
    if name == "PayloadPart":
        return frame.payload
    if name == "chunk":
        return as_server_sent(chunk_event(frame.payload))
    if name.startswith(EXCEPTION):
        return stream_error(name.removeprefix(EXCEPTION), frame.payload)
    return None  # frames of later versions, which the format asks to ignore
