"""Status lines, prepared once."""

from http import HTTPStatus
from typing import Final

STATUS_LINES: Final[dict[int, bytes]] = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus
} | {529: b"HTTP/1.1 529 Overloaded\r\n"}


def status_line(status: int) -> bytes:
    """Give the HTTP/1.1 status line; a status nobody named gets an empty phrase."""
    line = STATUS_LINES.get(status)
    return line if line is not None else b"HTTP/1.1 %d \r\n" % status
