"""One stream of an HTTP/2 connection: a request as it comes in, and the `Downstream` of its exchange."""

from collections.abc import Sequence
from typing import Final, Protocol

from h2.connection import H2Connection
from h2.errors import ErrorCodes

from tollway.gateway.connection import ConnectionOwner, Stall
from tollway.gateway.downstream import DownstreamHandler
from tollway.gateway.http2_head import write_head
from tollway.gateway.request import Request

_PAUSE_ABOVE: Final = 65_536
_RESUME_BELOW: Final = 16_384
_QUANTUM: Final = 65_536
"""What one stream may send before the next has its turn."""


class StreamOwner(Protocol):
    """The connection, as its streams see it."""

    owner: ConnectionOwner
    paused: bool

    @property
    def h2(self) -> H2Connection:
        """The framing."""
        ...

    @property
    def open(self) -> bool:
        """Whether anything may still be framed."""
        ...

    def flush(self) -> None:
        """Give the transport what was framed."""
        ...

    def stream_over(self, stream: "Http2Stream") -> None:
        """Forget a stream on which nothing more goes either way."""
        ...


class Http2Stream:
    """One request and its answer."""

    __slots__ = (
        "_body",
        "_connection",
        "_ending",
        "_stall",
        "_waiting",
        "body_bytes",
        "cut_short",
        "handler",
        "number",
        "over",
        "paused",
        "receiving",
        "request",
        "since",
    )

    def __init__(self, connection: StreamOwner, number: int, request: Request, now: float) -> None:
        """Begin with a head; the body may follow."""
        self._connection = connection
        self._body = bytearray()
        self._waiting = bytearray()
        self._ending = False
        self._stall = Stall()
        self.number = number
        self.request = request
        self.handler: DownstreamHandler | None = None
        self.since = now
        self.body_bytes = 0
        self.receiving = True
        self.cut_short = False
        """The answer does not wait for the rest of the request."""
        self.paused = False
        self.over = False

    # --- the exchange's side (Downstream)

    def send(self, status: int, lines: Sequence[bytes], body: bytes) -> None:
        """Send a whole answer, and end the exchange."""
        empty = status in {204, 304}
        self._begin(status, lines, b"" if empty else body, length=None if empty else len(body), ends=True)

    def start(self, status: int, lines: Sequence[bytes], data: bytes) -> None:
        """Send the head of a streamed answer with its first bytes."""
        self._begin(status, lines, data, length=None, ends=False)

    def write(self, data: bytes) -> None:
        """Send more of a streamed answer."""
        if self.over:
            return
        self._waiting += data
        self.go_on()

    def finish(self) -> None:
        """End a streamed answer, and the exchange."""
        self.handler = None
        if self.over:
            return
        self._ending = True
        self.go_on()

    def abort(self) -> None:
        """Reset the stream: what the caller has is not the whole answer."""
        self.handler = None
        self.reset(ErrorCodes.INTERNAL_ERROR)
        self._connection.flush()

    # --- the connection's side

    @property
    def unsent(self) -> bool:
        """Whether something waits for its window."""
        return bool(self._waiting) or self._ending

    def take(self, data: bytes) -> None:
        """Take a piece of the request's body."""
        self._body += data
        self.body_bytes += len(data)

    def whole_request(self) -> Request:
        """The request, now that its body is whole."""
        self.request.body = bytes(self._body)
        self._body = bytearray()
        return self.request

    def push(self) -> bool:
        """Frame what the windows take, up to one turn's worth; say whether that was anything."""
        connection = self._connection
        if self.over or connection.paused or not connection.open:
            return False
        h2 = connection.h2
        waiting = self._waiting
        room = min(_QUANTUM, h2.local_flow_control_window(self.number))
        moved = False
        while waiting and room > 0:
            data = bytes(waiting[: min(room, h2.max_outbound_frame_size)])
            del waiting[: len(data)]
            room -= len(data)
            last = self._ending and not waiting
            h2.send_data(self.number, data, end_stream=last)
            moved = True
            if last:
                self._close()
                return True
        if self._ending and not waiting:
            h2.end_stream(self.number)
            self._close()
            return True
        self._gauge(moved=moved)
        return moved

    def go_on(self) -> None:
        """Send what can be sent now."""
        while self.push():
            self._connection.flush()
        if not self.over:
            self._gauge(moved=False)
        self._connection.flush()

    def stalls(self, now: float) -> float:
        """Say for how many seconds the caller took nothing of what waits for it."""
        return self._stall.lasts(now, len(self._waiting)) if self._stall else 0.0

    def reset(self, code: ErrorCodes) -> None:
        """Break off; an exchange that is still at work is told."""
        if self.over:
            return
        if self._connection.open:
            self._connection.h2.reset_stream(self.number, code)
        self.reset_by_caller()

    def reset_by_caller(self) -> None:
        """The caller wants no answer any more."""
        self._connection.stream_over(self)
        self.left()

    def left(self) -> None:
        """Nothing goes either way any more."""
        self.over = True
        self._waiting.clear()
        handler, self.handler = self.handler, None
        if handler is not None:
            handler.client_left()

    # --- inside

    def _begin(self, status: int, lines: Sequence[bytes], data: bytes, *, length: int | None, ends: bool) -> None:
        if ends:
            self.handler = None
        connection = self._connection
        if self.over or not connection.open:
            return
        if self.request.method == b"HEAD":
            data = b""
        at_once = ends and not data
        connection.h2.send_headers(self.number, write_head(status, lines, length), end_stream=at_once)
        if at_once:
            self._close()
            connection.flush()
            return
        self._waiting += data
        self._ending = ends
        self.go_on()

    def _gauge(self, *, moved: bool) -> None:
        """Tell the exchange when the caller falls behind, and when it has caught up."""
        waiting = len(self._waiting)
        if not waiting:
            self._stall.end()
        elif moved or not self._stall:
            self._stall.begin(self._connection.owner.now, waiting)
        if not self.paused and waiting > _PAUSE_ABOVE:
            self.paused = True
            if self.handler is not None:
                self.handler.client_paused()
        elif self.paused and waiting < _RESUME_BELOW:
            self.paused = False
            if self.handler is not None:
                self.handler.client_resumed()

    def _close(self) -> None:
        """The answer is framed to its end."""
        self.over = True
        self._stall.end()
        connection = self._connection
        if self.cut_short:
            # RFC 9113, section 8.1: ask the caller to stop sending a request that is answered already.
            connection.h2.reset_stream(self.number, ErrorCodes.NO_ERROR)
        connection.stream_over(self)
