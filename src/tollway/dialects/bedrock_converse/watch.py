"""Watches Converse's streams and answers that pass through unread, for usage and their end.

Rules of this file:
- Frames are told apart by their lengths. Only those whose header says `messageStop`, `metadata` or
  an exception are kept, and decoded when asked: a header's bytes cannot occur in a JSON payload,
  where control characters are escaped.
"""

from typing import Final

import msgspec

from tollway.core.json_value import JsonObject
from tollway.dialects.bedrock_converse.usage import read_usage
from tollway.interfaces.dialect import AnswerFacts
from tollway.wire.aws_event_stream import FrameBoundary, FrameDecoder, event_name

_STOP: Final = b":event-type\x07\x00\x0bmessageStop"
_METADATA: Final = b":event-type\x07\x00\x08metadata"
_EXCEPTION: Final = b":message-type\x07\x00\x09exception"
_ERROR: Final = b":message-type\x07\x00\x05error"
_KEEP_BYTES: Final = 256 * 1024
"""A frame cut over several feeds is kept up to this size; those that are looked for are under 64 KiB."""


class _Tier(msgspec.Struct):
    type: str = ""


class _Event(msgspec.Struct):
    usage: JsonObject | None = None
    stopReason: str | None = None  # noqa: N815 - the API's own name
    serviceTier: _Tier | None = None  # noqa: N815


_EVENT: Final = msgspec.json.Decoder(_Event)


def answer_facts(body: bytes) -> AnswerFacts:
    """Find usage in a whole answer. Never raises."""
    event = _decoded(body)
    return _facts(event, event.stopReason or "")


def _facts(event: _Event, finish: str) -> AnswerFacts:
    usage = read_usage(event.usage) if event.usage else None
    tier = event.serviceTier.type if event.serviceTier is not None else ""
    return AnswerFacts(usage=usage, finish=finish, service_tier=tier)


def _decoded(payload: bytes) -> _Event:
    try:
        return _EVENT.decode(payload)
    except (msgspec.DecodeError, RecursionError):
        return _Event()


class FrameWatch:
    """Gives whole frames of bytes that pass by; what is not framed so is not looked into."""

    __slots__ = ("_boundary", "_partial")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._boundary: FrameBoundary | None = FrameBoundary()
        self._partial = b""

    def whole(self, data: bytes) -> bytes:
        """Take the next bytes; give the frames they complete."""
        boundary = self._boundary
        if boundary is None:
            return b""
        if self._partial:
            data = self._partial + data
        try:
            end = boundary.whole(data)
            self._partial = data[end:]
            if len(self._partial) > _KEEP_BYTES:
                boundary.passed(self._partial)
                self._partial = b""
        except ValueError:
            self._boundary, self._partial = None, b""
            return b""
        return data if end == len(data) else data[:end]


class ConverseWatch:
    """Scans one stream."""

    __slots__ = ("_frames", "_kept", "ended", "failed")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._frames = FrameWatch()
        self._kept: list[bytes] = []
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them may go to the caller."""
        seen = self._frames.whole(data)
        if seen:
            stops, told = _STOP in seen, _METADATA in seen
            if stops or told:
                self._kept.append(seen)
                self.ended = self.ended or told
            if _EXCEPTION in seen or _ERROR in seen:
                self.failed = True
        return data

    def facts(self) -> AnswerFacts:
        """What was found so far."""
        found, finish = _Event(), ""
        for seen in self._kept:
            for name, event in _events(seen):
                if name == "metadata":
                    found = event
                else:
                    finish = event.stopReason or ""
        return _facts(found, finish)


def _events(seen: bytes) -> list[tuple[str, _Event]]:
    try:
        frames = FrameDecoder().feed(seen)
    except ValueError:
        return []
    named = ((event_name(frame), frame.payload) for frame in frames)
    return [(name, _decoded(payload)) for name, payload in named if name in {"metadata", "messageStop"}]
