"""How the gateway proves its identity to a provider."""

from typing import Protocol

import msgspec


class OutboundRequest(msgspec.Struct, frozen=True):
    """What a signature may cover."""

    method: str
    host: str
    target: str
    """Path and query, percent-encoded as sent."""
    headers: tuple[tuple[str, str], ...]
    body: bytes
    now_us: int


class Signer(Protocol):
    """Turns a credential into request headers."""

    @property
    def fixed(self) -> bool:
        """True when the headers depend on the credential alone, so they can be prepared once."""
        ...

    def headers(self, credential: str, request: OutboundRequest | None) -> tuple[tuple[str, str], ...]:
        """Give the headers; `request` is None for a fixed signer."""
        ...


class ChecksCredential(Protocol):
    """A signer that can tell beforehand whether a credential is one of its kind. Beside `Signer`."""

    def complaint(self, credential: str, host: str) -> str:
        """Say what is wrong with a credential for requests to `host`, without showing it; empty where nothing is."""
        ...
