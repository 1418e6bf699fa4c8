"""No proof at all, for a server that asks for none."""

import msgspec

from tollway.interfaces.signer import OutboundRequest


class Unsigned(msgspec.Struct, frozen=True):
    """Sends nothing, whatever the credential."""

    @property
    def fixed(self) -> bool:
        """There is nothing to depend on anything."""
        return True

    def headers(self, credential: str, request: OutboundRequest | None) -> tuple[tuple[str, str], ...]:  # noqa: ARG002
        """Give no header."""
        return ()
