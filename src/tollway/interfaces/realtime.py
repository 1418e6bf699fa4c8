"""A realtime dialect: one API spoken over a WebSocket, in sessions of many responses.

Rules of this file:
- Realtime sessions are passed, not translated: a provider either speaks the caller's dialect or the session is
  refused. What a dialect does is to tell which messages matter: those that ask for a response, begin or end one,
  or say what was used.
- A dialect does no I/O; what a session needs to remember lives in the `RealtimeWatch` made for it.
"""

from collections.abc import Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.interfaces.dialect import AnswerFacts, Endpoint, InboundFormat
from tollway.interfaces.usage_record import Outcome

ModelPlace = Literal["query", "message"]
"""Where a caller names its model: in the query of the handshake, or in the first message that needs one."""


class ClientEvent(msgspec.Struct, frozen=True, gc=False):
    """What one message of the caller means to the gateway."""

    asks: bool = False
    """Whether it makes the provider begin a response."""
    name: str = ""
    """What answers and errors will call it by: its event id, or the lane it is for. Empty when there is none."""
    model: str = ""
    """The model it names; the gateway then writes the target's in its place."""
    input_tokens: int = 0
    """A cheap guess of the input tokens it adds to the session."""
    max_output_tokens: int | None = None


class ServerEvent(msgspec.Struct, frozen=True, gc=False):
    """What one message of the provider means to the gateway."""

    kind: str = ""
    """Its type, for policies that look at events."""
    response: str | None = None
    """Id of the response it belongs to (empty where the API has none); None when it belongs to none."""
    begins: bool = False
    ends: bool = False
    outcome: Outcome = "ok"
    """Of a response that ends here."""
    facts: AnswerFacts | None = None
    """What was used, by the response that ends here or, without one, by something beside the responses. The model is
    named where it is another than the session's."""
    about: str = ""
    """`ClientEvent.name` of the caller's request it begins to answer or refuses; empty when it does not say which."""
    refuses: bool = False
    """Whether it refuses a request of the caller."""
    code: str = ""
    """The provider's code of an error."""
    secret: bool = False
    """Whether it speaks of the gateway's own key: its words are then withheld."""
    stands_alone: bool = False
    """Whether what it used was asked for by nobody and could not be refused beforehand (a transcription session)."""


class RealtimeWatch(Protocol):
    """Looks at the messages of one session, in both directions."""

    def client(self, data: bytes) -> ClientEvent:
        """Look at a message of the caller.

        Raises:
            BadRequest: it is not what the API takes, so that nobody can say what it would do.
        """
        ...

    def server(self, data: bytes) -> ServerEvent:
        """Look at a message of the provider.

        Raises:
            UpstreamGarbled: it is not what the API promises.
        """
        ...


class RealtimeDialect(Protocol):
    """A realtime API."""

    name: str
    format: InboundFormat
    endpoints: tuple[Endpoint, ...]
    model_place: ModelPlace
    not_served: Mapping[str, str]
    """Paths of its endpoints that are refused, each with the reason a caller is told."""

    # the handshake

    def caller_headers(self, query: Mapping[str, str], subprotocols: Sequence[str]) -> Mapping[bytes, bytes]:
        """Find what callers that cannot set headers put elsewhere: their key, and headers that are switches.

        Policies and the provider see these as if they had been sent as headers (names in lower case).
        """
        ...

    def requested_model(self, query: Mapping[str, str]) -> str:
        """Read the model from the handshake's query; empty where it names none."""
        ...

    def passed_query(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """Give the parameters that go to the provider.

        Raises:
            BadRequest: one is neither passed nor the gateway's own business: it would be ignored in silence.
        """
        ...

    def subprotocol(self, offered: Sequence[str]) -> str:
        """Choose one of the subprotocols the caller offers; empty for none."""
        ...

    # the session

    def watch(self) -> RealtimeWatch:
        """Make the watch of one session."""
        ...

    def with_model(self, data: bytes, model: str) -> bytes:
        """Write `model` where a message of the caller, which names one, has its own."""
        ...

    def named(self, data: bytes, name: str) -> bytes:
        """Name a message that asks for a response, so that an error about it can be told from others.

        The same bytes where the API has no such names.
        """
        ...

    def cancel(self, response: str) -> bytes:
        """Write the message that stops a response; empty where the API has none."""
        ...

    def error_event(self, error: TollwayError, *, about: str, new_id: str) -> bytes:
        """Write the API's own error event; empty where it has none, so that only a close can tell.

        `about` is the `ClientEvent.name` of what is refused, `new_id` a fresh ULID.
        """
        ...

    def close_code(self, error: TollwayError) -> int:
        """Choose the close code that tells of an error which ends the session."""
        ...

    def secret_close(self, code: int, reason: str) -> bool:
        """Tell whether a provider's close speaks of the gateway's own key."""
        ...

    # errors before the session

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body as this API's SDKs expect it."""
        ...

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's refusal of the handshake, whatever its shape. Never raises."""
        ...
