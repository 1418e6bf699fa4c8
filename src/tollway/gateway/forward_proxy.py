"""Reaching an upstream through the operator's own forward proxy, by CONNECT."""

import asyncio
import base64
import re
import socket
from typing import Final
from urllib.parse import unquote, urlsplit

from tollway.core.errors import UpstreamUnreachable

_MAX_HEAD: Final = 16_384
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]")


async def open_tunnel(proxy_url: str, host: str, port: int) -> socket.socket:
    """Open a tunnel to `host:port` and return its socket, non-blocking.

    Names are resolved by the proxy: the operator chose it to decide what may be reached.

    Raises:
        UpstreamUnreachable: the proxy refused, or answered something else than HTTP.
        OSError: the proxy itself cannot be reached.
    """
    proxy = urlsplit(proxy_url)
    loop = asyncio.get_running_loop()
    sock = await _reach(loop, proxy.hostname or "", proxy.port or 80)
    try:
        await loop.sock_sendall(sock, _connect_request(proxy.username, proxy.password, host, port))
        await _expect_success(loop, sock)
    except BaseException:
        sock.close()
        raise
    return sock


async def _reach(loop: asyncio.AbstractEventLoop, host: str, port: int) -> socket.socket:
    """Connect to the first of the proxy's addresses that answers."""
    last: OSError | None = None
    for family, kind, protocol, _, address in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)  # noqa: FBT003 - the standard library's own parameter
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            last = error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise last or OSError("no address")


def _connect_request(user: str | None, password: str | None, host: str, port: int) -> bytes:
    name = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}"]
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _expect_success(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    head = b""
    while (end := head.find(b"\r\n\r\n")) < 0:
        data = await loop.sock_recv(sock, 4096)
        if not data or len(head) > _MAX_HEAD:
            msg = "the forward proxy closed the connection, or went on for ever, before it opened the tunnel"
            raise UpstreamUnreachable(msg)
        head += data
    status = _STATUS.match(head)
    if status is None:
        msg = "the forward proxy did not answer in HTTP"
        raise UpstreamUnreachable(msg)
    if status[1][:1] != b"2":
        raise UpstreamUnreachable(f"the forward proxy refused the tunnel (it answered {status[1].decode()})")
    if len(head) > end + 4:
        # The peer behind the tunnel speaks only after we do (TLS, HTTP): this is not from it.
        msg = "the forward proxy sent more than its answer"
        raise UpstreamUnreachable(msg)
