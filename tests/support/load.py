"""Callers that call without pause, and remember which answers they got complete.

A minimal client of its own: it must tell for certain whether an answer was complete, and go on when
its connection breaks.
"""

import asyncio
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self

_TIMEOUT_SECONDS = 30.0


class Incomplete(Exception):
    """The answer did not come, or not to its end."""


class Load:
    """Callers on `connections` connections at once, each asking again as soon as it is answered."""

    def __init__(
        self,
        url: Callable[[], str],
        path: str,
        body: bytes,
        *,
        connections: int = 8,
        headers: dict[str, str] | None = None,
        keep_alive: bool = True,
        streamed: bool = False,
    ) -> None:
        """Prepare.

        Args:
            url: gives the base URL; asked anew for every connection.
            path: what to ask for.
            body: the request's body.
            connections: how many at once.
            headers: more headers.
            keep_alive: ask again on the same connection.
            streamed: a complete answer has `[DONE]`.
        """
        self._url = url
        self._path = path
        self._body = body
        self._connections = connections
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        self._keep_alive = keep_alive
        self._streamed = streamed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self.complete: dict[str, int] = {}
        """Correlation id of every complete answer → its status."""
        self.broken: list[str] = []
        """What became of calls without a complete answer."""
        self.begun: set[str] = set()

    @property
    def statuses(self) -> Counter[int]:
        """How many complete answers had which status."""
        return Counter(self.complete.values())

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let every caller have the answer it waits for, then no more."""
        self._stop.set()
        self._thread.join(_TIMEOUT_SECONDS + 5)
        assert not self._thread.is_alive(), "a caller waits for its answer still"

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(self._connections):
                group.create_task(self._call_again_and_again())

    async def _call_again_and_again(self) -> None:
        while not self._stop.is_set():
            try:
                host, _, port = self._url().removeprefix("http://").partition(":")
                reader, writer = await asyncio.open_connection(host, int(port))
            except OSError:
                await asyncio.sleep(0.02)
                continue
            try:
                while not self._stop.is_set() and await self._call(reader, writer):
                    pass
            finally:
                writer.close()

    async def _call(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Ask once; whether the connection can be used again."""
        correlation = uuid.uuid4().hex
        self.begun.add(correlation)
        head = (
            f"POST {self._path} HTTP/1.1\r\nhost: e2e\r\ncontent-type: application/json\r\n{self._headers}"
            f"x-correlation-id: {correlation}\r\ncontent-length: {len(self._body)}\r\n"
            f"{'' if self._keep_alive else 'connection: close'}\r\n"
        )
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                writer.write(head.encode() + (b"" if self._keep_alive else b"\r\n") + self._body)
                status, body, keep = await _answer(reader)
        except (OSError, EOFError, Incomplete, TimeoutError) as error:
            self.broken.append(f"{type(error).__name__}: {error}")
            return False
        if self._streamed and status == 200 and b"data: [DONE]" not in body:
            self.broken.append(f"a stream without its end: {body[-100:]!r}")
            return False
        self.complete[correlation] = status
        return keep


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes, bool]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    status = int(head.split(" ", 2)[1])
    keep = "connection: close" not in head
    if "transfer-encoding: chunked" in head:
        body = b""
        while size := int(await reader.readuntil(b"\r\n"), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return status, body, keep
    found = [line for line in head.split("\r\n") if line.startswith("content-length:")]
    if not found:
        raise Incomplete("an answer without an end")
    return status, await reader.readexactly(int(found[0].partition(":")[2])), keep
