"""Reads Anthropic's event stream into neutral events.

Rules of this file:
- Blocks come one after another; each is a part. A block that only this API knows is gathered whole
  and given at its end.
- A tool called without arguments streams nothing; its part then has the text `{}`, as its
  non-streamed twin has.
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
    UsageReported,
)
from tollway.core.conversation import Opaque
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.anthropic_messages.answer import native_finish, neutral_finish
from tollway.dialects.anthropic_messages.content import NAME
from tollway.dialects.anthropic_messages.errors import stream_failure
from tollway.dialects.anthropic_messages.usage import merge_usage, neutral_tier, read_usage, usage_rest
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text, without
from tollway.dialects.json_forms import json_text, object_of
from tollway.wire.sse import SseDecoder, SseEvent

_DELTAS: Final = ("stop_reason", "stop_sequence")


class _Block:
    """The block being read."""

    __slots__ = ("arguments", "kind", "part", "signature", "streamed", "whole")

    def __init__(self, block: JsonObject, part: int) -> None:
        self.whole = block
        self.kind = as_text(block.get("type"))
        self.part = part
        self.signature: str | None = None
        self.streamed = False
        self.arguments = ""


class MessagesParser:
    """Reads one stream."""

    __slots__ = ("_blocks", "_done", "_parts", "_sse", "_started", "_usage")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._sse = SseDecoder()
        self._started = False
        self._done = False
        self._usage: JsonObject = {}
        self._blocks: dict[int, _Block] = {}
        self._parts = 0

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes; return the events they complete."""
        try:
            events = self._sse.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        return self._read(events)

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed the connection."""
        return self._read(self._sse.close())

    def _read(self, events: list[SseEvent]) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        for event in events:
            if self._done or event.data == "[DONE]":
                continue
            self._event(_decode(event), found)
        return found

    def _event(self, event: JsonObject, found: list[StreamEvent]) -> None:
        kind = as_text(event.get("type"))
        if kind == "error":
            self._done = True
            found.append(stream_failure(event))
            return
        if kind == "message_start":
            self._start(as_object(event.get("message")), found)
            return
        if kind in {"content_block_start", "content_block_delta", "message_delta", "message_stop"}:
            self._start({}, found)
        match kind:
            case "content_block_start":
                self._block_start(event, found)
            case "content_block_delta":
                block = self._blocks.get(as_count(event.get("index")))
                if block is not None:
                    _block_delta(block, as_object(event.get("delta")), found)
            case "content_block_stop":
                self._block_stop(as_count(event.get("index")), found)
            case "message_delta":
                self._message_delta(event, found)
            case "message_stop":
                self._stop_all(found)
                self._done = True
                found.append(AnswerEnded())
            case _:
                pass  # ping, and events of later versions, which the API asks to ignore

    def _start(self, message: JsonObject, found: list[StreamEvent]) -> None:
        if self._started:  # some servers send `message_start` twice
            return
        self._started = True
        self._usage = as_object(message.get("usage"))
        found.append(
            AnswerStarted(
                as_text(message.get("id")),
                as_text(message.get("model")),
                service_tier=neutral_tier(self._usage),
                dialect=NAME,
            )
        )
        if self._usage:
            found.append(self._reported(self._usage | {"output_tokens": 0}))

    def _reported(self, usage: JsonObject) -> UsageReported:
        return UsageReported(read_usage(usage), rest=usage_rest(usage))

    def _block_start(self, event: JsonObject, found: list[StreamEvent]) -> None:
        index = as_count(event.get("index"))
        self._block_stop(index, found)
        block = _Block(dict(as_object(event.get("content_block"))), self._parts)
        self._blocks[index] = block
        started = _part_started(block)
        if started is not None:
            self._parts += 1
            found.append(started)
            opening = as_text(block.whole.get(_TEXT_MEMBER.get(block.kind, "")))
            annotations = tuple(as_list(block.whole.get("citations")))
            if opening or annotations:
                found.append(PartDelta(0, block.part, opening, annotations=annotations))
            block.signature = as_text(block.whole.get("signature")) or None

    def _block_stop(self, index: int, found: list[StreamEvent]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.kind not in _PARTS:
            if block.arguments:
                block.whole["input"] = object_of(block.arguments) or {}
            block.part = self._parts
            self._parts += 1
            found.append(PartStarted(0, block.part, "opaque", opaque=Opaque(NAME, block.whole)))
        elif block.kind == "tool_use" and not block.streamed:
            found.append(PartDelta(0, block.part, json_text(as_object(block.whole.get("input")))))
        found.append(PartEnded(0, block.part, signature=block.signature, encrypted=_encrypted(block)))

    def _stop_all(self, found: list[StreamEvent]) -> None:
        for index in list(self._blocks):
            self._block_stop(index, found)

    def _message_delta(self, event: JsonObject, found: list[StreamEvent]) -> None:
        delta = as_object(event.get("delta"))
        reason = as_text(delta.get("stop_reason"))
        usage = as_object(event.get("usage"))
        if usage:
            self._usage = merge_usage(self._usage, usage)
            found.append(self._reported(self._usage))
        if not reason:
            return
        self._stop_all(found)
        found.append(
            ChoiceFinished(
                0,
                neutral_finish(reason),
                native_finish=native_finish(reason),
                stop_sequence=as_text(delta.get("stop_sequence")) or None,
                rest=without(delta, *_DELTAS) | without(event, "type", "delta", "usage"),
            )
        )


_PARTS: Final = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_TEXT_MEMBER: Final = {"text": "text", "thinking": "thinking"}


def _decode(event: SseEvent) -> JsonObject:
    try:
        value: Json = msgspec.json.decode(event.data)
    except NOT_JSON as error:
        raise UpstreamGarbled("the provider's stream holds an event that is not JSON") from error
    found = as_object(value)
    return found if "type" in found or not event.event else {"type": event.event} | found


def _part_started(block: _Block) -> PartStarted | None:
    whole, part = block.whole, block.part
    match block.kind:
        case "text":
            return PartStarted(0, part, "text")
        case "thinking":
            return PartStarted(0, part, "reasoning")
        case "redacted_thinking":
            return PartStarted(0, part, "reasoning", encrypted=as_text(whole.get("data")))
        case "tool_use":
            rest = without(whole, "type", "id", "name", "input")
            return PartStarted(
                0, part, "tool_call", id=as_text(whole.get("id")), name=as_text(whole.get("name")), rest=rest
            )
        case _:
            return None


def _encrypted(block: _Block) -> str | None:
    return as_text(block.whole.get("data")) or None if block.kind == "redacted_thinking" else None


def _block_delta(block: _Block, delta: JsonObject, found: list[StreamEvent]) -> None:
    kind = delta.get("type")
    if block.kind not in _PARTS:
        _grow(block, delta)
        return
    match kind:
        case "text_delta":
            found.append(PartDelta(0, block.part, as_text(delta.get("text"))))
        case "thinking_delta":
            found.append(PartDelta(0, block.part, as_text(delta.get("thinking"))))
        case "input_json_delta":
            piece = as_text(delta.get("partial_json"))
            if piece:
                block.streamed = True
                found.append(PartDelta(0, block.part, piece))
        case "signature_delta":
            block.signature = (block.signature or "") + as_text(delta.get("signature"))
        case "citations_delta":
            found.append(PartDelta(0, block.part, "", annotations=(delta.get("citation"),)))
        case _:
            pass  # a delta of a later version


def _grow(block: _Block, delta: JsonObject) -> None:
    """Grow a block that only this API knows: text members are joined, others replaced."""
    if delta.get("type") == "input_json_delta":
        block.arguments += as_text(delta.get("partial_json"))
        return
    for name, value in delta.items():
        if name == "type" or value is None:
            continue
        before = block.whole.get(name)
        block.whole[name] = before + value if isinstance(before, str) and isinstance(value, str) else value
