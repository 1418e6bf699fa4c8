"""Watches Ollama's streams and answers that pass through unread, for usage and their end.

Rules of this file:
- A line is looked into only when it may hold `done` or `error`: inside JSON strings quotes are escaped,
  so words of a model can never look like one; the arguments of a tool call can, so the line is decoded.
"""

import re
from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON, Json
from tollway.core.usage import Usage
from tollway.dialects.ollama_chat.usage import read_usage
from tollway.interfaces.dialect import AnswerFacts

_TELLING: Final = re.compile(rb'"done"\s*:\s*true|"error"\s*:')
_KEEP_BYTES: Final = 4 * 1024 * 1024
"""A line that is cut and larger than this is not looked into."""


class _Line(msgspec.Struct):
    model: str | None = None
    done: bool = False
    done_reason: str | None = None
    prompt_eval_count: int | None = None
    eval_count: int | None = None
    error: Json = None

    def counted(self) -> Usage | None:
        return read_usage({"prompt_eval_count": self.prompt_eval_count, "eval_count": self.eval_count})


_LINE: Final = msgspec.json.Decoder(_Line)


def answer_facts(body: bytes) -> AnswerFacts:
    """Find usage and served model in a whole answer. Never raises."""
    line = _decode(body)
    return AnswerFacts() if line is None else _facts(line)


def _facts(line: _Line) -> AnswerFacts:
    return AnswerFacts(usage=line.counted(), model=line.model or "", finish=line.done_reason or "")


def _decode(data: bytes) -> _Line | None:
    try:
        return _LINE.decode(data)
    except NOT_JSON:
        return None


class LineWatch:
    """Scans one stream."""

    __slots__ = ("_first", "_last", "_partial", "ended", "failed")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._first = b""
        self._last: _Line | None = None
        self._partial = b""
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them may go to the caller."""
        seen = data
        if self._partial or not data.endswith(b"\n"):
            whole = self._partial + data if len(self._partial) < _KEEP_BYTES else data
            end = whole.rfind(b"\n") + 1
            seen, self._partial = whole[:end], whole[end:]
        if not self._first:
            self._first = seen.partition(b"\n")[0]
        if _TELLING.search(seen) is not None:
            self._look(seen)
        return data

    def _look(self, data: bytes) -> None:
        for text in data.splitlines():
            line = _decode(text) if text else None
            if line is None:
                continue
            if line.error:
                self.failed = True
            elif line.done:
                self.ended = True
                self._last = line

    def facts(self) -> AnswerFacts:
        """What was found so far."""
        if self._last is not None:
            return _facts(self._last)
        first = _decode(self._first)
        return AnswerFacts(model=(first.model or "") if first is not None else "")
