"""The policy seam: phases, what a policy sees, and what it may do.

Rules of this file:
- A policy is one class in one file of `policies/`, named by its public id. It overrides the phases
  it needs and no others; the chain calls only what is overridden.
- A phase answers None to go on, or an error to refuse; it raises only for its own defects.
- A phase may be `async def`. A chain whose phases are all plain functions runs without a task,
  so make a phase async only when it must wait.
- In shadow mode the chain runs the policy on a view whose setters do nothing, and only notes a refusal.

Order of one call::

    request   before routing, once a call
    upstream  before each attempt is signed and sent
    response  once an answer will be sent to the caller, before its head is (a whole answer: its usage is known)
    event     each event of a streamed answer, as the caller will see it
    end       once a call, after the last attempt's usage record is made and before the caller has its last byte
"""

from collections.abc import Awaitable, Mapping
from typing import ClassVar, Generic, Literal, Protocol, TypeVar

import msgspec

from tollway.core.errors import TollwayError
from tollway.core.usage import Usage
from tollway.interfaces.clock import Clock
from tollway.interfaces.counters import Counters
from tollway.interfaces.identity import ClientApplication, ClientRegistry
from tollway.interfaces.usage_record import UsageRecord

Category = Literal["security", "compliance", "transformation", "quality-of-service", "troubleshooting", "ai"]


class Authentication(msgspec.Struct, frozen=True, kw_only=True):
    """What a policy established about the caller; `#[authentication.…]` in expressions."""

    client: ClientApplication | None = None
    principal: str | None = None
    properties: Mapping[str, object] = {}


class PolicyExchange(Protocol):
    """One call, as policies see it. It also serves as the `Scope` of expressions."""

    @property
    def method(self) -> str:
        """The request's method."""
        ...

    @property
    def operation(self) -> str:
        """What the call is for, as its usage record says it: `conversation`, `embeddings`, `image` and so on."""
        ...

    @property
    def request_path(self) -> str:
        """The path as the caller sent it, without query."""
        ...

    @property
    def request_uri(self) -> str:
        """The target as the caller sent it, with its query."""
        ...

    def raw_header(self, name: bytes, /) -> bytes | None:
        """A request header by its lower-case name; repeated headers are joined by a comma."""
        ...

    def header(self, name: str, /) -> str | None:
        """A request header by name, in any case."""
        ...

    @property
    def body(self) -> bytes:
        """The request's body as the caller sent it."""
        ...

    @property
    def client_address(self) -> str:
        """The address of the connection's other end."""
        ...

    @property
    def identity(self) -> Authentication | None:
        """Who the caller is, once a policy has said so."""
        ...

    def identify(self, authentication: Authentication) -> None:
        """Say who the caller is. Usage is attributed to its client application."""
        ...

    @property
    def requested_model(self) -> str:
        """The model as the caller wrote it; empty where the call names none."""
        ...

    @property
    def stream(self) -> bool:
        """Whether the caller asked for a stream."""
        ...

    def estimated_input_tokens(self) -> int:
        """A cheap guess of the request's input tokens, never below 1."""
        ...

    def requested_output_tokens(self) -> int | None:
        """The most output tokens the caller allowed, if it said so."""
        ...

    @property
    def usage(self) -> Usage | None:
        """What the call used; None until the provider has said so."""
        ...

    def set_upstream_header(self, name: str, value: str) -> None:
        """Send this header to the provider, in place of any of that name."""
        ...

    def add_upstream_header(self, name: str, value: str) -> None:
        """Send this header to the provider beside any of that name."""
        ...

    def set_response_header(self, name: str, value: str) -> None:
        """Send this header to the caller, in place of any of that name."""
        ...

    def add_response_header(self, name: str, value: str) -> None:
        """Send this header to the caller beside any of that name."""
        ...

    def set_response_lines(self, key: str, lines: bytes) -> None:
        r"""Send ready-made header lines (`b"name: value\r\n"`, one or more), in place of those of the same `key`.

        For policies on every call's way that send several headers: the caller of this method vouches
        that nothing in the values can begin another line.
        """
        ...

    @property
    def now_us(self) -> int:
        """Wall clock of the current phase, µs since the epoch."""
        ...

    def note(self, key: str, value: object) -> None:
        """Remember something until the call ends, under the policy's own key."""
        ...

    def recall(self, key: str) -> object | None:
        """Return what `note` stored."""
        ...


class Attempt(Protocol):
    """One upstream attempt, before it is sent."""

    @property
    def route(self) -> str:
        """The route's name."""
        ...

    @property
    def provider(self) -> str:
        """The provider's name."""
        ...

    @property
    def target_model(self) -> str:
        """The model that will be asked."""
        ...

    @property
    def number(self) -> int:
        """1 for the first attempt."""
        ...

    def set_header(self, name: str, value: str) -> None:
        """Send this header with this attempt, in place of any of that name."""
        ...


class ResponseEvent(msgspec.Struct, frozen=True):
    """One server-sent event, as the caller will see it."""

    data: bytes
    event: bytes = b""


class PolicyContext(msgspec.Struct, frozen=True):
    """What the gateway hands to a policy when a snapshot is compiled."""

    proxy: str
    name: str
    """This use of the policy: unique within the proxy, stable across snapshots."""
    counters: Counters
    clients: ClientRegistry
    clock: Clock


ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)

Refusal = TollwayError | None
MaybeAwaited = Refusal | Awaitable[Refusal]


class Policy(Generic[ConfigT]):
    """Base of every policy: does nothing in every phase."""

    id: ClassVar[str]
    """Public id, kebab case; the file's name in snake case."""
    title: ClassVar[str]
    category: ClassVar[Category]
    summary: ClassVar[str]
    """One sentence for docs and forms."""
    config_type: ClassVar[type[msgspec.Struct]]
    """Its settings; the JSON Schema for forms and docs is made from it."""

    def __init__(self, config: ConfigT, context: PolicyContext) -> None:
        """Prepare everything that can be prepared; raise ValueError for settings that contradict."""
        self.config = config
        self.context = context

    def request(self, exchange: PolicyExchange) -> MaybeAwaited:
        """Before routing, once a call."""
        del exchange
        return None

    def upstream(self, exchange: PolicyExchange, attempt: Attempt) -> MaybeAwaited:
        """Before each attempt is signed and sent."""
        del exchange, attempt
        return None

    def response(self, exchange: PolicyExchange, status: int) -> MaybeAwaited:
        """Before the head of the answer is sent to the caller."""
        del exchange, status
        return None

    def event(self, exchange: PolicyExchange, event: ResponseEvent) -> ResponseEvent | TollwayError | None:
        """Each event of a streamed answer: give back what the caller shall see; None drops it."""
        del exchange
        return event

    def end(self, exchange: PolicyExchange, record: UsageRecord) -> None:
        """Once a call, when everything is known."""
        del exchange, record
