"""Reads Converse's event stream into neutral events.

Rules of this file:
- A block of words or thinking has no event of its own at its start: its first piece starts its part.
- A block that only this API knows is gathered whole and given at its end.
- A tool called without arguments streams nothing; its part then has the text `{}`.
- The end is `messageStop` and `metadata`, in whichever order; the usage comes with the latter.
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
    PartKind,
    PartStarted,
    StreamEvent,
    UsageReported,
)
from tollway.core.conversation import Opaque
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.aws_errors import stream_failure
from tollway.dialects.bedrock_converse.answer import native_finish, neutral_finish, stop_sequence
from tollway.dialects.bedrock_converse.content import NAME
from tollway.dialects.bedrock_converse.media import IMAGES
from tollway.dialects.bedrock_converse.usage import read_usage, usage_rest
from tollway.dialects.caller_fields import as_list, as_object, as_text, without
from tollway.wire.aws_event_stream import EXCEPTION, FrameDecoder, event_name

_PADDING: Final = "p"
"""Characters that hide how long an event is; they mean nothing."""


class _Block:
    """The block being read."""

    __slots__ = ("gathered", "kind", "part", "results", "signature", "streamed")

    def __init__(self, kind: PartKind, part: int) -> None:
        self.kind = kind
        self.part = part
        self.streamed = False
        self.signature: str | None = None
        self.gathered: JsonObject = {}
        """The start of a block that only this API knows."""
        self.results: list[Json] = []


class ConverseParser:
    """Reads one stream."""

    __slots__ = ("_blocks", "_done", "_frames", "_metadata", "_parts", "_started", "_stopped")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._frames = FrameDecoder()
        self._started = False
        self._stopped = False
        self._metadata = False
        self._done = False
        self._blocks: dict[Json, _Block] = {}
        self._parts = 0

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes; return the events they complete."""
        try:
            frames = self._frames.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        found: list[StreamEvent] = []
        for frame in frames:
            if not self._done:
                self._event(event_name(frame), frame.payload, found)
        return found

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed the connection; without its counts an answer that stopped is whole all the same."""
        if self._done or not self._stopped or not self._frames.empty:
            return []
        self._done = True
        return [AnswerEnded()]

    def _event(self, name: str, payload: bytes, found: list[StreamEvent]) -> None:
        if name.startswith(EXCEPTION):
            self._done = True
            found.append(stream_failure(name.removeprefix(EXCEPTION), payload))
            return
        event = _decode(payload)
        index = event.get("contentBlockIndex")
        if name in {"messageStart", "contentBlockStart", "contentBlockDelta", "messageStop"}:
            self._start(found)
        match name:
            case "contentBlockStart":
                self._block_start(index, as_object(event.get("start")), found)
            case "contentBlockDelta":
                self._delta(index, as_object(event.get("delta")), found)
            case "contentBlockStop":
                self._block_stop(index, found)
            case "messageStop":
                self._stop(event, found)
            case "metadata":
                self._report(event, found)
            case _:
                pass  # events of later versions
        if self._stopped and self._metadata:
            self._done = True
            found.append(AnswerEnded())

    def _start(self, found: list[StreamEvent]) -> None:
        if not self._started:
            self._started = True
            found.append(AnswerStarted("", "", dialect=NAME))

    def _open(self, index: Json, kind: PartKind, found: list[StreamEvent], **members: str | None) -> _Block:
        self._block_stop(index, found)
        block = self._blocks[index] = _Block(kind, self._parts)
        if kind != "opaque":
            self._parts += 1
            found.append(
                PartStarted(
                    0,
                    block.part,
                    kind,
                    id=members.get("id") or "",
                    name=members.get("name") or "",
                    media_type=members.get("media_type"),
                    encrypted=members.get("encrypted"),
                )
            )
        return block

    def _block_start(self, index: Json, start: JsonObject, found: list[StreamEvent]) -> None:
        tool, image = as_object(start.get("toolUse")), as_object(start.get("image"))
        if tool and tool.get("type") != "server_tool_use":
            self._open(index, "tool_call", found, id=as_text(tool.get("toolUseId")), name=as_text(tool.get("name")))
        elif image:
            word = as_text(image.get("format"))
            self._open(index, "image", found, media_type=IMAGES.get(word, f"image/{word}"))
        elif start:
            self._open(index, "opaque", found).gathered = start

    def _delta(self, index: Json, delta: JsonObject, found: list[StreamEvent]) -> None:
        block = self._blocks.get(index)
        thinking = as_object(delta.get("reasoningContent"))
        if block is None:
            redacted = as_text(thinking.get("redactedContent"))
            kind: PartKind = "reasoning" if "reasoningContent" in delta else "text"
            block = self._open(index, kind, found, encrypted=redacted or None)
        if block.kind == "opaque":
            _grow(block, delta)
        elif "text" in delta:
            found.append(PartDelta(0, block.part, as_text(delta.get("text"))))
        elif "citation" in delta:
            found.append(PartDelta(0, block.part, "", annotations=(delta["citation"],)))
        elif thinking:
            words = as_text(thinking.get("text"))
            if words:
                found.append(PartDelta(0, block.part, words))
            block.signature = as_text(thinking.get("signature")) or block.signature
        elif "image" in delta:
            data = as_text(as_object(as_object(delta["image"]).get("source")).get("bytes"))
            found.append(PartDelta(0, block.part, data))
        else:
            piece = as_text(as_object(delta.get("toolUse")).get("input"))
            if piece:
                block.streamed = True
                found.append(PartDelta(0, block.part, piece))

    def _block_stop(self, index: Json, found: list[StreamEvent]) -> None:
        block = self._blocks.pop(index, None)
        if block is None:
            return
        if block.kind == "opaque":
            block.part = self._parts
            self._parts += 1
            found.append(PartStarted(0, block.part, "opaque", opaque=Opaque(NAME, _whole(block))))
        elif block.kind == "tool_call" and not block.streamed:
            found.append(PartDelta(0, block.part, "{}"))
        found.append(PartEnded(0, block.part, signature=block.signature))

    def _stop(self, event: JsonObject, found: list[StreamEvent]) -> None:
        for index in list(self._blocks):
            self._block_stop(index, found)
        self._stopped = True
        reason = as_text(event.get("stopReason"))
        found.append(
            ChoiceFinished(
                0,
                neutral_finish(reason),
                native_finish=native_finish(reason),
                stop_sequence=stop_sequence(event),
                rest=without(event, "stopReason", _PADDING),
            )
        )

    def _report(self, event: JsonObject, found: list[StreamEvent]) -> None:
        self._metadata = True
        usage = as_object(event.get("usage"))
        if usage:
            found.append(UsageReported(read_usage(usage), rest=usage_rest(usage)))


def _decode(payload: bytes) -> JsonObject:
    try:
        value: Json = msgspec.json.decode(payload)
    except (msgspec.DecodeError, RecursionError) as error:
        raise UpstreamGarbled("the provider's stream holds an event that is not JSON") from error
    return as_object(value)


def _grow(block: _Block, delta: JsonObject) -> None:
    """Grow a block that only this API knows: the input of the provider's own tools, and their results."""
    inner = as_object(delta.get("toolUse"))
    if inner:
        use = as_object(block.gathered.get("toolUse"))
        block.gathered = {"toolUse": use | {"input": as_text(use.get("input")) + as_text(inner.get("input"))}}
    block.results.extend(as_list(delta.get("toolResult")))


def _whole(block: _Block) -> JsonObject:
    """Put a gathered block together as a whole answer has it."""
    use, result = as_object(block.gathered.get("toolUse")), as_object(block.gathered.get("toolResult"))
    if use:
        try:
            arguments: Json = msgspec.json.decode(as_text(use.get("input")) or "{}")
        except msgspec.DecodeError:
            arguments = {}
        return {"toolUse": use | {"input": arguments}}
    return {"toolResult": result | {"content": block.results}} if result else block.gathered
