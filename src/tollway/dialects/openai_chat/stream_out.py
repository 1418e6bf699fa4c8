"""Writes a neutral stream as Chat chunks."""

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
from tollway.core.conversation import Conversation, Image, Opaque, Reasoning
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.custom_tools import custom_tool_names, unwrapped
from tollway.dialects.openai_chat.answer_out import (
    TIERS,
    annotation_objects,
    finish_word,
    image_part,
    logprobs_object,
)
from tollway.dialects.openai_chat.content import NAME, extra_content, reasoning_details
from tollway.dialects.openai_chat.tools import uses_legacy_functions
from tollway.dialects.openai_chat.usage import usage_object
from tollway.dialects.openai_errors import render_error
from tollway.wire.sse import sse_event

DONE = b"data: [DONE]\n\n"


class _OpenPart:
    """What a part still needs to remember."""

    __slots__ = ("around", "call", "held", "image", "offset", "started", "unwrap")

    def __init__(self, started: PartStarted, choice: "_Choice", *, unwrap: bool) -> None:
        self.started = started
        self.call = choice.calls
        self.image = choice.images
        self.offset = choice.said
        self.unwrap = unwrap
        self.held: list[str] = []
        self.around: tuple[bytes, bytes] | None = None
        """What stands before and after the words in each of the part's usual chunks, once one was written."""


class _Choice:
    """What a choice still needs to remember."""

    __slots__ = ("calls", "details", "gap", "images", "legacy_called", "parts", "refused", "said", "thought")

    def __init__(self) -> None:
        self.parts: dict[int, _OpenPart] = {}
        self.calls = 0
        self.images = 0
        self.details = 0
        self.said = 0
        self.thought = False
        self.gap = False
        self.refused = False
        self.legacy_called = False


class ChatStreamRenderer:
    """Writes one stream."""

    def __init__(self, request: Conversation, *, now: int, new_id: str) -> None:
        """Prepare; `now` and `new_id` stand in for what the provider does not say."""
        self._request = request
        self._custom = custom_tool_names(request)
        self._legacy = uses_legacy_functions(request)
        self._now = now
        self._id = f"chatcmpl-{new_id}"
        self._head: JsonObject = {}
        self._choices: dict[int, _Choice] = {}
        self._usage: UsageReported | None = None
        self._own = False
        self._over = False
        self._writers: dict[type, Callable[..., None]] = {
            AnswerStarted: self._start,
            PartStarted: self._part_started,
            PartDelta: self._part_delta,
            PartEnded: self._part_ended,
            ChoiceFinished: self._choice_finished,
            UsageReported: self._keep_usage,
            StreamFailed: self._failed,
            AnswerEnded: self._ended,
        }

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events."""
        out: list[bytes] = []
        for event in events:
            if self._over:
                break
            self._writers[type(event)](event, out)
        return b"".join(out)

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream; no `[DONE]` follows, so nobody takes it for an end."""
        self._over = True
        return sse_event(render_error(error))

    # --- chunks

    def _chunk(self, choices: list[JsonObject], out: list[bytes], usage: Json = None) -> None:
        chunk = {**self._head, "choices": choices}
        if self._request.stream_usage:
            chunk["usage"] = usage
        out.append(sse_event(msgspec.json.encode(chunk)))

    def _delta(self, choice: int, delta: JsonObject, out: list[bytes], logprobs: Json = None) -> None:
        one = {"index": choice, "delta": delta, "logprobs": logprobs_object(logprobs), "finish_reason": None}
        self._chunk([one], out)

    def _around(self, choice: int, opening: bytes, closing: bytes) -> tuple[bytes, bytes]:
        """Write all of a part's usual chunk but its words: encoding the rest anew costs more than the words do."""
        head = msgspec.json.encode(self._head)[:-1]
        usage = b',"usage":null' if self._request.stream_usage else b""
        before = b'data: %b,"choices":[{"index":%d,"delta":%b' % (head, choice, opening)
        return before, b'%b,"logprobs":null,"finish_reason":null}]%b}\n\n' % (closing, usage)

    # --- events

    def _start(self, event: AnswerStarted, out: list[bytes]) -> None:
        self._own = event.dialect == NAME
        self._head = {
            "id": event.id or self._id,
            "object": "chat.completion.chunk",
            "created": event.created or self._now,
            "model": event.model or self._request.model,
        }
        if event.service_tier in TIERS:
            self._head["service_tier"] = event.service_tier
        if event.system_fingerprint is not None:
            self._head["system_fingerprint"] = event.system_fingerprint
        self._choice(0, out)

    def _choice(self, index: int, out: list[bytes]) -> _Choice:
        """Give a choice; its first sight is the role."""
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice()
            self._delta(index, {"role": "assistant", "content": "", "refusal": None}, out)
        return choice

    def _part_started(self, event: PartStarted, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        if event.kind == "tool_call":
            self._call_started(choice, event, out)
            return
        choice.parts[event.part] = _OpenPart(event, choice, unwrap=False)
        if event.kind == "image":
            choice.images += 1
        elif event.kind == "opaque" and event.opaque is not None:
            self._opaque(choice, event, event.opaque, out)
        elif event.kind in {"reasoning", "summary"}:
            choice.gap = choice.thought

    def _opaque(self, choice: _Choice, event: PartStarted, opaque: Opaque, out: list[bytes]) -> None:
        if opaque.dialect != NAME:
            return
        if opaque.value.get("type") == "audio":
            self._delta(event.choice, {"audio": opaque.value["audio"]}, out)
        elif opaque.value.get("type") == "image_url":
            self._delta(event.choice, {"images": [{**opaque.value, "index": choice.images}]}, out)
            choice.images += 1

    def _call_started(self, choice: _Choice, event: PartStarted, out: list[bytes]) -> None:
        custom = event.custom or event.name in self._custom
        part = _OpenPart(event, choice, unwrap=custom and not event.custom)
        choice.parts[event.part] = part
        choice.calls += 1
        if self._legacy:
            choice.legacy_called = True
            self._delta(event.choice, {"function_call": {"name": event.name, "arguments": ""}}, out)
            return
        written: JsonObject = {"index": part.call, "id": event.id}
        if custom:
            written |= {"type": "custom", "custom": {"name": event.name, "input": ""}}
        else:
            written |= {"type": "function", "function": {"name": event.name, "arguments": ""}}
        if event.signature is not None:
            written["extra_content"] = extra_content(event.signature)
        self._delta(event.choice, {"tool_calls": [written]}, out)

    def _part_delta(self, event: PartDelta, out: list[bytes]) -> None:
        choice = self._choices[event.choice]
        part = choice.parts[event.part]
        match part.started.kind:
            case "text":
                self._text(choice, part, event, out)
            case "reasoning" | "summary":
                part.held.append(event.text)
                self._thought(choice, event, out)
            case "refusal":
                choice.refused = True
                self._delta(event.choice, {"refusal": event.text}, out)
            case "tool_call" if not part.unwrap:
                part.held.append(event.text[:1])
                self._arguments(part, event.choice, event.text, out)
            case _:
                part.held.append(event.text)

    def _thought(self, choice: _Choice, event: PartDelta, out: list[bytes]) -> None:
        if event.text:
            gap = "\n\n" if choice.gap else ""
            choice.gap, choice.thought = False, True
            self._delta(event.choice, {"reasoning_content": gap + event.text}, out)

    def _text(self, choice: _Choice, part: _OpenPart, event: PartDelta, out: list[bytes]) -> None:
        choice.said += len(event.text)
        if not event.annotations and event.logprobs is None:
            if part.around is None:
                part.around = self._around(event.choice, b'{"content":', b"}")
            before, after = part.around
            out.append(b"%b%b%b" % (before, msgspec.json.encode(event.text), after))
            return
        delta: JsonObject = {"content": event.text}
        if event.annotations:
            delta["annotations"] = annotation_objects(event.annotations, part.offset, choice.said)
        self._delta(event.choice, delta, out, event.logprobs)

    def _arguments(self, part: _OpenPart, choice: int, text: str, out: list[bytes]) -> None:
        if self._legacy:
            self._delta(choice, {"function_call": {"arguments": text}}, out)
        elif part.started.custom or part.unwrap:
            self._delta(choice, {"tool_calls": [{"index": part.call, "custom": {"input": text}}]}, out)
        else:
            if part.around is None:
                opening = b'{"tool_calls":[{"index":%d,"function":{"arguments":' % part.call
                part.around = self._around(choice, opening, b"}}]}")
            before, after = part.around
            out.append(b"%b%b%b" % (before, msgspec.json.encode(text), after))

    def _part_ended(self, event: PartEnded, out: list[bytes]) -> None:
        choice = self._choices[event.choice]
        part = choice.parts.pop(event.part)
        started = part.started
        if started.kind == "tool_call":
            self._call_ended(part, event, out)
        elif started.kind in {"reasoning", "summary"}:
            self._thought_ended(choice, part, event, out)
        elif started.kind == "image":
            image = Image(data="".join(part.held), media_type=started.media_type)
            self._delta(event.choice, {"images": [image_part(image, part.image)]}, out)
        elif started.kind == "text" and event.signature is not None:
            self._delta(event.choice, {"extra_content": extra_content(event.signature)}, out)

    def _call_ended(self, part: _OpenPart, event: PartEnded, out: list[bytes]) -> None:
        if part.unwrap:
            self._arguments(part, event.choice, unwrapped("".join(part.held)), out)
        elif not part.held and not part.started.custom:
            self._arguments(part, event.choice, "{}", out)  # no arguments at all: still JSON text
        if event.signature is not None and part.started.signature is None and not self._legacy:
            signed = {"index": part.call, "extra_content": extra_content(event.signature)}
            self._delta(event.choice, {"tool_calls": [signed]}, out)

    def _thought_ended(self, choice: _Choice, part: _OpenPart, event: PartEnded, out: list[bytes]) -> None:
        text = "".join(part.held)
        summary = part.started.kind == "summary"
        thought = Reasoning(
            text="" if summary else text,
            summary=(text,) if summary else (),
            signature=event.signature,
            encrypted=event.encrypted or part.started.encrypted,
            id=part.started.item_id,
        )
        details = reasoning_details(thought, choice.details)
        if details:
            choice.details += len(details)
            self._delta(event.choice, {"reasoning_details": details}, out)

    def _choice_finished(self, event: ChoiceFinished, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        word = finish_word(event.finish, refused=choice.refused, legacy=choice.legacy_called)
        one: JsonObject = {"index": event.choice, "delta": {}, "logprobs": None, "finish_reason": word}
        if self._own:
            one |= event.rest
        self._chunk([one], out)

    def _keep_usage(self, event: UsageReported, _out: list[bytes]) -> None:
        self._usage = event

    def _failed(self, event: StreamFailed, out: list[bytes]) -> None:
        error = UpstreamAnswered(event.message, status=event.status, kind=event.kind, code=event.code)
        out.append(self.fail(error))

    def _ended(self, _event: AnswerEnded, out: list[bytes]) -> None:
        if self._request.stream_usage and self._usage is not None:
            self._chunk([], out, usage_object(self._usage.usage) | (self._usage.rest if self._own else {}))
        out.append(DONE)
        self._over = True
