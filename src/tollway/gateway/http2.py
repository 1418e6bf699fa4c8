"""The listener's side of HTTP/2: one connection, many requests; each stream is one exchange's `Downstream`.

Rules of this file:
- Framing, flow control and limits only; what a request means is the exchange's business.
- What was not sent yet waits here, in the stream it belongs to, and never in h2 or the transport
  beyond their windows: so a caller that reads one answer slowly slows that exchange alone.
- A request's bytes are handed back to its window at once (they are bounded by `body_bytes`); bodies
  of one connection are bounded together.
- What costs a caller nothing and us something (resets, pings, settings, priorities, empty frames)
  is paid from a budget that refills with time. RFC 9113, section 10.5.
"""

import asyncio
import struct
from typing import Final, cast

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingReceived,
    PriorityUpdated,
    RemoteSettingsChanged,
    RequestReceived,
    StreamEnded,
    StreamReset,
    UnknownFrameReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from tollway.core.errors import TollwayError
from tollway.gateway.connection import ConnectionOwner, Stall
from tollway.gateway.downstream import NOBODY
from tollway.gateway.http2_head import MalformedHeadError, read_head
from tollway.gateway.http2_stream import Http2Stream
from tollway.gateway.refusals import body_too_large, too_slow

CONCURRENT_STREAMS: Final = 128
"""Requests of one connection that are under way together."""
CALM_BURST: Final = 500.0
"""How many frames that cost the caller nothing are borne at once …"""
CALM_PER_SECOND: Final = 50.0
"""… and how many per second after that."""

_STREAM_WINDOW: Final = 1_048_576
_CONNECTION_WINDOW: Final = 4_194_304
_HEADER_TABLE: Final = 4_096
_HELD_BODIES: Final = 4
"""How many bodies of the largest size one connection may have here together."""
_CLOSE_SECONDS: Final = 30.0
_FRAMES_WITHOUT_WORK: Final = (PingReceived, PriorityUpdated, RemoteSettingsChanged, UnknownFrameReceived, StreamReset)


class Http2Connection(asyncio.Protocol):
    """One connection of one caller."""

    __slots__ = (
        "_calm",
        "_calm_at",
        "_closing",
        "_draining",
        "_greeted",
        "_h2",
        "_held_bytes",
        "_stall",
        "_streams",
        "_transport",
        "address",
        "owner",
        "paused",
        "since",
    )

    def __init__(self, owner: ConnectionOwner) -> None:
        """Wait for the transport."""
        self.owner = owner
        self.address = ""
        self.paused = False
        self.since = 0.0
        self._transport: asyncio.Transport | None = None
        self._h2 = _engine(owner.limits.header_bytes)
        self._streams: dict[int, Http2Stream] = {}
        self._held_bytes = 0
        self._calm = CALM_BURST
        self._calm_at = 0.0
        self._stall = Stall()
        self._greeted = False
        self._draining = False
        self._closing = False

    # --- the transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or close at once when there are too many connections."""
        self._transport = cast("asyncio.Transport", transport)
        peer = cast("tuple[object, ...] | str | None", transport.get_extra_info("peername"))
        self.address = str(peer[0]) if isinstance(peer, tuple) else ""
        self.since = self._calm_at = self.owner.now
        if not self.owner.opened(self):
            self._transport.abort()
            return
        self._h2.initiate_connection()
        self._h2.increment_flow_control_window(_CONNECTION_WINDOW - 65_535)
        self.flush()

    def connection_lost(self, exc: Exception | None) -> None:
        """The caller is gone."""
        del exc
        self.owner.closed(self)
        self._transport = None
        self._closing = True
        self._forsake()

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._closing:
            return
        self._greeted = True
        try:
            events = self._h2.receive_data(data)
        except ProtocolError:
            # h2 has prepared the GOAWAY that says what was wrong.
            self._end()
            return
        self._handle(events)
        self.flush()

    def eof_received(self) -> bool:
        """The caller sends no more, so it can neither reset nor widen a window: treat it as gone."""
        return False

    def pause_writing(self) -> None:
        """The caller reads slower than we write: frame nothing more, and take no more frames to answer."""
        self.paused = True
        if self._transport is not None:
            self._stall.begin(self.owner.now, self._transport.get_write_buffer_size())
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """The caller caught up."""
        self.paused = False
        self._stall.end()
        if self._transport is not None and not self._closing:
            self._transport.resume_reading()
            self._share()
            self.flush()

    # --- the streams' side

    @property
    def h2(self) -> H2Connection:
        """The framing, for streams to frame what they send."""
        return self._h2

    @property
    def open(self) -> bool:
        """Whether anything may still be framed."""
        return not self._closing

    def flush(self) -> None:
        """Give the transport what was framed."""
        transport = self._transport
        if transport is not None and (data := self._h2.data_to_send()):
            self.owner.outbox.write(transport, data)

    def stream_over(self, stream: Http2Stream) -> None:
        """Forget a stream on which nothing more goes either way."""
        if self._streams.pop(stream.number, None) is None:
            return
        self._held_bytes -= stream.body_bytes
        if not self._streams:
            self.since = self.owner.now
            if (self._draining or self.owner.draining) and not self._closing:
                self._end()

    # --- the worker's side

    def sweep(self, now: float) -> None:
        """Close or refuse what keeps us waiting for longer than the limits allow."""
        transport = self._transport
        if transport is None:
            return
        limits = self.owner.limits
        waited = now - self.since
        if self._stall:
            if self._stall.lasts(now, transport.get_write_buffer_size()) > limits.write_stall_seconds:
                transport.abort()
        elif self._closing:
            if waited > _CLOSE_SECONDS:
                transport.abort()
        elif not self._streams:
            if waited > (limits.idle_seconds if self._greeted else limits.header_seconds):
                self._end()
        else:
            self._sweep_streams(now)

    def drain(self) -> None:
        """Take no more requests; close once those under way are answered."""
        if self._closing or self._draining:
            return
        self._draining = True
        if not self._streams:
            self._end()
            return
        # Written by hand: after its own GOAWAY, h2 would frame nothing more for the streams that go on.
        if self._transport is not None:
            last = self._h2.highest_inbound_stream_id
            goaway = struct.pack(">HBBBIII", 0, 8, 7, 0, 0, last, ErrorCodes.NO_ERROR)
            self.owner.outbox.write(self._transport, goaway)

    def abort(self) -> None:
        """Close now, whatever is under way."""
        self._closing = True
        self._forsake()
        if self._transport is not None:
            self._transport.abort()

    # --- what came

    def _handle(self, events: list[Event]) -> None:
        """Handle the events of one read; a request that was also reset in it is never begun."""
        goodbye = next((event for event in events if isinstance(event, ConnectionTerminated)), None)
        if goodbye is not None:
            if goodbye.error_code != ErrorCodes.NO_ERROR:
                self._end()
                return
            # RFC 9113, section 6.8: after GOAWAY the requests that were made go on. h2 would end them all.
            self._h2.state_machine.state = ConnectionState.CLIENT_OPEN
        resets = {event.stream_id for event in events if isinstance(event, StreamReset)}
        for number in resets:
            if (stream := self._streams.get(number)) is not None:
                stream.reset_by_caller()
        whole: list[Http2Stream] = []
        for event in events:
            if isinstance(event, RequestReceived) and event.stream_id in resets:
                continue
            self._event(event, whole)
            if self._closing:
                return
        for stream in whole:
            self._serve(stream)
        if goodbye is not None:
            self._draining = True
            if not self._streams:
                self._end()

    def _event(self, event: Event, whole: list[Http2Stream]) -> None:
        """Handle one event; a stream whose request is complete is added to `whole`."""
        if isinstance(event, RequestReceived):
            self._request(event)
        elif isinstance(event, DataReceived):
            self._data(event)
        elif isinstance(event, StreamEnded):
            stream = self._streams.get(event.stream_id)
            if stream is not None:
                stream.cut_short = False
                if stream.receiving:
                    stream.receiving = False
                    whole.append(stream)
        elif isinstance(event, WindowUpdated):
            if event.stream_id == 0:
                self._share()
            elif (stream := self._streams.get(event.stream_id)) is not None:
                stream.go_on()
        elif isinstance(event, _FRAMES_WITHOUT_WORK):
            self._charge()
            if isinstance(event, RemoteSettingsChanged):
                self._settings()

    def _request(self, event: RequestReceived) -> None:
        number = event.stream_id
        if event.priority_updated is not None:
            self._calm += 1.0  # it came with the request: no frame of its own
        if self._draining:
            self._h2.reset_stream(number, ErrorCodes.REFUSED_STREAM)
            return
        try:
            request, trouble = read_head(event.headers, self.address, self.owner.limits)
        except MalformedHeadError:
            # RFC 9113, section 8.1.1: a malformed request is an error of its stream.
            self._h2.reset_stream(number, ErrorCodes.PROTOCOL_ERROR)
            self._charge()
            return
        stream = Http2Stream(self, number, request, self.owner.now)
        self._streams[number] = stream
        if trouble is not None:
            self._refuse(stream, trouble, ended=event.stream_ended is not None)
        elif b"expect" in request.headers and event.stream_ended is None:
            self._h2.send_headers(number, [(b":status", b"100")])

    def _data(self, event: DataReceived) -> None:
        number = event.stream_id
        length = event.flow_controlled_length
        if length:
            self._h2.acknowledge_received_data(length, number)
        if not event.data and event.stream_ended is None:
            self._charge()
        stream = self._streams.get(number)
        if stream is None or not stream.receiving or not event.data:
            return
        size = len(event.data)
        limits = self.owner.limits
        if stream.body_bytes + size > limits.body_bytes:
            self._refuse(stream, body_too_large(limits), ended=event.stream_ended is not None)
            return
        if self._held_bytes + size > _HELD_BODIES * limits.body_bytes:
            # RFC 9113, section 8.7: a refused stream may be tried again, as nothing was done with it.
            stream.reset(ErrorCodes.REFUSED_STREAM)
            return
        self._held_bytes += size
        stream.take(event.data)

    def _settings(self) -> None:
        # The caller may allow any table; what it costs is ours, and it gains nothing by a large one.
        self._h2.encoder.header_table_size = min(self._h2.encoder.header_table_size, _HEADER_TABLE)
        self._share()

    def _charge(self) -> None:
        """Pay for a frame that made work and no progress; end the connection when nothing is left."""
        now = self.owner.now
        self._calm = min(CALM_BURST, self._calm + (now - self._calm_at) * CALM_PER_SECOND) - 1.0
        self._calm_at = now
        if self._calm < 0 and not self._closing:
            self._h2.close_connection(ErrorCodes.ENHANCE_YOUR_CALM)
            self._end()

    # --- answers

    def _serve(self, stream: Http2Stream) -> None:
        if stream.over:
            return
        stream.handler = NOBODY
        handler = self.owner.serve(stream.whole_request(), stream)
        if stream.handler is NOBODY:  # else the answer is made already
            stream.handler = handler

    def _refuse(self, stream: Http2Stream, error: TollwayError, *, ended: bool) -> None:
        """Answer a request that is not read to its end."""
        stream.receiving = False
        stream.cut_short = not ended
        self.owner.refuse(error, stream.request, stream)

    def _share(self) -> None:
        """Let every stream send in turns, until nobody can."""
        progress = True
        while progress and not self.paused and not self._closing:
            progress = False
            for stream in tuple(self._streams.values()):
                if stream.unsent and stream.push():
                    progress = True
                    self.flush()
                    if stream.number in self._streams:  # to the end of the line
                        self._streams[stream.number] = self._streams.pop(stream.number)
                if self.paused:
                    return

    def _sweep_streams(self, now: float) -> None:
        limits = self.owner.limits
        for stream in tuple(self._streams.values()):
            if stream.receiving and now - stream.since > limits.body_seconds:
                self._refuse(stream, too_slow("body", limits.body_seconds), ended=False)
            elif stream.stalls(now) > limits.write_stall_seconds:
                stream.reset(ErrorCodes.CANCEL)
        self.flush()

    # --- ends

    def _end(self) -> None:
        """Say goodbye, if h2 has not yet, and close."""
        if self._h2.state_machine.state != ConnectionState.CLOSED:
            self._h2.close_connection()
        self.flush()
        self._closing = True
        self.since = self.owner.now
        self._forsake()
        if self._transport is not None:
            self._transport.close()

    def _forsake(self) -> None:
        """Tell every exchange that its caller is gone."""
        streams, self._streams = self._streams, {}
        for stream in streams.values():
            stream.left()


def _engine(header_bytes: int) -> H2Connection:
    engine = H2Connection(
        H2Configuration(
            client_side=False,
            header_encoding=None,
            validate_inbound_headers=False,
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        )
    )
    engine.local_settings = Settings(
        client=False,
        initial_values={
            SettingCodes.MAX_CONCURRENT_STREAMS: CONCURRENT_STREAMS,
            SettingCodes.INITIAL_WINDOW_SIZE: _STREAM_WINDOW,
            SettingCodes.MAX_HEADER_LIST_SIZE: header_bytes,
        },
    )
    # A little too much gets an answer; twice too much ends the connection before it is even decoded.
    engine.decoder.max_header_list_size = 2 * header_bytes
    return engine
