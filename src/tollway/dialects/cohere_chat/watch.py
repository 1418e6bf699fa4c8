"""Watches Cohere streams and answers that pass through unread, for usage and their end.

Rules of this file:
- An event's type is found by its quoted name: inside JSON strings quotes are escaped, so words of a
  model can never look like one.
- A chunk in which neither `message-start` nor `message-end` nor an error is found passes unsplit.
"""

import re
from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.cohere_chat.errors import failure_in
from tollway.dialects.cohere_chat.usage import read_usage
from tollway.dialects.passthrough import BOUNDARIES, CutEvents, data_in
from tollway.interfaces.dialect import AnswerFacts

_TELLING: Final = re.compile(rb'"message-(?:start|end)"|"error"')


class _Answer(msgspec.Struct):
    id: str | None = None
    finish_reason: str | None = None
    usage: JsonObject | None = None


class _Delta(msgspec.Struct):
    finish_reason: str | None = None
    usage: JsonObject | None = None
    error: Json = None


class _Event(msgspec.Struct):
    type: str = ""
    id: str | None = None
    delta: _Delta | None = None
    error: Json = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)
_EVENT: Final = msgspec.json.Decoder(_Event)


def answer_facts(body: bytes) -> AnswerFacts:
    """Find usage in a whole answer; the API does not say which model served. Never raises."""
    try:
        found = _ANSWER.decode(body)
    except NOT_JSON:
        return AnswerFacts()
    return AnswerFacts(usage=read_usage(found.usage or {}), id=found.id or "", finish=found.finish_reason or "")


class ChatWatch:
    """Scans one stream."""

    __slots__ = ("_cut", "_end", "_id", "ended", "failed")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._cut = CutEvents(hides=False)
        self._id = ""
        self._end: _Delta | None = None
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them may go to the caller."""
        if self._cut.holds() or not data.endswith(BOUNDARIES):
            seen = self._cut.add(data).seen
            if seen:
                self._look(seen)
        else:
            self._look(data)
        return data

    def _look(self, data: bytes) -> None:
        if _TELLING.search(data) is None:
            return
        for text in data_in(data):
            try:
                event = _EVENT.decode(text)
            except NOT_JSON:
                continue
            if event.type == "message-start":
                self._id = event.id or ""
            elif event.type == "message-end":
                self._ended(event.delta or _Delta())
            elif event.error:
                self.failed = True

    def _ended(self, delta: _Delta) -> None:
        self._end = delta
        if failure_in({"finish_reason": delta.finish_reason, "error": delta.error}) is not None:
            self.failed = True
        else:
            self.ended = True

    def facts(self) -> AnswerFacts:
        """What was found so far."""
        end = self._end or _Delta()
        return AnswerFacts(usage=read_usage(end.usage or {}), id=self._id, finish=end.finish_reason or "")
