"""Which protocol a new connection speaks."""

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
import trustme

from tollway.gateway.http1 import Http1Connection
from tollway.gateway.http2 import Http2Connection
from tollway.gateway.listening import protocol_factory
from tollway.snapshot.document import Listener, TlsServer
from tollway.testing.upstream import ScriptedUpstream

from .listener import Owner
from .serving import ANSWER, CHAT, CHAT_PATH, OK, SHOWN, STREAM, proxy, route, serving


class Negotiated(asyncio.Transport):
    """A TLS transport after its handshake."""

    def __init__(self, chosen: str | None) -> None:
        super().__init__(extra={"ssl_object": self, "sslcontext": self})
        self._chosen = chosen
        self.protocol: asyncio.BaseProtocol | None = None
        self.written = b""

    def selected_alpn_protocol(self) -> str | None:
        return self._chosen

    def is_closing(self) -> bool:
        return False

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


@pytest.mark.parametrize("http2", [True, False], ids=["HTTP/2", "HTTP/1.1"])
async def test_a_worker_serves_both_protocols_on_one_listener(tmp_path: Path, http2: bool):
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost").private_key_and_cert_chain_pem
    certificate.write_to_path(tmp_path / "server.pem")
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    document = TlsServer(certificate_file=str(tmp_path / "server.pem"), key_file=str(tmp_path / "server.pem"))
    listener = Listener(name="main", host="127.0.0.1", port=8443, tls=document)
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up)), listener=listener) as served,
        httpx.AsyncClient(verify=trusting, http1=not http2, http2=http2) as client,
    ):
        url = f"https://localhost:{served.port}"
        up.on(OK)
        whole = await client.post(f"{url}{CHAT_PATH}", json=CHAT)
        up.forget()
        up.on(STREAM)
        streamed = await client.post(f"{url}{CHAT_PATH}", json={**CHAT, "stream": True})
        refused = await client.post(f"{url}{CHAT_PATH}", content=b"{")
        models = await client.head(f"{url}/v1/models")
        missing = await client.get(f"{url}/nothing/here")
    assert [one.status_code for one in (whole, streamed, refused, models, missing)] == [200, 200, 400, 200, 404]
    assert whole.json()["choices"] == ANSWER["choices"]
    assert streamed.text == SHOWN
    assert {one.http_version for one in (whole, streamed, refused, models, missing)} == {
        "HTTP/2" if http2 else "HTTP/1.1"
    }
    assert [record.outcome for record in served.records if record.attempt] == ["ok", "ok"]
