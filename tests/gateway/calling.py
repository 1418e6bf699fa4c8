"""What tests of the upstream's side share: pools, and an attempt that writes down what it hears."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from tollway.core.errors import InternalError, UpstreamError
from tollway.gateway.addresses import Origin
from tollway.gateway.outbox import Outbox
from tollway.gateway.tls import client_context
from tollway.gateway.upstream import Pool, UpstreamConnection
from tollway.snapshot.document import TlsClient
from tollway.testing.script import Answer
from tollway.testing.upstream import ScriptedUpstream

GET = b"GET /x HTTP/1.1\r\nhost: upstream\r\n\r\n"


class Heard:
    """An `AttemptHandler` that writes down what it hears."""

    def __init__(self, request: bytes = GET) -> None:
        self.connection: UpstreamConnection | None = None
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.pieces: list[bytes] = []
        self.error: UpstreamError | InternalError | None = None
        self.over = asyncio.Event()
        self.ends = 0
        self._request = request

    def connected(self, connection: UpstreamConnection) -> None:
        self.connection = connection
        connection.send(self._request, self)

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        self.status = status
        self.headers = headers

    def body(self, data: bytes) -> None:
        self.pieces.append(data)

    def ended(self) -> None:
        self.ends += 1
        self.over.set()

    def failed(self, error: UpstreamError | InternalError) -> None:
        self.error = error
        self.ends += 1
        self.over.set()

    @property
    def whole(self) -> bytes:
        return b"".join(self.pieces)


class Pools:
    """Pools of one test, with the tasks they start."""

    def __init__(self) -> None:
        self.tasks: set[asyncio.Task[None]] = set()
        self.made: list[Pool] = []
        self.now = 100.0

    def pool(
        self, port: int, *, host: str = "127.0.0.1", private: bool = True, tls: TlsClient | None = None,
        proxy: str | None = None,
    ) -> Pool:  # fmt: skip
        pool = Pool(
            Origin("http" if tls is None else "https", host, port, private, proxy),
            client_context(tls) if tls is not None else None,
            server_name=tls.server_name if tls is not None else None,
            outbox=Outbox(asyncio.get_running_loop().call_soon),
            clock=lambda: self.now,
            spawn=self._spawn,
        )
        self.made.append(pool)
        return pool

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        task = asyncio.get_running_loop().create_task(coroutine)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


@asynccontextmanager
async def scripted(*answers: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[ScriptedUpstream]:
    async with ScriptedUpstream(tls=tls) as up:
        up.on(*answers)
        yield up


async def call(pool: Pool, *, timeout: float = 5.0) -> Heard:  # noqa: ASYNC109 - of the connection, not of the wait
    heard = Heard()
    connection = pool.take()
    if connection is not None:
        heard.connected(connection)
    else:
        pool.connect(heard, timeout=timeout)
    await heard.over.wait()
    assert heard.ends == 1
    return heard


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - there is no event for it; pytest's time limit ends what never comes
        await asyncio.sleep(0.005)
