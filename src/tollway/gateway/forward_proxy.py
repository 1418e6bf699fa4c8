"""Reaching an upstream through the operator's own forward proxy, by CONNECT."""

import asyncio
import base64
import socket
from urllib.parse import unquote, urlsplit

from tollway.core.errors import UpstreamUnreachable

_MAX_HEAD = 16_384


async def open_tunnel(proxy_url: str, host: str, port: int) -> socket.socket:
    """Open a tunnel to `host:port` and return its socket, non-blocking.

    Names are resolved by the proxy: the operator chose it to decide what may be reached.

    Raises:
        UpstreamUnreachable: the proxy refused, or answered something else than HTTP.
        OSError: the proxy itself cannot be reached.
    """
    proxy = urlsplit(proxy_url)
    loop = asyncio.get_running_loop()
    family, kind, protocol, _, address = (
        await loop.getaddrinfo(proxy.hostname, proxy.port or 80, type=socket.SOCK_STREAM)
    )[0]
    sock = socket.socket(family, kind, protocol)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await loop.sock_connect(sock, address)
        await loop.sock_sendall(sock, _connect_request(proxy.username, proxy.password, host, port))
        await _expect_success(loop, sock)
    except BaseException:
        sock.close()
        raise
    return sock


def _connect_request(user: str | None, password: str | None, host: str, port: int) -> bytes:
    name = f"[{host}]" if ":" in host else host
    lines = [f"CONNECT {name}:{port} HTTP/1.1", f"Host: {name}:{port}"]
    if user is not None:
        pair = f"{unquote(user)}:{unquote(password or '')}".encode()
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair).decode()}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def _expect_success(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    head = b""
    # One byte at a time past the status line would be exact; the peer behind the tunnel speaks only
    # after we do (TLS, HTTP), so nothing of it can be read here by accident.
    while b"\r\n\r\n" not in head:
        data = await loop.sock_recv(sock, 4096)
        if not data or len(head) > _MAX_HEAD:
            msg = "the forward proxy closed the connection"
            raise UpstreamUnreachable(msg)
        head += data
    status = head.split(b" ", 2)[1:2]
    if not head.startswith(b"HTTP/1.") or not status or status[0][:1] != b"2":
        shown = status[0].decode("latin-1") if status else "nothing"
        msg = f"the forward proxy refused the tunnel (it answered {shown})"
        raise UpstreamUnreachable(msg)
