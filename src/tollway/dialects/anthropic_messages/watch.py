"""Watches Anthropic streams and answers that pass through unread, for usage and their end.

Rules of this file:
- An event's type is found by its quoted name: inside JSON strings quotes are escaped, so words of a
  model can never look like one.
- A lone piece of content passes with one look at its beginning and one search for a second event.
  What looks like `message_start`, `message_delta`, `message_stop` or `error` is kept, and decoded
  when asked.
"""

from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.anthropic_messages.usage import merge_usage, neutral_tier, read_usage, served_model
from tollway.interfaces.dialect import AnswerFacts

_PIECE: Final = b"event: content_block_delta\n"
_KEEP_BYTES: Final = 256 * 1024
"""An event cut over several feeds is kept up to this size; usage events are under 4 KiB."""


class _Message(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    stop_reason: str | None = None
    usage: JsonObject | None = None


class _Delta(msgspec.Struct):
    stop_reason: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: _Message | None = None
    delta: _Delta | None = None
    usage: JsonObject | None = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)
_EVENT: Final = msgspec.json.Decoder(_Event)


def answer_facts(body: bytes) -> AnswerFacts:
    """Find usage and served model in a whole answer. Never raises."""
    try:
        message = _MESSAGE.decode(body)
    except NOT_JSON:
        return AnswerFacts()
    return _facts(message, message.usage, message.stop_reason or "")


def _facts(message: _Message, usage: JsonObject | None, finish: str) -> AnswerFacts:
    found: Usage | None = read_usage(usage) if usage else None
    tier = (neutral_tier(usage) if usage else None) or ""
    model = served_model(usage or {}) or message.model or ""
    return AnswerFacts(usage=found, model=model, id=message.id or "", finish=finish, service_tier=tier)


class MessagesWatch:
    """Scans one stream."""

    __slots__ = ("_delta", "_head", "_partial", "ended", "failed")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._head = b""
        self._delta = b""
        self._partial = b""
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them may go to the caller."""
        if self._partial or not data.endswith(b"\n\n"):
            self._cut(data)
        elif not data.startswith(_PIECE) or data.find(b"\nevent:", len(_PIECE)) >= 0:
            self._look(data)
        return data

    def _cut(self, data: bytes) -> None:
        """Put together an event that came in several feeds."""
        whole = self._partial + data if len(self._partial) < _KEEP_BYTES else data
        end = max(whole.rfind(b"\n\n") + 2, whole.rfind(b"\n\r\n") + 3)
        complete, self._partial = (whole[:end], whole[end:]) if end > 2 else (b"", whole)
        if complete:
            self._look(complete)

    def _look(self, data: bytes) -> None:
        if data.find(b'"message_') >= 0:
            if not self._head and data.find(b'"message_start"') >= 0:
                self._head = data
            if data.find(b'"message_delta"') >= 0:
                self._delta = data
            if data.find(b'"message_stop"') >= 0 and _has(data, "message_stop"):
                self.ended = True
        if data.find(b'"error"') >= 0 and _has(data, "error"):
            self.failed = True

    def facts(self) -> AnswerFacts:
        """What was found so far."""
        if self._partial:  # a stream that ends without its last blank line
            self._look(self._partial)
        start, later = _events(self._head), _events(self._delta)
        message = next((event.message for event in start if event.message is not None), None) or _Message()
        delta = next((event for event in reversed(later) if event.type == "message_delta"), None)
        usage = message.usage
        if delta is not None:
            usage = merge_usage(usage or {}, delta.usage or {})
        elif usage is not None:
            usage = usage | {"output_tokens": 0}  # a placeholder until `message_delta` tells
        finish = delta.delta.stop_reason if delta is not None and delta.delta is not None else None
        return _facts(message, usage, finish or "")


def _has(data: bytes, kind: str) -> bool:
    return any(event.type == kind for event in _events(data))


def _events(data: bytes) -> list[_Event]:
    """Decode the events of these bytes that are whole."""
    found: list[_Event] = []
    for line in data.splitlines():
        if line.startswith(b"data:"):
            try:
                found.append(_EVENT.decode(line[5:]))
            except NOT_JSON:
                continue
    return found
