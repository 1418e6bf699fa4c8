"""Finds usage and the served model in Responses that pass through unread.

Rules of this file:
- Only the events of a response's life (`response.created`, `.completed`, `.incomplete`, `.failed`)
  hold a `response`; nothing but them and errors is looked into.
- Most bytes that come end with a delta. No end can stand before one, so one search from the end is
  all they cost, once the response was created.
"""

from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.caller_fields import as_object, as_text
from tollway.dialects.openai_responses.usage import parse_usage
from tollway.dialects.passthrough import BOUNDARIES, CutEvents, data_in
from tollway.interfaces.dialect import AnswerFacts

_ENDS: Final = frozenset({"response.completed", "response.incomplete", "response.failed"})


class _Response(msgspec.Struct):
    """The few members the meter wants; the decoder skips the rest without building it."""

    id: str | None = None
    model: str | None = None
    status: str | None = None
    usage: JsonObject | None = None
    service_tier: str | None = None
    incomplete_details: JsonObject | None = None


class _Event(msgspec.Struct):
    type: str = ""
    response: _Response | None = None
    error: Json = None


_RESPONSE: Final = msgspec.json.Decoder(_Response)
_EVENT: Final = msgspec.json.Decoder(_Event)


def facts(body: bytes) -> AnswerFacts:
    """Read what the meter wants from a whole answer. Never raises."""
    try:
        return _facts(_RESPONSE.decode(body), AnswerFacts())
    except NOT_JSON:
        return AnswerFacts()


def _facts(response: _Response, before: AnswerFacts) -> AnswerFacts:
    reason = as_text(as_object(response.incomplete_details).get("reason"))
    return AnswerFacts(
        usage=(parse_usage(response.usage) if response.usage else None) or before.usage,
        model=response.model or before.model,
        id=before.id or response.id or "",  # the first: some servers make up a new one for each event
        finish=reason or response.status or before.finish,
        service_tier=response.service_tier or before.service_tier,
    )


class ResponsesStreamWatch:
    """Scans one stream. This API always says its usage, so there is nothing to hide."""

    __slots__ = ("_begun", "_cut", "_ended", "_facts", "_failed", "_joining")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._cut = CutEvents(hides=False)
        self._joining = False
        self._begun = False
        self._facts = AnswerFacts()
        self._ended = False
        self._failed = False

    @property
    def ended(self) -> bool:
        """True once the response completed, stayed incomplete or failed."""
        return self._ended

    @property
    def failed(self) -> bool:
        """True once an error, or a response that failed, was seen."""
        return self._failed

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; the caller may have all of them."""
        if self._joining or not data.endswith(BOUNDARIES):
            seen = self._cut.add(data).seen
            self._joining = self._cut.holds()
            if seen:
                self._look(seen)
            return data
        found = data.rfind(b"event: response.")
        if found >= 0 and self._begun and data.startswith(b".delta", data.find(b"\n", found) - 6):
            return data
        if b'"response"' in data or b'"error"' in data:
            self._look(data)
        return data

    def facts(self) -> AnswerFacts:
        """Tell what was found."""
        return self._facts

    def _look(self, data: bytes) -> None:
        for one in data_in(data):
            if b'"response"' not in one and b'"error"' not in one:
                continue
            try:
                event = _EVENT.decode(one)
            except NOT_JSON:
                continue
            if event.type in {"error", "response.failed"} or (event.error and not event.type):
                self._failed = True
            if event.type in _ENDS:
                self._ended = True
            if event.response is not None:
                self._begun = True
                self._facts = _facts(event.response, self._facts)
