"""Which protocol a new connection speaks."""

import asyncio
import ssl
from collections.abc import Callable
from functools import partial
from typing import cast

from tollway.gateway.connection import ConnectionOwner
from tollway.gateway.http1 import Http1Connection
from tollway.gateway.http2 import Http2Connection
from tollway.snapshot.document import TlsServer


def protocol_factory(owner: ConnectionOwner, tls: TlsServer | None) -> Callable[[], asyncio.Protocol]:
    """Give what makes the protocol of each connection: HTTP/2 only where TLS can negotiate it."""
    if tls is None or not tls.http2:
        return partial(Http1Connection, owner)
    return partial(_Negotiated, owner)


class _Negotiated(asyncio.Protocol):
    """Hands a connection to the protocol that ALPN chose in the TLS handshake."""

    def __init__(self, owner: ConnectionOwner) -> None:
        self._owner = owner

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done: choose."""
        encrypted = cast("asyncio.Transport", transport)
        session = cast("ssl.SSLObject | None", transport.get_extra_info("ssl_object"))
        chosen = session.selected_alpn_protocol() if session is not None else None
        protocol = Http2Connection(self._owner) if chosen == "h2" else Http1Connection(self._owner)
        encrypted.set_protocol(protocol)
        protocol.connection_made(encrypted)
