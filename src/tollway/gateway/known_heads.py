"""Request heads that were read before: the same bytes mean the same request, so they are not parsed again.

A caller that keeps its connection sends the same head with every call, but for the length of its body. A head is
remembered once the parser has read it and nothing about it was refused; one that is equal byte for byte, digits of
`Content-Length` apart, is that head. Whatever is not plain (chunks, no length, an expectation, an offer to upgrade,
HTTP/1.0, the last of its connection) is not remembered, so the parser alone decides about it, every time.
"""

from typing import Final, NamedTuple

from tollway.gateway.request import Request

_END: Final = b"\r\n\r\n"
_LENGTHS: Final = (b"\r\nContent-Length: ", b"\r\ncontent-length: ")
_SMALLEST: Final = len(b"POST / HTTP/1.1")
_LARGEST: Final = 8_192
_MOST: Final = 1_024
_MOST_DIGITS: Final = 10
_NEVER_PLAIN: Final = (b"transfer-encoding", b"expect", b"upgrade")


class Message(NamedTuple):
    """A head with a stated length, and where its body lies in what was read."""

    key: bytes
    """The head without the digits of its length."""
    length: bytes
    """Those digits."""
    start: int
    end: int


def split(data: bytes) -> Message | None:
    """Find the head that `data` begins with, and its body; None where they are not whole or have no plain length."""
    head_end = data.find(_END, 0, _LARGEST)
    if head_end < _SMALLEST:
        return None
    at = data.find(_LENGTHS[0], 0, head_end)
    if at < 0:
        at = data.find(_LENGTHS[1], 0, head_end)
        if at < 0:
            return None
    digits = at + len(_LENGTHS[0])
    line_end = data.find(b"\r", digits, head_end + 1)
    length = data[digits:line_end]
    if not length.isdigit() or len(length) > _MOST_DIGITS:
        return None
    start = head_end + len(_END)
    return Message(data[:digits] + data[line_end:head_end], length, start, start + int(length))


class KnownHeads:
    """The heads that one listener has seen."""

    __slots__ = ("_heads",)

    def __init__(self) -> None:
        """Know none."""
        self._heads: dict[bytes, Request] = {}

    def __len__(self) -> int:
        """How many are known."""
        return len(self._heads)

    def request(self, message: Message, data: bytes) -> Request | None:
        """Give the request that `data` is, where its head is known and its body is all of the rest."""
        known = self._heads.get(message.key)
        if known is None or message.end != len(data):
            return None
        return known.again(message.length, data[message.start :])

    def learn(self, message: Message, request: Request) -> None:
        """Remember a head that was read and not refused."""
        headers = request.headers
        if request.version != "HTTP/1.1" or not request.keep_alive or any(name in headers for name in _NEVER_PLAIN):
            return
        if headers.get(b"content-length") != message.length:
            return
        if len(self._heads) >= _MOST:
            self._heads.clear()  # heads come from callers, so they must not pile up
        self._heads[message.key] = request.again(message.length, b"")
