"""HTTP/1.1 messages of the shipped fakes: requests as read, answers to send, their framing."""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, Literal

import msgspec

Ending = Literal["finish", "cut", "reset", "hang"]
"""How a stream ends: properly, by a close, by a TCP reset, or never."""

Headers = list[tuple[str, str]]

LAST_CHUNK: Final = b"0\r\n\r\n"


class Request(msgspec.Struct, kw_only=True):
    """One request as it came in. `body` is complete only once the request is received."""

    method: str
    target: str
    headers: Headers
    connection: int
    """The number of the connection, counted from 1 in the order of accepting."""
    keep_alive: bool
    http_version: str
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query, percent-escapes kept."""
        return self.target.partition("?")[0]

    @property
    def query(self) -> str:
        """What follows the question mark, or nothing."""
        return self.target.partition("?")[2]

    def header(self, name: str) -> str | None:
        """The first header of this name, whatever its case."""
        for candidate, value in self.headers:
            if candidate.lower() == name:
                return value
        return None


class Response(msgspec.Struct, kw_only=True):
    """An answer with a length; `delay` seconds are waited before its first byte.

    With `body_sent` only that many bytes of the announced body are sent, then comes `ending`.
    """

    status: int
    headers: Headers
    body: bytes
    delay: float = 0.0
    body_sent: int | None = None
    ending: Ending = "finish"


class Stream(msgspec.Struct, kw_only=True):
    """A chunked answer: one HTTP chunk for each event, `pace` seconds apart."""

    status: int
    headers: Headers
    events: list[bytes]
    pace: float = 0.0
    delay: float = 0.0
    ending: Ending = "finish"


class Upgrade(msgspec.Struct, kw_only=True):
    """An answer that makes the connection a WebSocket: `make` gives what speaks on it."""

    headers: Headers
    make: Callable[[], asyncio.Protocol]
    delay: float = 0.0


def head(status: int, headers: Sequence[tuple[str, str]], *, reason: str | None = None) -> bytes:
    """The status line and headers, with the blank line that ends them."""
    lines = [f"HTTP/1.1 {status} {reason_of(status) if reason is None else reason}\r\n"]
    lines += [f"{name}: {value}\r\n" for name, value in headers]
    lines.append("\r\n")
    return "".join(lines).encode("latin-1")


def chunk(data: bytes) -> bytes:
    """`data` as one chunk of a chunked body; nothing for no data, which would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""


def reason_of(status: int) -> str:
    """The reason phrase of a status, also for the vendors' own numbers such as 529."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unregistered"
