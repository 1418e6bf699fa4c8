"""A listener of the tests' own: the connections are the real ones, what they ask for is scripted here."""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tollway.core.errors import TollwayError
from tollway.gateway.connection import Connection
from tollway.gateway.downstream import Downstream, DownstreamHandler
from tollway.gateway.known_heads import KnownHeads
from tollway.gateway.listening import protocol_factory
from tollway.gateway.outbox import Outbox
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits, TlsServer
from tollway.testing.serving import InThread

TEXT = b"content-type: text/plain\r\n"
PIECE = b"." * 16_384


class Held:
    """An exchange that answers when the test says so."""

    def __init__(self, request: Request, downstream: Downstream) -> None:
        self.request = request
        self.downstream = downstream
        self.heard: list[str] = []

    def client_left(self) -> None:
        self.heard.append("left")

    def client_paused(self) -> None:
        self.heard.append("paused")

    def client_resumed(self) -> None:
        self.heard.append("resumed")

    def answer(self, body: bytes = b"held") -> None:
        self.downstream.send(200, [TEXT], body)


class Flood:
    """An exchange that streams `pieces` pieces as fast as its caller reads, as a relay does."""

    def __init__(self, downstream: Downstream, pieces: int) -> None:
        self.downstream = downstream
        self.left = False
        self.written = 0
        self.most_ahead = 0
        self._pieces = pieces
        self._paused = False
        downstream.start(200, [TEXT], b"")
        asyncio.get_running_loop().call_soon(self._go_on)

    def client_left(self) -> None:
        self.left = True

    def client_paused(self) -> None:
        self._paused = True

    def client_resumed(self) -> None:
        self._paused = False
        self._go_on()

    def _go_on(self) -> None:
        while not self._paused and not self.left:
            if self.written == self._pieces:
                self.downstream.finish()
                return
            self.written += 1
            self.downstream.write(PIECE)


class AtOnce(Outbox):
    """Sends at once, so that a test sees what was sent."""

    def __init__(self) -> None:
        super().__init__(lambda leave: None)

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        if not transport.is_closing():
            transport.write(data)


class Owner:
    """A `ConnectionOwner` that answers by path, and keeps what happened."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self.draining = False
        self.known_heads = KnownHeads()
        self.outbox = AtOnce()
        self.clock: Callable[[], float] = lambda: 1000.0
        self.connections: set[Connection] = set()
        self.requests: list[Request] = []
        self.refused: list[tuple[TollwayError, Request | None]] = []
        self.held: list[Held] = []
        self.floods: list[Flood] = []

    @property
    def now(self) -> float:
        return self.clock()

    def opened(self, connection: Connection) -> bool:
        if len(self.connections) >= self.limits.connections:
            return False
        self.connections.add(connection)
        return True

    def closed(self, connection: Connection) -> None:
        self.connections.discard(connection)

    def serve(self, request: Request, downstream: Downstream) -> DownstreamHandler | None:
        self.requests.append(request)
        path = request.path
        if path.startswith(b"/hold"):
            self.held.append(Held(request, downstream))
            return self.held[-1]
        if path.startswith(b"/flood/"):
            self.floods.append(Flood(downstream, int(path.removeprefix(b"/flood/"))))
            return self.floods[-1]
        if path.startswith(b"/large/"):
            downstream.send(200, [TEXT], b"x" * int(path.removeprefix(b"/large/")))
        elif path == b"/stream":
            downstream.start(200, [TEXT], b"one,")
            downstream.write(b"")
            downstream.write(b"two")
            downstream.finish()
        elif path == b"/broken":
            downstream.start(200, [TEXT], b"half")
            downstream.abort()
        elif path.startswith(b"/status/"):
            downstream.send(int(path.removeprefix(b"/status/")), [TEXT], b"nothing to see")
        else:
            downstream.send(200, [TEXT], b"%b %b %b" % (request.method, request.target, request.body))
        return None

    def refuse(self, error: TollwayError, request: Request | None, downstream: Downstream) -> None:
        self.refused.append((error, request))
        downstream.send(error.status, [TEXT], error.message.encode())


class Answer(NamedTuple):
    """One answer as a caller reads it."""

    status: int
    headers: dict[str, str]
    body: bytes
    whole: bool = True


def read_answers(data: bytes, *, heads_only: bool = False) -> list[Answer]:
    """Read the answers of one connection; the last may be unfinished. 1xx are answers too."""
    answers: list[Answer] = []
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        assert blank, head
        status_line, *lines = head.decode("latin-1").split("\r\n")
        matched = re.fullmatch(r"HTTP/1\.1 (\d{3}) [ -~]*", status_line)
        assert matched, status_line
        headers = dict(line.lower().split(": ", 1) for line in lines)
        assert len(headers) == len(lines), lines
        status, body, whole = int(matched[1]), b"", True
        if heads_only or status < 200 or status in {204, 304}:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            body, data, whole = _unchunk(data)
        elif "content-length" in headers:
            length = int(headers["content-length"])
            body, data = data[:length], data[length:]
            whole = len(body) == length
        else:
            body, data = data, b""
        answers.append(Answer(status, headers, body, whole))
    return answers


def _unchunk(data: bytes) -> tuple[bytes, bytes, bool]:
    pieces: list[bytes] = []
    at = 0
    while (end := data.find(b"\r\n", at)) >= 0:
        size = int(data[at:end], 16)
        at = end + 2 + size
        pieces.append(data[end + 2 : at])
        if data[at : at + 2] != b"\r\n":
            break
        at += 2
        if size == 0:
            return b"".join(pieces), data[at:], True
    return b"".join(pieces), b"", False


class Served:
    """The listener, serving on a port of loopback."""

    def __init__(self, owner: Owner, tls: ssl.SSLContext | None, document: TlsServer | None) -> None:
        self.owner = owner
        self.port = 0
        self.loop: asyncio.AbstractEventLoop | None = None
        self._tls = tls
        self._document = document
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        self.loop = loop = asyncio.get_running_loop()
        self.owner.clock = loop.time
        factory = protocol_factory(self.owner, self._document)
        self._server = await loop.create_server(factory, "127.0.0.1", 0, ssl=self._tls)
        self.port = self._server.sockets[0].getsockname()[1]
        self._sweep()

    async def stop(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        for connection in tuple(self.owner.connections):
            connection.abort()
        await asyncio.sleep(0.01)

    def call(self, function: Callable[[], None]) -> None:
        """Run something on the listener's own loop, and wait for it."""

        async def run() -> None:
            function()

        assert self.loop is not None
        asyncio.run_coroutine_threadsafe(run(), self.loop).result(10)

    def connect(self, *, receive_buffer: int | None = None) -> socket.socket:
        caller = socket.socket()
        if receive_buffer is not None:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        caller.settimeout(20)
        caller.connect(("127.0.0.1", self.port))
        return caller

    def _sweep(self) -> None:
        assert self.loop is not None
        for connection in tuple(self.owner.connections):
            connection.sweep(self.loop.time())
        self._sweeper = self.loop.call_later(0.02, self._sweep)


@contextmanager
def serving(owner: Owner, tls: ssl.SSLContext | None = None, document: TlsServer | None = None) -> Iterator[Served]:
    """Serve `owner` on the event loop production uses, in a thread of its own."""
    served = Served(owner, tls, document)
    thread = InThread("listener", served.start, served.stop)
    thread.start()
    try:
        yield served
    finally:
        thread.stop()


def read_to_end(caller: socket.socket) -> bytes:
    """Everything until the other side closes; a reset raises."""
    data = b""
    while piece := caller.recv(65_536):
        data += piece
    return data
