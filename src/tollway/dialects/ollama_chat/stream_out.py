"""Writes neutral events as Ollama's stream of lines.

Rules of this file:
- Words go out as they come; a tool call, whose arguments are an object here, goes out whole at its end.
- The line with `done` waits for the end, because usage may follow the finish.
- Only the first choice is written: the API knows one.
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
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import ToolCall
from tollway.core.errors import TollwayError
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.data_url import picture_markdown
from tollway.dialects.json_forms import arguments_object
from tollway.dialects.ollama_chat.content import call_object
from tollway.dialects.ollama_chat.errors import render_failure, render_stream_error
from tollway.dialects.ollama_chat.lines import LineWriter, done_reason, time_of
from tollway.dialects.ollama_chat.usage import render_usage


class LineRenderer:
    """Writes one stream."""

    __slots__ = ("_created", "_dialect", "_finish", "_gathered", "_kinds", "_model", "_out", "_own", "_usage", "_write")

    def __init__(self, model: str, write: LineWriter, *, now: int, dialect: str) -> None:
        """Start; `model` and `now` stand in where the provider says neither."""
        self._model = model
        self._created = time_of(now)
        self._write = write
        self._dialect = dialect
        self._own = False
        self._out = bytearray()
        self._usage: UsageReported | None = None
        self._finish: ChoiceFinished | None = None
        self._kinds: dict[int, PartStarted] = {}
        self._gathered: dict[int, list[str]] = {}

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty."""
        for event in events:
            match event:
                case AnswerStarted():
                    self._begin(event)
                case PartStarted() | PartDelta() | PartEnded():
                    if event.choice == 0:
                        self._part(event)
                case ChoiceFinished():
                    if event.choice == 0:
                        self._finish = event
                case UsageReported():
                    self._usage = event
                case AnswerEnded():
                    self._end()
                case StreamFailed():
                    self._out += render_failure(event)
        out = bytes(self._out)
        self._out.clear()
        return out

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream."""
        return render_stream_error(error)

    def _begin(self, started: AnswerStarted) -> None:
        self._own = started.dialect == self._dialect
        self._model = started.model or self._model
        if started.created:
            self._created = time_of(started.created)

    def _part(self, event: PartStarted | PartDelta | PartEnded) -> None:
        if isinstance(event, PartStarted):
            self._kinds[event.part] = event
            if event.kind in {"tool_call", "image"}:
                self._gathered[event.part] = []
            return
        started = self._kinds.get(event.part)
        if started is None:
            return
        gathered = self._gathered.get(event.part)
        if isinstance(event, PartEnded):
            del self._kinds[event.part]
            if gathered is not None:
                self._gather(started, "".join(gathered))
                del self._gathered[event.part]
        elif gathered is not None:
            gathered.append(event.text)
        elif started.kind in {"reasoning", "summary"}:
            self._say(event.text, "", [], None)
        elif started.kind in {"text", "refusal"}:
            self._say("", event.text, [], event.logprobs)

    def _gather(self, started: PartStarted, text: str) -> None:
        """Write a part that goes out whole."""
        if started.kind == "image":
            self._say("", picture_markdown(None, started.media_type, text), [], None)
            return
        call = ToolCall(started.id, started.name, text)
        self._say("", "", [call_object(call, arguments_object(text))], None)

    def _say(self, thinking: str, text: str, calls: list[JsonObject], logprobs: Json) -> None:
        if not (thinking or text or calls):
            return
        line = self._line(self._write(thinking, text, calls), done=False)
        if logprobs:
            line["logprobs"] = logprobs
        self._out += msgspec.json.encode(line) + b"\n"

    def _line(self, members: JsonObject, *, done: bool) -> JsonObject:
        return {"model": self._model, "created_at": self._created, **members, "done": done}

    def _end(self) -> None:
        for started in list(self._kinds.values()):
            self._part(PartEnded(0, started.part))
        line = self._line(self._write("", "", []), done=True)
        line["done_reason"] = done_reason(self._finish.finish if self._finish else None)
        if self._usage is not None:
            line |= render_usage(self._usage.usage)
            if self._own:
                line |= self._usage.rest
        self._out += msgspec.json.encode(line) + b"\n"
