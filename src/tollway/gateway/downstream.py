r"""The caller's side of an exchange, whichever protocol carries it.

Header lines are given ready-made (`b"name: value\r\n"`): HTTP/1.1 joins them, HTTP/2 splits them.
"""

from collections.abc import Sequence
from typing import Final, Protocol


class Downstream(Protocol):
    """Where an answer goes."""

    @property
    def paused(self) -> bool:
        """True while the caller reads slower than the gateway writes."""
        ...

    def send(self, status: int, lines: Sequence[bytes], body: bytes) -> None:
        """Send a whole answer, and end the exchange."""
        ...

    def start(self, status: int, lines: Sequence[bytes], data: bytes) -> None:
        """Send the head of a streamed answer with its first bytes."""
        ...

    def write(self, data: bytes) -> None:
        """Send more of a streamed answer."""
        ...

    def finish(self) -> None:
        """End a streamed answer, and the exchange."""
        ...

    def abort(self) -> None:
        """Break off, so that the caller sees a broken answer and never a clean end."""
        ...


class DownstreamHandler(Protocol):
    """What the caller's connection tells the exchange it carries."""

    def client_left(self) -> None:
        """The caller hung up before it had its answer."""
        ...

    def client_paused(self) -> None:
        """The caller reads too slowly: stop reading from upstream."""
        ...

    def client_resumed(self) -> None:
        """The caller reads again."""
        ...


class _Nobody:
    """Hears what happens while an exchange is being made; the exchange looks at `paused` itself."""

    def client_left(self) -> None:
        """Nothing is under way yet."""

    def client_paused(self) -> None:
        """Nothing is read yet."""

    def client_resumed(self) -> None:
        """Nothing is read yet."""


NOBODY: Final[DownstreamHandler] = _Nobody()
"""Stands for the exchange between the call that makes it and its return."""
