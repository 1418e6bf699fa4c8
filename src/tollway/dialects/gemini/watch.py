"""Watches Gemini streams and answers that pass through unread, for usage and their end.

Rules of this file:
- An event's members are found by their quoted names: inside JSON strings quotes are escaped, so words
  of a model can never look like one. Names inside a call's arguments can; so what looks like the end
  is decoded before it is believed.
- Every event reports usage so far; only the last one and the one that finished are kept, and decoded
  when asked.
- A very large event (a picture) comes in pieces; its end, where usage stands, is what is kept.
"""

import re
from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON, JsonObject
from tollway.dialects.gemini.usage import count_searches, neutral_tier, read_usage
from tollway.dialects.json_forms import object_of
from tollway.interfaces.dialect import AnswerFacts

_KEEP_BYTES: Final = 256 * 1024
_MODEL: Final = re.compile(rb'"modelVersion"\s*:\s*"([^"\\]+)"')
_ID: Final = re.compile(rb'"responseId"\s*:\s*"([^"\\]+)"')
_FINISH: Final = re.compile(rb'"finishReason"\s*:\s*"([A-Z_]+)"')
_USAGE: Final = re.compile(rb'"usageMetadata"\s*:\s*(?=\{)')


class _Grounding(msgspec.Struct, rename="camel"):
    web_search_queries: list[str] | None = None


class _Candidate(msgspec.Struct, rename="camel"):
    finish_reason: str | None = None
    grounding_metadata: _Grounding | None = None


class _Feedback(msgspec.Struct, rename="camel"):
    block_reason: str | None = None


class _Answer(msgspec.Struct, rename="camel"):
    candidates: list[_Candidate] | None = None
    prompt_feedback: _Feedback | None = None
    usage_metadata: JsonObject | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: JsonObject | None = None


_ANSWER: Final = msgspec.json.Decoder(_Answer)


def answer_facts(body: bytes) -> AnswerFacts:
    """Find usage and served model in a whole answer. Never raises."""
    try:
        return _facts([_ANSWER.decode(body)])
    except NOT_JSON:
        return AnswerFacts()


def _facts(answers: list[_Answer]) -> AnswerFacts:
    """Put together what the answers of one stream say, the last word counting."""
    usage = next((one.usage_metadata for one in reversed(answers) if one.usage_metadata), None)
    model = next((one.model_version for one in reversed(answers) if one.model_version), "")
    finish = next((_finish(one) for one in reversed(answers) if _finish(one)), "")
    queries: list[JsonObject] = [
        {"webSearchQueries": candidate.grounding_metadata.web_search_queries or []}
        for one in answers
        for candidate in one.candidates or ()
        if candidate.grounding_metadata is not None
    ]
    return AnswerFacts(
        usage=read_usage(usage, count_searches(model, queries[-1:])) if usage else None,
        model=model,
        id=next((one.response_id for one in answers if one.response_id), ""),
        finish=finish,
        service_tier=(neutral_tier(usage) if usage else None) or "",
    )


def _finish(answer: _Answer) -> str:
    for candidate in answer.candidates or ():
        if candidate.finish_reason:
            return candidate.finish_reason
    feedback = answer.prompt_feedback
    return (feedback.block_reason or "") if feedback is not None else ""


class GeminiWatch:
    """Scans one stream."""

    __slots__ = ("_final", "_last", "_partial", "ended", "failed")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._last = b""
        self._final = b""
        self._partial = b""
        self.ended = False
        self.failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them may go to the caller."""
        if self._partial or not data.endswith((b"\n\n", b"\n\r\n")):
            self._cut(data)
        elif data.startswith(b'data: {"candidates"') and data.find(b'"finishReason"') < 0:
            self._last = data
        else:
            self._look(data)
        return data

    def _look(self, data: bytes) -> None:
        if data.find(b'"usageMetadata"') >= 0:
            self._last = data
        if data.find(b'"finishReason"') >= 0 or data.find(b'"blockReason"') >= 0:
            answers = _answers(data)
            if any(_finish(one) for one in answers):
                self.ended = True
                self._final = data
        if data.find(b'"error"') >= 0:
            self.failed = self.failed or any(one.error is not None for one in _answers(data))

    def _cut(self, data: bytes) -> None:
        """Put together an event that came in several feeds; of a very large one, keep the end."""
        whole = self._partial + data
        end = max(whole.rfind(b"\n\n") + 2, whole.rfind(b"\n\r\n") + 3)
        complete, self._partial = (whole[:end], whole[end:]) if end > 2 else (b"", whole)
        if complete:
            self._look(complete)
        if len(self._partial) > _KEEP_BYTES:
            self._partial = self._partial[-_KEEP_BYTES // 2 :]

    def facts(self) -> AnswerFacts:
        """What was found so far."""
        if self._partial:  # a stream that ends without its last blank line
            self._look(self._partial)
        answers = _answers(self._final) if self._final is not self._last else []
        return _facts(answers + _answers(self._last))


def _answers(data: bytes) -> list[_Answer]:
    """Decode the events of these bytes that are whole; of one that lost its beginning, find the end."""
    found: list[_Answer] = []
    for line in data.splitlines():
        try:
            if line.startswith(b"data:"):
                found.append(_ANSWER.decode(line[5:]))
            elif b'"usageMetadata"' in line:
                found.append(_tail(line))
        except NOT_JSON:
            continue
    return found


def _tail(line: bytes) -> _Answer:
    """Read the members at the end of an event whose beginning is not here."""
    usage = list(_USAGE.finditer(line))
    finish, model, answer_id = _FINISH.search(line), _MODEL.search(line), _ID.search(line)
    return _Answer(
        candidates=[_Candidate(finish.group(1).decode())] if finish else None,
        usage_metadata=_object_at(line, usage[-1].end()) if usage else None,
        model_version=model.group(1).decode() if model else None,
        response_id=answer_id.group(1).decode() if answer_id else None,
    )


def _object_at(line: bytes, start: int) -> JsonObject | None:
    """Read the object that begins at `start`: usage holds no strings with braces."""
    depth = 0
    for position in range(start, len(line)):
        depth += {0x7B: 1, 0x7D: -1}.get(line[position], 0)
        if depth == 0:
            return object_of(line[start : position + 1].decode("utf-8", "replace"))
    return None
