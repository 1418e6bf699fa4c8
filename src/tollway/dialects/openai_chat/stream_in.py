"""Reads a provider's Chat stream into neutral events.

Rules of this file:
- The answer starts with the first chunk that holds a choice; what came before (Azure's prompt filter
  results, comments) is kept for it.
- A text, thinking or refusal part ends when another kind of part begins. A tool call ends when the
  next one begins and its own arguments are complete; calls that a server interleaves stay open.
- The pages an answer rests on, where they are told beside the text, come again with every chunk: they are
  gathered, and told once, with the last text of their choice.
- Thinking whose words were told already, and that comes again with its proof, is the proof of what
  was told.
- `[DONE]` ends the answer. A server that closes without it has ended the answer too, if and only if
  it gave a finish reason for every choice it began; otherwise the stream was cut.
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
from tollway.core.conversation import Image, Opaque, Reasoning, Refusal, Text
from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_seconds, as_text
from tollway.dialects.openai_chat.answer_in import (
    answer_image,
    argument_text,
    content_parts,
    finish_reason,
    token_logprobs,
    top_rest,
    usage_rest,
)
from tollway.dialects.openai_chat.content import NAME, google_signature, parse_reasoning
from tollway.dialects.openai_chat.sources import answer_sources, merged_sources, message_sources
from tollway.dialects.openai_chat.usage import parse_usage
from tollway.dialects.openai_errors import error_in_answer, stream_failure
from tollway.wire.sse import SseDecoder, SseEvent


class _PlainDelta(msgspec.Struct, forbid_unknown_fields=True):
    content: str
    role: str | None = None
    refusal: None = None
    tool_calls: None = None
    function_call: None = None
    reasoning: None = None
    reasoning_content: None = None
    annotations: None = None


class _PlainChoice(msgspec.Struct, forbid_unknown_fields=True):
    delta: _PlainDelta
    index: int = 0
    finish_reason: None = None
    logprobs: None = None


class _PlainChunk(msgspec.Struct):
    """The usual chunk: more words of one choice, and nothing else that would be read after the first."""

    choices: tuple[_PlainChoice]
    usage: None = None
    error: None = None
    x_groq: None = None
    citations: None = None
    search_results: None = None


_decode_plain: Final = msgspec.json.Decoder(_PlainChunk).decode


class ChatStreamParser:
    """Reads one stream."""

    def __init__(self) -> None:
        """Start before the first byte."""
        self._sse = SseDecoder()
        self._choices: dict[int, _ChoiceReader] = {}
        self._before: JsonObject = {}
        self._sources: tuple[Json, ...] = ()
        self._id = ""
        self._started = False
        self._over = False

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
        """The provider closed in an orderly way."""
        out = self._events(self._sse.close())
        if not self._over and self._choices and all(choice.finished for choice in self._choices.values()):
            self._over = True
            out.append(AnswerEnded())
        return out

    def _events(self, framed: list[SseEvent]) -> list[StreamEvent]:
        out: list[StreamEvent] = []
        for event in framed:
            if self._over:
                break
            if event.data.strip() == "[DONE]":
                self._done(out)
            elif event.event or not self._says_more(event.data, out):
                self._chunk(event, out)
        return out

    def _says_more(self, data: str, out: list[StreamEvent]) -> bool:
        """Take a chunk that is no more than the next words of a text; False when it is anything else."""
        reader = self._choices.get(0)
        if reader is None or not reader.says_text:
            return False
        try:
            choice = _decode_plain(data).choices[0]
        except NOT_JSON:
            return False
        reader = self._choices.get(choice.index)
        return reader is not None and reader.says_text and reader.say(choice.delta.content, out)

    def _done(self, out: list[StreamEvent]) -> None:
        if not self._started:
            raise UpstreamGarbled("the provider's stream ended before its answer began")
        for choice in self._choices.values():
            choice.finish("", {}, self._sources, out)
        self._over = True
        out.append(AnswerEnded())

    def _chunk(self, event: SseEvent, out: list[StreamEvent]) -> None:
        try:
            chunk = msgspec.json.decode(event.data)
        except NOT_JSON as error:
            raise UpstreamGarbled("the provider's stream holds an event that is not valid JSON") from error
        if not isinstance(chunk, dict):
            raise UpstreamGarbled("the provider's stream holds an event that is not a JSON object")
        value = as_object(chunk)
        failed = error_in_answer({"error": value} if event.event == "error" and "error" not in value else value)
        if failed is not None:
            self._over = True
            out.append(stream_failure(failed))
            return
        choices = as_list(value.get("choices"))
        self._sources = merged_sources(self._sources, answer_sources(value))
        self._start(value, out, begins=bool(choices))
        for position, one in enumerate(choices):
            choice = as_object(one)
            index = choice.get("index")
            self._choice(index if isinstance(index, int) else position).feed(choice, self._sources, out)
        self._usage(value, out)

    def _start(self, value: JsonObject, out: list[StreamEvent], *, begins: bool) -> None:
        if self._started:
            return
        self._before |= {name: one for name, one in top_rest(value).items() if one is not None}
        if not begins:
            return
        self._started = True
        self._id = as_text(value.get("id"))
        fingerprint = value.get("system_fingerprint")
        out.append(
            AnswerStarted(
                id=self._id,
                model=as_text(value.get("model")),
                created=as_seconds(value.get("created")),
                service_tier=as_text(value.get("service_tier")) or None,
                system_fingerprint=fingerprint if isinstance(fingerprint, str) else None,
                rest=self._before,
                dialect=NAME,
            )
        )

    def _choice(self, index: int) -> "_ChoiceReader":
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _ChoiceReader(index, self._id)
        return choice

    def _usage(self, value: JsonObject, out: list[StreamEvent]) -> None:
        # Groq's older streams report usage under their own name.
        reported = as_object(value.get("usage")) or as_object(as_object(value.get("x_groq")).get("usage"))
        usage = parse_usage(reported)
        if usage is not None:
            out.append(UsageReported(usage, rest=usage_rest(reported)))


class _Call:
    """A tool call while it grows. Its part starts once its name is known."""

    __slots__ = ("arguments", "custom", "id", "key", "name", "part", "signature")

    def __init__(self, key: int, identity: str) -> None:
        self.key = key
        self.id = identity
        self.name = ""
        self.custom = False
        self.arguments: list[str] = []
        self.part = -1
        self.signature: str | None = None

    def is_complete(self) -> bool:
        """True when nothing but white space could follow: a whole JSON object."""
        text = "".join(self.arguments)
        if not text.startswith("{"):
            return False
        try:
            msgspec.json.decode(text)
        except NOT_JSON:
            return False
        return True


class _ChoiceReader:
    """Turns one choice's deltas into parts."""

    def __init__(self, index: int, answer_id: str) -> None:
        self._index = index
        self._answer_id = answer_id
        self._next_part = 0
        self._next_call = 0
        self._open: tuple[PartKind, int] | None = None
        self._open_signature: str | None = None
        self._thoughts: list[str] = []
        self._calls: list[_Call] = []
        self._sources: tuple[Json, ...] = ()
        self._cited = False
        self._audio: JsonObject = {}
        self._called = False
        self._refused = False
        self.finished = False

    @property
    def says_text(self) -> bool:
        """Whether a text is open that the next words belong to."""
        return self._open is not None and self._open[0] == "text" and not self.finished

    def say(self, words: str, out: list[StreamEvent]) -> bool:
        """Add words to the text that is open; False when there are none to add."""
        if words and self._open is not None:
            out.append(PartDelta(self._index, self._open[1], words))
        return bool(words)

    def feed(self, choice: JsonObject, sources: tuple[Json, ...], out: list[StreamEvent]) -> None:
        """Take one chunk's choice. What follows a finish reason is ignored: it can only repeat."""
        if self.finished:
            return
        delta = dict(as_object(choice.get("delta")) or as_object(choice.get("message")))
        logprobs = token_logprobs(choice.get("logprobs"))
        signature = google_signature(delta)
        for thought in parse_reasoning(delta):
            self._thought(thought, out)
        self._sources = merged_sources(self._sources, message_sources(delta))
        self._content(delta, logprobs, out)
        if signature is not None:
            self._sign_text(signature, out)
        refusal = as_text(delta.get("refusal"))
        if refusal:
            self._refused = True
            self._words("refusal", refusal, out)
        for one in as_list(delta.get("images")):
            image = answer_image(as_object(one))
            if image is not None:
                self._image(image, out)
        self._add_audio(as_object(delta.get("audio")))
        for one in as_list(delta.get("tool_calls")):
            self._call_delta(dict(as_object(one)), out)
        older = as_object(delta.get("function_call"))
        if older:
            self._call_delta({"index": 0, "id": as_text(older.get("name")), "function": older}, out)
        finish = choice.get("finish_reason")
        if isinstance(finish, str) and finish:
            known = {"index", "delta", "message", "finish_reason", "logprobs"}
            self.finish(finish, {name: one for name, one in choice.items() if name not in known}, sources, out)

    def finish(self, native: str, rest: JsonObject, sources: tuple[Json, ...], out: list[StreamEvent]) -> None:
        """End the choice, and whatever is open in it."""
        if self.finished:
            return
        self.finished = True
        self._cite(merged_sources(sources, self._sources), out)
        self._end_open(out)
        for call in self._calls:
            self._end_call(call, out)
        self._calls.clear()
        if self._audio:
            self._whole_opaque(Opaque(NAME, {"type": "audio", "audio": self._audio}), out)
        finish = finish_reason(native, called=self._called, refused=self._refused)
        out.append(ChoiceFinished(self._index, finish, native_finish=native or None, rest=rest))

    # --- text, thinking, refusal

    def _content(self, delta: JsonObject, logprobs: Json, out: list[StreamEvent]) -> None:
        content = delta.get("content")
        annotations = tuple(as_list(delta.get("annotations")))
        if isinstance(content, list):
            for part in content_parts(content):
                if isinstance(part, Text):
                    self._words("text", part.text, out, annotations=part.annotations)
                elif isinstance(part, Reasoning):
                    self._thought(part, out)
                elif isinstance(part, Refusal):
                    self._words("refusal", part.text, out)
                elif isinstance(part, Image):
                    self._image(part, out)
                elif isinstance(part, Opaque):
                    self._whole_opaque(part, out)
        elif as_text(content) or logprobs or annotations:
            self._words("text", as_text(content), out, logprobs, annotations)

    def _cite(self, sources: tuple[Json, ...], out: list[StreamEvent]) -> None:
        """Tell the pages the open text rests on, unless the provider cited for itself."""
        if sources and not self._cited and self._open is not None and self._open[0] == "text":
            self._words("text", "", out, annotations=sources)

    def _words(
        self,
        kind: PartKind,
        text: str,
        out: list[StreamEvent],
        logprobs: Json = None,
        annotations: tuple[Json, ...] = (),
    ) -> None:
        self._cited = self._cited or bool(annotations)
        if self._open is None or self._open[0] != kind:
            self._end_open(out)
            self._end_complete_calls(out)
            self._thoughts = []
            self._open = (kind, self._take_part())
            out.append(PartStarted(self._index, self._open[1], kind))
        out.append(PartDelta(self._index, self._open[1], text, logprobs=logprobs, annotations=annotations))

    def _thought(self, thought: Reasoning, out: list[StreamEvent]) -> None:
        words = thought.text + "".join(thought.summary)
        proves = thought.signature is not None or thought.encrypted is not None or thought.id is not None
        repeats = (
            proves and self._open is not None and self._open[0] == "reasoning" and words == "".join(self._thoughts)
        )
        if words and not repeats:
            self._words("reasoning", words, out)
            self._thoughts.append(words)
        if thought.signature is None and thought.encrypted is None:
            return
        if self._open is None or self._open[0] != "reasoning":
            self._end_open(out)
            self._open = ("reasoning", self._take_part())
            out.append(
                PartStarted(self._index, self._open[1], "reasoning", item_id=thought.id, encrypted=thought.encrypted)
            )
        out.append(PartEnded(self._index, self._open[1], signature=thought.signature, encrypted=thought.encrypted))
        self._open = None

    def _sign_text(self, signature: str, out: list[StreamEvent]) -> None:
        if self._open is None or self._open[0] != "text":
            self._words("text", "", out)
        self._open_signature = signature

    def _end_open(self, out: list[StreamEvent]) -> None:
        if self._open is not None:
            out.append(PartEnded(self._index, self._open[1], signature=self._open_signature))
            self._open = None
            self._open_signature = None

    def _take_part(self) -> int:
        self._next_part += 1
        return self._next_part - 1

    def _image(self, image: Image, out: list[StreamEvent]) -> None:
        if image.data is None:
            self._whole_opaque(Opaque(NAME, {"type": "image_url", "image_url": {"url": image.url}}), out)
            return
        self._end_open(out)
        part = self._take_part()
        out.append(PartStarted(self._index, part, "image", media_type=image.media_type))
        out.append(PartDelta(self._index, part, image.data))
        out.append(PartEnded(self._index, part))

    def _whole_opaque(self, opaque: Opaque, out: list[StreamEvent]) -> None:
        self._end_open(out)
        part = self._take_part()
        out.append(PartStarted(self._index, part, "opaque", opaque=opaque))
        out.append(PartEnded(self._index, part))

    def _add_audio(self, audio: JsonObject) -> None:
        for name, value in audio.items():
            grows = name in {"data", "transcript"} and isinstance(value, str)
            self._audio[name] = as_text(self._audio.get(name)) + value if grows else value

    # --- tool calls

    def _call_delta(self, value: JsonObject, out: list[StreamEvent]) -> None:
        call = self._which_call(value)
        if call is None:
            if not any(
                as_text(as_object(value.get("function")).get(name)).strip() for name in ("name", "arguments")
            ) and not (as_object(value.get("custom")) or as_text(value.get("id"))):
                return  # nothing more for a call that is complete
            self._end_open(out)
            self._end_complete_calls(out)
            call = self._new_call(value)
        call.signature = google_signature(value) or call.signature
        custom = as_object(value.get("custom"))
        inner = custom or as_object(value.get("function"))
        call.custom = call.custom or bool(custom) or value.get("type") == "custom"
        if call.part < 0:
            call.name = as_text(inner.get("name"))
        piece = as_text(inner.get("input")) if custom else argument_text(inner.get("arguments"))
        if call.part < 0 and call.name:
            self._start_call(call, out)
        if piece:
            call.arguments.append(piece)
            if call.part >= 0:
                out.append(PartDelta(self._index, call.part, piece))

    def _which_call(self, value: JsonObject) -> _Call | None:
        """Find the open call a delta goes on; None when it begins another.

        OpenAI's deltas always say `index`, and `id` once. Servers are met that leave out the index,
        that repeat the id, and that give every call index 0: so a new id is a new call.
        """
        index, identity = value.get("index"), as_text(value.get("id"))
        if not isinstance(index, int):
            if identity:
                return next((call for call in self._calls if call.id == identity), None)
            return self._calls[-1] if self._calls else None
        same = [call for call in self._calls if call.key == index]
        if not same:
            return None
        if identity and identity != same[-1].id and same[-1].name:
            return next((call for call in same if call.id == identity), None)
        return same[-1]

    def _new_call(self, value: JsonObject) -> _Call:
        index, identity = value.get("index"), as_text(value.get("id"))
        key = index if isinstance(index, int) else self._next_call
        minted = f"call_{self._answer_id}_{self._index}_{self._next_call}"
        call = _Call(key, identity or minted)
        self._next_call += 1
        self._calls.append(call)
        return call

    def _start_call(self, call: _Call, out: list[StreamEvent]) -> None:
        self._called = True
        call.part = self._take_part()
        out.append(
            PartStarted(
                self._index,
                call.part,
                "tool_call",
                id=call.id,
                name=call.name,
                custom=call.custom,
                signature=call.signature,
            )
        )
        out.extend(PartDelta(self._index, call.part, piece) for piece in call.arguments)

    def _end_complete_calls(self, out: list[StreamEvent]) -> None:
        for call in [call for call in self._calls if call.is_complete()]:
            self._end_call(call, out)
            self._calls.remove(call)

    def _end_call(self, call: _Call, out: list[StreamEvent]) -> None:
        if call.part < 0:
            if not call.arguments and not call.name:
                return  # an announced call that never came
            self._start_call(call, out)
        out.append(PartEnded(self._index, call.part, signature=call.signature))
