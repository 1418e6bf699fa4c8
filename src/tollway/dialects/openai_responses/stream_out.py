"""Writes a neutral stream as Responses events.

Rules of this file:
- `sequence_number` counts every event from 0; every event that speaks of the response holds all of it.
- Texts and refusals that follow each other are parts of one message item; summaries and thinking
  with the same item id are one reasoning item. An item ends when another kind of part begins.
- The error that ends a stream is told twice: as `error`, on which SDKs raise, and as
  `response.failed`, which agents wait for.
"""

from collections.abc import Callable, Sequence

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
from tollway.core.conversation import Conversation, Reasoning
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.custom_tools import custom_tool_names, unwrapped
from tollway.dialects.openai_errors import error_object
from tollway.dialects.openai_responses.output_items import (
    annotation_objects,
    call_item,
    image_item,
    logprob_objects,
    message_item,
    proof_item,
    reasoning_item,
    refusal_content,
    text_content,
)
from tollway.dialects.openai_responses.proofs import call_proof
from tollway.dialects.openai_responses.response_object import (
    Outcome,
    item_base,
    outcome_of,
    response_id,
    response_object,
)
from tollway.dialects.openai_responses.tools import NAME
from tollway.wire.sse import sse_event

_ERROR_CODES = frozenset({"server_error", "rate_limit_exceeded", "invalid_prompt"})


class _Part:
    """A part that has begun: where it stands, and what it has said."""

    __slots__ = ("annotations", "begun", "content", "item", "logprobs", "started", "text", "unwrap")

    def __init__(self, started: PartStarted, item: "_Item", content: int) -> None:
        self.started = started
        self.item = item
        self.content = content
        self.text: list[str] = []
        self.logprobs: list[Json] = []
        self.annotations: list[Json] = []
        self.begun = False
        self.unwrap = False

    def place(self) -> JsonObject:
        """Say which item, and which part of it."""
        return {**self.item.place(), "content_index": self.content}

    def summary_place(self) -> JsonObject:
        """The same for a summary."""
        return {**self.item.place(), "summary_index": self.content}


class _Item:
    """An output item that has begun."""

    __slots__ = ("contents", "custom", "encrypted", "id", "index", "signature", "source_id", "summary", "texts")

    def __init__(self, index: int, identity: str) -> None:
        self.index = index
        self.id = identity
        self.source_id: str | None = None
        self.contents: list[JsonObject] = []
        self.summary: list[str] = []
        self.texts: list[str] = []
        self.encrypted: str | None = None
        self.signature: str | None = None
        self.custom = False

    def place(self) -> JsonObject:
        """Say which item."""
        return {"item_id": self.id, "output_index": self.index}


class ResponsesStreamRenderer:
    """Writes one stream."""

    def __init__(self, request: Conversation, *, now: int, new_id: str) -> None:
        """Prepare; `now` and `new_id` stand in for what the provider does not say."""
        self._request = request
        self._custom = custom_tool_names(request)
        self._now = now
        self._outcome = Outcome(
            id=response_id("", new_id, request.kept),
            model=request.model,
            created=now,
            status="in_progress",
            output=[],
        )
        self._base = item_base(self._outcome.id)
        self._sequence = 0
        self._output: list[JsonObject] = []
        self._parts: dict[int, _Part] = {}
        self._message: _Item | None = None
        self._thinking: _Item | None = None
        self._own = False
        self._started = False
        self._over = False
        self._writers: dict[type, Callable[..., None]] = {
            AnswerStarted: self._start,
            PartStarted: self._part_started,
            PartDelta: self._part_delta,
            PartEnded: self._part_ended,
            ChoiceFinished: self._choice_finished,
            UsageReported: self._usage,
            StreamFailed: self._failed,
            AnswerEnded: self._ended,
        }

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events. Only the first choice can be told in this API."""
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            if getattr(event, "choice", 0) == 0:
                self._writers[type(event)](event, out)
        return b"".join(out)

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream."""
        self._over = True
        out: list[bytes] = []
        described = error_object(error)
        flat = {"code": described["code"], "message": described["message"], "param": described["param"]}
        self._event("error", {**flat, "error": described}, out)
        code = described["code"]
        failed: JsonObject = {
            "code": code if code in _ERROR_CODES else "rate_limit_exceeded" if error.status == 429 else "server_error",
            "message": error.message,
        }
        self._outcome = msgspec.structs.replace(self._outcome, status="failed", error=failed)
        self._life("response.failed", out)
        return b"".join(out)

    def _event(self, kind: str, members: JsonObject, out: list[bytes]) -> None:
        event = {"type": kind, "sequence_number": self._sequence, **members}
        self._sequence += 1
        out.append(sse_event(msgspec.json.encode(event), kind.encode()))

    # --- the response's life

    def _life(self, kind: str, out: list[bytes]) -> None:
        output = [item for item in self._output if item]
        outcome = msgspec.structs.replace(self._outcome, output=output)
        self._event(kind, {"response": response_object(self._request, outcome)}, out)

    def whole(self) -> bytes:
        """Write the response as the event that ends the stream will tell it."""
        self._complete()
        output = [item for item in self._output if item]
        return msgspec.json.encode(
            response_object(self._request, msgspec.structs.replace(self._outcome, output=output))
        )

    def not_kept(self) -> None:
        """From here on say that the response is not kept."""
        kept = self._request.kept
        if kept is not None:
            kept = msgspec.structs.replace(kept, stored=False)
            self._request = msgspec.structs.replace(self._request, kept=kept)

    def _start(self, event: AnswerStarted, out: list[bytes]) -> None:
        self._own = event.dialect == NAME
        self._started = True
        identity = response_id(event.id, self._outcome.id, self._request.kept)
        self._base = item_base(identity)
        self._outcome = msgspec.structs.replace(
            self._outcome,
            id=identity,
            model=event.model or self._request.model,
            created=event.created or self._now,
            service_tier=event.service_tier,
            rest=event.rest if self._own else {},
        )
        self._life("response.created", out)
        self._life("response.in_progress", out)

    def _usage(self, event: UsageReported, _out: list[bytes]) -> None:
        self._outcome = msgspec.structs.replace(
            self._outcome, usage=event.usage, usage_rest=event.rest if self._own else {}
        )

    def _choice_finished(self, event: ChoiceFinished, out: list[bytes]) -> None:
        status, incomplete = outcome_of(event.finish)
        self._end_items(out, status)
        self._outcome = msgspec.structs.replace(self._outcome, status=status, incomplete=incomplete)

    def _ended(self, _event: AnswerEnded, out: list[bytes]) -> None:
        self._over = True
        self._complete()
        self._life(f"response.{self._outcome.status}", out)

    def _complete(self) -> None:
        if self._outcome.status == "completed":
            completed = max(self._now, self._outcome.created)
            self._outcome = msgspec.structs.replace(self._outcome, completed=completed)

    def _failed(self, event: StreamFailed, out: list[bytes]) -> None:
        out.append(self.fail(UpstreamAnswered(event.message, status=event.status, kind=event.kind, code=event.code)))

    # --- items

    def _new_item(self, prefix: str, identity: str | None = None) -> _Item:
        index = len(self._output)
        self._output.append({})
        return _Item(index, identity or f"{prefix}_{self._base}{index}")

    def _item_added(self, item: _Item, value: JsonObject, out: list[bytes]) -> None:
        self._event("response.output_item.added", {"output_index": item.index, "item": value}, out)

    def _item_done(self, item: _Item, value: JsonObject, out: list[bytes]) -> None:
        self._output[item.index] = value
        self._event("response.output_item.done", {"output_index": item.index, "item": value}, out)

    def _end_items(self, out: list[bytes], status: str = "completed") -> None:
        """End the message and the thinking that are open."""
        message, self._message = self._message, None
        if message is not None:
            self._item_done(message, message_item(message.id, message.contents, status), out)
        thinking, self._thinking = self._thinking, None
        if thinking is not None:
            thought = Reasoning(
                text="".join(thinking.texts),
                summary=tuple(thinking.summary),
                signature=thinking.signature,
                encrypted=thinking.encrypted,
                id=thinking.source_id,
            )
            self._item_done(thinking, reasoning_item(thinking.id, thought, own=self._own), out)

    # --- parts

    def _part_started(self, event: PartStarted, out: list[bytes]) -> None:
        match event.kind:
            case "text" | "refusal":
                self._content_started(event, out)
            case "reasoning" | "summary":
                self._thought_started(event, out)
            case "tool_call":
                self._call_started(event, out)
            case "image":
                self._end_items(out)
                self._parts[event.part] = _Part(event, self._new_item("ig"), 0)
            case "opaque":
                if event.opaque is not None and event.opaque.dialect == NAME:
                    self._end_items(out)
                    item = self._new_item("")
                    self._item_added(item, event.opaque.value, out)
                    self._item_done(item, event.opaque.value, out)
            case "audio":
                pass  # this API's answers hold no sound

    def _part_delta(self, event: PartDelta, out: list[bytes]) -> None:
        part = self._parts.get(event.part)
        if part is None:
            return
        if event.text:
            part.text.append(event.text)
        match part.started.kind:
            case "text":
                self._text_delta(part, event, out)
            case "refusal" if event.text:
                self._event("response.refusal.delta", {**part.place(), "delta": event.text}, out)
            case "reasoning" if event.text:
                self._begin_thought(part, out)
                self._event("response.reasoning_text.delta", {**part.place(), "delta": event.text}, out)
            case "summary" if event.text:
                self._event("response.reasoning_summary_text.delta", {**part.summary_place(), "delta": event.text}, out)
            case "tool_call" if event.text and not part.unwrap:
                self._arguments_delta(part, event.text, out)
            case _:
                pass

    def _part_ended(self, event: PartEnded, out: list[bytes]) -> None:
        part = self._parts.pop(event.part, None)
        if part is None:
            return
        match part.started.kind:
            case "text" | "refusal":
                self._content_ended(part, out)
            case "reasoning" | "summary":
                self._thought_ended(part, event, out)
            case "tool_call":
                self._call_ended(part, out)
            case "image":
                item = image_item(part.item.id, "".join(part.text))
                self._item_added(part.item, {**item, "status": "in_progress", "result": None}, out)
                self._item_done(part.item, item, out)
            case _:
                pass

    # --- text and refusal

    def _content_started(self, event: PartStarted, out: list[bytes]) -> None:
        if self._message is None:
            self._end_items(out)
            item = self._message = self._new_item("msg", event.item_id if self._own else None)
            self._item_added(item, message_item(item.id, [], "in_progress"), out)
        item = self._message
        part = self._parts[event.part] = _Part(event, item, len(item.contents))
        empty = text_content("") if event.kind == "text" else refusal_content("")
        item.contents.append(empty)
        self._event("response.content_part.added", {**part.place(), "part": empty}, out)

    def _text_delta(self, part: _Part, event: PartDelta, out: list[bytes]) -> None:
        logprobs = logprob_objects(event.logprobs)
        part.logprobs += logprobs
        if event.text or logprobs:
            self._event("response.output_text.delta", {**part.place(), "delta": event.text, "logprobs": logprobs}, out)
        if not event.annotations:
            return
        for annotation in annotation_objects(event.annotations, sum(map(len, part.text))):
            place = {**part.place(), "annotation_index": len(part.annotations)}
            part.annotations.append(annotation)
            self._event("response.output_text.annotation.added", {**place, "annotation": annotation}, out)

    def _content_ended(self, part: _Part, out: list[bytes]) -> None:
        text = "".join(part.text)
        if part.started.kind == "text":
            content = text_content(text, part.annotations, part.logprobs)
            done: JsonObject = {**part.place(), "text": text, "logprobs": content["logprobs"]}
            self._event("response.output_text.done", done, out)
        else:
            content = refusal_content(text)
            self._event("response.refusal.done", {**part.place(), "refusal": text}, out)
        part.item.contents[part.content] = content
        self._event("response.content_part.done", {**part.place(), "part": content}, out)

    # --- thinking

    def _thought_started(self, event: PartStarted, out: list[bytes]) -> None:
        item = self._thinking
        if item is None or event.item_id is None or item.source_id != event.item_id:
            self._end_items(out)
            item = self._thinking = self._new_item("rs", event.item_id)
            item.source_id = event.item_id
            self._item_added(item, {"type": "reasoning", "id": item.id, "summary": []}, out)
        item.encrypted = event.encrypted or item.encrypted
        content = len(item.summary) if event.kind == "summary" else len(item.texts)
        part = self._parts[event.part] = _Part(event, item, content)
        if event.kind == "summary":
            item.summary.append("")
            empty = {"type": "summary_text", "text": ""}
            self._event("response.reasoning_summary_part.added", {**part.summary_place(), "part": empty}, out)

    def _begin_thought(self, part: _Part, out: list[bytes]) -> None:
        """Thinking that is only encrypted has no words to begin."""
        if not part.begun:
            part.begun = True
            empty = {"type": "reasoning_text", "text": ""}
            self._event("response.content_part.added", {**part.place(), "part": empty}, out)

    def _thought_ended(self, part: _Part, event: PartEnded, out: list[bytes]) -> None:
        text = "".join(part.text)
        item = part.item
        item.encrypted = event.encrypted or item.encrypted
        item.signature = event.signature or item.signature
        if part.started.kind == "summary":
            item.summary[part.content] = text
            self._event("response.reasoning_summary_text.done", {**part.summary_place(), "text": text}, out)
            done = {"type": "summary_text", "text": text}
            self._event("response.reasoning_summary_part.done", {**part.summary_place(), "part": done}, out)
        elif part.begun:
            item.texts.append(text)
            self._event("response.reasoning_text.done", {**part.place(), "text": text}, out)
            done = {"type": "reasoning_text", "text": text}
            self._event("response.content_part.done", {**part.place(), "part": done}, out)

    # --- calls

    def _call_started(self, event: PartStarted, out: list[bytes]) -> None:
        self._end_items(out)
        if event.signature is not None:
            proof = self._new_item("rs")
            value = proof_item(proof.id, call_proof(event.signature))
            self._item_added(proof, {"type": "reasoning", "id": proof.id, "summary": []}, out)
            self._item_done(proof, value, out)
        custom = event.custom or event.name in self._custom
        item = self._new_item("ctc" if custom else "fc", event.item_id)
        item.custom = custom
        part = self._parts[event.part] = _Part(event, item, 0)
        part.unwrap = custom and not event.custom
        self._item_added(item, self._call(part, "", "in_progress"), out)

    def _call(self, part: _Part, arguments: str, status: str) -> JsonObject:
        started, item = part.started, part.item
        value = call_item(item.id, started.id, started.name, arguments, custom=item.custom, status=status)
        return value | started.rest if self._own else value

    def _arguments_delta(self, part: _Part, text: str, out: list[bytes]) -> None:
        kind = "custom_tool_call_input" if part.item.custom else "function_call_arguments"
        self._event(f"response.{kind}.delta", {**part.item.place(), "delta": text}, out)

    def _call_ended(self, part: _Part, out: list[bytes]) -> None:
        arguments = "".join(part.text)
        if part.unwrap:
            arguments = unwrapped(arguments)
        unsaid = part.unwrap or not arguments
        if not arguments and not part.item.custom:
            arguments = "{}"
        if unsaid and arguments:
            self._arguments_delta(part, arguments, out)
        if part.item.custom:
            self._event("response.custom_tool_call_input.done", {**part.item.place(), "input": arguments}, out)
        else:
            done = {**part.item.place(), "name": part.started.name, "arguments": arguments}
            self._event("response.function_call_arguments.done", done, out)
        self._item_done(part.item, self._call(part, arguments, "completed"), out)
