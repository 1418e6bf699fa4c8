"""OpenAI's Responses API."""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects import openai_errors
from tollway.dialects.openai_paths import VERSIONS
from tollway.dialects.openai_responses.answer_in import parse_answer
from tollway.dialects.openai_responses.answer_out import render_answer
from tollway.dialects.openai_responses.names import FIELD_NAMES
from tollway.dialects.openai_responses.request_in import parse_request
from tollway.dialects.openai_responses.request_out import render_request
from tollway.dialects.openai_responses.stream_in import ResponsesStreamParser
from tollway.dialects.openai_responses.stream_out import ResponsesStreamRenderer
from tollway.dialects.openai_responses.tools import NAME
from tollway.dialects.openai_responses.turns import TURNS
from tollway.dialects.openai_responses.watch import ResponsesStreamWatch, facts
from tollway.interfaces.dialect import (
    AnswerFacts,
    ConversationDialect,
    Endpoint,
    InboundFormat,
    ModelList,
    Operation,
    StreamFraming,
    StreamParser,
    StreamRenderer,
    StreamWatch,
)
from tollway.interfaces.kept_turns import KeptTurns
from tollway.interfaces.provider import Provider
from tollway.wire.sse import sse_event

_KEPT: Final[tuple[tuple[Operation, Literal["GET", "POST", "DELETE"], str], ...]] = (
    ("kept-turn", "GET", "/responses/{id}"),
    ("kept-turn-deletion", "DELETE", "/responses/{id}"),
    ("kept-turn-input", "GET", "/responses/{id}/input_items"),
    ("kept-turn-cancellation", "POST", "/responses/{id}/cancel"),
    ("kept-thread-creation", "POST", "/conversations"),
    ("kept-thread", "GET", "/conversations/{id}"),
    ("kept-thread-change", "POST", "/conversations/{id}"),
    ("kept-thread-deletion", "DELETE", "/conversations/{id}"),
    ("kept-items", "GET", "/conversations/{id}/items"),
    ("kept-items-addition", "POST", "/conversations/{id}/items"),
)
"""What can be asked about kept turns. A conversation's single item is `{id}/items/{id}`, under the same path."""


class OpenAIResponses:
    """The dialect. See `ConversationDialect` for what each method promises."""

    name: str = NAME
    format: InboundFormat = "openai"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="conversation", dialect=NAME, path="/responses", versions=VERSIONS),
        *(
            Endpoint(operation=operation, dialect=NAME, method=method, path=path, streams="never")
            for operation, method, path in _KEPT
        ),
    )
    kept_members: frozenset[str] = frozenset(
        {"file_id", "file_ids", "vector_store_ids", "/previous_response_id", "/conversation"}
    )
    keeps_answers: bool = True
    path_has_model: bool = False
    actions: tuple[str, str] = ("", "")
    stream_query: str = ""
    provider_framing: StreamFraming = "sse"
    field_names: Mapping[str, str] = FIELD_NAMES
    models: ModelList | None = None
    turns: KeptTurns = TURNS

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
        return ResponsesStreamRenderer(request, now=now, new_id=new_id)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write an error event. How far the passed-through stream had counted is not known here."""
        described = openai_errors.error_object(error)
        flat = {"code": described["code"], "message": described["message"], "param": described["param"]}
        event = {"type": "error", "sequence_number": 0, **flat, "error": described}
        return sse_event(msgspec.json.encode(event), b"error")

    def render_request(self, request: Conversation, provider: Provider, losses: Losses) -> bytes:
        """Write a request for a provider."""
        return render_request(request, provider, losses)

    def parse_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer."""
        return parse_answer(body)

    def stream_parser(self) -> StreamParser:
        """Make the reader of one stream."""
        return ResponsesStreamParser()

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return openai_errors.parse_error(status, body, headers)

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model of a raw request."""
        members["model"] = msgspec.Raw(msgspec.json.encode(model))

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:  # noqa: ARG002
        """This API always tells usage, in the event that ends the stream."""
        return False

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in a whole answer."""
        return facts(body)

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:  # noqa: ARG002
        """Make the scanner of one passed-through stream; there is no usage-only event to hide."""
        return ResponsesStreamWatch()


DIALECT: Final[ConversationDialect] = OpenAIResponses()
