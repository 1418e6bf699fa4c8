"""Who is calling: client applications as the gateway sees them."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from tollway.core.errors import CallerError
from tollway.core.ids import ClientId


class TokenLimit(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Tokens allowed in one window. At least one of the three counts is set."""

    total_tokens: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    period_ms: int = 60_000
    """Length of the window, milliseconds, at least 1,000."""


class ClientApplication(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A client application with its contract on one LLM proxy."""

    client_id: ClientId
    name: str
    business_group: str = ""
    sla_tier: str = ""
    sla_limits: tuple[TokenLimit, ...] = ()
    """The limits of its contract's tier."""
    properties: Mapping[str, str] = {}


class SignedRequest(Protocol):
    """A request as it was received: what a signature may cover."""

    @property
    def method(self) -> str:
        """The request's method."""
        ...

    @property
    def request_uri(self) -> str:
        """The target as the caller sent it, with its query."""
        ...

    def raw_header(self, name: bytes, /) -> bytes | None:
        """A request header by its lower-case name; repeated headers are joined by a comma."""
        ...

    @property
    def body(self) -> bytes:
        """The request's body as the caller sent it."""
        ...

    @property
    def now_us(self) -> int:
        """Wall clock, µs since the epoch."""
        ...


class ClientRegistry(Protocol):
    """Knows the client applications that have a contract on one proxy."""

    def authenticate(self, client_id: str, secret: str) -> ClientApplication | None:
        """Return the application if the secret is one of its live ones.

        Takes the same time for an unknown id as for a wrong secret.
        """
        ...

    def authenticate_signed(self, request: SignedRequest) -> ClientApplication | CallerError | None:
        """Return the application that signed the request, why it is refused, or None where it is not signed.

        Takes the same time for an unknown signer as for a wrong signature.
        """
        ...

    def find(self, client_id: str) -> ClientApplication | None:
        """Return the application by its public id alone."""
        ...
