"""The scripted WebSocket upstream: a real server on loopback that does exactly what a test says.

    async def script(peer):
        await peer.send({"type": "session.created"})
        await peer.receive()
        await peer.close(1000, "enough")

    async with WebSocketUpstream(script) as up:

A script is a coroutine that is run once for each connection. It can send and expect, stall (read nothing), cut or
reset, put bytes on the wire past all framing, and close with any code. As for `ScriptedUpstream`, `async with` serves
on the running loop and `with` on a thread of its own.
"""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Final, Self, cast

import msgspec

from tollway.testing.http_server import LINGER_ZERO
from tollway.testing.serving import InThread
from tollway.testing.upstream_records import Signal
from tollway.wire.websocket import Closed, Message, WebSocketFraming, accept_token

__all__ = ["Peer", "Refusal", "SocketScript", "WebSocketUpstream"]

_READ_BYTES: Final = 65_536
_MESSAGE_BYTES: Final = 1 << 30


class Refusal(msgspec.Struct, frozen=True):
    """An answer to the handshake that is no 101."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)


class Peer:
    """One connection of a gateway, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        first, *lines = head.decode("latin-1").split("\r\n")
        self.method, self.target, _ = first.split(" ", 2)
        self.headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines if line)}
        self.messages: list[Message] = []
        """Every message that came, in order."""
        self.closed: Closed | None = None
        """How the other side closed, once it has."""
        self.ended = Signal()
        """The connection is gone, or the script has ended it."""
        self._reader = reader
        self._writer = writer
        self._framing = WebSocketFraming(server=True, message_bytes=_MESSAGE_BYTES)
        self._unread: list[Message] = []

    async def receive(self) -> bytes:
        """Wait for the next message.

        Raises:
            ConnectionError: the other side closed instead.
        """
        while not self._unread:
            if self.closed is not None:
                raise ConnectionError(f"closed with {self.closed.code}")
            data = await self._reader.read(_READ_BYTES)
            events = self._framing.feed(data) if data else self._framing.eof()
            for event in events:
                if isinstance(event, Closed):
                    self.closed = event
                else:
                    self.messages.append(event)
                    self._unread.append(event)
            await self._write(self._framing.take_output())
        return self._unread.pop(0).data

    async def receive_object(self) -> dict[str, object]:
        """Wait for the next message, which is a JSON object."""
        return msgspec.json.decode(await self.receive(), type=dict[str, object])

    async def send(self, message: object, *, text: bool = True) -> None:
        """Send a message: bytes as they are, text, or anything else as JSON."""
        if isinstance(message, str):
            message = message.encode()
        data = message if isinstance(message, bytes) else msgspec.json.encode(message)
        self._framing.send(Message(data, text))
        await self._write(self._framing.take_output())

    async def ping(self) -> None:
        """Send a ping."""
        self._framing.ping()
        await self._write(self._framing.take_output())

    async def raw(self, data: bytes) -> None:
        """Put bytes on the wire as they are."""
        await self._write(data)

    async def close(self, code: int, reason: str = "") -> None:
        """Close with a code, and wait until the other side has answered."""
        self._framing.close(code, reason)
        await self._write(self._framing.take_output())
        with contextlib.suppress(ConnectionError):
            while True:
                await self.receive()

    async def until_closed(self) -> Closed:
        """Take messages until the other side closes; say how."""
        with contextlib.suppress(ConnectionError):
            while True:
                await self.receive()
        if self.closed is None:  # pragma: no cover - `receive` raises only once it is set
            msg = "not closed"
            raise AssertionError(msg)
        return self.closed

    def cut(self, *, reset: bool = False) -> None:
        """Drop the connection without a close; or reset it."""
        if reset:
            connection = cast("socket.socket", self._writer.get_extra_info("socket"))
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            self._writer.close()
        else:
            self._writer.transport.abort()

    async def _write(self, data: bytes) -> None:
        if data:
            self._writer.write(data)
            await self._writer.drain()

    def accept(self) -> None:
        """Answer the handshake with 101."""
        token = accept_token(self.headers["sec-websocket-key"].encode())
        self._writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
            b"sec-websocket-accept: %b\r\n\r\n" % token
        )

    def refuse(self, refusal: Refusal) -> None:
        """Answer the handshake with an error."""
        lines = "".join(f"{name}: {value}\r\n" for name, value in refusal.headers)
        self._writer.write(
            f"HTTP/1.1 {refusal.status} No\r\n{lines}content-length: {len(refusal.body)}\r\n\r\n".encode()
            + refusal.body
        )


SocketScript = Callable[[Peer], Awaitable[None]]


class WebSocketUpstream:
    """The server; see the module's own words."""

    def __init__(self, script: SocketScript, *, host: str = "127.0.0.1") -> None:
        self._script = script
        self._host = host
        self._server: asyncio.Server | None = None
        self._thread: InThread | None = None
        self._running: set[asyncio.Task[None]] = set()
        self.refusals: list[Refusal] = []
        """Answers to the next handshakes, before any script is run."""
        self.peers: list[Peer] = []
        """Every connection that sent its head, in order."""
        self.failures: list[BaseException] = []
        """What scripts failed with."""
        self.port = 0

    @property
    def url(self) -> str:
        """The base URL, as routes want it."""
        return f"http://{self._host}:{self.port}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()
            return
        peer = Peer(reader, writer, head[:-4])
        self.peers.append(peer)
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        try:
            if self.refusals:
                peer.refuse(self.refusals.pop(0))
            else:
                peer.accept()
                await self._script(peer)
        except ConnectionError:
            pass  # the other side closed before the script was through: a test sees it in `closed`
        except Exception as error:  # noqa: BLE001 - a script's own failure is the test's to see
            self.failures.append(error)
        finally:
            peer.ended.set()
            with contextlib.suppress(RuntimeError):  # the loop may be closing
                writer.close()
            if task is not None:
                self._running.discard(task)

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, 0, limit=_READ_BYTES)
        self.port = cast("int", self._server.sockets[0].getsockname()[1])

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in tuple(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(self._running)

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()
        if self.failures and error is None:
            raise self.failures[0]

    def __enter__(self) -> Self:
        self._thread = InThread("websocket-upstream", self._start, self._stop)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.stop()
        if self.failures and error is None:
            raise self.failures[0]
