"""Who is calling: client applications as the gateway sees them."""

from collections.abc import Mapping
from typing import Protocol

import msgspec

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


class ClientRegistry(Protocol):
    """Knows the client applications that have a contract on one proxy."""

    def authenticate(self, client_id: str, secret: str) -> ClientApplication | None:
        """Return the application if the secret is one of its live ones.

        Takes the same time for an unknown id as for a wrong secret.
        """
        ...

    def find(self, client_id: str) -> ClientApplication | None:
        """Return the application by its public id alone."""
        ...
