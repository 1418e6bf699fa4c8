"""A caller's connection and the listener that owns it, as they see each other.

Whichever protocol the connection speaks: the owner knows nothing of framing, the connection
nothing of proxies.
"""

import asyncio
import os
import socket
import struct
from typing import Protocol, cast

from tollway.core.errors import TollwayError
from tollway.gateway.downstream import Downstream, DownstreamHandler
from tollway.gateway.known_heads import KnownHeads
from tollway.gateway.outbox import Outbox
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits


class Connection(Protocol):
    """A caller's connection, as its owner sees it."""

    def sweep(self, now: float) -> None:
        """Close or refuse what keeps us waiting for longer than the limits allow."""
        ...

    def drain(self) -> None:
        """Take no more requests, and close as soon as nothing is under way."""
        ...

    def abort(self) -> None:
        """Close now, whatever is under way."""
        ...


class ConnectionOwner(Protocol):
    """The listener, as a connection sees it."""

    @property
    def limits(self) -> Limits:
        """What a stranger may send, and how slowly."""
        ...

    @property
    def draining(self) -> bool:
        """Whether connections should close after their current answer."""
        ...

    @property
    def now(self) -> float:
        """Monotonic seconds; may be coarse."""
        ...

    @property
    def known_heads(self) -> KnownHeads:
        """The heads it has seen."""
        ...

    @property
    def outbox(self) -> Outbox:
        """Takes what is sent."""
        ...

    def opened(self, connection: Connection) -> bool:
        """Take a new connection; False when there are too many."""
        ...

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        ...

    def serve(self, request: Request, downstream: Downstream) -> DownstreamHandler | None:
        """Begin to answer. None when the answer was sent already."""
        ...

    def refuse(self, error: TollwayError, request: Request | None, downstream: Downstream) -> None:
        """Answer a request that could not be read."""
        ...


class Stall:
    """Watches whether a caller goes on reading what it is sent."""

    __slots__ = ("_since", "_unsent")

    def __init__(self) -> None:
        """Begin with nothing to read."""
        self._since = 0.0
        self._unsent = 0

    def begin(self, now: float, unsent: int) -> None:
        """More is waiting to be read than should be."""
        self._since = now
        self._unsent = unsent

    def end(self) -> None:
        """It was read."""
        self._since = 0.0

    def __bool__(self) -> bool:
        """Whether something waits."""
        return self._since != 0.0

    def lasts(self, now: float, unsent: int) -> float:
        """Say for how many seconds nothing at all was read."""
        if not self._since or unsent < self._unsent:
            self._since = now
        self._unsent = unsent
        return now - self._since


def reset_on_close(transport: asyncio.Transport) -> None:
    """Make the transport's close a TCP reset, where its end would look like the clean end of an answer."""
    connection = cast("socket.socket | None", transport.get_extra_info("socket"))
    if connection is None or connection.fileno() < 0:
        return
    # The option belongs to the open file description, so a duplicate sets it, whichever class of
    # socket the event loop shows.
    with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
        duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
