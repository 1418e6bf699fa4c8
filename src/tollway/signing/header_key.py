"""A key sent in a header of the vendor's own."""

import msgspec

from tollway.interfaces.signer import OutboundRequest


class HeaderKey(msgspec.Struct, frozen=True):
    """`<name>: <prefix><key>`, such as `api-key` or `x-goog-api-key`. No key, no header."""

    name: str
    """Lower case."""
    prefix: str = ""

    @property
    def fixed(self) -> bool:
        """The header depends on the key alone."""
        return True

    def headers(self, credential: str, request: OutboundRequest | None) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        """Give the header."""
        return ((self.name, f"{self.prefix}{credential}"),) if credential else ()
