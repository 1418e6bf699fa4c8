"""Writes neutral events as Gemini's stream: server-sent events, or pieces of one JSON array.

Rules of this file:
- What came together goes out together: one event a candidate holds all its new parts.
- A tool call is written whole, at its end. The finish waits for the end of the answer, because usage
  may follow it.
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
from tollway.core.conversation import Audio, Image, Part, Reasoning, ToolCall
from tollway.core.errors import TollwayError
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list
from tollway.dialects.gemini.answer import answer_parts, finish_word, native_logprobs
from tollway.dialects.gemini.content import NAME, reasoning_parts, signed, with_rest
from tollway.dialects.gemini.errors import error_value, failure_value
from tollway.dialects.gemini.usage import render_usage
from tollway.interfaces.dialect import StreamFraming
from tollway.wire.sse import sse_event

_GATHERED = frozenset({"tool_call", "image", "audio"})


class _Growing:
    """A part while it grows."""

    __slots__ = ("pieces", "started")

    def __init__(self, started: PartStarted) -> None:
        self.started = started
        self.pieces: list[str] = []


class GeminiRenderer:
    """Writes one stream."""

    __slots__ = (
        "_any",
        "_closed",
        "_finished",
        "_framing",
        "_growing",
        "_logprobs",
        "_new",
        "_own",
        "_started",
        "_usage",
    )

    def __init__(self, model: str, new_id: str, framing: StreamFraming) -> None:
        """Start; `model` and `new_id` stand in where the provider says neither."""
        self._framing: StreamFraming = framing
        self._started = AnswerStarted(new_id, model)
        self._own = False
        self._any = False
        self._closed = False
        self._usage: UsageReported | None = None
        self._growing: dict[tuple[int, int], _Growing] = {}
        self._finished: dict[int, ChoiceFinished] = {}
        self._new: dict[int, list[JsonObject]] = {}
        self._logprobs: dict[int, list[Json]] = {}

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty."""
        out = bytearray()
        for event in events:
            match event:
                case PartDelta():  # first, for nearly all are
                    self._delta(event)
                case AnswerStarted():
                    self._start(event)
                case PartStarted():
                    self._growing[event.choice, event.part] = _Growing(event)
                    if event.kind == "opaque" and event.opaque is not None and event.opaque.dialect == NAME:
                        self._add(event.choice, event.opaque.value)
                case PartEnded():
                    self._part_ended(event)
                case ChoiceFinished():
                    self._finished[event.choice] = event
                case UsageReported():
                    self._usage = event
                case AnswerEnded():
                    out += self._chunk(last=True) + self._close()
                case StreamFailed():
                    out += self._chunk() + self._write(failure_value(event)) + self._close()
        return bytes(out + self._chunk())

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream."""
        return self._write(error_value(error)) + self._close()

    # --- framing

    def _write(self, value: JsonObject) -> bytes:
        if self._closed:
            return b""
        data = msgspec.json.encode(value)
        first, self._any = not self._any, True
        if self._framing == "sse":
            return sse_event(data)
        return (b"[" if first else b",\r\n") + data

    def _close(self) -> bytes:
        if self._closed or self._framing == "sse":
            self._closed = True
            return b""
        self._closed = True
        return b"\n]" if self._any else b"[]"

    # --- content

    def _start(self, event: AnswerStarted) -> None:
        self._own = event.dialect == NAME
        self._started = msgspec.structs.replace(
            event, id=event.id or self._started.id, model=event.model or self._started.model
        )

    def _add(self, choice: int, part: JsonObject) -> None:
        parts = self._new.setdefault(choice, [])
        if parts and parts[-1].keys() == part.keys() and part.keys() <= {"text", "thought"}:
            parts[-1] = parts[-1] | {"text": parts[-1]["text"] + part["text"]}
        else:
            parts.append(part)

    def _delta(self, event: PartDelta) -> None:
        growing = self._growing.get((event.choice, event.part))
        if growing is None:
            return
        kind = growing.started.kind
        if event.logprobs:
            self._logprobs.setdefault(event.choice, []).extend(as_list(event.logprobs))
        if kind in _GATHERED:
            growing.pieces.append(event.text)
        elif event.text:
            part: JsonObject = {"text": event.text}
            if kind in {"reasoning", "summary"}:
                part["thought"] = True
            self._add(event.choice, with_rest(part, growing.started.rest) if self._own else part)

    def _part_ended(self, event: PartEnded) -> None:
        growing = self._growing.pop((event.choice, event.part), None)
        if growing is None:
            return
        started, text = growing.started, "".join(growing.pieces)
        found: list[JsonObject] = []
        match started.kind:
            case "tool_call":
                call = ToolCall(
                    started.id,
                    started.name,
                    text,
                    custom=started.custom,
                    signature=event.signature or started.signature,
                    rest=started.rest,
                )
                found = answer_parts(call, own=self._own)
            case "image" | "audio":
                found = answer_parts(_media(started, text), own=False)
            case "text":
                found = [signed({"text": ""}, event.signature)] if event.signature else []
            case "reasoning" | "summary":
                encrypted = event.encrypted or started.encrypted
                found = reasoning_parts(Reasoning(signature=event.signature, encrypted=encrypted, id=started.item_id))
            case _:
                pass
        for part in found:
            self._add(event.choice, part)

    # --- chunks

    def _chunk(self, *, last: bool = False) -> bytes:
        """Write what came since the last chunk."""
        if last and not self._finished:
            self._finished[0] = ChoiceFinished(0, "stop")
        indexes = sorted(self._new.keys() | (self._finished.keys() if last else set()))
        if not indexes:
            return b""
        found: JsonObject = {
            "candidates": [self._candidate(index, last=last) for index in indexes],
            "modelVersion": self._started.model,
            "responseId": self._started.id,
        }
        if self._usage is not None:
            found["usageMetadata"] = render_usage(self._usage.usage, self._usage.rest if self._own else None)
        if self._own and not self._any:
            found |= self._started.rest
        self._new.clear()
        self._logprobs.clear()
        return self._write(found)

    def _candidate(self, index: int, *, last: bool) -> JsonObject:
        parts = self._new.get(index) or [{"text": ""}]
        found: JsonObject = {"content": {"parts": parts, "role": "model"}, "index": index}
        probabilities = native_logprobs(self._logprobs.get(index, []))
        if probabilities is not None:
            found["logprobsResult"] = probabilities
        finished = self._finished.get(index) if last else None
        if finished is not None:
            found["finishReason"] = finish_word(finished.finish, finished.native_finish)
            if self._own:
                found |= finished.rest
        return found


def _media(started: PartStarted, data: str) -> Part:
    if started.kind == "image":
        return Image(data=data, media_type=started.media_type)
    return Audio(data=data, format=(started.media_type or "audio/wav").rpartition("/")[2])
