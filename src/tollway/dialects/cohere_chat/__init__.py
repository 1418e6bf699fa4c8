"""Cohere's Chat, version 2, documented at https://docs.cohere.com/reference/chat."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects.cohere_chat.answer import parse_answer, render_answer
from tollway.dialects.cohere_chat.content import NAME
from tollway.dialects.cohere_chat.errors import parse_error, render_error, render_stream_error
from tollway.dialects.cohere_chat.models import MODELS
from tollway.dialects.cohere_chat.names import FIELD_NAMES
from tollway.dialects.cohere_chat.request_in import parse_request
from tollway.dialects.cohere_chat.request_out import render_request
from tollway.dialects.cohere_chat.stream_in import ChatParser
from tollway.dialects.cohere_chat.stream_out import ChatRenderer
from tollway.dialects.cohere_chat.watch import ChatWatch, answer_facts
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


class CohereChat:
    """Both sides of Cohere's Chat."""

    name: str = NAME
    format: InboundFormat = "cohere"
    # `/v1/chat` is another API, so the version is written, or left out altogether.
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="conversation", dialect=NAME, path="/chat", versions=("/v2", "")),
    )
    path_has_model: bool = False
    actions: tuple[str, str] = ("", "")
    stream_query: str = ""
    provider_framing: StreamFraming = "sse"
    field_names: Mapping[str, str] = FIELD_NAMES
    models: ModelList | None = MODELS
    kept_members: frozenset[str] = frozenset()
    keeps_answers: bool = False

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request; the body alone says the model and whether to stream."""
        del path_model, stream
        return parse_request(body)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer; the API does not name the model in it."""
        del request
        return render_answer(answer, now=now)

    def stream_framing(self, query: str) -> StreamFraming:
        """Always server-sent events."""
        del query
        return "sse"

    def stream_renderer(
        self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming
    ) -> StreamRenderer:
        """Make the writer of one stream."""
        del request, now, framing
        return ChatRenderer(new_id)

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
        return ChatParser()

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
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
        """Find usage in a whole answer."""
        return answer_facts(body)

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one passed-through stream; there is no usage-only event to hide."""
        del hide_usage
        return ChatWatch()


DIALECT: Final[ConversationDialect] = CohereChat()
