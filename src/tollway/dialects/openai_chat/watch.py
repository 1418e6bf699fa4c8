"""Finds usage and the served model in Chat answers that pass through unread.

Rules of this file:
- Most bytes that come end with a chunk whose finish reason is null. No end and no usage can stand
  before such a chunk, so one search from the end, and one for an error, is all they cost.
- Of the others, a chunk is looked into only when it holds a usage that is not null, an error, or
  `[DONE]`; the one before it is kept too, for the finish reason.
- Only `[DONE]` ends a stream that passes through.
"""

import re
from collections import deque
from collections.abc import Iterable
from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_object
from tollway.dialects.openai_chat.usage import PlainUsage, parse_usage
from tollway.dialects.passthrough import BOUNDARIES, CutEvents, data_in, events_in, last_events
from tollway.interfaces.dialect import AnswerFacts


class _Choice(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Members(msgspec.Struct, gc=False):
    """The few members the meter wants; the decoder skips the rest without building it."""

    id: str | None = None
    model: str | None = None
    choices: list[_Choice] | None = None
    service_tier: str | None = None
    error: Json = None
    x_groq: JsonObject | None = None


class _Plain(_Members, gc=False):
    usage: PlainUsage | None = None

    def counted(self) -> Usage | None:
        if self.usage is not None:
            return self.usage.counted()
        return None if self.x_groq is None else parse_usage(as_object(self.x_groq.get("usage")))


class _Loose(_Members, gc=False):
    usage: JsonObject | None = None

    def counted(self) -> Usage | None:
        return parse_usage(self.usage or as_object(self.x_groq and self.x_groq.get("usage")))


_Answer = _Plain | _Loose

_PLAIN: Final = msgspec.json.Decoder(_Plain)
_LOOSE: Final = msgspec.json.Decoder(_Loose)


def facts(body: bytes) -> AnswerFacts:
    """Read what the meter wants from a whole answer. Never raises."""
    answer = _decode(body)
    if answer is None:
        return AnswerFacts()
    finish = ""
    for choice in answer.choices or ():
        finish = choice.finish_reason or ""
        if finish:
            break
    return AnswerFacts(answer.counted(), answer.model or "", answer.id or "", finish, answer.service_tier or "")


def _decode(data: bytes) -> _Answer | None:
    try:
        return _PLAIN.decode(data)
    except msgspec.ValidationError:
        pass
    except NOT_JSON:
        return None
    try:
        return _LOOSE.decode(data)
    except NOT_JSON:
        return None


def _facts(answers: Iterable[_Answer]) -> AnswerFacts:
    usage: Usage | None = None
    model = identity = finish = tier = ""
    for answer in answers:
        usage = answer.counted() or usage
        model = answer.model or model
        identity = answer.id or identity
        tier = answer.service_tier or tier
        for choice in answer.choices or ():
            finish = finish or choice.finish_reason or ""
    return AnswerFacts(usage=usage, model=model, id=identity, finish=finish, service_tier=tier)


_DONE: Final = b"data: [DONE]\n\n"
_SPACED_USAGE: Final = re.compile(rb'"usage"\s*:\s*\{')


class ChatStreamWatch:
    """Scans one stream."""

    __slots__ = ("_cut", "_ended", "_failed", "_hide", "_joining", "_kept", "_last")

    def __init__(self, *, hide_usage: bool) -> None:
        """`hide_usage`: keep the chunk that holds nothing but usage from the caller."""
        self._hide = hide_usage
        self._cut = CutEvents(hides=hide_usage)
        self._joining = False
        self._last = b""
        self._kept: deque[bytes] = deque(maxlen=6)
        self._ended = False
        self._failed = False

    @property
    def ended(self) -> bool:
        """True once `[DONE]` was seen."""
        return self._ended

    @property
    def failed(self) -> bool:
        """True once an error event was seen."""
        return self._failed

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; return what the caller may have of them."""
        if self._joining or not data.endswith(BOUNDARIES):
            return self._feed_cut(data)
        found = data.rfind(b'"finish_reason"')
        if (
            found >= 0
            and data.startswith((b":null", b": null"), found + 15)
            and data.find(b"\n", found) >= len(data) - 3
            and b'"error"' not in data
        ):
            self._last = data
            return data
        if b'"usage"' in data or b"[DONE]" in data or b'"error"' in data or b"event: error" in data:
            return self._look(data)
        self._last = data
        return data

    def facts(self) -> AnswerFacts:
        """Tell what was found."""
        chunks = (*self._kept, last_events(self._last, len(self._last)))
        found = (_decode(one) for chunk in chunks for one in data_in(chunk))
        return _facts(answer for answer in found if answer is not None)

    def _feed_cut(self, data: bytes) -> bytes:
        joined = self._cut.add(data)
        self._joining = self._cut.holds()
        if joined.seen:
            self._look(joined.seen)
        if not self._hide:
            return data
        return joined.begun + _without_usage(joined.fresh) + self._cut.release()

    def _look(self, data: bytes) -> bytes:
        found = _usage_before(data, len(data))
        done = b"[DONE]" in data
        error = b'"error"' in data or b"event: error" in data
        if found < 0 and not done and not error:
            self._last = data
            return data
        self._kept.append(last_events(self._last, len(self._last)))
        self._kept.append(last_events(data, found if found >= 0 else len(data)))
        if done and not self._ended:
            self._ended = data.endswith(_DONE) or any(one.strip() == b"[DONE]" for one in data_in(data))
        if error:
            self._failed = self._failed or _holds_error(data)
        return _without_usage(data) if self._hide and found >= 0 else data


def _holds_error(data: bytes) -> bool:
    if any(event.startswith((b"event: error", b"event:error")) for event in events_in(data)):
        return True
    answers = (_decode(one) for one in data_in(data))
    return any(answer is not None and answer.error for answer in answers)


def _without_usage(data: bytes) -> bytes:
    """Leave out the events that hold usage and no choice, and nothing else."""
    if b"\r" in data or not data.endswith(b"\n\n"):
        events = events_in(data)
        shown = [event for event in events if not _is_usage_only(event)]
        return data if len(shown) == len(events) else b"".join(shown)
    # Of the many events that may come together, only those with a usage are looked at.
    found = _usage_before(data, len(data))
    while found >= 0:
        start = data.rfind(b"\n\n", 0, found)
        start = start + 2 if start >= 0 else 0
        end = data.find(b"\n\n", found) + 2
        if _is_usage_only(data[start:end]):
            data = data[:start] + data[end:]
        found = _usage_before(data, start)
    return data


def _usage_before(data: bytes, end: int) -> int:
    """Find the last usage that is not null before `end`; -1 when there is none."""
    found = max(data.rfind(b'"usage":{', 0, end), data.rfind(b'"usage": {', 0, end))
    if found < 0 and b'"usage"' in data:
        for match in _SPACED_USAGE.finditer(data, 0, end):
            found = match.start()
    return found


def _is_usage_only(event: bytes) -> bool:
    if b'"usage"' not in event:
        return False
    answers = [_decode(one) for one in data_in(event)]
    return any(answer is not None and answer.choices == [] and answer.usage is not None for answer in answers)
