"""OpenAI's Chat Completions API, and the many servers that speak it."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_object
from tollway.dialects.openai_chat.answer_in import parse_answer
from tollway.dialects.openai_chat.answer_out import render_answer
from tollway.dialects.openai_chat.content import NAME
from tollway.dialects.openai_chat.models import MODELS
from tollway.dialects.openai_chat.names import FIELD_NAMES
from tollway.dialects.openai_chat.request_in import parse_request
from tollway.dialects.openai_chat.request_out import render_request
from tollway.dialects.openai_chat.stream_in import ChatStreamParser
from tollway.dialects.openai_chat.stream_out import ChatStreamRenderer
from tollway.dialects.openai_chat.watch import ChatStreamWatch, facts
from tollway.dialects.openai_paths import VERSIONS
from tollway.interfaces.dialect import (
    AnswerFacts,
    ConversationDialect,
    Endpoint,
    InboundFormat,
    ModelList,
    StreamFraming,
    StreamParser,
    StreamRenderer,
    StreamWatch,
)
from tollway.interfaces.provider import Provider
from tollway.wire.sse import sse_event


class OpenAIChat:
    """The dialect. See `ConversationDialect` for what each method promises."""

    name: str = NAME
    format: InboundFormat = "openai"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="conversation", dialect=NAME, path="/chat/completions", versions=VERSIONS),
    )
    kept_members: frozenset[str] = frozenset({"file_id"})
    keeps_answers: bool = False
    path_has_model: bool = False
    actions: tuple[str, str] = ("", "")
    stream_query: str = ""
    provider_framing: StreamFraming = "sse"
    field_names: Mapping[str, str] = FIELD_NAMES
    models: ModelList | None = MODELS

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request."""
        request = parse_request(body)
        if not path_model and not stream:
            return request
        return msgspec.structs.replace(request, model=path_model or request.model, stream=stream or request.stream)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        return render_answer(answer, request, now=now)

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
        return ChatStreamRenderer(request, now=now, new_id=new_id)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write an error event; no `[DONE]` follows it."""
        return sse_event(openai_errors.render_error(error))

    def render_request(self, request: Conversation, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider."""
        return render_request(request, provider, losses)

    def parse_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer."""
        return parse_answer(body)

    def stream_parser(self) -> StreamParser:
        """Make the reader of one stream."""
        return ChatStreamParser()

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return openai_errors.parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model of a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Add `include_usage` to a raw request's stream options, keeping the others."""
        raw = members.get("stream_options")
        options = {} if raw is None else as_object(msgspec.json.decode(raw))
        if options.get("include_usage") is True:
            return False
        options["include_usage"] = True
        members["stream_options"] = msgspec.Raw(msgspec.json.encode(options))
        return True

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in a whole answer."""
        return facts(body)

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one passed-through stream."""
        return ChatStreamWatch(hide_usage=hide_usage)


DIALECT: Final[ConversationDialect] = OpenAIChat()
