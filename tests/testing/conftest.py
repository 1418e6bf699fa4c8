"""A raw client for loopback: bytes in, bytes out, no HTTP library between."""

import socket
import ssl
import struct
from collections.abc import Callable, Iterator

import pytest
import trustme


class RawClient:
    """One connection."""

    def __init__(self, port: int, *, tls: ssl.SSLContext | None = None, timeout: float = 5.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname="localhost")
        self.got = b""

    def send(self, data: bytes) -> "RawClient":
        self.socket.sendall(data)
        return self

    def request(self, body: bytes = b"", *, path: str = "/", method: str = "POST", headers: str = "") -> "RawClient":
        head = f"{method} {path} HTTP/1.1\r\nhost: test\r\n{headers}content-length: {len(body)}\r\n\r\n"
        return self.send(head.encode() + body)

    def until(self, ending: bytes) -> bytes:
        """What has come, up to and with `ending`; the rest stays for the next call."""
        while ending not in self.got:
            data = self.socket.recv(65536)
            if not data:
                pytest.fail(f"the connection ended before {ending!r}; got {self.got!r}")
            self.got += data
        part, found, self.got = self.got.partition(ending)
        return part + found

    def rest(self) -> bytes:
        """All that comes until the connection is closed properly."""
        while data := self.socket.recv(65536):
            self.got += data
        rest, self.got = self.got, b""
        return rest

    def silent(self, seconds: float) -> bool:
        """Whether nothing comes and nothing ends for so long."""
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self.got += self.socket.recv(65536)
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)
        return False

    def close(self) -> None:
        self.socket.close()

    def reset(self) -> None:
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., RawClient]]:
    made: list[RawClient] = []

    def open_connection(port: int, **options: object) -> RawClient:
        made.append(RawClient(port, **options))
        return made[-1]

    yield open_connection
    for client in made:
        client.close()


@pytest.fixture(scope="session")
def tls() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server and a client need to trust each other."""
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    return server, client
