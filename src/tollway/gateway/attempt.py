"""One upstream attempt: sends a request, hears the answer, watches the time.

Rules of this file:
- It reports to its exchange exactly once how it ended (`answered`, `stream_over` or `attempt_failed`),
  and after `cancel` not at all.
- Whether to try again is the exchange's question; this file only says what happened. But a kept connection that
  turns out to have been closed carried no request: what was meant for it goes out on a new one.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol

from tollway.core.errors import (
    InternalError,
    UpstreamCut,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tollway.gateway.content_coding import Inflater
from tollway.gateway.relay import Relay
from tollway.gateway.target import Target
from tollway.gateway.upstream import UpstreamConnection

_NO_HEADERS: Final[Mapping[bytes, bytes]] = {}
_STALE_SECONDS: Final = 1.0
"""A kept connection that ends this soon after a request, without a byte, was being closed when the request went out.
Servers do that without a word: llama.cpp's after each stream. Later, the request may have been worked on."""
_MAX_ERROR_BYTES: Final = 1_048_576
_MAX_ANSWER_BYTES: Final = 268_435_456


class AttemptOwner(Protocol):
    """The exchange, as its attempt sees it."""

    def answered(self, attempt: "Attempt", body: bytes) -> None:
        """A whole answer came, of whatever status."""
        ...

    def open_stream(self, attempt: "Attempt") -> Relay | None:
        """A successful streamed answer begins: give the relay it goes through, or None to have it whole."""
        ...

    def streamed(self, attempt: "Attempt", data: bytes) -> None:
        """The relay gave bytes for the caller."""
        ...

    def stream_over(self, attempt: "Attempt", error: UpstreamError | None) -> None:
        """The stream ended, or broke."""
        ...

    def attempt_failed(self, attempt: "Attempt", error: UpstreamError | InternalError) -> None:
        """No answer came."""
        ...

    def abandoned(self, attempt: "Attempt") -> None:
        """Nobody waits for the rest of the answer any more."""
        ...

    def defect(self, error: Exception) -> None:
        """Something of ours failed; nobody must be left waiting."""
        ...


class Attempt:
    """One attempt; the `AttemptHandler` of its connection, and what policies see in the upstream phase."""

    __slots__ = (
        "_bytes",
        "_connecting",
        "_connection",
        "_inflater",
        "_owner",
        "_parts",
        "_payload",
        "drained_until",
        "ended_at",
        "event_type",
        "extra_headers",
        "first_byte_at",
        "headers",
        "key_index",
        "key_value",
        "moved",
        "number",
        "over",
        "paused",
        "relay",
        "response_bytes",
        "sent_at",
        "started_at",
        "status",
        "stream",
        "target",
        "target_model",
        "touched",
    )

    def __init__(
        self, owner: AttemptOwner, target: Target, model: str, number: int, *, stream: bool, now: float
    ) -> None:
        """Prepare; nothing is sent yet."""
        self._owner = owner
        self._parts: list[bytes] = []
        self.target = target
        self.target_model = model
        self.number = number
        self.stream = stream
        self.event_type = b"text/event-stream"
        """What the content type of a streamed answer begins with."""
        self.started_at = now
        self.sent_at = now
        self.key_index = 0
        self.key_value = ""
        self.status = 0
        self.headers: Mapping[bytes, bytes] = _NO_HEADERS
        self.relay: Relay | None = None
        self.response_bytes = 0
        self.over = False
        self.paused = False
        self.first_byte_at = 0.0
        self.ended_at = 0.0
        self.moved = False
        """Whether bytes came since the worker looked last; it then notes the time in `touched`."""
        self.touched = 0.0
        self.drained_until = 0.0
        """Until when an answer is read that has no caller any more; 0 while it has one."""
        self._connection: UpstreamConnection | None = None
        self._connecting: asyncio.Task[None] | None = None
        self.extra_headers: dict[str, str] | None = None
        """What policies set, and headers of the caller that replace ours."""
        self._inflater: Inflater | None = None
        self._bytes = 0
        self._payload = b""

    # --- what policies see

    @property
    def route(self) -> str:
        """The route's name."""
        return self.target.route.name

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self.target.route.provider

    def set_header(self, name: str, value: str) -> None:
        """Send this header with this attempt, in place of any of that name."""
        if self.extra_headers is None:
            self.extra_headers = {}
        self.extra_headers[name] = value

    # --- the exchange's side

    def send(self, payload: bytes, now: float) -> None:
        """Send the request on an idle connection, or open one."""
        self.started_at = self.sent_at = now
        target = self.target
        target.active.add(self)
        connection = target.pool.take()
        self._payload = payload
        if connection is not None:
            self._connection = connection
            connection.send(payload, self)
            return
        self._connecting = target.pool.connect(self, timeout=target.route.timeouts.connect_seconds)

    def cancel(self, now: float) -> None:
        """Give up: nobody wants the answer any more."""
        if self._close(now):
            self._drop()

    def give_up(self) -> None:
        """The worker ends: tell the exchange, which cancels, so that what is known by now is recorded."""
        self._owner.abandoned(self)

    def pause(self) -> None:
        """Read no more for now: the caller's slowness is not the upstream's."""
        self.paused = True
        if self._connection is not None:
            self._connection.pause()

    def resume(self) -> None:
        """Read again."""
        self.paused = False
        if self._connection is not None:
            self._connection.resume()
            self.moved = True

    def check_time(self, now: float, coarse_now: float) -> None:
        """Fail when a deadline has passed. Called by the worker's sweep."""
        if self.moved:
            self.moved = False
            self.touched = coarse_now
        timeouts = self.target.route.timeouts
        if self.drained_until and now > self.drained_until:
            self._owner.abandoned(self)
        elif now - self.started_at > timeouts.total_seconds:
            self._time_out(f"the answer was not complete within {timeouts.total_seconds:g} s", "total_timeout")
        elif self._connecting is not None:
            return  # the pool has its own deadline for connecting
        elif not self.first_byte_at:
            if now - self.sent_at > timeouts.first_byte_seconds:
                self._time_out(f"no answer came within {timeouts.first_byte_seconds:g} s", "first_byte_timeout")
        elif self.touched and not self.paused and coarse_now - self.touched > timeouts.between_events_seconds:
            self._time_out(f"the answer paused for more than {timeouts.between_events_seconds:g} s", "event_timeout")

    # --- the connection's side

    def connected(self, connection: UpstreamConnection) -> None:
        """A new connection is there."""
        self._connecting = None
        if self.over:
            connection.close()
            return
        self._connection = connection
        self.sent_at = self.target.clock()
        payload, self._payload = self._payload, b""
        connection.send(payload, self)

    def head(self, status: int, headers: dict[bytes, bytes]) -> None:
        """The answer's head came."""
        self.status = status
        self.headers = headers
        self._payload = b""
        coding = headers.get(b"content-encoding")
        if coding is not None and coding.lower() != b"identity":
            try:
                self._inflater = Inflater(coding.lower())
            except UpstreamGarbled as error:
                self._fail(error)
                return
        if self.stream:
            if status == 200 and headers.get(b"content-type", b"").lower().startswith(self.event_type):
                self.relay = self._owner.open_stream(self)
        else:
            # A whole answer: its head is its first byte. A stream's first byte is its first event,
            # so that a provider that sends a head and then nothing can still be replaced.
            self.first_byte_at = self.target.clock()
            self.moved = True

    def body(self, data: bytes) -> None:
        """More of the body came."""
        self.moved = True
        if not self.first_byte_at:
            self.first_byte_at = self.target.clock()
        self.response_bytes += len(data)
        if self._inflater is not None:
            try:
                data = self._inflater.feed(data)
            except UpstreamGarbled as error:
                self._fail(error)
                return
        if self.relay is not None:
            try:
                self._relay(data)
            except Exception as error:  # noqa: BLE001 - a defect while relaying must end the call, not leave it waiting
                self._owner.defect(error)
            return
        self._bytes += len(data)
        if self._bytes > (_MAX_ANSWER_BYTES if self.status < 400 else _MAX_ERROR_BYTES):
            self._fail(UpstreamGarbled("the upstream's answer is larger than the gateway takes"))
            return
        self._parts.append(data)

    def ended(self) -> None:
        """The answer is whole."""
        now = self.target.clock()
        if not self.first_byte_at:
            self.first_byte_at = now
        if not self._close(now):
            return
        try:
            self._finish()
        except Exception as error:  # noqa: BLE001 - as in `body`
            self._owner.defect(error)

    def _finish(self) -> None:
        if self.relay is None:
            if self._inflater is not None and self.status == 200 and not self._inflater.finished:
                self._owner.attempt_failed(self, UpstreamCut("the upstream's compressed answer is not whole"))
                return
            parts = self._parts
            self._owner.answered(self, parts[0] if len(parts) == 1 else b"".join(parts))
            return
        error: UpstreamError | None = None
        try:
            rest = self.relay.close()
        except UpstreamGarbled as garbled:
            rest, error = b"", garbled
        if rest:
            self._owner.streamed(self, rest)
        if error is None and not self.relay.ended and not self.relay.failed:
            error = UpstreamCut("the upstream ended its stream before the answer was complete")
        self._owner.stream_over(self, error)

    def failed(self, error: UpstreamError | InternalError) -> None:
        """The connection failed."""
        if self._was_stale(error):
            self._connection = None
            pool = self.target.pool
            self._connecting = pool.connect(self, timeout=self.target.route.timeouts.connect_seconds)
            return
        self._connecting = None
        self._connection = None
        if not self._close(self.target.clock()):
            return
        try:
            self._report(error)
        except Exception as defect:  # noqa: BLE001 - as in `body`
            self._owner.defect(defect)

    def _was_stale(self, error: UpstreamError | InternalError) -> bool:
        return (
            self._connection is not None
            and self._connection.reused
            and bool(self._payload)  # gone once it is sent on a new connection, or the head of an answer came
            and isinstance(error, UpstreamUnreachable)
            and not self.over
            and self.target.clock() - self.sent_at < _STALE_SECONDS
        )

    def _report(self, error: UpstreamError | InternalError) -> None:
        if self.relay is not None and self.first_byte_at:
            cut = error if isinstance(error, UpstreamError) else UpstreamCut(error.message)
            self._owner.stream_over(self, None if self.relay.ended else cut)
        else:
            self._owner.attempt_failed(self, error)

    # --- inside

    def _relay(self, data: bytes) -> None:
        relay = self.relay
        if relay is None:
            return
        try:
            out = relay.feed(data)
        except UpstreamGarbled as error:
            if self._close(self.target.clock()):
                self._drop()
                self._owner.stream_over(self, error)
            return
        self._owner.streamed(self, out)

    def _time_out(self, message: str, code: str) -> None:
        self._fail(UpstreamTimeout(message, code=code))

    def _fail(self, error: UpstreamError) -> None:
        if not self._close(self.target.clock()):
            return
        self._drop()
        try:
            self._report(error)
        except Exception as defect:  # noqa: BLE001 - as in `body`
            self._owner.defect(defect)

    def _close(self, now: float) -> bool:
        """End once; False when it had ended before."""
        if self.over:
            return False
        self.over = True
        self.ended_at = now
        self.target.active.discard(self)
        return True

    def _drop(self) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
            self._connecting = None
        if self._connection is not None:
            self._connection.abandon()
            self._connection = None
