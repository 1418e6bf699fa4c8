"""Reads Gemini's stream into neutral events.

Rules of this file:
- Each event is a whole answer's shape with the next pieces. Parts are cut anywhere; they are joined
  by the rule of `answer.joins`, so that a stream says what its non-streamed twin would.
- The API has no last event: the stream is over when every candidate said why it stopped, or the
  prompt was blocked, and the connection closed. Usage and grounding may come until then.
"""

from collections.abc import Sequence
from typing import Annotated, Final

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
from tollway.core.conversation import Audio, Image, Opaque, Part, Reasoning, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text, without
from tollway.dialects.gemini.answer import (
    CANDIDATE,
    CallIdMaker,
    blocked_choice,
    created_at,
    empty,
    grounding_annotations,
    joins,
    native_finish,
    neutral_finish,
    neutral_logprobs,
    top_level_rest,
)
from tollway.dialects.gemini.content import NAME, answer_part
from tollway.dialects.gemini.errors import stream_failure
from tollway.dialects.gemini.usage import count_searches, neutral_tier, read_usage, usage_rest
from tollway.wire.sse import SseDecoder, SseEvent


class _PlainPart(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    thought: bool = False


class _PlainContent(msgspec.Struct, forbid_unknown_fields=True):
    parts: tuple[_PlainPart]
    role: str = ""


class _PlainCandidate(msgspec.Struct, forbid_unknown_fields=True):
    content: _PlainContent
    index: Annotated[int, msgspec.Meta(ge=0)] = 0


class _PlainAnswer(msgspec.Struct):
    """The usual event: more words of one candidate, and nothing else that would be read after the first."""

    candidates: tuple[_PlainCandidate]
    usageMetadata: JsonObject | None = None  # noqa: N815 - the API's own names
    modelVersion: str = ""  # noqa: N815
    error: None = None
    promptFeedback: None = None  # noqa: N815


_decode_plain: Final = msgspec.json.Decoder(_PlainAnswer).decode


class _Candidate:
    """A candidate while it grows."""

    __slots__ = ("called", "last", "minter", "open", "parts", "reason", "rest", "words")

    def __init__(self, answer_id: str, index: int) -> None:
        self.minter = CallIdMaker(answer_id, index)
        self.parts = 0
        self.open: Text | Reasoning | None = None
        """The first piece of the part that may go on."""
        self.last = -1
        """Number of the last text part."""
        self.words: list[str] = []
        """Of the open or last text part, for its citations."""
        self.called = False
        self.reason = ""
        self.rest: JsonObject = {}


class GeminiParser:
    """Reads one stream."""

    __slots__ = ("_blocked", "_candidates", "_done", "_id", "_model", "_sse", "_started", "_usage")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._sse = SseDecoder()
        self._started = False
        self._done = False
        self._id = ""
        self._model = ""
        self._candidates: dict[int, _Candidate] = {}
        self._usage: JsonObject = {}
        self._blocked: JsonObject | None = None

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes; return the events they complete."""
        try:
            events = self._sse.feed(data)
        except ValueError as error:
            raise UpstreamGarbled(str(error)) from error
        return self._read(events)

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed the connection: the candidates are finished now."""
        found = self._read(self._sse.close())
        if self._done:
            return found
        self._done = True
        for index in sorted(self._candidates):
            self._finish(index, self._candidates[index], found)
        if self._blocked is not None and not self._candidates:
            choice = blocked_choice(self._blocked)
            found.append(ChoiceFinished(0, choice.finish or "other", native_finish=choice.native_finish))
            found.append(AnswerEnded())
        elif self._candidates and all(one.reason for one in self._candidates.values()):
            found.append(AnswerEnded())
        return found

    def _read(self, events: list[SseEvent]) -> list[StreamEvent]:
        found: list[StreamEvent] = []
        for event in events:
            if self._done or event.data == "[DONE]":
                continue
            if not self._says_more(event.data, found):
                self._answer(_decode(event), found)
        return found

    def _says_more(self, data: str, found: list[StreamEvent]) -> bool:
        """Take an event that is no more than the next words of a text or thought; False when it is anything else."""
        if not self._started:
            return False
        try:
            answer = _decode_plain(data)
        except NOT_JSON:
            return False
        candidate = answer.candidates[0]
        state = self._candidates.get(candidate.index)
        piece = candidate.content.parts[0]
        kind = Reasoning if piece.thought else Text
        if state is None or type(state.open) is not kind or state.open.rest or not piece.text:
            return False
        if not piece.thought:
            state.words.append(piece.text)
        found.append(PartDelta(candidate.index, state.parts - 1, piece.text))
        self._model = answer.modelVersion or self._model
        if answer.usageMetadata:
            self._usage = answer.usageMetadata
            found.append(self._reported())
        return True

    def _answer(self, value: JsonObject, found: list[StreamEvent]) -> None:
        if "error" in value:
            self._done = True
            found.append(stream_failure(as_object(value["error"])))
            return
        usage = as_object(value.get("usageMetadata"))
        self._start(value, usage, found)
        if as_text(as_object(value.get("promptFeedback")).get("blockReason")):
            self._blocked = value
        for position, item in enumerate(as_list(value.get("candidates"))):
            candidate = as_object(item)
            index = as_count(candidate.get("index")) or position
            self._pieces(index, candidate, found)
        if usage:
            self._usage = usage
            found.append(self._reported())

    def _start(self, value: JsonObject, usage: JsonObject, found: list[StreamEvent]) -> None:
        self._model = as_text(value.get("modelVersion")) or self._model
        if self._started:
            return
        self._started = True
        self._id = as_text(value.get("responseId"))
        found.append(
            AnswerStarted(
                self._id,
                self._model,
                created=created_at(value),
                service_tier=neutral_tier(usage),
                rest=top_level_rest(value),
                dialect=NAME,
            )
        )

    def _reported(self) -> UsageReported:
        searches = count_searches(
            self._model, [as_object(one.rest.get("groundingMetadata")) for one in self._candidates.values()]
        )
        return UsageReported(read_usage(self._usage, searches), rest=usage_rest(self._usage))

    def _pieces(self, index: int, candidate: JsonObject, found: list[StreamEvent]) -> None:
        state = self._candidates.setdefault(index, _Candidate(self._id, index))
        logprobs = neutral_logprobs(as_object(candidate.get("logprobsResult")))
        for value in as_list(as_object(candidate.get("content")).get("parts")):
            part = answer_part(value, state.minter.next(value))
            if isinstance(part, Text) and logprobs:
                _text_piece(index, state, part, found, logprobs)
                logprobs = []
            elif isinstance(part, Text | Reasoning):
                _text_piece(index, state, part, found, [])
            else:
                _close(index, state, found, None)
                _whole(index, state, part, found)
        state.rest |= {name: one for name, one in without(candidate, *CANDIDATE).items() if one != {}}
        state.reason = as_text(candidate.get("finishReason")) or state.reason

    def _finish(self, index: int, state: _Candidate, found: list[StreamEvent]) -> None:
        _annotate(index, state, found)
        _close(index, state, found, None)
        if state.reason:
            found.append(
                ChoiceFinished(
                    index,
                    neutral_finish(state.reason, called=state.called),
                    native_finish=native_finish(state.reason),
                    rest=state.rest,
                )
            )


def _decode(event: SseEvent) -> JsonObject:
    try:
        value: Json = msgspec.json.decode(event.data)
    except NOT_JSON as error:
        raise UpstreamGarbled("the provider's stream holds an event that is not JSON") from error
    wrapped = as_list(value)  # an error may come as a list of one
    return as_object(wrapped[0] if wrapped else value)


def _text_piece(
    index: int, state: _Candidate, part: Text | Reasoning, found: list[StreamEvent], logprobs: list[Json]
) -> None:
    if empty(part):
        return
    if state.open is None or not joins(state.open, part):
        _close(index, state, found, None)
        kind = "text" if isinstance(part, Text) else "reasoning"
        found.append(PartStarted(index, state.parts, kind, rest=part.rest))
        state.open = part
        if isinstance(part, Text):
            state.last, state.words = state.parts, []
        state.parts += 1
    if isinstance(part, Text):
        state.words.append(part.text)
    if part.text or logprobs:
        found.append(PartDelta(index, state.parts - 1, part.text, logprobs=logprobs or None))
    if part.signature is not None:
        _close(index, state, found, part.signature)


def _close(index: int, state: _Candidate, found: list[StreamEvent], signature: str | None) -> None:
    if state.open is not None:
        state.open = None
        found.append(PartEnded(index, state.parts - 1, signature=signature))


def _annotate(index: int, state: _Candidate, found: list[StreamEvent]) -> None:
    """Grounding comes with the last piece, when the words it speaks of are still open."""
    if isinstance(state.open, Text) and state.last == state.parts - 1:
        annotations = grounding_annotations(as_object(state.rest.get("groundingMetadata")), "".join(state.words))
        if annotations:
            found.append(PartDelta(index, state.last, "", annotations=annotations))


def _whole(index: int, state: _Candidate, part: Part, found: list[StreamEvent]) -> None:
    """Give a part that never comes in pieces."""
    number = state.parts
    state.parts += 1
    match part:
        case ToolCall():
            state.called = True
            found.append(
                PartStarted(
                    index, number, "tool_call", id=part.id, name=part.name, signature=part.signature, rest=part.rest
                )
            )
            found.append(PartDelta(index, number, part.arguments))
            found.append(PartEnded(index, number, signature=part.signature))
        case Image(data=str(data)):
            found.append(PartStarted(index, number, "image", media_type=part.media_type))
            found.extend((PartDelta(index, number, data), PartEnded(index, number)))
        case Audio():
            found.append(PartStarted(index, number, "audio", media_type=f"audio/{part.format}"))
            found.extend((PartDelta(index, number, part.data), PartEnded(index, number)))
        case Opaque():
            found.append(PartStarted(index, number, "opaque", opaque=part))
            found.append(PartEnded(index, number))
        case _:
            state.parts -= 1  # files by address: no model answers with one
