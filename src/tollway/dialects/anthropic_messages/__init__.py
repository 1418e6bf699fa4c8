"""Anthropic's Messages API, documented at https://docs.anthropic.com/en/api/messages."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects.anthropic_messages.answer import parse_answer, render_answer
from tollway.dialects.anthropic_messages.content import NAME
from tollway.dialects.anthropic_messages.errors import render_error, render_stream_error
from tollway.dialects.anthropic_messages.models import MODELS
from tollway.dialects.anthropic_messages.names import FIELD_NAMES
from tollway.dialects.anthropic_messages.request_in import parse_request
from tollway.dialects.anthropic_messages.request_out import render_request
from tollway.dialects.anthropic_messages.stream_in import MessagesParser
from tollway.dialects.anthropic_messages.stream_out import MessagesRenderer
from tollway.dialects.anthropic_messages.watch import MessagesWatch, answer_facts
from tollway.dialects.openai_errors import parse_error
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


class AnthropicMessages:
    """Both sides of the Messages API."""

    name: str = NAME
    format: InboundFormat = "anthropic"
    endpoints: tuple[Endpoint, ...] = (Endpoint(operation="conversation", dialect=NAME, path="/messages"),)
    kept_members: frozenset[str] = frozenset({"file_id"})
    keeps_answers: bool = False
    path_has_model: bool = False
    actions: tuple[str, str] = ("", "")
    stream_query: str = ""
    provider_framing: StreamFraming = "sse"
    field_names: Mapping[str, str] = FIELD_NAMES
    models: ModelList | None = MODELS

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request; the body alone says the model and whether to stream."""
        del path_model, stream
        return parse_request(body)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        return render_answer(answer, request.model, now=now)

    def stream_framing(self, query: str) -> StreamFraming:
        """Always server-sent events."""
        del query
        return "sse"

    def stream_renderer(
        self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming
    ) -> StreamRenderer:
        """Make the writer of one stream."""
        del now, framing
        return MessagesRenderer(request.model, new_id)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write the error event that ends a passed-through stream."""
        return render_stream_error(error)

    # the provider's side

    def render_request(self, request: Conversation, provider: Provider, losses: Losses) -> bytes:
        """Write a request for `provider`."""
        return render_request(request, provider, losses)

    def parse_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer."""
        return parse_answer(body)

    def stream_parser(self) -> StreamParser:
        """Make the reader of one stream."""
        return MessagesParser()

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error; the shape is the one the OpenAI family's reader knows too."""
        return parse_error(status, body, headers)

    # passed through

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model in a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Nothing to ask: the API always reports usage."""
        del members
        return False

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in a whole answer."""
        return answer_facts(body)

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one passed-through stream; there is no usage-only event to hide."""
        del hide_usage
        return MessagesWatch()


DIALECT: Final[ConversationDialect] = AnthropicMessages()
