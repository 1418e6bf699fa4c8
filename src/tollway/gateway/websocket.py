"""The two connections of a session after their handshakes: bytes become messages, messages become bytes.

Rules of this file:
- It moves messages and tells a `SocketOwner` what happened; what a message means is the session's business.
- An end tells of its close exactly once, whoever closed; after that nothing.
- Whoever reads too slowly pauses the other end, never this worker: `paused` and `resumed` say so.
- Pings are answered here, and asked here; they are not passed on.
"""

import asyncio
from collections.abc import Mapping
from typing import Final, Protocol, cast

import httptools

from tollway.core.errors import UpstreamError, UpstreamGarbled, UpstreamUnreachable
from tollway.gateway.connection import Stall
from tollway.gateway.outbox import Outbox
from tollway.gateway.target import Target
from tollway.wire.websocket import CUT, Closed, Message, WebSocketFraming

_CLOSING_SECONDS: Final = 2.0
"""How long the other side may take to answer a close before the connection is dropped."""
_MAX_HEAD_BYTES: Final = 65_536
_MAX_REFUSAL_BYTES: Final = 65_536


class SocketOwner(Protocol):
    """The session, as its two ends see it."""

    def received(self, end: "SocketEnd", message: Message) -> None:
        """A whole message came."""
        ...

    def closed(self, end: "SocketEnd", closed: Closed) -> None:
        """The other side closed, broke the protocol or vanished."""
        ...

    def paused(self, end: "SocketEnd") -> None:
        """The other side reads slower than we write."""
        ...

    def resumed(self, end: "SocketEnd") -> None:
        """It caught up."""
        ...

    def sweep(self, now: float) -> None:
        """Look at everything that waits."""
        ...

    def drain(self) -> None:
        """End as soon as no response is under way."""
        ...

    def abort(self) -> None:
        """End now."""
        ...

    def gone(self) -> None:
        """The caller's connection is no more."""
        ...


class SocketEnd(asyncio.Protocol):
    """One end: the framing over one transport."""

    def __init__(self, outbox: Outbox, *, server: bool, message_bytes: int) -> None:
        """Wait for the transport. `outbox` takes what is sent: records of the same turn are kept before it leaves."""
        self._outbox = outbox
        self.owner: SocketOwner | None = None
        self.write_paused = False
        self.reading = True
        self.lost = False
        self.heard = False
        """Whether bytes came since it was last asked whether it is there."""
        self.asked = False
        """Whether it was ever."""
        self.stall = Stall()
        self._framing = WebSocketFraming(server=server, message_bytes=message_bytes)
        self._transport: asyncio.Transport | None = None
        self._told = False
        self._closing: asyncio.TimerHandle | None = None

    # --- the session's side

    def send(self, message: Message) -> None:
        """Write one message; silently nothing once this end is closed."""
        self._framing.send(message)
        self._flush()

    def ping(self) -> None:
        """Ask whether the other side is still there."""
        self._framing.ping()
        self._flush()

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close; the connection is dropped when the other side has answered, or does not in time."""
        if self._closing is not None or self._transport is None:
            return
        self._told = True  # it is closed already for whoever closes it
        self._framing.close(code, reason)
        self._flush()
        self.resume_reading()  # its answer must be heard
        self._drop_later()

    def drop(self) -> None:
        """Drop the connection now."""
        self._told = True
        self._outbox.flush()
        if self._transport is not None:
            self._transport.abort()

    def pause_reading(self) -> None:
        """Read no more for now."""
        if self._transport is not None and self.reading and self._closing is None:
            self.reading = False
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read again."""
        if self._transport is not None and not self.reading:
            self.reading = True
            self._transport.resume_reading()

    def unsent(self) -> int:
        """How many bytes wait to be read by the other side."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self.heard = True
        self._tell(self._framing.feed(data))

    def eof_received(self) -> bool:
        """The other side sends no more: `connection_lost` follows."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        del exc
        self.lost = True
        self._transport = None
        if self._closing is not None:
            self._closing.cancel()
        self._tell(self._framing.eof())
        self._tell_closed(Closed(CUT, ""))

    def pause_writing(self) -> None:
        """The other side reads slower than we write."""
        self.write_paused = True
        if self.owner is not None:
            self.owner.paused(self)

    def resume_writing(self) -> None:
        """It caught up."""
        self.write_paused = False
        if self.owner is not None:
            self.owner.resumed(self)

    # --- inside

    def _tell(self, events: "list[Message | Closed]") -> None:
        for event in events:
            if isinstance(event, Closed):
                self._flush()  # the echo, or the close that names the fault
                if self._transport is not None:
                    self._outbox.flush()
                    self._transport.close()
                    self._drop_later()
                self._tell_closed(event)
            elif self.owner is not None and not self._told:
                self.owner.received(self, event)
        self._flush()

    def _tell_closed(self, closed: Closed) -> None:
        if not self._told:
            self._told = True
            if self.owner is not None:
                self.owner.closed(self, closed)

    def _drop_later(self) -> None:
        """What was written must still reach the other side; but it may never read it."""
        if self._closing is None:
            self._closing = asyncio.get_running_loop().call_later(_CLOSING_SECONDS, self.drop)

    def _flush(self) -> None:
        out = self._framing.take_output()
        if out and self._transport is not None:
            self._outbox.write(self._transport, out)


class CallerSocket(SocketEnd):
    """The caller's end; a `Connection` of its listener until the session is over."""

    def __init__(self, owner: SocketOwner, outbox: Outbox, *, message_bytes: int) -> None:
        """Wait for the transport, which an HTTP connection hands over."""
        super().__init__(outbox, server=True, message_bytes=message_bytes)
        self.owner = owner

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        super().connection_lost(exc)
        if self.owner is not None:
            self.owner.gone()

    def sweep(self, now: float) -> None:
        """Let the session look at its limits."""
        if self.owner is not None:
            self.owner.sweep(now)

    def drain(self) -> None:
        """End the session as soon as no response is under way."""
        if self.owner is not None:
            self.owner.drain()

    def abort(self) -> None:
        """End the session now."""
        if self.owner is not None:
            self.owner.abort()


class HandshakeAnswer:
    """What a provider answered to the handshake; the body only when it refused."""

    __slots__ = ("body", "headers", "status")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.body = b""


class ProviderSocket(SocketEnd):
    """The provider's end: the handshake's answer first, then messages."""

    def __init__(self, outbox: Outbox, *, message_bytes: int) -> None:
        """Wait for the transport."""
        super().__init__(outbox, server=False, message_bytes=message_bytes)
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._answer = HandshakeAnswer()
        self._body = bytearray()
        self._read_bytes = 0
        self._done: asyncio.Future[HandshakeAnswer] | None = None
        """Made when somebody waits for the answer: an error that nobody hears would be told by the event loop."""
        self._failure: UpstreamError | None = None
        self._rest = b""

    async def handshake(self, request: bytes) -> HandshakeAnswer:
        """Send the handshake and wait for its answer. Messages are held until `begin`.

        Raises:
            UpstreamError: there was none.
        """
        if self._failure is not None:
            raise self._failure
        self._done = asyncio.get_running_loop().create_future()
        if self._transport is not None:
            self._outbox.write(self._transport, request)
        return await self._done

    def begin(self, owner: SocketOwner) -> None:
        """Hand messages to `owner` from now on, those first that came with the handshake's answer."""
        self.owner = owner
        rest, self._rest = self._rest, b""
        if rest:
            super().data_received(rest)
        if self.lost:
            super().connection_lost(None)
        else:
            self.resume_reading()

    def data_received(self, data: bytes) -> None:
        """Read the answer to the handshake; then frames."""
        parser = self._parser
        if parser is None:
            if self.owner is None and not self._told:
                self._rest += data  # nobody to hand it to yet; no more is read meanwhile
            else:
                super().data_received(data)
            return
        self._read_bytes += len(data)
        try:
            parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._rest = data[upgrade.args[0] :]
            self._answered()
            return
        except httptools.HttpParserError as error:
            self._fail(UpstreamGarbled(f"the upstream's answer is not well-formed HTTP: {error}"))
            return
        if not self._answer.status and self._read_bytes > _MAX_HEAD_BYTES:
            self._fail(UpstreamGarbled(f"the upstream's answer has more than {_MAX_HEAD_BYTES} bytes of headers"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The provider is gone."""
        if self._parser is not None:
            if self._answer.status:
                self._answered()  # a refusal without a length ends here
            else:
                self._fail(UpstreamUnreachable("the upstream closed the connection before answering"))
        if self.owner is None and not self._told:
            self.lost = True  # whoever is to hear of it, and of what came before, is not there yet
            self._transport = None
        else:
            super().connection_lost(exc)

    # --- the parser's side

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; repeats are joined."""
        headers = self._answer.headers
        key = name.lower()
        headers[key] = headers[key] + b", " + value if key in headers else value

    def on_headers_complete(self) -> None:
        """Take the status; an informational one is not the answer."""
        parser = self._parser
        status = parser.get_status_code() if parser is not None else 0
        if status == 101 or status >= 200:
            self._answer.status = status
        else:
            self._answer.headers = {}

    def on_body(self, body: bytes) -> None:
        """Keep the beginning of a refusal's body."""
        self._body += body[: _MAX_REFUSAL_BYTES - len(self._body)]

    def on_message_complete(self) -> None:
        """The answer is whole; a 101 is told of by the parser's upgrade."""
        if self._answer.status and self._answer.status != 101:
            self._answered()

    # --- inside

    def _answered(self) -> None:
        self._parser = None
        self.pause_reading()
        self._answer.body = bytes(self._body)
        done = self._done
        if done is None:
            self._fail(UpstreamGarbled("the upstream answered before it was asked"))
        elif not done.done():
            done.set_result(self._answer)

    def _fail(self, error: UpstreamError) -> None:
        self._parser = None
        self._failure = error
        if self._done is not None and not self._done.done():
            self._done.set_exception(error)
        self.drop()


class SocketAttempt:
    """One attempt to open a session with a provider, as policies of the upstream phase and records see it."""

    __slots__ = (
        "ended_at",
        "headers",
        "number",
        "sent_at",
        "set_headers",
        "started_at",
        "status",
        "target",
        "target_model",
    )

    def __init__(self, target: Target, target_model: str, number: int, *, now: float) -> None:
        """Begin now."""
        self.target = target
        self.target_model = target_model
        self.number = number
        self.started_at = self.sent_at = now
        """When it began, and when what proves who we are was written: a token may have to be waited for."""
        self.ended_at = 0.0
        self.status = 0
        self.headers: Mapping[bytes, bytes] = {}
        self.set_headers: dict[str, str] = {}

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
        self.set_headers[name] = value
