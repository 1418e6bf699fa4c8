"""Streams of InvokeModel: Messages inside frames, in both directions, and the watch of any family's frames.

Rules of this file:
- The last event carries `amazon-bedrock-invocationMetrics`, whatever the family.
- An error is a frame of its own, never an event of the family.
"""

from collections import deque
from collections.abc import Sequence
from typing import Final

import msgspec

from tollway.core.answer import StreamEvent, StreamFailed, UsageReported
from tollway.core.errors import TollwayError, UpstreamGarbled
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.anthropic_messages.stream_in import MessagesParser
from tollway.dialects.anthropic_messages.stream_out import MessagesRenderer
from tollway.dialects.anthropic_messages.watch import MessagesWatch
from tollway.dialects.aws_envelope import AwsUnwrapper, as_server_sent, chunk_event, chunk_frame
from tollway.dialects.aws_errors import render_failure, render_stream_error
from tollway.dialects.bedrock_converse.watch import FrameWatch
from tollway.dialects.bedrock_invoke.usage import METRICS, read_metrics, render_metrics, stream_finish
from tollway.dialects.caller_fields import as_object
from tollway.interfaces.dialect import AnswerFacts
from tollway.wire.aws_event_stream import EXCEPTION, FrameDecoder, event_name
from tollway.wire.sse import SseDecoder

_LAST: Final = 4
"""Why a model stopped and what it used is in this many events at the end, in every family."""
_MARK: Final = METRICS.encode()


class InvokeParser:
    """Reads one stream of Messages inside frames."""

    __slots__ = ("_failed", "_messages", "_unwrapper")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._unwrapper = AwsUnwrapper()
        self._messages = MessagesParser()
        self._failed = False

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes; return the events they complete."""
        try:
            pieces = self._unwrapper.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        found: list[StreamEvent] = []
        for piece in pieces:
            if self._failed:
                break
            if isinstance(piece, bytes):
                found.extend(self._messages.feed(piece))
            else:
                self._failed = True
                found.append(StreamFailed(piece.message, status=piece.status, kind=piece.kind))
        return found

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed the connection."""
        return self._messages.close()


class InvokeRenderer:
    """Writes one stream of Messages inside frames."""

    __slots__ = ("_events", "_messages", "_usage")

    def __init__(self, model: str, new_id: str) -> None:
        """Start; `model` and `new_id` stand in where the provider says neither."""
        self._messages = MessagesRenderer(model, new_id)
        self._events = SseDecoder()
        self._usage: UsageReported | None = None

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty."""
        failure: StreamFailed | None = None
        kept: list[StreamEvent] = []
        for event in events:
            if isinstance(event, StreamFailed):
                failure = event
                break
            if isinstance(event, UsageReported):
                self._usage = event
            kept.append(event)
        out = b"".join(self._framed(one.data) for one in self._events.feed(self._messages.feed(kept)))
        return out if failure is None else out + render_failure(failure)

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream."""
        return render_stream_error(error)

    def _framed(self, data: str) -> bytes:
        if '"message_stop"' not in data:
            return chunk_frame(data.encode())
        event: JsonObject = msgspec.json.decode(data)
        if event.get("type") == "message_stop":
            event[METRICS] = render_metrics(self._usage.usage if self._usage is not None else None)
        return chunk_frame(msgspec.json.encode(event))


class InvokeWatch:
    """Scans one passed-through stream of any family."""

    __slots__ = ("_first", "_frames", "_last", "ended", "failed")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._frames = FrameWatch()
        self._first = b""
        self._last: deque[bytes] = deque(maxlen=_LAST)
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them may go to the caller."""
        seen = self._frames.whole(data)
        if seen:
            self._look(seen)
        return data

    def _look(self, seen: bytes) -> None:
        try:
            for frame in FrameDecoder().feed(seen):
                name = event_name(frame)
                if name.startswith(EXCEPTION):
                    self.failed = True
                elif name == "chunk":
                    self._event(chunk_event(frame.payload))
        except ValueError:
            return  # what cannot be read is the caller's to make sense of

    def _event(self, event: bytes) -> None:
        self._first = self._first or event
        self._last.append(event)
        if _MARK in event:
            self.ended = True

    def facts(self) -> AnswerFacts:
        """What was found so far."""
        messages = MessagesWatch()
        for event in (self._first, *self._last):
            messages.feed(as_server_sent(event))
        found = messages.facts()
        if found.usage is not None:
            return found
        events = [_decoded(event) for event in self._last]
        metrics = next((as_object(event[METRICS]) for event in reversed(events) if METRICS in event), None)
        usage = None if metrics is None else read_metrics(metrics)
        return AnswerFacts(usage=usage, finish=stream_finish(events))


def _decoded(event: bytes) -> JsonObject:
    try:
        value: Json = msgspec.json.decode(event)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return as_object(value)
