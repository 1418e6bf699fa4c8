"""Writes neutral events as Converse's event stream.

Rules of this file:
- One block is open at a time, as the API promises; parts that overlap wait for their turn.
- `messageStop` and `metadata` wait for the end, because usage may follow the finish.
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
from tollway.core.conversation import Image
from tollway.core.errors import TollwayError
from tollway.core.json_value import JsonObject
from tollway.dialects.aws_errors import render_failure, render_stream_error
from tollway.dialects.bedrock_converse.answer import picture_block, stop_reason
from tollway.dialects.bedrock_converse.content import NAME, own_citations
from tollway.dialects.bedrock_converse.content_out import tool_use_id
from tollway.dialects.bedrock_converse.usage import render_usage
from tollway.dialects.carried_proof import CarriedProof, pack
from tollway.dialects.json_forms import json_text
from tollway.wire.aws_event_stream import encode_event

_GATHERED: Final = frozenset({"image", "audio", "opaque"})
"""Kinds written at once when they end."""


class _Waiting:
    """A part that waits for the open block to end."""

    __slots__ = ("ended", "pieces", "started")

    def __init__(self, started: PartStarted) -> None:
        self.started = started
        self.pieces: list[PartDelta] = []
        self.ended: PartEnded | None = None


class ConverseRenderer:
    """Writes one stream."""

    __slots__ = ("_begun", "_finish", "_index", "_open", "_out", "_own", "_usage", "_waiting")

    def __init__(self) -> None:
        """Start before the first event."""
        self._begun = False
        self._own = False
        self._out = bytearray()
        self._usage: UsageReported | None = None
        self._finish: ChoiceFinished | None = None
        self._index = 0
        self._open: int | None = None
        self._waiting: dict[int, _Waiting] = {}

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty."""
        for event in events:
            match event:
                case AnswerStarted():
                    self._own = event.dialect == NAME
                    self._begin()
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

    def _write(self, name: str, **members: object) -> None:
        self._out += encode_event(name, msgspec.json.encode(members))

    def _begin(self) -> None:
        if not self._begun:
            self._begun = True
            self._write("messageStart", role="assistant")

    def _end(self) -> None:
        self._begin()
        self._drain(force=True)
        finish, usage = self._finish, self._usage
        rest = finish.rest if finish is not None and self._own else {}
        reason = stop_reason(finish.finish if finish else None, finish.native_finish if finish else None)
        self._write("messageStop", stopReason=reason, **rest)
        counts = render_usage(usage.usage if usage else None, usage.rest if usage and self._own else None)
        self._write("metadata", usage=counts, metrics={"latencyMs": 0})

    # --- blocks

    def _part(self, event: PartStarted | PartDelta | PartEnded) -> None:
        self._begin()
        if isinstance(event, PartStarted):
            self._waiting[event.part] = _Waiting(event)
            self._drain(force=False)
            return
        waiting = self._waiting.get(event.part)
        if waiting is None:
            return
        if isinstance(event, PartDelta):
            if self._open == event.part and not waiting.started.custom:
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
            started = waiting.started
            if self._open is None and started.kind not in _GATHERED:
                self._open_block(started)
                if not started.custom:
                    pieces, waiting.pieces = waiting.pieces, []
                    for piece in pieces:
                        self._delta(started, piece)
            if waiting.ended is None and not force:
                return
            del self._waiting[number]
            self._close_block(waiting)

    def _open_block(self, started: PartStarted) -> None:
        self._open = started.part
        if started.kind != "tool_call":
            return  # words and thinking begin with their first piece
        if started.signature is not None:
            self._thinking(signature=pack(CarriedProof(part_signature=started.signature)))
            self._stop_block()
        self._block_start("toolUse", {"toolUseId": tool_use_id(started.id), "name": started.name})

    def _close_block(self, waiting: _Waiting) -> None:
        started, ended = waiting.started, waiting.ended
        if started.kind in _GATHERED:
            self._gathered(waiting)
            return
        if started.custom:
            text = "".join(piece.text for piece in waiting.pieces)
            self._block_delta({"toolUse": {"input": json_text({"input": text})}})
        if started.kind in {"reasoning", "summary"}:
            self._prove(started, ended)
        self._stop_block()
        self._open = None

    def _prove(self, started: PartStarted, ended: PartEnded | None) -> None:
        """Write what proves that a provider thought this."""
        signature = ended.signature if ended is not None else None
        encrypted = (ended.encrypted if ended is not None else None) or started.encrypted
        if signature is None and encrypted is not None:
            if self._own:
                self._block_delta({"reasoningContent": {"redactedContent": encrypted}})
                return
            signature = pack(CarriedProof(encrypted=encrypted, id=started.item_id))
        if signature is not None:
            self._thinking(signature=signature)

    def _thinking(self, **member: str) -> None:
        self._block_delta({"reasoningContent": member})

    def _gathered(self, waiting: _Waiting) -> None:
        """Write a block whose content is known at once."""
        started, text = waiting.started, "".join(piece.text for piece in waiting.pieces)
        if started.kind == "image":
            block = picture_block(Image(data=text, media_type=started.media_type))
            image = block.get("image")
            if image is None:
                self._block_delta(block)
            else:
                self._block_start("image", {"format": image["format"]})
                self._block_delta({"image": {"source": image["source"]}})
            self._stop_block()
        elif started.opaque is not None and started.opaque.dialect == NAME:
            self._own_block(started.opaque.value)

    def _own_block(self, value: JsonObject) -> None:
        """Write what a provider of this API did by itself."""
        for name, whole in value.items():
            start = {key: member for key, member in whole.items() if key not in {"input", "content"}}
            self._block_start(name, start)
            if name == "toolUse":
                self._block_delta({"toolUse": {"input": json_text(whole.get("input"))}})
            elif "content" in whole:
                self._block_delta({name: whole["content"]})
            self._stop_block()

    def _block_start(self, name: str, start: JsonObject) -> None:
        self._write("contentBlockStart", contentBlockIndex=self._index, start={name: start})

    def _block_delta(self, delta: JsonObject) -> None:
        self._write("contentBlockDelta", contentBlockIndex=self._index, delta=delta)

    def _stop_block(self) -> None:
        self._write("contentBlockStop", contentBlockIndex=self._index)
        self._index += 1

    def _delta(self, started: PartStarted, delta: PartDelta) -> None:
        if delta.text:
            if started.kind == "tool_call":
                self._block_delta({"toolUse": {"input": delta.text}})
            elif started.kind in {"reasoning", "summary"}:
                self._thinking(text=delta.text)
            else:
                self._block_delta({"text": delta.text})
        for citation in own_citations(delta.annotations):
            self._block_delta({"citation": citation})
