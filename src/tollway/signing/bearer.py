"""A key sent as a bearer token."""

import msgspec

from tollway.interfaces.signer import OutboundRequest


class Bearer(msgspec.Struct, frozen=True):
    """`Authorization: Bearer <key>`. RFC 6750, section 2.1. No key, no header."""

    @property
    def fixed(self) -> bool:
        """The header depends on the key alone."""
        return True

    def headers(self, credential: str, request: OutboundRequest | None) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        """Give the header."""
        return (("authorization", f"Bearer {credential}"),) if credential else ()
