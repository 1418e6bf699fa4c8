"""Writes neutral events as Cohere's event stream.

Rules of this file:
- Content blocks and tool calls count their own indexes; events carry them, so parts may overlap.
- `message-end` waits for the end, because usage may follow the finish.
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
from tollway.core.errors import TollwayError
from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_list, as_object
from tollway.dialects.cohere_chat.answer import finish_reason, native_logprob
from tollway.dialects.cohere_chat.content import NAME, PLAN, own_citations
from tollway.dialects.cohere_chat.errors import render_failure, render_stream_error
from tollway.dialects.cohere_chat.usage import render_usage
from tollway.dialects.data_url import picture_markdown
from tollway.wire.sse import sse_event


class _Part:
    """A part being written."""

    __slots__ = ("index", "pieces", "started")

    def __init__(self, started: PartStarted, index: int) -> None:
        self.started = started
        self.index = index
        self.pieces: list[str] = []
        """What is gathered of a part that is written at its end."""


class ChatRenderer:
    """Writes one stream."""

    __slots__ = (
        "_begun",
        "_calls",
        "_citations",
        "_contents",
        "_finish",
        "_new_id",
        "_out",
        "_own",
        "_parts",
        "_usage",
    )

    def __init__(self, new_id: str) -> None:
        """Start; `new_id` stands in where the provider gives none."""
        self._new_id = new_id
        self._begun = False
        self._own = False
        self._out = bytearray()
        self._usage: UsageReported | None = None
        self._finish: ChoiceFinished | None = None
        self._parts: dict[int, _Part] = {}
        self._contents = 0
        self._calls = 0
        self._citations = 0

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty."""
        for event in events:
            match event:
                case AnswerStarted():
                    self._begin(event)
                case PartStarted():
                    if event.choice == 0:
                        self._start(event)
                case PartDelta() | PartEnded():
                    part = self._parts.get(event.part) if event.choice == 0 else None
                    if part is None:
                        continue
                    if isinstance(event, PartDelta):
                        self._delta(part, event)
                    else:
                        self._end_part(part)
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

    # --- the message

    def _write(self, kind: str, **members: object) -> None:
        self._out += sse_event(msgspec.json.encode({"type": kind, **members}), kind.encode())

    def _begin(self, started: AnswerStarted) -> None:
        if self._begun:
            return
        self._begun = True
        self._own = started.dialect == NAME
        nothing: list[Json] = []
        message: JsonObject = {
            "role": "assistant",
            "content": nothing,
            "tool_plan": "",
            "tool_calls": nothing,
            "citations": nothing,
        }
        self._write("message-start", id=started.id or self._new_id, delta={"message": message})

    def _end(self) -> None:
        self._begin(AnswerStarted("", ""))
        for part in list(self._parts.values()):
            self._end_part(part)
        usage = self._usage
        delta: JsonObject = {
            "finish_reason": finish_reason(self._finish.finish if self._finish else None),
            "usage": render_usage(usage.usage if usage else Usage(), usage.rest if usage and self._own else None),
        }
        if self._finish is not None and self._own:
            delta |= self._finish.rest
        self._write("message-end", delta=delta)
        self._out += sse_event(b"[DONE]")

    # --- parts

    def _start(self, started: PartStarted) -> None:
        self._begin(AnswerStarted("", ""))
        if started.kind == "tool_call":
            part = _Part(started, self._calls)
            self._calls += 1
            call = {"id": started.id, "type": "function", "function": {"name": started.name, "arguments": ""}}
            self._write("tool-call-start", index=part.index, delta={"message": {"tool_calls": call}})
        elif started.kind == "opaque" or (started.kind == "reasoning" and started.encrypted is not None):
            part = _Part(started, -1)
            self._whole(started)
        elif PLAN in started.origin or started.kind in {"image", "audio"}:
            part = _Part(started, -1)
        else:
            part = _Part(started, -1)
            if started.kind not in {"reasoning", "summary"}:
                self._open(part)
        self._parts[started.part] = part

    def _open(self, part: _Part) -> None:
        part.index = self._contents
        self._contents += 1
        thinking = part.started.kind in {"reasoning", "summary"}
        content = {"type": "thinking", "thinking": ""} if thinking else {"type": "text", "text": ""}
        self._write("content-start", index=part.index, delta={"message": {"content": content}})

    def _whole(self, started: PartStarted) -> None:
        """Write a block of this API's own that is known at once; no other API's can be written."""
        if started.opaque is None or started.opaque.dialect != NAME:
            return
        self._write("content-start", index=self._contents, delta={"message": {"content": started.opaque.value}})
        self._write("content-end", index=self._contents)
        self._contents += 1

    def _delta(self, part: _Part, delta: PartDelta) -> None:
        started = part.started
        if started.kind == "tool_call":
            if delta.text:
                calls = {"function": {"arguments": delta.text}}
                self._write("tool-call-delta", index=part.index, delta={"message": {"tool_calls": calls}})
        elif PLAN in started.origin:
            self._write("tool-plan-delta", delta={"message": {"tool_plan": delta.text}})
        elif started.kind in {"image", "audio", "opaque"} or started.encrypted is not None:
            part.pieces.append(delta.text)
        else:
            self._words(part, delta)

    def _words(self, part: _Part, delta: PartDelta) -> None:
        if delta.text:
            if part.index < 0:  # thinking of which nothing is shown has no block
                self._open(part)
            name = "thinking" if part.started.kind in {"reasoning", "summary"} else "text"
            members: JsonObject = {}
            entries = as_list(delta.logprobs)
            if entries:
                members["logprobs"] = _together([native_logprob(as_object(one)) for one in entries])
            self._write(
                "content-delta", index=part.index, delta={"message": {"content": {name: delta.text}}}, **members
            )
        for citation in own_citations(delta.annotations):
            self._write("citation-start", index=self._citations, delta={"message": {"citations": citation}})
            self._write("citation-end", index=self._citations)
            self._citations += 1

    def _end_part(self, part: _Part) -> None:
        started = part.started
        del self._parts[started.part]
        if started.kind == "tool_call":
            self._write("tool-call-end", index=part.index)
            return
        if started.kind == "image":
            words = picture_markdown(None, started.media_type, "".join(part.pieces))
            self._open(part)
            self._write("content-delta", index=part.index, delta={"message": {"content": {"text": words}}})
        if part.index >= 0:
            self._write("content-end", index=part.index)


def _together(items: list[JsonObject]) -> JsonObject:
    """One event holds the probability of one piece of text."""
    ids: list[int] = []
    numbers = [number for item in items for number in as_list(item["logprobs"])]
    return {"text": "".join(item["text"] for item in items), "token_ids": ids, "logprobs": numbers}
