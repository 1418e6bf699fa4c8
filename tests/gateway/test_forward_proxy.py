"""Tunnels through a forward proxy: a real one, small enough to misbehave."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from tollway.core.errors import UpstreamUnreachable
from tollway.gateway.forward_proxy import open_tunnel
from tollway.snapshot.document import TlsClient
from tollway.testing import script

from .calling import Pools, call, scripted

EVERY_LOOP = True


class ForwardProxy:
    """Takes CONNECT and opens the tunnel, or answers what the test says instead."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.heads: list[bytes] = []
        self.port = 0
        self.open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        try:
            await self._serve(reader, writer)
        finally:
            self.open -= 1
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if self.answer is not None:
            writer.write(self.answer)
            await writer.drain()
            if self.answer:
                await reader.read()
            return
        host, _, port = head.split(b" ")[1].decode().rpartition(":")
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1" if host == "upstream.test" else host, port)
        writer.write(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_carry(reader, far_writer))
                group.create_task(_carry(far_reader, writer))
        finally:
            far_writer.close()


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def proxying(answer: bytes | None = None) -> AsyncIterator[ForwardProxy]:
    proxy = ForwardProxy(answer)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    yield proxy
    server.close()
    while proxy.open:  # noqa: ASYNC110 - the gateway's side has closed; the proxy's follows
        await asyncio.sleep(0.005)


async def test_a_plain_upstream_is_called_through_the_tunnel_and_its_name_resolved_by_the_proxy(pools: Pools):
    async with proxying() as proxy, scripted(script.reply(body=b"through")) as up:
        pool = pools.pool(up.port, host="upstream.test", private=False, proxy=f"http://127.0.0.1:{proxy.port}")
        heard = [await call(pool) for _ in range(2)]
        assert [one.whole for one in heard] == [b"through"] * 2
        assert len(proxy.heads) == 1
        assert proxy.heads[0] == (
            f"CONNECT upstream.test:{up.port} HTTP/1.1\r\nHost: upstream.test:{up.port}\r\n\r\n".encode()
        )
        pool.close()


async def test_tls_reaches_the_upstream_through_the_tunnel(pools: Pools, tmp_path: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("upstream.test").configure_cert(context)
    async with proxying() as proxy, scripted(script.reply(body=b"x"), tls=context) as up:
        tls = TlsClient(ca_file=str(tmp_path / "ca.pem"))
        pool = pools.pool(up.port, host="upstream.test", tls=tls, proxy=f"http://127.0.0.1:{proxy.port}")
        assert (await call(pool)).whole == b"x"
        pool.close()


async def test_a_failed_handshake_behind_the_tunnel_leaves_nothing_open(pools: Pools):
    async with proxying() as proxy, scripted(script.reply()) as up:
        pool = pools.pool(up.port, host="127.0.0.1", tls=TlsClient(), proxy=f"http://127.0.0.1:{proxy.port}")
        assert isinstance((await call(pool)).error, UpstreamUnreachable)


async def test_the_proxy_is_told_who_asks():
    async with proxying() as proxy:
        tunnel = await open_tunnel(f"http://us%40er:p%3Ass@127.0.0.1:{proxy.port}", "127.0.0.1", proxy.port)
        tunnel.close()
        credentials = base64.b64encode(b"us@er:p:ss").decode()
        assert f"\r\nProxy-Authorization: Basic {credentials}\r\n".encode() in proxy.heads[0]


async def test_an_ipv6_address_is_written_in_brackets():
    async with proxying(b"HTTP/1.1 200 OK\r\n\r\n") as proxy:
        tunnel = await open_tunnel(f"http://127.0.0.1:{proxy.port}", "2001:db8::1", 443)
        tunnel.close()
        assert proxy.heads[0].startswith(b"CONNECT [2001:db8::1]:443 HTTP/1.1\r\nHost: [2001:db8::1]:443\r\n")


NO_TUNNEL: dict[str, tuple[bytes, str]] = {
    "it wants a password": (b"HTTP/1.1 407 Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n", "407"),
    "it gives no phrase": (b"HTTP/1.1 403\r\n\r\n", "403"),
    "it speaks HTTP/1.0": (b"HTTP/1.0 502 Bad Gateway\r\n\r\n", "502"),
    "it redirects": (b"HTTP/1.1 301 Moved\r\nLocation: http://elsewhere/\r\n\r\n", "301"),
    "it speaks no HTTP": (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "HTTP"),
    "it gives no status": (b"HTTP/1.1 2000 OK\r\n\r\n", "HTTP"),
    "it goes on": (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n", "more than its answer"),
    "it closes": (b"", "closed"),
    "it never ends": (b"HTTP/1.1 200 OK\r\n" + b"X-Long: y\r\n" * 10_000, "for ever"),
}


@pytest.mark.parametrize(("answer", "word"), NO_TUNNEL.values(), ids=NO_TUNNEL.keys())
async def test_a_proxy_that_opens_no_tunnel_makes_the_upstream_unreachable(pools: Pools, answer: bytes, word: str):
    async with proxying(answer) as proxy:
        heard = await call(pools.pool(443, host="upstream.test", proxy=f"http://127.0.0.1:{proxy.port}"))
    assert isinstance(heard.error, UpstreamUnreachable)
    assert (word in heard.error.message, str(proxy.port) in heard.error.message) == (True, False)


async def test_a_proxy_that_is_not_there_makes_the_upstream_unreachable(pools: Pools):
    async with proxying() as proxy:
        pass
    heard = await call(pools.pool(443, host="upstream.test", proxy=f"http://127.0.0.1:{proxy.port}"))
    assert isinstance(heard.error, UpstreamUnreachable)


async def test_a_proxy_that_says_nothing_is_given_up_in_time(pools: Pools):
    async with scripted(script.reply()) as silent:
        silent.greeting = "hold"
        pool = pools.pool(443, host="upstream.test", proxy=f"http://127.0.0.1:{silent.port}")
        heard = await call(pool, timeout=0.2)
        assert heard.error is not None
        assert heard.error.status == 504
