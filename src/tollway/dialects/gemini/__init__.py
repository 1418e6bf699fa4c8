"""Google's generateContent API, documented at https://ai.google.dev/api/generate-content.

SDKs in cloud mode ask for the same under another path, with a project and a location before it that
are the gateway's business: its route says them.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec

from tollway.core.answer import Answer
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects.gemini.answer import parse_answer, render_answer
from tollway.dialects.gemini.content import NAME
from tollway.dialects.gemini.errors import parse_error, render_error
from tollway.dialects.gemini.models import MODELS
from tollway.dialects.gemini.names import FIELD_NAMES
from tollway.dialects.gemini.request_in import parse_request
from tollway.dialects.gemini.request_out import render_request
from tollway.dialects.gemini.stream_in import GeminiParser
from tollway.dialects.gemini.stream_out import GeminiRenderer
from tollway.dialects.gemini.watch import GeminiWatch, answer_facts
from tollway.interfaces.dialect import (
    AnswerFacts,
    ConversationDialect,
    Endpoint,
    InboundFormat,
    ModelList,
    StreamFraming,
    StreamParser,
    StreamRenderer,
    Streams,
    StreamWatch,
)
from tollway.interfaces.provider import Provider
from tollway.wire.sse import sse_event

_PLACES: Final[tuple[tuple[str, tuple[str, ...]], ...]] = (
    ("/models/{model}", ("/v1beta", "/v1", "")),
    ("/publishers/google/models/{model}", ("/v1beta1", "/v1", "")),
    ("/projects/{scope}/publishers/google/models/{model}", ("/v1beta1", "/v1", "")),
)
"""Where models stand, and the prefixes each is served under."""
_ACTIONS: Final[tuple[tuple[str, Streams], ...]] = (("generateContent", "never"), ("streamGenerateContent", "always"))


class Gemini:
    """Both sides of generateContent and streamGenerateContent."""

    name: str = NAME
    format: InboundFormat = "gemini"
    endpoints: tuple[Endpoint, ...] = tuple(
        Endpoint(operation="conversation", dialect=NAME, path=f"{place}:{action}", versions=versions, streams=streams)
        for place, versions in _PLACES
        for action, streams in _ACTIONS
    )
    kept_members: frozenset[str] = frozenset()
    keeps_answers: bool = False
    path_has_model: bool = True
    actions: tuple[str, str] = ("generateContent", "streamGenerateContent")
    stream_query: str = "alt=sse"
    provider_framing: StreamFraming = "sse"
    field_names: Mapping[str, str] = FIELD_NAMES
    models: ModelList | None = MODELS

    # the caller's side

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request; the path says the model and whether to stream."""
        return parse_request(body, model=path_model, stream=stream)

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer."""
        del now
        return render_answer(answer, request.model)

    def stream_framing(self, query: str) -> StreamFraming:
        """Events for callers who ask for them (`alt=sse`), one array for the others."""
        wanted = [value for name, value in parse_qsl(query) if name in {"alt", "$alt"}]
        return "sse" if any(value.partition(";")[0] == "sse" for value in wanted) else "json-array"

    def stream_renderer(
        self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming
    ) -> StreamRenderer:
        """Make the writer of one stream."""
        del now
        return GeminiRenderer(request.model, new_id, framing)

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write the error event that ends a passed-through stream of events."""
        return sse_event(render_error(error))

    # the provider's side

    def render_request(self, request: Conversation, provider: Provider, losses: Losses) -> bytes:
        """Write a request for `provider`."""
        return render_request(request, provider, losses)

    def parse_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer."""
        return parse_answer(body)

    def stream_parser(self) -> StreamParser:
        """Make the reader of one stream."""
        return GeminiParser()

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
        """Find usage and served model in a whole answer."""
        return answer_facts(body)

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one passed-through stream; there is no usage-only event to hide."""
        del hide_usage
        return GeminiWatch()


DIALECT: Final[ConversationDialect] = Gemini()
