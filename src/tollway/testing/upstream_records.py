"""What a scripted upstream remembers of each request, and how a test waits for it."""

import asyncio
import concurrent.futures
import time

import msgspec

from tollway.testing.http_messages import Request


class Signal:
    """Something that happens once; can be awaited from any thread and from any event loop."""

    def __init__(self) -> None:
        self._future: concurrent.futures.Future[float] = concurrent.futures.Future()

    def set(self) -> None:
        """It has happened, now."""
        if not self._future.done():
            self._future.set_result(time.monotonic())

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._future.done()

    @property
    def at(self) -> float | None:
        """When it happened, on the monotonic clock."""
        return self._future.result() if self._future.done() else None

    def wait(self, timeout_seconds: float = 5.0) -> bool:
        """Block until it happens; whether it did in time."""
        return bool(concurrent.futures.wait([self._future], timeout_seconds).done)

    async def reached(self, timeout_seconds: float = 5.0) -> bool:
        """Wait until it happens; whether it did in time."""
        # `wait`, not `wait_for`: giving up must not cancel the signal itself.
        done, _ = await asyncio.wait([asyncio.wrap_future(self._future)], timeout=timeout_seconds)
        return bool(done)


class Recorded(msgspec.Struct, kw_only=True):
    """One request as it came, and what became of it. Times are on the monotonic clock."""

    number: int
    """Counted from 1 in the order in which heads arrived."""
    request: Request
    head_at: float
    complete: Signal = msgspec.field(default_factory=Signal)
    """The whole request has arrived."""
    answered: Signal = msgspec.field(default_factory=Signal)
    """The last byte of the answer was handed to the connection."""
    client_left: Signal = msgspec.field(default_factory=Signal)
    """The client went away before it was answered in full."""

    @property
    def method(self) -> str:
        """The method."""
        return self.request.method

    @property
    def path(self) -> str:
        """The path, without the query."""
        return self.request.path

    @property
    def query(self) -> str:
        """The query."""
        return self.request.query

    @property
    def body(self) -> bytes:
        """The raw body; empty until `complete`."""
        return self.request.body

    @property
    def connection(self) -> int:
        """The number of the connection it came on, counted from 1."""
        return self.request.connection

    def header(self, name: str) -> str | None:
        """The first header of this lower-case name."""
        return self.request.header(name)

    def json(self) -> object:
        """The body as JSON."""
        return msgspec.json.decode(self.body)
