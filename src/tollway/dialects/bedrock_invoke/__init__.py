"""Amazon Bedrock's InvokeModel: the body is the schema of the model's own family.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html.

Rules of this dialect:
- To Amazon Bedrock the bytes of every family pass.
- For any other provider, Anthropic's Messages are read as what they are: the neutral conversation is
  one of that dialect, so that an Anthropic provider gets them without loss. Other families are refused.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, DialectName, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.usage import Usage
from tollway.dialects import anthropic_messages as messages
from tollway.dialects.aws_errors import error_headers, parse_error, render_error, render_stream_error
from tollway.dialects.bedrock_invoke.envelope import closed, opened
from tollway.dialects.bedrock_invoke.stream import InvokeParser, InvokeRenderer, InvokeWatch
from tollway.dialects.bedrock_invoke.usage import answer_facts, header_usage
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

NAME: Final[DialectName] = "bedrock-invoke"
_ROOT: Final = ("",)


class BedrockInvoke:
    """Both sides of InvokeModel and InvokeModelWithResponseStream."""

    name: str = NAME
    format: InboundFormat = "bedrock"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(operation="conversation", dialect=NAME, path="/model/{model}/invoke", versions=_ROOT, streams="never"),
        Endpoint(
            operation="conversation",
            dialect=NAME,
            path="/model/{model}/invoke-with-response-stream",
            versions=_ROOT,
            streams="always",
        ),
    )
    path_has_model: bool = True
    actions: tuple[str, str] = ("invoke", "invoke-with-response-stream")
    stream_query: str = ""
    provider_framing: StreamFraming = "aws-event-stream"
    field_names: Mapping[str, str] = messages.DIALECT.field_names
    models: ModelList | None = None
    kept_members: frozenset[str] = frozenset()
    keeps_answers: bool = False

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's Messages; the path says the model and whether to stream."""
        written = opened(body, model=path_model, stream=stream)
        return messages.DIALECT.parse_request(written, path_model="", stream=stream)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        return messages.DIALECT.render_answer(answer, request, now=now)

    def stream_framing(self, query: str) -> StreamFraming:
        """Always binary frames."""
        del query
        return "aws-event-stream"

    def stream_renderer(
        self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming
    ) -> StreamRenderer:
        """Make the writer of one stream."""
        del now, framing
        return InvokeRenderer(request.model, new_id)

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
        """Write a request for a model of Anthropic's at `provider`."""
        return closed(messages.DIALECT.render_request(request, provider, losses))

    def parse_answer(self, body: bytes) -> Answer:
        """Read the whole answer of a model of Anthropic's."""
        return messages.DIALECT.parse_answer(body)

    def stream_parser(self) -> StreamParser:
        """Make the reader of one stream."""
        return InvokeParser()

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    # passed through

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Nothing to set: the model is in the path."""

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Nothing to ask: usage is always reported."""
        del members
        return False

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage in a whole answer of any family."""
        return answer_facts(body)

    def header_usage(self, headers: Mapping[bytes, bytes]) -> Usage | None:
        """Find usage beside an answer whose family does not count."""
        return header_usage(headers)

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one passed-through stream; there is no usage-only event to hide."""
        del hide_usage
        return InvokeWatch()


DIALECT: Final[ConversationDialect] = BedrockInvoke()
