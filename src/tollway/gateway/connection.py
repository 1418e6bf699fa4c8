"""A caller's connection and the listener that owns it, as they see each other.

Whichever protocol the connection speaks: the owner knows nothing of framing, the connection
nothing of proxies.
"""

from typing import Protocol

from tollway.core.errors import TollwayError
from tollway.gateway.downstream import Downstream, DownstreamHandler
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
