"""Reads Cohere's event stream into neutral events.

Rules of this file:
- Content blocks and tool calls each count their own indexes; a part is known by both.
- A text stays open until another part begins: citations of it may come after its `content-end`.
- `message-end` ends the answer; the `[DONE]` that follows says nothing more.
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
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_count, as_object, as_text, without
from tollway.dialects.cohere_chat.answer import native_finish, neutral_finish, neutral_logprob
from tollway.dialects.cohere_chat.content import NAME, PLAN
from tollway.dialects.cohere_chat.errors import failure_in
from tollway.dialects.cohere_chat.usage import read_usage, usage_rest
from tollway.wire.sse import SseDecoder, SseEvent

_ENDING: Final = ("finish_reason", "usage", "error")
_PLAN_KEY: Final = ("plan", 0)


class ChatParser:
    """Reads one stream."""

    __slots__ = ("_done", "_open", "_parts", "_sse", "_started", "_texts")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._sse = SseDecoder()
        self._started = False
        self._done = False
        self._open: dict[tuple[str, int], int] = {}
        """Open parts: whose index, and the index → the part's number."""
        self._texts: dict[int, int] = {}
        """Content index → number, of texts."""
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
        delta = as_object(event.get("delta"))
        message = as_object(delta.get("message"))
        index = as_count(event.get("index"))
        kind = event.get("type")
        if kind == "message-start":
            self._start(as_text(event.get("id")), found)
            return
        if kind == "message-end":
            self._end(as_text(event.get("id")), delta, found)
            return
        match kind:
            case "content-start":
                self._content_start(index, as_object(message.get("content")), found)
            case "content-delta":
                self._content_delta(index, as_object(message.get("content")), event.get("logprobs"), found)
            case "tool-plan-delta":
                self._plan(as_text(message.get("tool_plan")), found)
            case "tool-call-start":
                self._call_start(index, as_object(message.get("tool_calls")), found)
            case "tool-call-delta":
                function = as_object(as_object(message.get("tool_calls")).get("function"))
                self._piece(("call", index), as_text(function.get("arguments")), found)
            case "tool-call-end":
                self._stop(("call", index), found)
            case "citation-start":
                self._citation(as_object(message.get("citations")), found)
            case _:
                self._reported_error(event, found)

    def _reported_error(self, event: JsonObject, found: list[StreamEvent]) -> None:
        """End the stream at an error in whatever shape; other unknown events are of later versions, or mere ends."""
        error = openai_errors.error_in_answer(event)
        if error is not None:
            self._done = True
            found.append(openai_errors.stream_failure(error))

    def _start(self, identity: str, found: list[StreamEvent]) -> None:
        if not self._started:
            self._started = True
            found.append(AnswerStarted(identity, "", dialect=NAME))

    # --- parts

    def _content_start(self, index: int, content: JsonObject, found: list[StreamEvent]) -> None:
        self._stop_content(found)
        kind = as_text(content.get("type")) or "text"
        if kind == "thinking":
            self._begin(("content", index), "reasoning", found)
            self._piece(("content", index), as_text(content.get("thinking")), found)
        elif kind == "text":
            self._texts[index] = self._begin(("content", index), "text", found)
            self._piece(("content", index), as_text(content.get("text")), found)
        else:
            number = self._next(found)
            found.append(PartStarted(0, number, "opaque", opaque=Opaque(NAME, content)))
            found.append(PartEnded(0, number))

    def _content_delta(self, index: int, content: JsonObject, logprobs: Json, found: list[StreamEvent]) -> None:
        words = as_text(content.get("text")) or as_text(content.get("thinking"))
        if ("content", index) not in self._open:
            if not words:
                return
            self._content_start(index, {"type": "thinking" if "thinking" in content else "text"}, found)
        entries = [neutral_logprob(as_object(logprobs))] if isinstance(logprobs, dict) else []
        number = self._open.get(("content", index))
        if number is not None and (words or entries):
            found.append(PartDelta(0, number, words, logprobs=entries or None))

    def _plan(self, words: str, found: list[StreamEvent]) -> None:
        if not words:
            return
        if _PLAN_KEY not in self._open:
            self._stop_content(found)
            number = self._next(found)
            self._open[_PLAN_KEY] = number
            found.append(PartStarted(0, number, "text", origin={PLAN: True}))
        self._piece(_PLAN_KEY, words, found)

    def _call_start(self, index: int, call: JsonObject, found: list[StreamEvent]) -> None:
        self._stop_content(found)
        self._stop(("call", index), found)
        number = self._next(found)
        self._open["call", index] = number
        function = as_object(call.get("function"))
        found.append(
            PartStarted(0, number, "tool_call", id=as_text(call.get("id")), name=as_text(function.get("name")))
        )
        self._piece(("call", index), as_text(function.get("arguments")), found)

    def _citation(self, citation: JsonObject, found: list[StreamEvent]) -> None:
        number = self._texts.get(as_count(citation.get("content_index")))
        if number is None or number not in self._open.values():
            number = next((one for one in self._texts.values() if one in self._open.values()), None)
        if number is not None and citation:
            found.append(PartDelta(0, number, "", annotations=(citation,)))

    def _begin(self, key: tuple[str, int], kind: str, found: list[StreamEvent]) -> int:
        number = self._next(found)
        self._open[key] = number
        found.append(PartStarted(0, number, "reasoning" if kind == "reasoning" else "text"))
        return number

    def _next(self, found: list[StreamEvent]) -> int:
        self._start("", found)
        self._parts += 1
        return self._parts - 1

    def _piece(self, key: tuple[str, int], words: str, found: list[StreamEvent]) -> None:
        number = self._open.get(key)
        if number is not None and words:
            found.append(PartDelta(0, number, words))

    def _stop(self, key: tuple[str, int], found: list[StreamEvent]) -> None:
        number = self._open.pop(key, None)
        if number is not None:
            found.append(PartEnded(0, number))

    def _stop_content(self, found: list[StreamEvent]) -> None:
        for key in [key for key in self._open if key[0] != "call"]:
            self._stop(key, found)

    # --- the end

    def _end(self, identity: str, delta: JsonObject, found: list[StreamEvent]) -> None:
        self._start(identity, found)
        self._done = True
        usage = as_object(delta.get("usage"))
        counted = read_usage(usage)
        if counted is not None:
            found.append(UsageReported(counted, rest=usage_rest(usage)))
        failure = failure_in(delta)
        if failure is not None:
            found.append(openai_errors.stream_failure(failure))
            return
        for key in list(self._open):
            self._stop(key, found)
        reason = as_text(delta.get("finish_reason"))
        found.append(
            ChoiceFinished(
                0, neutral_finish(reason), native_finish=native_finish(reason), rest=without(delta, *_ENDING)
            )
        )
        found.append(AnswerEnded())


def _decode(event: SseEvent) -> JsonObject:
    try:
        value: Json = msgspec.json.decode(event.data)
    except NOT_JSON as error:
        raise UpstreamGarbled("the provider's stream holds an event that is not JSON") from error
    found = as_object(value)
    return found if "type" in found or not event.event else {"type": event.event} | found
