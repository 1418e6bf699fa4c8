"""Amazon Bedrock's Converse API.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects.aws_errors import error_headers, parse_error, render_error, render_stream_error
from tollway.dialects.bedrock_converse.answer import parse_answer, render_answer
from tollway.dialects.bedrock_converse.content import NAME
from tollway.dialects.bedrock_converse.models import MODELS
from tollway.dialects.bedrock_converse.names import FIELD_NAMES
from tollway.dialects.bedrock_converse.request_in import parse_request
from tollway.dialects.bedrock_converse.request_out import render_request
from tollway.dialects.bedrock_converse.stream_in import ConverseParser
from tollway.dialects.bedrock_converse.stream_out import ConverseRenderer
from tollway.dialects.bedrock_converse.watch import ConverseWatch, answer_facts
from tollway.interfaces.dialect import (
    AnswerFacts,
    ConversationDialect,
    Endpoint,
    InboundFormat,
    ModelList,
    StreamParser,
    StreamRenderer,
    StreamWatch,
)
from tollway.interfaces.framing import StreamFraming
from tollway.interfaces.provider import Provider

_ROOT: Final = ("",)


class BedrockConverse:
    """Both sides of Converse and ConverseStream."""

    name: str = NAME
    format: InboundFormat = "bedrock"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(
            operation="conversation", dialect=NAME, path="/model/{model}/converse", versions=_ROOT, streams="never"
        ),
        Endpoint(
            operation="conversation",
            dialect=NAME,
            path="/model/{model}/converse-stream",
            versions=_ROOT,
            streams="always",
        ),
    )
    path_has_model: bool = True
    actions: tuple[str, str] = ("converse", "converse-stream")
    stream_query: str = ""
    provider_framing: StreamFraming = "aws-event-stream"
    field_names: Mapping[str, str] = FIELD_NAMES
    models: ModelList | None = MODELS
    kept_members: frozenset[str] = frozenset()
    keeps_answers: bool = False

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request; the path says the model and whether to stream."""
        return parse_request(body, model=path_model, stream=stream)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        del request, now
        return render_answer(answer)

    def stream_framing(self, query: str) -> StreamFraming:
        """Always binary frames."""
        del query
        return "aws-event-stream"

    def stream_renderer(
        self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming
    ) -> StreamRenderer:
        """Make the writer of one stream."""
        del request, now, new_id, framing
        return ConverseRenderer()

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    def error_headers(self, error: TollwayError) -> tuple[tuple[str, str], ...]:
        """Give the header in which SDKs look for an error's name."""
        return error_headers(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write the frame that ends a passed-through stream."""
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
        return ConverseParser()

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    # passed through

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Nothing to set: the model is in the path."""

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
        return ConverseWatch()


DIALECT: Final[ConversationDialect] = BedrockConverse()
