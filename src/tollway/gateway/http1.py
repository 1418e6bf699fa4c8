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
from typing import Final, Protocol, cast

import httptools

from tollway.core.errors import (
    BadRequest,
    BodyTooLarge,
    CallerError,
    HeadersTooLarge,
    MethodNotAllowed,
    RequestTimeout,
    TollwayError,
)
from tollway.gateway.downstream import Downstream, DownstreamHandler
from tollway.gateway.request import Request
from tollway.gateway.statuses import status_line
from tollway.snapshot.document import Limits

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_CLOSE: Final = b"connection: close\r\n"
_LINGER_SECONDS: Final = 2.0

# What the connection waits for; the sweep gives each its own patience.
_IDLE: Final = 0
_HEAD: Final = 1
_BODY: Final = 2
_ANSWER: Final = 3
_LINGER: Final = 4


class ConnectionOwner(Protocol):
    """The worker, as a connection sees it."""

    limits: Limits
    draining: bool
    now: float

    def opened(self, connection: "Http1Connection") -> bool:
        """Take a new connection; False when there are too many."""
        ...

    def closed(self, connection: "Http1Connection") -> None:
        """Forget a connection."""
        ...

    def serve(self, request: Request, downstream: Downstream) -> DownstreamHandler | None:
        """Begin to answer. None when the answer was sent already."""
        ...

    def refuse(self, error: TollwayError, request: Request | None, downstream: Downstream) -> None:
        """Answer a request that could not be read."""
        ...


class Http1Connection(asyncio.Protocol):
    """One connection of one caller; also the `Downstream` of its current exchange."""

    __slots__ = (
        "_body",
        "_body_bytes",
        "_busy",
        "_chunked",
        "_head_bytes",
        "_head_only",
        "_head_size",
        "_headers_seen",
        "_in_head",
        "_keep_alive",
        "_parser",
        "_queue",
        "_reading",
        "_request",
        "_stalled_since",
        "_state",
        "_target",
        "_transport",
        "_trouble",
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
        self.handler: DownstreamHandler | None = None
        self.paused = False
        self.address = ""
        self.scheme = "http"
        self.since = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._request: Request | None = None
        self._target = b""
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._head_bytes = 0
        self._head_only = False
        self._head_size = 0
        self._headers_seen = 0
        self._in_head = False
        self._queue: deque[Request | tuple[TollwayError, Request | None]] = deque()
        self._busy = False
        self._reading = True
        self._keep_alive = True
        self._chunked = False
        self._trouble: TollwayError | None = None
        self._waits_continue = False
        self._stalled_since = 0.0
        self._state = _IDLE

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or close at once when there are too many connections."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
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
        if self._state == _LINGER:
            return
        if self._in_head or self._state == _IDLE:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            # The request itself was delivered; whatever follows it is no HTTP/1.1 of ours.
            self._keep_alive = False
            return
        except httptools.HttpParserError as error:
            if self._state != _LINGER:
                self._queue_trouble(self._trouble or _malformed(error))
            return
        if self._in_head and self._head_bytes > self.owner.limits.header_bytes:
            self._queue_trouble(_headers_too_large(self.owner.limits))

    def eof_received(self) -> bool:
        """The caller sends no more.

        It may still wait for its answer, but a caller that left looks just the same, and its
        upstream call costs money: HTTP clients do not half-close, so treat it as gone.
        """
        return False

    def pause_writing(self) -> None:
        """The caller reads slower than we write."""
        self.paused = True
        self._stalled_since = self.owner.now
        if self.handler is not None:
            self.handler.client_paused()

    def resume_writing(self) -> None:
        """The caller caught up."""
        self.paused = False
        self._stalled_since = 0.0
        if self.handler is not None:
            self.handler.client_resumed()

    # --- the parser's side

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target = b""
        self._body = []
        self._body_bytes = 0
        self._headers_seen = 0
        self._head_size = 0
        self._in_head = True
        self._request = None
        self._trouble = None
        if not self._busy:
            self._state = _HEAD
            self.since = self.owner.now

    def on_url(self, url: bytes) -> None:
        """Take the request target, possibly in pieces."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header."""
        if not self._in_head:
            return  # a trailer: nothing here depends on trailers, so none is believed
        request = self._request
        if request is None:
            request = self._begin()
        self._headers_seen += 1
        self._head_size += len(name) + len(value) + 4
        error = request.add_header(name, value)
        if error is not None and self._trouble is None:
            self._trouble = error

    def on_headers_complete(self) -> None:
        """Check what llhttp leaves to us, before a byte of the body is taken."""
        request = self._request or self._begin()
        self._in_head = False
        self._head_bytes = 0
        headers = request.headers
        if len(headers) != 0 and b"expect" in headers:
            self._expectation(headers[b"expect"])
        trouble = self._trouble or self._head_trouble(request)
        if trouble is not None:
            self._trouble = trouble
            raise trouble  # stops the parser: the body of a refused head is not taken
        if not self._busy:
            self._state = _BODY

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body, within the limit."""
        self._body_bytes += len(body)
        if self._body_bytes > self.owner.limits.body_bytes:
            self._trouble = _body_too_large(self.owner.limits)
            raise self._trouble
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The request is whole: answer it, or put it behind those before it."""
        request = self._request
        if request is None:
            return
        body = self._body
        if body:
            request.body = body[0] if len(body) == 1 else b"".join(body)
            self._body = []
        request.keep_alive = self._parser.should_keep_alive()
        self._request = None
        self._waits_continue = False
        if self._busy:
            self._enqueue(request)
        else:
            self._answer(request)

    def _begin(self) -> Request:
        try:
            request = Request(self._parser.get_method(), self._target, self.address)
        except BadRequest as error:
            self._trouble = error
            request = Request(self._parser.get_method(), b"/", self.address)
        request.scheme = self.scheme
        self._request = request
        return request

    def _head_trouble(self, request: Request) -> TollwayError | None:
        headers = request.headers
        version = self._parser.get_http_version()
        if version != "1.1":
            if version != "1.0":
                return CallerError(f"HTTP/{version} is not spoken here; use HTTP/1.1", status=505, code="http_version")
            request.http_1_0 = True
        elif b"host" not in headers:
            # RFC 9112, section 3.2: a server must refuse an HTTP/1.1 request that lacks Host.
            return BadRequest("the Host header is missing", param="host")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            # RFC 9112, section 6.1: a transfer coding that is not understood gets 501.
            return CallerError("only the transfer coding 'chunked' is understood", status=501, code="transfer_coding")
        limits = self.owner.limits
        length = headers.get(b"content-length")
        if length is not None and int(length) > limits.body_bytes:
            return _body_too_large(limits)
        if self._headers_seen > limits.header_count or self._head_size + len(self._target) > limits.header_bytes:
            return _headers_too_large(limits)
        if request.method == b"CONNECT":
            return MethodNotAllowed("CONNECT is not served: this is a gateway, not a forward proxy")
        return None

    def _expectation(self, value: bytes) -> None:
        # RFC 9110, section 10.1.1: only 100-continue is defined; others get 417.
        if value.lower() != b"100-continue":
            self._trouble = CallerError("the only expectation met is 100-continue", status=417, code="expectation")
        elif self._busy:
            self._waits_continue = True
        elif self._transport is not None and self._trouble is None and self._head_trouble_free():
            self._transport.write(_CONTINUE)

    def _head_trouble_free(self) -> bool:
        """Say whether the body is welcome: `100 Continue` before a refusal would ask for bytes in vain."""
        request = self._request
        return request is not None and self._head_trouble(request) is None

    # --- the order of requests

    def _enqueue(self, request: Request) -> None:
        self._queue.append(request)
        if self._reading and self._transport is not None:
            self._reading = False
            self._transport.pause_reading()
        if len(self._queue) > self.owner.limits.pipelined_requests:
            self._queue.pop()
            self._queue_trouble(
                BadRequest(f"more than {self.owner.limits.pipelined_requests} requests were sent without waiting")
            )

    def _queue_trouble(self, error: TollwayError) -> None:
        """Answer the error after the requests before it, then close."""
        request, self._request = self._request, None
        self._in_head = False
        if self._busy:
            self._queue.append((error, request))
            if self._reading and self._transport is not None:
                self._reading = False
                self._transport.pause_reading()
            self._state = _ANSWER
        else:
            self._answer_trouble(error, request)

    def _answer(self, request: Request) -> None:
        self._busy = True
        self._state = _ANSWER
        self._keep_alive = request.keep_alive and not self.owner.draining
        self._chunked = not request.http_1_0
        self._head_only = request.method == b"HEAD"
        self.handler = self.owner.serve(request, self)
        if not self._busy:
            self.handler = None

    def _answer_trouble(self, error: TollwayError, request: Request | None) -> None:
        self._busy = True
        self._keep_alive = False
        self.owner.refuse(error, request, self)

    def _next(self) -> None:
        """The current exchange is over: go on with the next request, or wait, or close."""
        self._busy = False
        self.handler = None
        transport = self._transport
        if transport is None:
            return
        if not self._keep_alive or (self.owner.draining and not self._queue):
            self._linger()
            return
        self.since = self.owner.now
        if self._queue:
            # Not from within the parser's or the exchange's own call: a long queue must not nest.
            asyncio.get_running_loop().call_soon(self._answer_queued)
            self._busy = True
            return
        self._state = _HEAD if self._in_head else (_BODY if self._request is not None else _IDLE)
        if self._waits_continue:
            self._waits_continue = False
            transport.write(_CONTINUE)
        if not self._reading:
            self._reading = True
            transport.resume_reading()

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
        transport = self._transport
        if transport is None:
            return
        if not self._reading:
            self._reading = True
            transport.resume_reading()
        if transport.can_write_eof():
            transport.write_eof()
        else:
            transport.close()

    # --- the exchange's side (Downstream)

    def send(self, status: int, lines: Sequence[bytes], body: bytes) -> None:
        """Send a whole answer in one write."""
        transport = self._transport
        if transport is None:
            self._busy = False
            return
        parts = [status_line(status), *lines]
        if not self._keep_alive:
            parts.append(_CLOSE)
        if status >= 200 and status != 204 and status != 304:
            parts.append(b"content-length: %d\r\n\r\n" % len(body))
            if not self._head_only:
                parts.append(body)
        else:
            parts.append(b"\r\n")
        transport.write(b"".join(parts))
        self._next()

    def start(self, status: int, lines: Sequence[bytes], data: bytes) -> None:
        """Send the head of a stream with its first bytes, in one write."""
        transport = self._transport
        if transport is None:
            return
        if self._chunked:
            close = b"" if self._keep_alive else _CLOSE
            first = b"%x\r\n%b\r\n" % (len(data), data) if data else b""
            transport.write(b"".join([status_line(status), *lines, _CHUNKED, close, b"\r\n", first]))
        else:
            self._keep_alive = False  # HTTP/1.0 knows no chunks: the end of the connection is the end
            transport.write(b"".join([status_line(status), *lines, _CLOSE, b"\r\n", data]))

    def write(self, data: bytes) -> None:
        """Send one chunk."""
        transport = self._transport
        if transport is not None and data:
            transport.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def finish(self) -> None:
        """End the stream."""
        transport = self._transport
        if transport is None:
            self._busy = False
            return
        if self._chunked:
            transport.write(b"0\r\n\r\n")
        self._next()

    def abort(self) -> None:
        """Reset the connection."""
        self.handler = None
        self._busy = False
        if self._transport is not None:
            self._transport.abort()

    # --- the worker's side

    def sweep(self, now: float) -> None:
        """Close or refuse a connection that keeps us waiting for longer than its limits allow."""
        limits = self.owner.limits
        waited = now - self.since
        state = self._state
        transport = self._transport
        if transport is None:
            return
        if self._stalled_since and now - self._stalled_since > limits.write_stall_seconds:
            transport.abort()
        elif state == _IDLE:
            if waited > limits.idle_seconds:
                transport.close()
        elif state == _HEAD:
            if waited > limits.header_seconds:
                self._too_slow("headers", limits.header_seconds)
        elif state == _BODY:
            if waited > limits.body_seconds:
                self._too_slow("body", limits.body_seconds)
        elif state == _LINGER and waited > _LINGER_SECONDS:
            transport.abort()

    def drain(self) -> None:
        """Stop taking requests: close now if nothing is under way, else after the current answer."""
        if not self._busy and self._state in (_IDLE, _HEAD) and self._transport is not None and not self._in_head:
            self._transport.close()

    def _too_slow(self, what: str, seconds: float) -> None:
        self._queue_trouble(RequestTimeout(f"the request's {what} did not arrive within {seconds:g} s"))


def _malformed(error: httptools.HttpParserError) -> TollwayError:
    cause = error.__context__
    if isinstance(cause, TollwayError):
        return cause
    return BadRequest(f"the request is not well-formed HTTP/1.1: {error}")


def _headers_too_large(limits: Limits) -> HeadersTooLarge:
    return HeadersTooLarge(
        f"the request's headers exceed {limits.header_bytes} bytes or {limits.header_count} lines; send fewer or shorter ones"
    )


def _body_too_large(limits: Limits) -> BodyTooLarge:
    return BodyTooLarge(f"the request's body exceeds {limits.body_bytes} bytes; send less at once")
