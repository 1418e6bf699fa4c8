"""Which protocol a new connection speaks. Over real TLS it is seen in the tests of HTTP/2."""

import asyncio

import pytest

from tollway.gateway.http1 import Http1Connection
from tollway.gateway.http2 import Http2Connection
from tollway.gateway.listening import protocol_factory
from tollway.snapshot.document import TlsServer

from .listener import Owner


class Negotiated(asyncio.Transport):
    """A TLS transport after its handshake."""

    def __init__(self, chosen: str | None) -> None:
        super().__init__(extra={"ssl_object": self, "sslcontext": self})
        self._chosen = chosen
        self.protocol: asyncio.BaseProtocol | None = None
        self.written = b""

    def selected_alpn_protocol(self) -> str | None:
        return self._chosen

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)


def tls(*, http2: bool) -> TlsServer:
    return TlsServer(certificate_file="server.pem", key_file="server.pem", http2=http2)


@pytest.mark.parametrize("document", [None, tls(http2=False)], ids=["plain", "TLS without HTTP/2"])
def test_where_nothing_is_to_choose_a_connection_speaks_http_1_1_from_the_start(document: TlsServer | None):
    assert isinstance(protocol_factory(Owner(), document)(), Http1Connection)


@pytest.mark.parametrize(
    ("chosen", "kind"), [("h2", Http2Connection), ("http/1.1", Http1Connection), (None, Http1Connection)]
)
def test_the_protocol_that_was_negotiated_takes_the_transport_over(chosen: str | None, kind: type):
    owner = Owner()
    transport = Negotiated(chosen)
    protocol_factory(owner, tls(http2=True))().connection_made(transport)
    assert isinstance(transport.protocol, kind)
    assert owner.connections == {transport.protocol}
    assert bool(transport.written) is (chosen == "h2")  # HTTP/2's server speaks first
