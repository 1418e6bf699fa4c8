"""Writes neutral events as Anthropic's event stream.

Rules of this file:
- One block is open at a time, as the API promises; parts that overlap wait for their turn.
- `message_delta` waits for the end, because usage may follow the finish.
- Only the first choice is written: the API knows one.
"""

from collections.abc import Sequence
from typing import Final

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
from tollway.core.conversation import Reasoning, ToolCall
from tollway.core.errors import TollwayError
from tollway.core.json_value import JsonObject
from tollway.dialects.anthropic_messages.answer import (
    call_extras,
    message_id,
    stop_reason,
    thinking_block,
)
from tollway.dialects.anthropic_messages.content import NAME, own_citations, proof_block, tool_use_block
from tollway.dialects.anthropic_messages.errors import render_failure, render_stream_error
from tollway.dialects.anthropic_messages.usage import render_delta_usage, render_usage
from tollway.dialects.caller_fields import as_object
from tollway.dialects.carried_proof import CarriedProof, pack
from tollway.dialects.data_url import picture_markdown
from tollway.dialects.json_forms import json_text
from tollway.wire.sse import sse_event

_GATHERED: Final = frozenset({"image", "audio", "opaque"})
"""Kinds written at once when they end."""


class _Waiting:
    """A part that waits for the open block to end."""

    __slots__ = ("ended", "pieces", "started")

    def __init__(self, started: PartStarted) -> None:
        self.started = started
        self.pieces: list[PartDelta] = []
        self.ended: PartEnded | None = None


class MessagesRenderer:
    """Writes one stream."""

    __slots__ = ("_begun", "_finish", "_index", "_model", "_new_id", "_open", "_out", "_own", "_usage", "_waiting")

    def __init__(self, model: str, new_id: str) -> None:
        """Start; `model` and `new_id` stand in where the provider says neither."""
        self._model = model
        self._new_id = new_id
        self._begun: AnswerStarted | None = None
        self._own = False
        self._out = bytearray()
        self._usage: UsageReported | None = None
        self._finish: ChoiceFinished | None = None
        self._index = 0
        self._open: int | None = None
        self._waiting: dict[int, _Waiting] = {}

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty."""
        for position, event in enumerate(events):
            match event:
                case AnswerStarted():
                    following = events[position + 1] if position + 1 < len(events) else None
                    self._begin(event, following if isinstance(following, UsageReported) else None)
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

    # --- the message

    def _write(self, kind: str, **members: object) -> None:
        self._out += sse_event(msgspec.json.encode({"type": kind, **members}), kind.encode())

    def _begin(self, started: AnswerStarted, usage: UsageReported | None) -> None:
        if self._begun is not None:
            return
        self._begun = started
        self._own = started.dialect == NAME
        rest = usage.rest if usage is not None and self._own else None
        message: JsonObject = {
            "id": message_id(started.id, self._new_id),
            "type": "message",
            "role": "assistant",
            "model": started.model or self._model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": render_usage(usage.usage if usage else None, started.service_tier, rest),
        }
        self._write("message_start", message=message)

    def _end(self) -> None:
        if self._begun is None:
            self._begin(AnswerStarted("", self._model), None)
        self._drain(force=True)
        finish = self._finish
        delta: JsonObject = {
            "stop_reason": stop_reason(finish.finish if finish else None, finish.native_finish if finish else None),
            "stop_sequence": finish.stop_sequence if finish else None,
        }
        members: JsonObject = {}
        if finish is not None and self._own:
            members = {name: value for name, value in finish.rest.items() if name == "context_management"}
            delta |= {name: value for name, value in finish.rest.items() if name not in members}
        usage = self._usage
        rest = usage.rest if usage is not None and self._own else None
        self._write(
            "message_delta", delta=delta, usage=render_delta_usage(usage.usage if usage else None, rest), **members
        )
        self._write("message_stop")

    # --- blocks

    def _part(self, event: PartStarted | PartDelta | PartEnded) -> None:
        if self._begun is None:
            self._begin(AnswerStarted("", self._model), None)
        if isinstance(event, PartStarted):
            self._waiting[event.part] = _Waiting(event)
            self._drain(force=False)
            return
        waiting = self._waiting.get(event.part)
        if waiting is None:
            return
        if isinstance(event, PartDelta):
            if self._open == event.part:
                self._delta(waiting.started, event)
            else:
                waiting.pieces.append(event)
            return
        waiting.ended = event
        self._drain(force=False)

    def _drain(self, *, force: bool) -> None:
        """Write the parts whose turn has come, in their order."""
        while self._waiting:
            number = next(iter(self._waiting))
            waiting = self._waiting[number]
            if self._open is None and _streams(waiting.started):
                self._open_block(waiting.started)
                pieces, waiting.pieces = waiting.pieces, []
                for piece in pieces:
                    self._delta(waiting.started, piece)
            if waiting.ended is None and not force:
                return
            del self._waiting[number]
            self._close_block(waiting)

    def _open_block(self, started: PartStarted) -> None:
        self._open = started.part
        if started.kind == "tool_call" and started.signature is not None:
            self._whole_block(proof_block("", CarriedProof(part_signature=started.signature)))
        self._write("content_block_start", index=self._index, content_block=_empty_block(started))

    def _close_block(self, waiting: _Waiting) -> None:
        started, ended = waiting.started, waiting.ended
        if not _streams(started):
            for block in _gathered(waiting):
                self._whole_block(block)
            return
        if started.custom:
            text = "".join(piece.text for piece in waiting.pieces)
            self._delta_event({"type": "input_json_delta", "partial_json": json_text({"input": text})})
        if started.kind in {"reasoning", "summary"} and ended is not None:
            signature = ended.signature
            if signature is None and ended.encrypted is not None:
                signature = pack(CarriedProof(encrypted=ended.encrypted, id=started.item_id))
            if signature is not None:
                self._delta_event({"type": "signature_delta", "signature": signature})
        self._write("content_block_stop", index=self._index)
        self._index += 1
        self._open = None

    def _whole_block(self, block: JsonObject) -> None:
        """Write a block whose content is known at once."""
        arguments = as_object(block.get("input"))
        if block.get("type") == "thinking":
            opening = block | {"signature": ""}
            self._write("content_block_start", index=self._index, content_block=opening)
            self._delta_event({"type": "signature_delta", "signature": block["signature"]})
        elif arguments:
            self._write("content_block_start", index=self._index, content_block=_without_input(block))
            self._delta_event({"type": "input_json_delta", "partial_json": json_text(arguments)})
        elif block.get("type") == "text":
            self._write("content_block_start", index=self._index, content_block=block | {"text": ""})
            self._delta_event({"type": "text_delta", "text": block["text"]})
        else:
            self._write("content_block_start", index=self._index, content_block=block)
        self._write("content_block_stop", index=self._index)
        self._index += 1

    def _delta_event(self, delta: JsonObject) -> None:
        self._write("content_block_delta", index=self._index, delta=delta)

    def _delta(self, started: PartStarted, delta: PartDelta) -> None:
        if delta.text:
            if started.kind == "tool_call":
                if started.custom:
                    self._waiting[started.part].pieces.append(delta)
                else:
                    self._delta_event({"type": "input_json_delta", "partial_json": delta.text})
            elif started.kind in {"reasoning", "summary"}:
                self._delta_event({"type": "thinking_delta", "thinking": delta.text})
            else:
                self._delta_event({"type": "text_delta", "text": delta.text})
        for citation in own_citations(delta.annotations):
            self._delta_event({"type": "citations_delta", "citation": citation})


def _without_input(block: JsonObject) -> JsonObject:
    nothing: JsonObject = {}
    return block | {"input": nothing}


def _streams(started: PartStarted) -> bool:
    """Tell whether a part is written as it comes, not at its end."""
    if started.kind == "reasoning" and started.encrypted is not None:
        return False
    return started.kind not in _GATHERED


def _empty_block(started: PartStarted) -> JsonObject:
    match started.kind:
        case "tool_call":
            block = tool_use_block(ToolCall(started.id, started.name, ""))
            return block | call_extras(started.rest)
        case "reasoning" | "summary":
            return {"type": "thinking", "thinking": "", "signature": ""}
        case _:
            return {"type": "text", "text": ""}


def _gathered(waiting: _Waiting) -> list[JsonObject]:
    started = waiting.started
    text = "".join(piece.text for piece in waiting.pieces)
    match started.kind:
        case "image":
            return [{"type": "text", "text": picture_markdown(None, started.media_type, text)}]
        case "opaque":
            return [started.opaque.value] if started.opaque is not None and started.opaque.dialect == NAME else []
        case "reasoning":
            return [thinking_block(Reasoning(text, encrypted=started.encrypted, id=started.item_id))]
        case _:
            return []  # sound: the API has no block for it, and its transcript comes as text
