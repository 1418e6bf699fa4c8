"""Reads a provider's Responses stream into neutral events.

Rules of this file:
- Events are told by the `type` in their data, since some servers leave out the event name.
- A part begins with its first sign, whatever that is: servers are met that leave out
  `content_part.added`, deltas, or everything but the items' ends.
- What an item's end tells beyond its deltas (encrypted thinking, arguments never streamed) is taken
  from there; items that only `response.completed` lists are read from there.
"""

from collections.abc import Callable, Sequence

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
from tollway.core.conversation import Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_seconds, as_text
from tollway.dialects.openai_errors import error_in_answer, stream_failure
from tollway.dialects.openai_responses.answer_in import (
    call_rest,
    failure,
    finish_reason,
    item_parts,
    native_finish,
    top_rest,
)
from tollway.dialects.openai_responses.tools import NAME
from tollway.dialects.openai_responses.usage import parse_usage, usage_rest
from tollway.wire.sse import SseDecoder, SseEvent


class _OpenPart:
    """A part that has begun."""

    __slots__ = ("annotated", "ended", "kind", "number", "said")

    def __init__(self, number: int, kind: PartKind) -> None:
        self.number = number
        self.kind: PartKind = kind
        self.said = False
        self.annotated = False
        self.ended = False


class _Item:
    """An output item: its own members, and the parts it has begun, by kind and index."""

    __slots__ = ("done", "parts", "value")

    def __init__(self, value: JsonObject) -> None:
        self.value = value
        self.parts: dict[tuple[PartKind, int], _OpenPart] = {}
        self.done = False


class ResponsesStreamParser:
    """Reads one stream."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._sse = SseDecoder()
        self._items: dict[int, _Item] = {}
        self._next_part = 0
        self._called: list[Part] = []
        self._started = False
        self._over = False
        self._readers: dict[str, Callable[[JsonObject, list[StreamEvent]], None]] = {
            "response.created": self._life,
            "response.queued": self._life,
            "response.in_progress": self._life,
            "response.completed": self._end,
            "response.incomplete": self._end,
            "response.failed": self._failed,
            "response.output_item.added": self._item_added,
            "response.output_item.done": self._item_done,
            "response.content_part.added": self._content_added,
            "response.content_part.done": self._content_done,
            "response.output_text.delta": self._text_delta,
            "response.output_text.done": self._text_done,
            "response.output_text.annotation.added": self._annotation,
            "response.refusal.delta": self._refusal_delta,
            "response.refusal.done": self._refusal_done,
            "response.function_call_arguments.delta": self._arguments_delta,
            "response.function_call_arguments.done": self._arguments_done,
            "response.custom_tool_call_input.delta": self._arguments_delta,
            "response.custom_tool_call_input.done": self._arguments_done,
            "response.reasoning_summary_part.added": self._summary_added,
            "response.reasoning_summary_text.delta": self._summary_delta,
            "response.reasoning_summary_text.done": self._summary_done,
            "response.reasoning_text.delta": self._thought_delta,
            "response.reasoning_text.done": self._thought_done,
            "response.reasoning.delta": self._thought_delta,
            "response.reasoning.done": self._thought_done,
        }

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes.

        Raises:
            UpstreamGarbled: they are not what the API promises.
        """
        try:
            framed = self._sse.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(f"the provider's stream: {error}") from error
        return self._events(framed)

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed; only `response.completed` and its like would have ended the answer."""
        return self._events(self._sse.close())

    def _events(self, framed: list[SseEvent]) -> list[StreamEvent]:
        out: list[StreamEvent] = []
        for event in framed:
            if self._over:
                break
            if event.data.strip() == "[DONE]":
                continue  # some servers close with Chat's word
            try:
                decoded = msgspec.json.decode(event.data)
            except NOT_JSON as error:
                raise UpstreamGarbled("the provider's stream holds an event that is not valid JSON") from error
            if not isinstance(decoded, dict):
                raise UpstreamGarbled("the provider's stream holds an event that is not a JSON object")
            value = as_object(decoded)
            kind = as_text(value.get("type")) or event.event
            reader = self._readers.get(kind)
            if reader is not None:
                reader(value, out)
            elif kind == "error" or (not kind and value.get("error")):
                self._error(value, out)
        return out

    # --- the response's life

    def _life(self, value: JsonObject, out: list[StreamEvent]) -> None:
        self._start(as_object(value.get("response")), out)

    def _start(self, response: JsonObject, out: list[StreamEvent]) -> None:
        if self._started:
            return
        self._started = True
        out.append(
            AnswerStarted(
                id=as_text(response.get("id")),
                model=as_text(response.get("model")),
                created=as_seconds(response.get("created_at")),
                service_tier=as_text(response.get("service_tier")) or None,
                rest=top_rest(response),
                dialect=NAME,
            )
        )

    def _end(self, value: JsonObject, out: list[StreamEvent]) -> None:
        response = as_object(value.get("response"))
        self._start(response, out)
        for index, one in enumerate(as_list(response.get("output"))):
            if index not in self._items:
                self._whole_item(index, as_object(one), out)
        for item in self._items.values():
            self._end_item(item, None, out)
            for part in item.parts.values():
                self._end_part(part, out)  # one that began after its item's end
        usage = as_object(response.get("usage"))
        reported = parse_usage(usage)
        if reported is not None:
            out.append(UsageReported(reported, rest=usage_rest(usage)))
        finish = finish_reason(response, self._called)
        out.append(ChoiceFinished(0, finish, native_finish=native_finish(response)))
        out.append(AnswerEnded())
        self._over = True

    def _failed(self, value: JsonObject, out: list[StreamEvent]) -> None:
        response = {**as_object(value.get("response")), "status": "failed"}
        usage = parse_usage(as_object(response.get("usage")))
        if usage is not None:
            out.append(UsageReported(usage))
        error = failure(response)
        if error is not None:
            out.append(stream_failure(error))
            self._over = True

    def _error(self, value: JsonObject, out: list[StreamEvent]) -> None:
        nested = value.get("error")
        error = error_in_answer({"error": nested or {name: one for name, one in value.items() if name != "type"}})
        if error is not None:
            out.append(stream_failure(error))
            self._over = True

    # --- items

    def _item(self, value: JsonObject) -> _Item:
        index = value.get("output_index")
        number = index if isinstance(index, int) else max(self._items, default=0)
        item = self._items.get(number)
        if item is None:
            item = self._items[number] = _Item({})
        return item

    def _item_added(self, value: JsonObject, out: list[StreamEvent]) -> None:
        self._start({}, out)
        item = self._item(value)
        item.value = as_object(value.get("item"))
        if (
            as_text(item.value.get("type")) in {"function_call", "custom_tool_call"}
            and ("tool_call", 0) not in item.parts
        ):
            self._begin_call(item, out)

    def _item_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        index = value.get("output_index")
        whole = as_object(value.get("item"))
        if isinstance(index, int) and index not in self._items:
            self._start({}, out)
            self._whole_item(index, whole, out)
            return
        self._end_item(self._item(value), whole, out)

    def _end_item(self, item: _Item, whole: JsonObject | None, out: list[StreamEvent]) -> None:
        """End an item; `whole` is what its end said, None where its end never came."""
        if item.done:
            return
        item.done = True
        value = item.value if whole is None else whole
        kind = as_text(value.get("type")) or as_text(item.value.get("type"))
        parts = item_parts(value) if whole is not None else []
        if kind in {"function_call", "custom_tool_call"}:
            call = next((part for part in parts if isinstance(part, ToolCall)), None)
            part = item.parts.get(("tool_call", 0)) or self._begin_call(item, out)
            if call is not None and call.arguments and not part.said:
                self._say(part, call.arguments, out)
        elif kind == "reasoning":
            self._end_reasoning(item, parts, out)
            return
        elif not item.parts and whole is not None:
            self._whole_parts(value, parts, out)
        elif kind == "message":
            self._complete_texts(item, as_list(value.get("content")), out)
        for part in item.parts.values():
            self._end_part(part, out)

    def _complete_texts(self, item: _Item, contents: list[Json], out: list[StreamEvent]) -> None:
        """Tell what only the item's end says of its open texts: some servers send no events for citations."""
        for index, one in enumerate(contents):
            part = item.parts.get(("text", index))
            content = as_object(one)
            if part is None or part.ended or content.get("type") != "output_text":
                continue
            if not part.said:
                self._say(part, as_text(content.get("text")), out)
            self._annotate(part, tuple(as_list(content.get("annotations"))), out)

    def _end_reasoning(self, item: _Item, parts: list[Part], out: list[StreamEvent]) -> None:
        thought = next((part for part in parts if isinstance(part, Reasoning)), None)
        if thought is not None and not item.parts:
            self._whole_parts(item.value, [thought], out)
            return
        encrypted = thought.encrypted if thought is not None else None
        waiting = [part for part in item.parts.values() if not part.ended]
        for part in waiting:
            last = part is waiting[-1]
            self._end_part(part, out, encrypted=encrypted if last else None)

    def _whole_item(self, index: int, value: JsonObject, out: list[StreamEvent]) -> None:
        item = self._items[index] = _Item(value)
        item.done = True
        self._whole_parts(value, item_parts(value), out)

    def _whole_parts(self, value: JsonObject, parts: list[Part], out: list[StreamEvent]) -> None:
        """Tell parts that were never streamed."""
        item_id = as_text(value.get("id")) or None
        for part in parts:
            match part:
                case Text():
                    self._whole("text", part.text, out, annotations=part.annotations, item_id=item_id)
                case Refusal():
                    self._called.append(part)
                    self._whole("refusal", part.text, out, item_id=item_id)
                case ToolCall():
                    item = _Item(value)
                    opened = self._begin_call(item, out)
                    if part.arguments:
                        self._say(opened, part.arguments, out)
                    self._end_part(opened, out)
                case Reasoning():
                    self._whole_reasoning(part, out)
                case Image() if part.data is not None:
                    number = self._take_part()
                    out.append(PartStarted(0, number, "image", media_type=part.media_type, item_id=item_id))
                    out.append(PartDelta(0, number, part.data))
                    out.append(PartEnded(0, number))
                case Opaque():
                    number = self._take_part()
                    out.append(PartStarted(0, number, "opaque", item_id=item_id, opaque=part))
                    out.append(PartEnded(0, number))
                case _:
                    pass

    def _whole_reasoning(self, part: Reasoning, out: list[StreamEvent]) -> None:
        pieces: list[tuple[PartKind, str]] = [("summary", text) for text in part.summary]
        if part.text or not pieces:
            pieces.append(("reasoning", part.text))
        for position, (kind, text) in enumerate(pieces):
            last = position == len(pieces) - 1
            self._whole(kind, text, out, item_id=part.id, encrypted=part.encrypted if last else None)

    def _whole(
        self,
        kind: PartKind,
        text: str,
        out: list[StreamEvent],
        *,
        annotations: tuple[Json, ...] = (),
        item_id: str | None = None,
        encrypted: str | None = None,
    ) -> None:
        number = self._take_part()
        out.append(PartStarted(0, number, kind, item_id=item_id))
        if text or annotations:
            out.append(PartDelta(0, number, text, annotations=annotations))
        out.append(PartEnded(0, number, encrypted=encrypted))

    # --- parts

    def _take_part(self) -> int:
        self._next_part += 1
        return self._next_part - 1

    def _part(self, value: JsonObject, kind: PartKind, index_name: str, out: list[StreamEvent]) -> _OpenPart:
        """Give the part an event speaks of, and begin it where this is its first sign."""
        self._start({}, out)
        item = self._item(value)
        index = value.get(index_name)
        key = (kind, index if isinstance(index, int) else 0)
        part = item.parts.get(key)
        if part is None:
            for other in item.parts.values():
                self._end_part(other, out)
            part = item.parts[key] = _OpenPart(self._take_part(), kind)
            item_id = as_text(item.value.get("id")) or as_text(value.get("item_id")) or None
            out.append(PartStarted(0, part.number, kind, item_id=item_id))
        return part

    def _begin_call(self, item: _Item, out: list[StreamEvent]) -> _OpenPart:
        value = item.value
        part = item.parts["tool_call", 0] = _OpenPart(self._take_part(), "tool_call")
        item_id = as_text(value.get("id"))
        call = PartStarted(
            0,
            part.number,
            "tool_call",
            id=as_text(value.get("call_id")) or item_id,
            name=as_text(value.get("name")),
            item_id=item_id or None,
            custom=value.get("type") == "custom_tool_call",
            rest=call_rest(value),
        )
        out.append(call)
        self._called.append(ToolCall(call.id, call.name, ""))
        return part

    def _say(self, part: _OpenPart, text: str, out: list[StreamEvent], logprobs: Json = None) -> None:
        if part.ended:
            return
        part.said = part.said or bool(text)
        out.append(PartDelta(0, part.number, text, logprobs=as_list(logprobs) or None))

    def _annotate(self, part: _OpenPart, annotations: tuple[Json, ...], out: list[StreamEvent]) -> None:
        """Tell citations; a part's end repeats those its own events told."""
        if annotations and not part.annotated and not part.ended:
            part.annotated = True
            out.append(PartDelta(0, part.number, "", annotations=annotations))

    def _end_part(self, part: _OpenPart, out: list[StreamEvent], encrypted: str | None = None) -> None:
        if not part.ended:
            part.ended = True
            out.append(PartEnded(0, part.number, encrypted=encrypted))

    # --- events of parts

    def _content_added(self, value: JsonObject, out: list[StreamEvent]) -> None:
        match as_object(value.get("part")).get("type"):
            case "output_text":
                self._part(value, "text", "content_index", out)
            case "refusal":
                self._refused(value, out)
            case "reasoning_text":
                self._part(value, "reasoning", "content_index", out)
            case _:
                pass

    def _content_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        content = as_object(value.get("part"))
        match content.get("type"):
            case "output_text":
                part = self._part(value, "text", "content_index", out)
                if not part.said:
                    self._say(part, as_text(content.get("text")), out)
                self._annotate(part, tuple(as_list(content.get("annotations"))), out)
                self._end_part(part, out)
            case "refusal":
                self._end_part(self._refused(value, out), out)
            case _:
                pass  # thinking ends with its item, which tells its proof

    def _text_delta(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._part(value, "text", "content_index", out)
        self._say(part, as_text(value.get("delta")), out, value.get("logprobs"))

    def _text_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._part(value, "text", "content_index", out)
        if not part.said and as_text(value.get("text")):
            self._say(part, as_text(value.get("text")), out, value.get("logprobs"))

    def _annotation(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._part(value, "text", "content_index", out)
        part.annotated = False
        self._annotate(part, (value.get("annotation"),), out)

    def _refused(self, value: JsonObject, out: list[StreamEvent]) -> _OpenPart:
        part = self._part(value, "refusal", "content_index", out)
        self._called.append(Refusal(""))
        return part

    def _refusal_delta(self, value: JsonObject, out: list[StreamEvent]) -> None:
        self._say(self._refused(value, out), as_text(value.get("delta")), out)

    def _refusal_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._refused(value, out)
        if not part.said:
            self._say(part, as_text(value.get("refusal")), out)

    def _arguments_delta(self, value: JsonObject, out: list[StreamEvent]) -> None:
        item = self._item(value)
        part = item.parts.get(("tool_call", 0)) or self._begin_call(item, out)
        self._say(part, as_text(value.get("delta")), out)

    def _arguments_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._item(value).parts.get(("tool_call", 0))
        if part is not None and not part.said:
            self._say(part, as_text(value.get("arguments")) or as_text(value.get("input")), out)

    def _summary_added(self, value: JsonObject, out: list[StreamEvent]) -> None:
        self._part(value, "summary", "summary_index", out)

    def _summary_delta(self, value: JsonObject, out: list[StreamEvent]) -> None:
        self._say(self._part(value, "summary", "summary_index", out), as_text(value.get("delta")), out)

    def _summary_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._part(value, "summary", "summary_index", out)
        if not part.said:
            self._say(part, as_text(value.get("text")), out)

    def _thought_delta(self, value: JsonObject, out: list[StreamEvent]) -> None:
        self._say(self._part(value, "reasoning", "content_index", out), as_text(value.get("delta")), out)

    def _thought_done(self, value: JsonObject, out: list[StreamEvent]) -> None:
        part = self._part(value, "reasoning", "content_index", out)
        if not part.said:
            self._say(part, as_text(value.get("text")), out)
