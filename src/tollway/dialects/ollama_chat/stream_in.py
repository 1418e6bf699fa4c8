"""Reads Ollama's stream of lines into neutral events.

Rules of this file:
- Thinking and words each are a part until the other comes; tool calls come whole.
- The line with `done` ends the answer; one with `error` is its failure.
"""

from collections.abc import Sequence

import msgspec

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    UsageReported,
)
from tollway.core.conversation import ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_object, as_text
from tollway.dialects.ollama_chat.lines import Words, native_finish, neutral_finish, seconds_of
from tollway.dialects.ollama_chat.usage import read_usage, usage_rest
from tollway.wire.framing import NDJSON


class LineParser:
    """Reads one stream."""

    __slots__ = ("_calls", "_dialect", "_done", "_kind", "_lines", "_parts", "_started")

    def __init__(self, dialect: str) -> None:
        """Start before the first byte; `dialect` is the one that is spoken."""
        self._dialect = dialect
        self._lines = NDJSON.decoder()
        self._started = False
        self._done = False
        self._kind = ""
        self._parts = 0
        self._calls = 0

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes; return the events they complete."""
        try:
            lines = self._lines.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        found: list[StreamEvent] = []
        for line in lines:
            if not self._done:
                self._line(_decode(line.data), found)
        return found

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed the connection; a last line may lack its end."""
        return self.feed(b"\n")

    def _line(self, line: JsonObject, found: list[StreamEvent]) -> None:
        error = openai_errors.error_in_answer(line)
        if error is not None:
            self._done = True
            found.append(openai_errors.stream_failure(error))
            return
        if not self._started:
            self._started = True
            found.append(AnswerStarted("", as_text(line.get("model")), created=seconds_of(line), dialect=self._dialect))
        words = Words(line, self._calls)
        self._piece("reasoning", words.thinking, [], found)
        self._piece("text", words.text, words.logprobs, found)
        for call in words.calls:
            self._call(call, found)
        if line.get("done") is True:
            self._end(line, found)

    def _piece(self, kind: str, text: str, logprobs: list[Json], found: list[StreamEvent]) -> None:
        if not text:
            return
        if self._kind != kind:
            self._stop(found)
            self._kind = kind
            found.append(PartStarted(0, self._parts, "reasoning" if kind == "reasoning" else "text"))
        found.append(PartDelta(0, self._parts, text, logprobs=logprobs or None))

    def _call(self, call: ToolCall, found: list[StreamEvent]) -> None:
        self._stop(found)
        found.append(PartStarted(0, self._parts, "tool_call", id=call.id, name=call.name))
        found.append(PartDelta(0, self._parts, call.arguments))
        found.append(PartEnded(0, self._parts))
        self._parts += 1
        self._calls += 1

    def _stop(self, found: list[StreamEvent]) -> None:
        if self._kind:
            found.append(PartEnded(0, self._parts))
            self._parts += 1
            self._kind = ""

    def _end(self, line: JsonObject, found: list[StreamEvent]) -> None:
        self._done = True
        self._stop(found)
        finish = neutral_finish(line, called=self._calls > 0)
        found.append(ChoiceFinished(0, finish, native_finish=native_finish(line)))
        usage = read_usage(line)
        if usage is not None:
            found.append(UsageReported(usage, rest=usage_rest(line)))
        found.append(AnswerEnded())


def _decode(data: bytes) -> JsonObject:
    try:
        value: Json = msgspec.json.decode(data)
    except NOT_JSON as error:
        raise UpstreamGarbled("the provider's stream holds a line that is not JSON") from error
    return as_object(value)
