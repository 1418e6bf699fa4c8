"""A small HTTP/1.1 server for the shipped fakes: a raw asyncio protocol over llhttp.

Rules of this file: it knows connections and HTTP framing, and nothing of providers or
scripts. Requests of one connection are answered one after another, in order, also when
the client pipelines. A subclass of `Connection` decides what to answer; `Answering` is
the ready-made one for fakes that answer from the whole request at once.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import httptools

from tollway.testing.http_messages import LAST_CHUNK, Ending, Headers, Request, Response, Stream, Upgrade, chunk, head

LINGER_ZERO: Final = struct.pack("ii", 1, 0)


class Connection(asyncio.Protocol):
    """One accepted connection. Subclasses implement `request_received`."""

    def __init__(self, number: int, registry: set[Connection]) -> None:
        self.number = number
        self._registry = registry
        self._parser = httptools.HttpRequestParser(self)
        self._pending: deque[Request] = deque()
        self._current: Request | None = None
        self._arriving: Request | None = None
        self._target = bytearray()
        self._headers: Headers = []
        self._body: list[bytes] = []
        self._room = asyncio.Event()
        self._room.set()
        self.transport: asyncio.Transport | None = None
        self.lost = False

    # What a subclass provides.

    def head_received(self, request: Request) -> None:
        """The head of a request has arrived; its body has not."""

    def request_received(self, request: Request) -> None:
        """A whole request has arrived and it is its turn. Must lead to `finished` or an end."""
        raise NotImplementedError

    def client_left(self) -> None:
        """The client went away, or the connection broke."""

    # What a subclass uses.

    def write(self, data: bytes) -> None:
        """Send bytes as they are; silently nothing when the connection is gone."""
        if self.transport is not None and not self.lost and data:
            self.transport.write(data)

    async def room(self) -> None:
        """Wait until the client has read enough for more to be written."""
        await self._room.wait()

    def finished(self, *, keep_alive: bool) -> None:
        """The current request is answered: serve the next, or close."""
        self._current = None
        if not keep_alive:
            self.close()
            return
        self._advance()

    def close(self) -> None:
        """Close after what was written has been sent."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Drop the connection now; the client sees the end of the stream."""
        if self.transport is not None:
            self.transport.abort()

    def reset(self) -> None:
        """Send what was written, then drop the connection with a TCP reset."""
        if self.transport is None:
            return
        connection = cast("socket.socket | None", self.transport.get_extra_info("socket"))
        if connection is not None and connection.fileno() >= 0:
            # The option belongs to the open file description, so a duplicate sets it too,
            # whichever socket class the event loop hands out.
            with socket.socket(fileno=os.dup(connection.fileno())) as duplicate:
                duplicate.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
        if self.transport.get_extra_info("sslcontext") is not None:
            # A TLS transport closes with a farewell that the client would wait for.
            self.transport.abort()
        else:
            self.transport.close()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin: register, and send small writes at once."""
        self.transport = cast("asyncio.Transport", transport)
        self._registry.add(self)
        connection = cast("socket.socket | None", transport.get_extra_info("socket"))
        if connection is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        """Parse what came; a request that is no HTTP is answered with 400."""
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # Most fakes speak HTTP/1.1 only: an offer to upgrade is answered as if not made.
            pass
        except httptools.HttpParserCallbackError:
            raise
        except httptools.HttpParserError:
            self.write(head(400, [("content-length", "0"), ("connection", "close")]))
            self.close()
            return
        self._advance()

    def eof_received(self) -> bool | None:
        """The client will send no more; that counts as leaving."""
        self._leave()
        return None

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol names it
        """The connection is gone, by whichever side."""
        self._leave()
        self._registry.discard(self)
        self._room.set()

    def pause_writing(self) -> None:
        """The client does not read fast enough."""
        self._room.clear()

    def resume_writing(self) -> None:
        """The client has caught up."""
        self._room.set()

    # httptools callbacks

    def on_url(self, url: bytes) -> None:
        """Part of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header."""
        self._headers.append((name.decode("latin-1"), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        request = Request(
            method=self._parser.get_method().decode("ascii"),
            target=self._target.decode("latin-1"),
            headers=self._headers,
            connection=self.number,
            keep_alive=self._parser.should_keep_alive(),
            http_version=self._parser.get_http_version(),
        )
        self._target = bytearray()
        self._headers = []
        self._arriving = request
        self.head_received(request)

    def on_body(self, body: bytes) -> None:
        """Part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: it waits for its turn."""
        request = self._arriving
        if request is None:
            return
        request.body = b"".join(self._body)
        self._body = []
        self._arriving = None
        self._pending.append(request)

    def _advance(self) -> None:
        if self._current is None and self._pending and not self.lost:
            self._current = self._pending.popleft()
            self.request_received(self._current)

    def _leave(self) -> None:
        if not self.lost:
            self.lost = True
            self.client_left()


class Answering(Connection):
    """A connection that answers each request from one handler, without a task per request."""

    def __init__(
        self,
        number: int,
        registry: set[Connection],
        handler: Callable[[Request], Response | Stream | Upgrade],
    ) -> None:
        super().__init__(number, registry)
        self._handler = handler
        self._timer: asyncio.TimerHandle | None = None
        self._stalled: Callable[[], None] | None = None

    def request_received(self, request: Request) -> None:
        """Answer now, or after the delay the answer asks for."""
        answer = self._handler(request)
        if answer.delay > 0:
            self._later(answer.delay, lambda: self._begin(request, answer))
        else:
            self._begin(request, answer)

    def client_left(self) -> None:
        """Stop a paced stream: nobody reads it any more."""
        if self._timer is not None:
            self._timer.cancel()

    def resume_writing(self) -> None:
        """Go on with a stream that waited for the client to read."""
        super().resume_writing()
        stalled, self._stalled = self._stalled, None
        if stalled is not None:
            stalled()

    def _later(self, seconds: float, call: Callable[[], None]) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, call)

    def _begin(self, request: Request, answer: Response | Stream | Upgrade) -> None:
        if isinstance(answer, Upgrade):
            self._hand_over(answer)
            return
        if isinstance(answer, Response):
            self._respond(request, answer)
            return
        start = head(answer.status, [*answer.headers, ("transfer-encoding", "chunked")])
        if answer.pace > 0:
            self.write(start)
            self._next_event(request, answer, 0)
            return
        self.write(start + b"".join([chunk(event) for event in answer.events]))
        self._end(request, answer.ending)

    def _hand_over(self, answer: Upgrade) -> None:
        transport = self.transport
        if transport is None or self.lost:
            return
        self.write(head(101, answer.headers))
        protocol = answer.make()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        self.transport = None
        self.lost = True
        self._registry.discard(self)

    def _respond(self, request: Request, answer: Response) -> None:
        headers = [*answer.headers, ("content-length", str(len(answer.body)))]
        if not request.keep_alive:
            headers.append(("connection", "close"))
        body = b"" if request.method == "HEAD" else answer.body
        self.write(head(answer.status, headers) + body[: answer.body_sent])
        if answer.ending == "finish":
            self.finished(keep_alive=request.keep_alive)
        else:
            self._break(answer.ending)

    def _next_event(self, request: Request, answer: Stream, index: int) -> None:
        if self.lost:
            return
        if index == len(answer.events):
            self._end(request, answer.ending)
            return
        self.write(chunk(answer.events[index]))

        def go_on() -> None:
            self._later(answer.pace, lambda: self._next_event(request, answer, index + 1))

        if self._room.is_set():
            go_on()
        else:
            self._stalled = go_on

    def _end(self, request: Request, ending: Ending) -> None:
        if ending == "finish":
            self.write(LAST_CHUNK)
            self.finished(keep_alive=request.keep_alive)
        else:
            self._break(ending)

    def _break(self, ending: Ending) -> None:
        if ending == "cut":
            # Close, not abort: what was written before the cut must still reach the client.
            self.close()
        elif ending == "reset":
            self.reset()


class HttpServer:
    """Listens on one address and makes a `Connection` for each client."""

    def __init__(self, connect: Callable[[int, set[Connection]], Connection]) -> None:
        self._connect = connect
        self._connections: set[Connection] = set()
        self._accepted = 0
        self._server: asyncio.Server | None = None

    @property
    def connections_accepted(self) -> int:
        """How many connections were accepted so far."""
        return self._accepted

    @property
    def connections_open(self) -> int:
        """How many connections are open now."""
        return len(self._connections)

    async def start(
        self,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
        receive_buffer_bytes: int | None = None,
    ) -> int:
        """Listen, and return the port, which the system chooses when it is given as 0."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if receive_buffer_bytes is not None:
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer_bytes)
            listener.bind((host, port))
        except OSError:
            listener.close()
            raise
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, sock=listener, ssl=tls, backlog=2048)
        return cast("int", listener.getsockname()[1])

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._connections):
            connection.abort()
        await self._server.wait_closed()
        self._server = None

    def _accept(self) -> Connection:
        self._accepted += 1
        return self._connect(self._accepted, self._connections)
