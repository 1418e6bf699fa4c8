"""OpenAI's Completions API, passed through, or said as a conversation of one turn.

https://platform.openai.com/docs/api-reference/completions. A provider without it gets the prompt as a
user's message. What no conversation can say is refused: token arrays, several prompts, `echo`,
`suffix`, `best_of`, `logprobs`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.answer import (
    Answer,
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartStarted,
    StreamEvent,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import Conversation, Message, Text
from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered
from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, decode_request
from tollway.dialects.openai_chat.usage import parse_usage, usage_object
from tollway.dialects.openai_chat.watch import ChatStreamWatch
from tollway.dialects.openai_passed import OpenAIPassed, decoded
from tollway.dialects.openai_paths import VERSIONS
from tollway.interfaces.dialect import (
    AnswerFacts,
    ConversationCaller,
    Endpoint,
    InboundFormat,
    StreamFraming,
    StreamRenderer,
    StreamWatch,
)
from tollway.interfaces.passed import PassedDialect, PassedEndpoint
from tollway.wire.sse import sse_event

NAME: Final = "openai-completions"
_FINISHES: Final[Mapping[str, str]] = {
    "length": "length",
    "content_filter": "content_filter",
    "refusal": "content_filter",
}
_DONE: Final = b"data: [DONE]\n\n"


class AsConversation:
    """The caller's side of a completion, said as a conversation."""

    name: str = NAME
    format: InboundFormat = "openai"
    endpoints: tuple[Endpoint, ...] = ()

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request."""
        fields = Fields(decode_request(body))
        prompt = _prompt(fields.take("prompt"))
        _refuse_unsayable(fields)
        options = fields.object("stream_options") or {}
        model = fields.text("model") or ""
        fields.take("stream")
        return Conversation(
            dialect=NAME,
            model=path_model or model,
            messages=(Message("user", (Text(prompt),)),),
            max_output_tokens=fields.integer("max_tokens"),
            temperature=fields.number("temperature"),
            top_p=fields.number("top_p"),
            presence_penalty=fields.number("presence_penalty"),
            frequency_penalty=fields.number("frequency_penalty"),
            seed=fields.integer("seed"),
            stop=_stop(fields.take("stop")),
            count=fields.integer("n"),
            logit_bias=fields.object("logit_bias"),
            user=fields.text("user"),
            stream=stream,
            stream_usage=options.get("include_usage") is True,
            rest=fields.rest(),
        )

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        choices: list[Json] = [
            {
                "text": "".join(part.text for part in choice.parts if isinstance(part, Text)),
                "index": choice.index,
                "logprobs": None,
                "finish_reason": _FINISHES.get(choice.finish or "", "stop"),
            }
            for choice in answer.choices
        ]
        body = _envelope(answer.id, answer.created or now, answer.model or request.model, choices)
        if answer.usage is not None:
            body["usage"] = usage_object(answer.usage)
        return msgspec.json.encode(body)

    def stream_framing(self, query: str) -> StreamFraming:  # noqa: ARG002
        """Streams are always server-sent events."""
        return "sse"

    def stream_renderer(
        self,
        request: Conversation,
        *,
        now: int,
        new_id: str,
        framing: StreamFraming,  # noqa: ARG002
    ) -> StreamRenderer:
        """Make the writer of one stream."""
        return CompletionStreamRenderer(request, now=now, new_id=new_id)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write an error event; no `[DONE]` follows it."""
        return sse_event(openai_errors.render_error(error))


class CompletionStreamRenderer:
    """Writes one stream of completions: text, and nothing of what the API has no word for."""

    def __init__(self, request: Conversation, *, now: int, new_id: str) -> None:
        """Begin before the first event."""
        self._id = f"cmpl-{new_id}"
        self._created = now
        self._model = request.model
        self._usage_wanted = request.stream_usage
        self._usage: Usage | None = None
        self._shown: set[tuple[int, int]] = set()

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events."""
        return b"".join(self._event(event) for event in events)

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream."""
        return sse_event(openai_errors.render_error(error))

    def _event(self, event: StreamEvent) -> bytes:
        match event:
            case AnswerStarted():
                self._id, self._model = event.id or self._id, event.model or self._model
                self._created = event.created or self._created
            case PartStarted() if event.kind == "text":
                self._shown.add((event.choice, event.part))
            case PartDelta() if (event.choice, event.part) in self._shown and event.text:
                return self._chunk([_piece(event.choice, event.text, None)])
            case ChoiceFinished():
                return self._chunk([_piece(event.choice, "", _FINISHES.get(event.finish, "stop"))])
            case UsageReported():
                self._usage = event.usage
            case StreamFailed():
                failure = UpstreamAnswered(event.message, status=event.status, kind=event.kind, code=event.code)
                return self.fail(failure)
            case AnswerEnded():
                return self._end()
            case _:
                pass
        return b""

    def _end(self) -> bytes:
        if not self._usage_wanted or self._usage is None:
            return _DONE
        last = _envelope(self._id, self._created, self._model, [])
        last["usage"] = usage_object(self._usage)
        return sse_event(msgspec.json.encode(last)) + _DONE

    def _chunk(self, choices: list[Json]) -> bytes:
        body = _envelope(self._id, self._created, self._model, choices)
        if self._usage_wanted:
            body["usage"] = None
        return sse_event(msgspec.json.encode(body))


class OpenAICompletions(OpenAIPassed):
    """The dialect."""

    name: str = NAME
    emulation: ConversationCaller | None = AsConversation()
    endpoints: tuple[PassedEndpoint, ...] = (
        PassedEndpoint(
            operation="completion", dialect=NAME, path="/completions", versions=VERSIONS, provides="openai-completions"
        ),
    )

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Add `include_usage` to a raw request's stream options, keeping the others."""
        raw = members.get("stream_options")
        options = {} if raw is None else as_object(msgspec.json.decode(raw))
        if options.get("include_usage") is True:
            return False
        members["stream_options"] = msgspec.Raw(msgspec.json.encode({**options, "include_usage": True}))
        return True

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Find tokens, model, id and why it stopped."""
        del endpoint, members
        answer = decoded(body)
        choices = [as_object(one) for one in as_list(answer.get("choices"))]
        return AnswerFacts(
            usage=parse_usage(as_object(answer.get("usage"))),
            model=as_text(answer.get("model")),
            id=as_text(answer.get("id")),
            finish=next((as_text(one.get("finish_reason")) for one in choices), ""),
        )

    def passed_watch(self, endpoint: PassedEndpoint, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one stream: its usage, its end and its errors are those of Chat."""
        del endpoint
        return ChatStreamWatch(hide_usage=hide_usage)


def _prompt(value: Json) -> str:
    if isinstance(value, str):
        return value
    items = as_list(value)
    if len(items) == 1 and isinstance(items[0], str):
        return items[0]
    raise BadRequest(
        "prompt: this model's provider has no completions of its own, so give one text, not tokens and not several",
        param="prompt",
        code="unsupported_value" if value is not None else "missing_required_parameter",
    )


def _refuse_unsayable(fields: Fields) -> None:
    """Refuse what a conversation cannot say; what asks for nothing is let be."""
    for name, harmless in (("echo", False), ("suffix", ""), ("best_of", 1), ("logprobs", None)):
        value = fields.take(name)
        if value is not None and value != harmless:
            raise BadRequest(
                f"{name}: this model's provider has no completions of its own, and a conversation cannot say this",
                param=name,
                code="unsupported_parameter",
            )


def _stop(value: Json) -> tuple[str, ...]:
    if value is None:
        return ()
    items = [value] if isinstance(value, str) else as_list(value)
    texts = tuple(one for one in items if isinstance(one, str))
    if len(texts) != len(items) or not items:
        raise BadRequest("stop: must be a string or an array of strings", param="stop", code="invalid_type")
    return texts


def _piece(index: int, text: str, finish: str | None) -> JsonObject:
    return {"text": text, "index": index, "logprobs": None, "finish_reason": finish}


def _envelope(identity: str, created: int, model: str, choices: list[Json]) -> JsonObject:
    return {"id": identity, "object": "text_completion", "created": created, "model": model, "choices": choices}


DIALECT: Final[PassedDialect] = OpenAICompletions()
