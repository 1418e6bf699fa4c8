"""A dialect: one API's schema, read into the neutral form and written from it.

Rules of this file:
- A dialect does no I/O and keeps no state between calls; what a stream needs to remember lives in
  the objects made per stream.
- `parse_*` read what a stranger sent and raise (`BadRequest` for a caller, `UpstreamGarbled` for a
  provider); `render_*` never fail on a well-formed neutral value.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal, Protocol, TypeAlias, get_args

import msgspec

from tollway.core.answer import Answer, StreamEvent
from tollway.core.conversation import Conversation, Losses
from tollway.core.embeddings import EmbeddingsAnswer, EmbeddingsRequest
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.rerank import RerankAnswer, RerankRequest
from tollway.core.usage import Usage
from tollway.interfaces.framing import StreamFraming
from tollway.interfaces.provider import Provider

KeptOperation = Literal[
    "kept-turn",
    "kept-turn-deletion",
    "kept-turn-input",
    "kept-turn-cancellation",
    "kept-thread-creation",
    "kept-thread",
    "kept-thread-change",
    "kept-thread-deletion",
    "kept-items",
    "kept-items-addition",
]
"""What is asked about turns the gateway keeps; see `kept_turns.py`."""
KEPT_OPERATIONS: Final[frozenset[str]] = frozenset(get_args(KeptOperation))

ProviderOperation = Literal[
    "conversation",
    "embeddings",
    "rerank",
    "models",
    "model",
    "realtime",
    "completion",
    "moderation",
    "image",
    "speech",
    "transcription",
    "token-count",
    "file",
    "upload",
    "batch",
    "fine-tuning",
    "vector-store",
    "stored-response",
    "stored-conversation",
    "cached-content",
]
Operation: TypeAlias = ProviderOperation | KeptOperation
"""What a call is for, as usage records say it."""
USE_NO_TOKENS: Final[frozenset[str]] = KEPT_OPERATIONS | {
    "models",
    "model",
    "moderation",
    "token-count",
    "file",
    "upload",
    "batch",
    "fine-tuning",
    "vector-store",
    "stored-response",
    "stored-conversation",
    "cached-content",
}
"""Operations that use no tokens of a model, so that there is nothing to limit and nothing to count."""
Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
InboundFormat = Literal["openai", "anthropic", "gemini", "bedrock", "cohere", "ollama"]
Streams = Literal["never", "body", "unless-false", "always"]
"""When an endpoint streams: never, if the body's `stream` is true, unless it is false, or always."""

ModelDocument: TypeAlias = dict[str, object]


class ModelList(msgspec.Struct, frozen=True, kw_only=True):
    """How an API lists the models there are, and describes one."""

    versions: tuple[str, ...]
    """Prefixes it is served under."""
    list_path: str = "/models"
    model_path: str = "/models/{model}"
    """Empty where the API describes no single model."""
    model_member: str = ""
    """Member of the body that names the model, where one is described by POST; empty where the path names it."""
    notes: Mapping[str, ModelDocument] = {}
    """What else the API tells about itself, by path: always the same."""
    telling_header: bytes = b""
    """A request header, lower case, that this API's SDKs always send and others never do: it tells whose list is
    wanted where several APIs have theirs under one path."""
    one: Callable[[str, str], ModelDocument]
    """Describe a model from its name and the provider that owns it."""
    many: Callable[[list[ModelDocument]], ModelDocument]
    """Put descriptions into a list."""
    alone: Callable[[ModelDocument], ModelDocument] | None = None
    """Wrap a description that is asked for by its name; None where it stands as it is."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """One thing a caller can ask for."""

    operation: Operation
    dialect: str
    """Name of the dialect module that reads and writes it."""
    method: Method = "POST"
    path: str
    """Under the proxy's base path, without version prefix: `/chat/completions`. `{model}`, or `{id}` alone, matches
    one or more segments (never empty); `{scope}` before it whatever an SDK writes there, unread; any other name in
    braces exactly one segment."""
    versions: tuple[str, ...] = ("/v1", "")
    """Prefixes it is served under; `{model}` may stand in one (`/openai/deployments/{model}`)."""
    streams: Streams = "body"
    """Whether it streams."""
    passes: bool = True
    """False where providers of the same dialect are asked in another way than here: then the request
    is read and written anew for them too."""


class AnswerFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the meter wants from an answer that is passed through unread."""

    usage: Usage | None = None
    model: str = ""
    id: str = ""
    finish: str = ""
    """The provider's own word for why it stopped."""
    service_tier: str = ""


class StreamWatch(Protocol):
    """Scans a passed-through stream without parsing its events."""

    def feed(self, data: bytes) -> bytes:
        """See the next bytes, which end at an event boundary unless an event is very large.

        Returns what the caller may have of them: nearly always the same object; less where the
        gateway asked for a usage event the caller did not ask for.
        """
        ...

    @property
    def ended(self) -> bool:
        """True once the event that ends the API's stream was seen (`[DONE]`, `message_stop` …)."""
        ...

    @property
    def failed(self) -> bool:
        """True once the provider reported an error inside the stream."""
        ...

    def facts(self) -> AnswerFacts:
        """What was found so far. Decodes the kept tail, so call it once, at the end."""
        ...


class StreamParser(Protocol):
    """Reads one provider's stream, whatever the cuts."""

    def feed(self, data: bytes) -> Sequence[StreamEvent]:
        """Take the next bytes; return the events they complete.

        Raises:
            UpstreamGarbled: the bytes are not what the API promises.
        """
        ...

    def close(self) -> Sequence[StreamEvent]:
        """The provider closed the connection in an orderly way; return what that completes.

        When the API's own end was not seen, the last event is not `AnswerEnded`, and the caller
        must treat the stream as cut.
        """
        ...


class KeepableRenderer(Protocol):
    """What a renderer of an API with kept turns (`kept_turns.py`) can do besides."""

    def whole(self) -> bytes:
        """Write the answer whole, as it stands when `AnswerEnded` is all that is missing."""
        ...

    def not_kept(self) -> None:
        """From here on say that the answer is not kept: it could not be."""
        ...


class StreamRenderer(Protocol):
    """Writes one caller's stream, event by event."""

    def feed(self, events: Sequence[StreamEvent]) -> bytes:
        """Write the events; may be empty. A `StreamFailed` is written as the API's error event."""
        ...

    def fail(self, error: TollwayError) -> bytes:
        """Write the error that ends the stream in this API's own way, with nothing after it."""
        ...


class ConversationCaller(Protocol):
    """The caller's side of a conversation API."""

    def parse_request(self, body: bytes, *, path_model: str, stream: bool) -> Conversation:
        """Read a caller's request. `path_model` and `stream` come from the path where it has them.

        Raises:
            BadRequest: with `param` naming the field.
        """
        ...

    def render_answer(self, answer: Answer, request: Conversation, *, now: int) -> bytes:
        """Write a whole answer. `now` is the time in seconds, for APIs that want one."""
        ...

    def stream_framing(self, query: str) -> StreamFraming:
        """Tell from the caller's query string how it wants a stream (Gemini: `alt=sse` or not)."""
        ...

    def stream_renderer(
        self, request: Conversation, *, now: int, new_id: str, framing: StreamFraming
    ) -> StreamRenderer:
        """Make the writer of one stream. `new_id` is a fresh ULID for ids the provider did not give."""
        ...

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body as this API's SDKs expect it."""
        ...

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write the error event that ends a passed-through stream of this dialect."""
        ...


class ConversationDialect(ConversationCaller, Protocol):
    """A conversation API, both sides of it."""

    name: str
    format: InboundFormat
    endpoints: tuple[Endpoint, ...]
    kept_members: frozenset[str]
    """Members anywhere in a request's body that hold ids of what providers keep (`file_id`); with a slash
    before it, one of the outermost members only (`/conversation`)."""
    keeps_answers: bool
    """Whether providers keep the answers themselves, under their ids, unless the request's `store` is false."""
    path_has_model: bool
    """True where the URL names the model and the action (Gemini), not the body."""
    actions: tuple[str, str]
    """What `{action}` in a provider's path stands for: of a whole answer, of a stream. Empty where
    the path is the same for both."""
    stream_query: str
    """Query a streamed call to a provider needs (`alt=sse`); empty when none."""
    provider_framing: StreamFraming
    """How providers frame their streams."""
    field_names: Mapping[str, str]
    """What callers of this API call the neutral fields, where the names differ; `messages` too."""
    models: ModelList | None
    """How this API lists models; None where another dialect of its format does."""

    # the provider's side

    def render_request(self, request: Conversation, provider: Provider, losses: Losses) -> bytes:
        """Write a request for `provider`, with `request.model` as its model.

        Raises:
            BadRequest: the request needs what this dialect cannot express (`param` names it).
        """
        ...

    def parse_answer(self, body: bytes) -> Answer:
        """Read a provider's whole answer.

        Raises:
            UpstreamGarbled: it is not what the API promises.
        """
        ...

    def stream_parser(self) -> StreamParser:
        """Make the reader of one stream."""
        ...

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error, whatever its shape. Never raises."""
        ...

    # passed through: same dialect on both sides

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model in a request whose members are kept raw (nothing, where the path has it)."""
        ...

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Make a raw streamed request ask for usage.

        True when the caller had not asked, so that the extra usage chunk must be kept from it.
        """
        ...

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in a whole answer, without reading the rest. Never raises."""
        ...

    def stream_watch(self, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one passed-through stream.

        `hide_usage`: keep the usage-only event from the caller, because the gateway asked for it and
        the caller did not.
        """
        ...


class NamesErrors(Protocol):
    """A dialect whose SDKs look for an error's name in a header, not in the body. Beside the two protocols."""

    def error_headers(self, error: TollwayError) -> tuple[tuple[str, str], ...]:
        """Give the headers that an error is sent with."""
        ...


class CountsInHeaders(Protocol):
    """A dialect whose providers may tell the usage of a whole answer in its headers. Beside the two protocols."""

    def header_usage(self, headers: Mapping[bytes, bytes]) -> Usage | None:
        """Find usage in an answer's headers (lower case); asked only where the body tells none."""
        ...


class EmbeddingsDialect(Protocol):
    """An embeddings API, both sides of it."""

    name: str
    format: InboundFormat
    endpoints: tuple[Endpoint, ...]
    """Empty for an API that providers speak and no caller does."""
    field_names: Mapping[str, str]
    """What callers of this API call the neutral fields, where the names differ."""

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> EmbeddingsRequest:
        """Read a caller's request; raises `BadRequest`."""
        ...

    def render_answer(self, answer: EmbeddingsAnswer, request: EmbeddingsRequest) -> bytes:
        """Write an answer as the caller asked (floats or base64)."""
        ...

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body as this API's SDKs expect it."""
        ...

    def render_request(self, request: EmbeddingsRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for `provider`; raises `BadRequest` for what it cannot express."""
        ...

    def parse_answer(self, body: bytes, request: EmbeddingsRequest) -> EmbeddingsAnswer:
        """Read a provider's answer; raises `UpstreamGarbled`."""
        ...

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error, whatever its shape. Never raises."""
        ...

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model in a request whose members are kept raw."""
        ...

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in an answer. Never raises."""
        ...


class RerankDialect(Protocol):
    """A rerank API, both sides of it."""

    name: str
    format: InboundFormat
    endpoints: tuple[Endpoint, ...]

    def parse_request(self, body: bytes, *, path_model: str, path_action: str) -> RerankRequest:
        """Read a caller's request; raises `BadRequest`."""
        ...

    def render_answer(self, answer: RerankAnswer, request: RerankRequest) -> bytes:
        """Write an answer, with the documents where the caller asked for them."""
        ...

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body as this API's SDKs expect it."""
        ...

    def render_request(self, request: RerankRequest, provider: Provider, losses: Losses) -> bytes:
        """Write a request for `provider`; raises `BadRequest` for what it cannot express."""
        ...

    def parse_answer(self, body: bytes, request: RerankRequest) -> RerankAnswer:
        """Read a provider's answer; raises `UpstreamGarbled`."""
        ...

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error, whatever its shape. Never raises."""
        ...

    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None:
        """Set the model in a request whose members are kept raw."""
        ...

    def facts(self, body: bytes) -> AnswerFacts:
        """Find usage and served model in an answer. Never raises."""
        ...
