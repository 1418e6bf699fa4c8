"""The listener's side of HTTP/1.1: bytes from a caller become requests, answers become bytes.

Rules of this file:
- Framing and limits only; what a request means is the exchange's business.
- llhttp refuses what smuggling needs (two lengths, length beside chunked, folded headers, bare LF,
  odd chunk sizes); what it leaves to us (Host, versions, transfer codings, sizes, times) is below.
- Requests of one connection are answered in the order they came. While one is being answered, at
  most `pipelined_requests` more are parsed, and then nothing more is read.
- After an error in the framing itself, the connection cannot be trusted: it is answered and closed.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final, cast

import httptools

from tollway.core.errors import BadRequest, CallerError, TollwayError
from tollway.gateway.connection import ConnectionOwner, Stall, reset_on_close
from tollway.gateway.downstream import NOBODY, DownstreamHandler
from tollway.gateway.http1_head import head_trouble, parser_trouble
from tollway.gateway.known_heads import Message, split
from tollway.gateway.refusals import body_too_large, headers_too_large, too_slow
from tollway.gateway.request import Request, join_repeated
from tollway.gateway.statuses import status_line

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_CLOSE: Final = b"connection: close\r\n"
_KEEP_ALIVE: Final = b"connection: keep-alive\r\n"
_LINGER_SECONDS: Final = 2.0
_TLS_LINGER_SECONDS: Final = 30.0
_DRAIN_IDLE_SECONDS: Final = 1.0
"""While draining, a connection without a request is closed after this. Not at once: its caller, who was promised
that it stays open, may be sending already, and would see that request fail."""
_MAX_PIECES: Final = 1024
_WITHOUT_BODY: Final = frozenset({204, 304})

# What the connection waits for; the sweep gives each its own patience.
_IDLE: Final = 0
_HEAD: Final = 1
_BODY: Final = 2
_ANSWER: Final = 3
_LINGER: Final = 4


class Http1Connection(asyncio.Protocol):
    """One connection of one caller; also the `Downstream` of its current exchange."""

    __slots__ = (
        "_begin_bytes",
        "_body",
        "_body_bytes",
        "_busy",
        "_chunked",
        "_head_only",
        "_headers",
        "_headers_repeated",
        "_held",
        "_keep_alive",
        "_learning",
        "_outbox",
        "_parser",
        "_queue",
        "_read_bytes",
        "_reading",
        "_request",
        "_stall",
        "_state",
        "_target",
        "_transport",
        "_trouble",
        "_unparsed_body",
        "_waited_bytes",
        "_waits_continue",
        "address",
        "handler",
        "owner",
        "paused",
        "scheme",
        "since",
    )

    def __init__(self, owner: ConnectionOwner) -> None:
        """Wait for the transport."""
        self.owner = owner
        self._outbox = owner.outbox
        self.handler: DownstreamHandler | None = None
        self.paused = False
        self.address = ""
        self.scheme = "http"
        self.since = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._target = b""
        self._trouble: TollwayError | None = None
        # The head that is being read, when all of it came in one read and it may be remembered.
        self._learning: Message | None = None
        self._headers_repeated = 0
        # Names and values of the head being read; None when no head is.
        self._headers: dict[bytes, bytes] | None = None
        self._body: list[bytes | bytearray] = []
        self._body_bytes = 0
        self._unparsed_body = 0
        # How much was read: at once, of the read a request began in, and since then without a byte
        # of a body. llhttp keeps an unfinished header of any size, so this is what bounds it.
        self._read_bytes = 0
        self._begin_bytes = 0
        self._waited_bytes = 0
        self._queue: deque[Request | tuple[TollwayError, Request | None]] = deque()
        self._busy = False
        self._held = False
        self._reading = True
        self._keep_alive = True
        self._head_only = False
        self._chunked = False
        self._waits_continue = False
        self._stall = Stall()
        self._state = _IDLE

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or close at once when there are too many connections."""
        self._transport = cast("asyncio.Transport", transport)
        peer = cast("tuple[object, ...] | str | None", transport.get_extra_info("peername"))
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        if transport.get_extra_info("sslcontext") is not None:
            self.scheme = "https"
        self.since = self.owner.now
        if not self.owner.opened(self):
            self._transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        del exc
        self.owner.closed(self)
        self._transport = None
        self._queue.clear()
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.client_left()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._state == _IDLE and self._headers is None:
            # Nothing of a request has come before this.
            message = split(data)
            if message is not None:
                request = self.owner.known_heads.request(message, data)
                if request is not None and len(request.body) <= self.owner.limits.body_bytes:
                    request.client_address = self.address
                    self._answer(request)
                    return
                self._learning = message
        elif self._state == _LINGER:
            return
        self._parse(data)
        self._learning = None

    def _parse(self, data: bytes) -> None:
        self._read_bytes = size = len(data)
        self._waited_bytes += size
        try:
            try:
                if self._unparsed_body:
                    self._ignore_upgrades(memoryview(data))
                else:
                    self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                self._ignore_upgrades(memoryview(data)[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            if self._state != _LINGER:
                self._queue_trouble(parser_trouble(error))
            return
        if self._headers is None and self._request is None:
            return
        if self._waited_bytes > self.owner.limits.header_bytes:
            self._queue_trouble(headers_too_large(self.owner.limits))

    def eof_received(self) -> bool:
        """The caller sends no more.

        It may still wait for its answer, but a caller that left looks just the same, and its
        upstream call costs money: HTTP clients do not half-close, so treat it as gone.
        """
        return False

    def pause_writing(self) -> None:
        """The caller reads slower than we write."""
        self.paused = True
        self._stall.begin(self.owner.now, self._unsent())
        if self.handler is not None:
            self.handler.client_paused()

    def resume_writing(self) -> None:
        """The caller caught up."""
        self.paused = False
        self._stall.end()
        if self._held:
            self._held = False
            self._proceed()
        elif self.handler is not None:
            self.handler.client_resumed()

    # --- the parser's side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._headers = {}
        self._begin_bytes = self._read_bytes
        self._waited_bytes = 0
        if not self._busy:
            self._state = _HEAD
            self.since = self.owner.now

    def on_url(self, url: bytes) -> None:
        """Take the request target, possibly in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        headers = self._headers
        if headers is None:
            return  # a trailer: nothing here depends on trailers, so none is believed
        key = name.lower()
        if key in headers:
            self._repeated(headers, key, value.rstrip())
            return
        # RFC 9112, section 5.1: white space after a value is no part of it; llhttp leaves it there.
        headers[key] = value.rstrip()

    def on_headers_complete(self) -> None:
        """Check what llhttp leaves to us, before a byte of the body is taken."""
        request = self._begin()
        headers = request.headers
        trouble = self._trouble or head_trouble(
            request,
            self._parser.get_http_version(),
            self.owner.limits,
            len(headers) + self._headers_repeated,
            self._begin_bytes + self._waited_bytes,
        )
        if trouble is not None:
            raise trouble  # stops the parser: the body of a refused head is not taken
        if b"expect" in headers:
            self._expectation(request)
        self._waited_bytes = 0
        if not self._busy:
            self._state = _BODY

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, within the limit."""
        self._body_bytes += len(body)
        if self._body_bytes > self.owner.limits.body_bytes:
            raise body_too_large(self.owner.limits)
        self._waited_bytes = 0
        pieces = self._body
        pieces.append(body)
        if len(pieces) > _MAX_PIECES:
            _join_pieces(pieces)

    def on_message_complete(self) -> None:
        """The request is whole: answer it, or put it behind those before it."""
        request = self._request
        if request is None:
            return
        if b"upgrade" in request.headers and self._parser.should_upgrade() and self._offered_with_body(request):
            return
        self._request = None
        pieces = self._body
        if pieces:
            request.body = b"".join(pieces)  # one piece is not copied
            self._body = []
            self._body_bytes = 0
        if not self._parser.should_keep_alive():
            request.keep_alive = False
        self._waits_continue = False
        if self._learning is not None:
            self.owner.known_heads.learn(self._learning, request)
            self._learning = None
        if self._busy:
            self._enqueue(request)
        else:
            self._answer(request)

    def _offered_with_body(self, request: Request) -> bool:
        """Whether a body follows an offer to upgrade: llhttp takes that for the other protocol's first bytes."""
        if b"transfer-encoding" in request.headers:
            raise BadRequest("a chunked body with an offer to upgrade is not taken; send it without", param="upgrade")
        if not self._body_bytes:
            self._unparsed_body = int(request.headers.get(b"content-length", b"0"))
        return self._unparsed_body > 0

    def _ignore_upgrades(self, rest: memoryview) -> None:
        # RFC 9110, section 7.8: a server may ignore an offer to upgrade; what follows is the body and the next request.
        while rest:
            if self._unparsed_body:
                piece = bytes(rest[: self._unparsed_body])
                rest = rest[len(piece) :]
                self._unparsed_body -= len(piece)
                self.on_body(piece)
                if not self._unparsed_body:
                    self.on_message_complete()
                continue
            try:
                self._parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
            else:
                return

    def _begin(self) -> Request:
        """Make the request of the head that was read; one whose target is no address gets trouble with it."""
        target, self._target = self._target, b""
        headers, self._headers = self._headers, None
        try:
            request = Request(self._parser.get_method(), target, self.address, headers)
        except BadRequest as error:
            self._trouble = error
            request = Request(self._parser.get_method(), b"/", self.address, headers)
        if self.scheme != "http":
            request.scheme = self.scheme
        self._request = request
        return request

    def _repeated(self, headers: dict[bytes, bytes], key: bytes, value: bytes) -> None:
        self._headers_repeated += 1
        error = join_repeated(headers, key, value)
        if error is not None and self._trouble is None:
            self._trouble = error

    def _expectation(self, request: Request) -> None:
        # RFC 9110, section 10.1.1: only 100-continue is defined; others get 417; HTTP/1.0 has none.
        if request.headers[b"expect"].lower() != b"100-continue":
            raise CallerError("the only expectation met is 100-continue", status=417, code="expectation")
        if request.version == "HTTP/1.0":
            return
        if self._busy:
            self._waits_continue = True
        elif self._transport is not None:
            self._outbox.write(self._transport, _CONTINUE)

    # --- the order of requests

    def _enqueue(self, request: Request) -> None:
        limit = self.owner.limits.pipelined_requests
        if len(self._queue) >= limit:
            raise BadRequest(f"more than {limit} requests were sent without waiting for an answer")
        self._queue.append(request)
        self._stop_reading()

    def _queue_trouble(self, error: TollwayError) -> None:
        """Answer the error after the requests before it, then close."""
        if self._headers:
            self._begin()  # it says in whose way the error is written
        request, self._request = self._request, None
        self._headers = None
        if self._busy:
            self._queue.append((error, request))
            self._stop_reading()
        else:
            self._answer_trouble(error, request)

    def _stop_reading(self) -> None:
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()

    def _answer(self, request: Request) -> None:
        owner = self.owner
        self._busy = True
        self._state = _ANSWER
        self._keep_alive = request.keep_alive and not owner.draining
        self._chunked = request.version != "HTTP/1.0"
        self._head_only = request.method == b"HEAD"
        self.handler = NOBODY
        handler = owner.serve(request, self)
        if self.handler is NOBODY:  # else the answer is sent already
            self.handler = handler

    def _answer_trouble(self, error: TollwayError, request: Request | None) -> None:
        self._busy = True
        self._state = _ANSWER
        self._keep_alive = False
        self._chunked = True
        self._head_only = request is not None and request.method == b"HEAD"
        self.owner.refuse(error, request, self)

    def _next(self) -> None:
        """The current exchange is over: go on with the next request, or wait, or close."""
        if self._keep_alive and self._reading and not (self._queue or self.paused):
            # The usual case: nothing but this request was sent, or a part of the next.
            self._wait()
            if self._waits_continue:
                self._proceed()
        elif not self._keep_alive:
            self._linger()  # and stays busy: what is still read is not answered
        elif self.paused:
            # A caller that reads no answers gets no more of them: they would pile up here.
            self._held = True
            self._stop_reading()
        else:
            self._proceed()

    def _proceed(self) -> None:
        transport = self._transport
        if transport is None:
            return
        if self._queue:
            self.since = self.owner.now
            # Not from within the parser's or the exchange's own call: a long queue must not nest.
            asyncio.get_running_loop().call_soon(self._answer_queued)
            return
        self._wait()
        if self._waits_continue:
            self._waits_continue = False
            self._outbox.write(transport, _CONTINUE)
        if not self._reading:
            self._reading = True
            transport.resume_reading()

    def _wait(self) -> None:
        """Wait for the next request, or for the rest of one that has begun."""
        self._busy = False
        self.since = self.owner.now
        if self._headers is not None:
            self._state = _HEAD
        else:
            self._state = _IDLE if self._request is None else _BODY

    def _answer_queued(self) -> None:
        if self._transport is None or not self._queue:
            return
        waiting = self._queue.popleft()
        if isinstance(waiting, Request):
            self._answer(waiting)
        else:
            self._answer_trouble(*waiting)

    def _linger(self) -> None:
        """Close so that the caller gets its answer: no reset while it still sends.

        RFC 9112, section 9.6: close the write side, keep reading a while, then close fully.
        """
        self._state = _LINGER
        self.since = self.owner.now
        self._queue.clear()
        transport = self._transport
        if transport is None:
            return
        if not self._reading:
            self._reading = True
            transport.resume_reading()
        self._outbox.flush()
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    # --- the exchange's side (Downstream)

    def send(self, status: int, lines: Sequence[bytes], body: bytes) -> None:
        """Send a whole answer in one write."""
        transport = self._transport
        if transport is None:
            return
        parts = [status_line(status), *lines]
        if self._closes():
            parts.append(_CLOSE)
        elif not self._chunked:
            parts.append(_KEEP_ALIVE)
        if status < 200 or status in _WITHOUT_BODY:
            parts.append(b"\r\n")
        else:
            parts.append(b"content-length: %d\r\n\r\n" % len(body))
            if not self._head_only:
                parts.append(body)
        self.handler = None  # it is over, and hears no more of this connection
        self._outbox.write(transport, b"".join(parts))
        self._next()

    def start(self, status: int, lines: Sequence[bytes], data: bytes) -> None:
        """Send the head of a stream with its first bytes, in one write."""
        transport = self._transport
        if transport is None:
            return
        if self._chunked:
            close = _CLOSE if self._closes() else b""
            first = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            head = b"".join([status_line(status), *lines, _CHUNKED, close, b"\r\n", first])
        else:
            self._keep_alive = False  # HTTP/1.0 knows no chunks: the end of the connection is the end
            head = b"".join([status_line(status), *lines, _CLOSE, b"\r\n", data])
        self._outbox.write(transport, head)

    def _closes(self) -> bool:
        """Decide, as its head is written, whether this answer is the connection's last."""
        if self._keep_alive and self.owner.draining and not self._queue:
            self._keep_alive = False
        return not self._keep_alive

    def write(self, data: bytes) -> None:
        """Send one chunk."""
        transport = self._transport
        if transport is not None and data:
            self._outbox.write(transport, b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> None:
        """End the stream."""
        transport = self._transport
        if transport is None:
            return
        self.handler = None
        if self._chunked:
            self._outbox.write(transport, b"0\r\n\r\n")
        self._next()

    def abort(self) -> None:
        """Reset the connection."""
        self.handler = None
        self._outbox.flush()
        transport = self._transport
        if transport is None:
            return
        if not self._chunked:
            reset_on_close(transport)
        transport.abort()

    # --- a session's side (Upgradable)

    def upgrade(self, head: bytes, protocol: asyncio.Protocol) -> bool:
        """Write the head of a 101 and hand the transport over; False when that cannot be done any more.

        The owner is told by whoever asked.
        """
        transport = self._transport
        if transport is None:
            return False
        # RFC 6455, section 4.1: nothing may follow the handshake before its answer. What did was read as HTTP.
        if self._queue or self._headers is not None or self._request is not None:
            self.abort()
            return False
        self.handler = None
        self._transport = None
        self._outbox.write(transport, head)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if not self._reading:
            transport.resume_reading()
        if self.paused:
            protocol.pause_writing()
        return True

    # --- the worker's side

    def sweep(self, now: float) -> None:
        """Close or refuse a connection that keeps us waiting for longer than its limits allow."""
        transport = self._transport
        if transport is None:
            return
        state = self._state
        if self._stall or state == _LINGER:
            self._check_stall(transport, now)
            return
        limits = self.owner.limits
        waited = now - self.since
        if state == _IDLE:
            if waited > limits.idle_seconds or (self.owner.draining and waited > _DRAIN_IDLE_SECONDS):
                self._close_idle(transport)
        elif state == _HEAD:
            if waited > limits.header_seconds:
                self._queue_trouble(too_slow("headers", limits.header_seconds))
        elif state == _BODY and waited > limits.body_seconds:
            self._queue_trouble(too_slow("body", limits.body_seconds))

    def drain(self) -> None:
        """Close soon if nothing is under way, else after the current answer."""
        self.sweep(self.owner.now)

    def _check_stall(self, transport: asyncio.Transport, now: float) -> None:
        """Give up a caller that reads nothing, and one that is closed to but does not go."""
        unsent = transport.get_write_buffer_size()
        stalled = self._stall.lasts(now, unsent)
        if self._state == _LINGER and not unsent:
            # TLS cannot close one side only, and tells nothing of what its own layer has still to send.
            patience = _LINGER_SECONDS if transport.can_write_eof() else _TLS_LINGER_SECONDS
            if now - self.since > patience:
                transport.abort()
            return
        self.since = now
        if stalled > self.owner.limits.write_stall_seconds:
            transport.abort()

    def _close_idle(self, transport: asyncio.Transport) -> None:
        self._outbox.flush()
        if transport.get_write_buffer_size():
            transport.abort()  # it never read its last answer, and closing would wait for that
        else:
            transport.close()

    def _unsent(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0


def _join_pieces(pieces: list[bytes | bytearray]) -> None:
    """Make one of many: a body sent byte by byte must not cost fifty times its size."""
    whole = pieces[0] if isinstance(pieces[0], bytearray) else bytearray(pieces[0])
    whole += b"".join(pieces[1:])
    pieces[:] = [whole]
