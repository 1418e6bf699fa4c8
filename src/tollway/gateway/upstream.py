"""Connections to upstreams: HTTP/1.1, kept alive, one attempt at a time on each.

Rules of this file:
- It moves bytes and tells an `AttemptHandler` what happened; it never decides what to do about it.
- Third-party errors end here: sockets, TLS and llhttp become `UpstreamUnreachable`, `UpstreamGarbled`,
  `UpstreamCut`.
- Redirects are answers like any other; they are never followed.
"""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol, TypeVar, cast

import httptools

from tollway.core.errors import InternalError, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamUnreachable
from tollway.gateway.addresses import Origin, resolve
from tollway.gateway.forward_proxy import open_tunnel
from tollway.gateway.outbox import Outbox

_IDLE_SECONDS: Final = 30.0
_RESOLVED_SECONDS: Final = 30.0
_MAX_HEAD_BYTES: Final = 262_144

ConnectionT = TypeVar("ConnectionT", bound=asyncio.BaseProtocol)


class AttemptHandler(Protocol):
    """What an attempt hears from its connection, in this order; after `failed` or `ended`, nothing."""

    def connected(self, connection: "UpstreamConnection") -> None:
        """A connection is there: send the request on it."""
        ...

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """The answer's head came. Header names are lower case."""
        ...

    def body(self, data: bytes) -> None:
        """More of the answer's body came."""
        ...

    def ended(self) -> None:
        """The answer is whole."""
        ...

    def failed(self, error: UpstreamError | InternalError) -> None:
        """The attempt cannot go on."""
        ...


class UpstreamConnection(asyncio.Protocol):
    """One connection to one upstream."""

    __slots__ = (
        "_closing",
        "_complete",
        "_framed",
        "_head_done",
        "_headers",
        "_informational",
        "_keep",
        "_parser",
        "_parts",
        "_paused",
        "_pool",
        "_transport",
        "_waited_bytes",
        "handler",
        "idle_since",
        "reused",
    )

    def __init__(self, pool: "Pool") -> None:
        """Wait for the transport."""
        self._pool = pool
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._headers: dict[bytes, bytes] = {}
        self._parts: list[bytes] = []
        self._head_done = False
        self._framed = False
        self._informational = False
        self._complete = False
        self._keep = False
        self._paused = False
        self._closing = False
        # How much was read since the last byte of a body. llhttp keeps an unfinished header of any
        # size, so this is what bounds it.
        self._waited_bytes = 0
        self.handler: AttemptHandler | None = None
        self.reused = False
        self.idle_since = 0.0

    # --- the attempt's side

    def send(self, data: bytes, handler: AttemptHandler) -> None:
        """Send a whole request; `handler` hears of its answer."""
        self.handler = handler
        self._waited_bytes = 0
        transport = self._transport
        if transport is None:
            self._fail(UpstreamUnreachable("the upstream closed the connection"))
            return
        self._pool.outbox.write(transport, data)

    def abandon(self) -> None:
        """Close at once: the answer is not wanted any more. The upstream sees it and stops."""
        self.handler = None
        self._closing = True
        if self._transport is not None:
            self._transport.abort()

    def pause(self) -> None:
        """Read no more until `resume`: whoever gets the answer reads too slowly."""
        # An idle connection must not be paused by whoever had it last: its next user would wait for ever.
        if self._transport is not None and self.handler is not None and not self._paused:
            self._paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Read again."""
        if self._transport is not None and self._paused:
            self._paused = False
            self._transport.resume_reading()

    def is_alive(self) -> bool:
        """Whether it can carry another request."""
        return self._transport is not None and not self._closing and not self._transport.is_closing()

    def close(self) -> None:
        """Close an idle connection."""
        self._closing = True
        if self._transport is not None:
            self._transport.close()

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell the attempt, if one is under way; an answer without length ends here."""
        self._transport = None
        self._closing = True
        self._pool.lost(self)
        handler = self.handler
        if handler is None:
            return
        if self._head_done and not self._framed and exc is None:
            self.handler = None
            handler.ended()
        elif self._head_done or self._waited_bytes:
            self._fail(UpstreamCut("the upstream closed the connection in the middle of its answer"))
        else:
            self._fail(UpstreamUnreachable("the upstream closed the connection before answering"))

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hand the body on in one piece."""
        if self.handler is None:
            self._unasked()
            return
        self._waited_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._give_up(error)
                return
            self._keep = False  # the answer is whole, but what follows it belongs to nobody
        if self._parts:
            self._deliver()
        if self._complete:
            self._finish()
        elif self._waited_bytes > _MAX_HEAD_BYTES:
            self._fail(UpstreamGarbled(f"the upstream's answer has more than {_MAX_HEAD_BYTES} bytes of headers"))

    def eof_received(self) -> bool:
        """The upstream sends no more: `connection_lost` follows."""
        return False

    def pause_writing(self) -> None:
        """Ignored: a request is one bounded buffer that is already in memory."""

    def resume_writing(self) -> None:
        """Ignored, as above."""

    # --- the parser's side

    def on_message_begin(self) -> None:
        """An answer, or an informational one before it, begins."""
        if self._complete:
            msg = "a second answer to one request"
            raise UpstreamGarbled(msg)  # stops the parser
        self._headers = {}

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; of repeats, all are kept, joined."""
        if self._head_done:
            return  # a trailer: the answer's head is with its reader already
        key = name.lower()
        headers = self._headers
        headers[key] = headers[key] + b", " + value if key in headers else value

    def on_headers_complete(self) -> None:
        """Pass the head on, unless it is a 1xx."""
        status = self._parser.get_status_code()
        if status < 200:
            self._informational = True
            return
        headers = self._headers
        self._head_done = True
        self._waited_bytes = 0
        self._framed = b"content-length" in headers or b"transfer-encoding" in headers or status in (204, 304)
        if self.handler is not None:
            self.handler.head(status, headers)

    def on_body(self, body: bytes) -> None:
        """Keep a piece until the whole read is parsed."""
        self._waited_bytes = 0
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole, or an informational one is over."""
        if self._informational:
            self._informational = False
            self._headers = {}
            return
        self._complete = True
        self._keep = self._framed and self._parser.should_keep_alive()

    # --- inside

    def _deliver(self) -> None:
        data = b"".join(self._parts)  # one piece is not copied
        self._parts = []
        if data and self.handler is not None:
            self.handler.body(data)

    def _finish(self) -> None:
        """The answer was handed on; keep the connection if it can carry another."""
        handler, self.handler = self.handler, None
        self._complete = self._head_done = False
        self._headers = {}
        if self._paused:
            self.resume()
        if handler is None:
            self.close()
            return
        if self._keep and not self._closing:
            self._pool.give_back(self)
        else:
            self.close()
        handler.ended()

    def _give_up(self, error: Exception) -> None:
        self._deliver()
        cause = error.__context__
        if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
            # What was raised by whoever hears of the answer is our defect, not the upstream's: show it.
            self._fail(InternalError("the gateway failed to read the upstream's answer"))
            raise cause
        self._fail(UpstreamGarbled(f"the upstream's answer is not well-formed HTTP: {error}"))

    def _fail(self, error: UpstreamError | InternalError) -> None:
        handler, self.handler = self.handler, None
        self._closing = True
        if self._transport is not None:
            self._transport.abort()
        if handler is not None:
            handler.failed(error)

    def _unasked(self) -> None:
        """Bytes on an idle connection are no answer to anything: it cannot be trusted any more."""
        self._closing = True
        if self._transport is not None:
            self._transport.abort()


class Pool:
    """The connections to one origin: idle ones are used last in, first out."""

    def __init__(
        self,
        origin: Origin,
        tls: ssl.SSLContext | None,
        *,
        server_name: str | None,
        outbox: Outbox,
        clock: Callable[[], float],
        spawn: Callable[[Coroutine[Any, Any, None]], "asyncio.Task[None]"],
    ) -> None:
        """Make an empty pool.

        Args:
            origin: where the upstream is.
            tls: context for https origins.
            server_name: name to verify and to send as SNI, where it is not the host.
            outbox: takes what is sent.
            clock: monotonic seconds.
            spawn: starts a task that the worker keeps track of.
        """
        self.origin = origin
        self.outbox = outbox
        self._tls = tls
        self._server_name = server_name or origin.host
        self._clock = clock
        self._spawn = spawn
        self._idle: list[UpstreamConnection] = []
        self._open: set[UpstreamConnection] = set()
        self._closed = False
        self._addresses: list[str] = []
        self._addresses_until = 0.0

    @property
    def open_connections(self) -> int:
        """How many connections there are, idle and busy."""
        return len(self._open)

    def take(self) -> UpstreamConnection | None:
        """Give an idle connection, or None."""
        idle = self._idle
        while idle:
            connection = idle.pop()
            if connection.is_alive():
                connection.reused = True
                return connection
        return None

    def connect(self, handler: AttemptHandler, *, timeout: float) -> "asyncio.Task[None]":
        """Open a connection; `handler` hears `connected` or `failed`. Cancel the task to give up."""
        return self._spawn(self._connect(handler, timeout))

    def give_back(self, connection: UpstreamConnection) -> None:
        """Keep a connection whose answer is whole."""
        if self._closed:
            connection.close()
            return
        connection.idle_since = self._clock()
        self._idle.append(connection)

    def lost(self, connection: UpstreamConnection) -> None:
        """Forget a connection."""
        self._open.discard(connection)
        if connection.handler is None and connection in self._idle:
            self._idle.remove(connection)

    def sweep(self, now: float) -> None:
        """Close connections that nobody used for a while, before the upstream does."""
        keep: list[UpstreamConnection] = []
        for connection in self._idle:
            if now - connection.idle_since > _IDLE_SECONDS:
                connection.close()
            else:
                keep.append(connection)
        self._idle = keep

    def close(self) -> None:
        """Close every idle connection; busy ones close when their answer is over."""
        self._closed = True
        for connection in self._idle:
            connection.close()
        self._idle = []

    async def open(self, make: "Callable[[], ConnectionT]", timeout: float) -> "ConnectionT":  # noqa: ASYNC109 - one deadline for all steps
        """Open a connection of the caller's own kind. It is not pooled: whoever asked for it closes it.

        Raises:
            UpstreamError: there is none to be had.
        """
        try:
            async with asyncio.timeout(timeout):
                return await self._dial(make, timeout)
        except TimeoutError:
            raise UpstreamUnreachable(f"no connection to the upstream within {timeout:g} s", status=504) from None
        except ssl.SSLError as error:
            reason = getattr(error, "verify_message", "") or error.reason or "handshake failed"
            raise UpstreamUnreachable(f"TLS with the upstream failed: {reason}") from error
        except OSError as error:
            raise UpstreamUnreachable(f"no connection to the upstream: {_reason(error)}") from error

    async def _connect(self, handler: AttemptHandler, timeout: float) -> None:  # noqa: ASYNC109 - as above
        try:
            connection = await self.open(lambda: UpstreamConnection(self), timeout)
        except UpstreamError as error:
            handler.failed(error)
        else:
            if connection.is_alive():
                self._open.add(connection)
            handler.connected(connection)

    async def _dial(self, make: "Callable[[], ConnectionT]", seconds: float) -> "ConnectionT":
        origin = self.origin
        loop = asyncio.get_running_loop()
        server_name = self._server_name if self._tls is not None else None
        if origin.proxy_url is not None:
            tunnel = await open_tunnel(origin.proxy_url, origin.host, origin.port)
            _, connection = await loop.create_connection(make, sock=tunnel, ssl=self._tls, server_hostname=server_name)
            return connection
        last: OSError | None = None
        deadline = loop.time() + seconds
        addresses = await self._resolved()
        for tried, address in enumerate(addresses):
            # An address that does not answer at all must leave time for those after it.
            share = (deadline - loop.time()) / (len(addresses) - tried)
            try:
                async with asyncio.timeout(share):
                    _, connection = await loop.create_connection(
                        make,
                        address,
                        origin.port,
                        ssl=self._tls,
                        server_hostname=server_name,
                    )
            except ssl.SSLError:
                raise
            except OSError as error:
                last = error
                self._addresses_until = 0.0  # it may have moved: ask the resolver again next time
            else:
                return connection
        raise last or OSError("no address")

    async def _resolved(self) -> list[str]:
        now = self._clock()
        if now >= self._addresses_until:
            origin = self.origin
            self._addresses = await resolve(origin.host, origin.port, allow_private=origin.allow_private)
            self._addresses_until = now + _RESOLVED_SECONDS
        return self._addresses


def _reason(error: OSError) -> str:
    """Say what went wrong without the address, which is not the caller's business."""
    if isinstance(error, ConnectionRefusedError):
        return "refused"
    if isinstance(error, ConnectionResetError):
        return "reset"
    return (error.strerror or "failed").lower()
