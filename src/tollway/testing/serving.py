"""A server on an event loop in a thread of its own, for tests that are not asynchronous."""

import asyncio
import concurrent.futures
import threading
from collections.abc import Awaitable, Callable

import uvloop

START_SECONDS = 10.0


class InThread:
    """Starts a server on a new loop, and stops it there when told."""

    def __init__(self, name: str, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._name = name
        self._start = start
        self._stop = stop
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._told = asyncio.Event()

    def start(self) -> None:
        """Return once the server serves.

        Raises:
            OSError: it could not listen.
        """
        started: concurrent.futures.Future[None] = concurrent.futures.Future()
        self._thread = threading.Thread(target=lambda: uvloop.run(self._serve(started)), name=self._name, daemon=True)
        self._thread.start()
        started.result(START_SECONDS)

    def stop(self) -> None:
        """Return once the server has stopped and its thread has ended."""
        if self._loop is not None and self._thread is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._told.set)
            self._thread.join()

    async def _serve(self, started: concurrent.futures.Future[None]) -> None:
        self._loop = asyncio.get_running_loop()
        try:
            await self._start()
        except OSError as error:
            started.set_exception(error)
            return
        started.set_result(None)
        await self._told.wait()
        await self._stop()
