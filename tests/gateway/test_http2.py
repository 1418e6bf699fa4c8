"""HTTP/2 on the listener's side: first against h2's own client in memory, then over real TLS."""

import asyncio
import socket
import ssl
import time
from collections.abc import Iterable
from pathlib import Path

import httpx
import pytest
import trustme
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    InformationalResponseReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)
from h2.settings import SettingCodes
from hyperframe.frame import (
    ContinuationFrame,
    DataFrame,
    Frame,
    HeadersFrame,
    PingFrame,
    PriorityFrame,
    SettingsFrame,
    WindowUpdateFrame,
)
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.http2 import CALM_BURST, CONCURRENT_STREAMS, Http2Connection
from tollway.gateway.tls import server_context
from tollway.snapshot.document import Limits, TlsServer

from .listener import PIECE, Owner, Served, serving
from .transport import FakeTransport

Fields = list[tuple[str, str]]


def head(method: str = "GET", path: str = "/", *more: tuple[str, str]) -> Fields:
    return [(":method", method), (":scheme", "https"), (":authority", "gateway"), (":path", path), *more]


class Caller:
    """h2's client, and what it was told about each stream."""

    def __init__(self, *, acknowledges: bool = True, **settings: int) -> None:
        # Checks are off, so that it can also say what no client should.
        self.h2 = H2Connection(
            H2Configuration(
                header_encoding="latin-1", validate_outbound_headers=False, normalize_outbound_headers=False
            )
        )
        self.acknowledges = acknowledges
        self.events: list[Event] = []
        self.bodies: dict[int, bytearray] = {}
        self.h2.initiate_connection()
        if settings:
            self.h2.update_settings({SettingCodes[name.upper()]: value for name, value in settings.items()})

    def ask(self, fields: Fields | None = None, body: bytes | None = None) -> int:
        number = self.h2.get_next_available_stream_id()
        self.h2.send_headers(number, fields or head(), end_stream=body is None)
        if body is not None:
            self.h2.send_data(number, body, end_stream=True)
        return number

    def take(self, data: bytes) -> None:
        for event in self.h2.receive_data(data):
            self.events.append(event)
            if isinstance(event, DataReceived):
                self.bodies.setdefault(event.stream_id, bytearray()).extend(event.data)
                if self.acknowledges:
                    self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

    def status(self, number: int) -> int:
        return int(self.headers(number)[":status"])

    def headers(self, number: int) -> dict[str, str]:
        (answer,) = [
            event for event in self.events if isinstance(event, ResponseReceived) and event.stream_id == number
        ]
        return dict(answer.headers)

    def ended(self, number: int) -> bool:
        return any(isinstance(event, StreamEnded) and event.stream_id == number for event in self.events)

    def resets(self, number: int) -> list[int]:
        return [
            event.error_code for event in self.events if isinstance(event, StreamReset) and event.stream_id == number
        ]

    @property
    def goodbyes(self) -> list[int]:
        return [event.error_code for event in self.events if isinstance(event, ConnectionTerminated)]


class Wire:
    """A caller and a connection of the gateway with nothing but memory between them."""

    def __init__(self, owner: Owner | None = None, caller: Caller | None = None) -> None:
        self.owner = owner or Owner()
        self.caller = caller or Caller()
        self.connection = Http2Connection(self.owner)
        self.transport = FakeTransport(self.connection)
        self.exchange()

    def exchange(self) -> None:
        """Carry bytes both ways until nobody has any."""
        while True:
            data = self.caller.h2.data_to_send()
            if data and not self.transport.is_closing():
                self.transport.feed(data)
            received = bytes(self.transport.received)
            self.transport.received.clear()
            if not data and not received:
                return
            if received:
                self.caller.take(received)

    def ask(self, fields: Fields | None = None, body: bytes | None = None) -> int:
        number = self.caller.ask(fields, body)
        self.exchange()
        return number

    def send(self, *frames: Frame) -> None:
        """Put frames on the wire that h2's client would not."""
        self.transport.feed(b"".join(frame.serialize() for frame in frames))
        self.exchange()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


# --- requests and answers


async def test_a_request_and_its_answer():
    wire = Wire()
    number = wire.ask(head("POST", "/x?y=z", ("content-type", "application/json")), b"body")
    (request,) = wire.owner.requests
    assert (request.method, request.path, request.query, request.body) == (b"POST", b"/x", b"y=z", b"body")
    assert request.headers == {b"host": b"gateway", b"content-type": b"application/json"}
    assert (request.version, request.scheme, request.client_address) == ("HTTP/2", "https", "192.0.2.7")
    answer = b"POST /x?y=z body"
    assert wire.caller.headers(number) == {
        ":status": "200",
        "content-type": "text/plain",
        "content-length": str(len(answer)),
    }
    assert (wire.caller.bodies[number], wire.caller.ended(number)) == (answer, True)


async def test_head_gets_the_head_of_the_answer_alone():
    wire = Wire()
    number = wire.ask(head("HEAD"))
    assert wire.caller.headers(number)["content-length"] == str(len("HEAD / "))
    assert (number in wire.caller.bodies, wire.caller.ended(number)) == (False, True)


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_cannot_have_a_body_has_none(status: int):
    wire = Wire()
    number = wire.ask(head("GET", f"/status/{status}"))
    assert (wire.caller.status(number), "content-length" in wire.caller.headers(number)) == (status, False)
    assert (number in wire.caller.bodies, wire.caller.ended(number)) == (False, True)


async def test_a_stream_has_no_length_and_ends():
    wire = Wire()
    number = wire.ask(head("GET", "/stream"))
    assert "content-length" not in wire.caller.headers(number)
    assert (wire.caller.bodies[number], wire.caller.ended(number)) == (b"one,two", True)


async def test_a_broken_stream_is_reset_and_never_ends():
    wire = Wire()
    number = wire.ask(head("GET", "/broken"))
    assert wire.caller.bodies[number] == b"half"
    assert (wire.caller.ended(number), wire.caller.resets(number)) == (False, [ErrorCodes.INTERNAL_ERROR])


async def test_headers_that_mean_one_connection_are_dropped_from_answers_and_names_are_lower_case():
    wire = Wire()
    number = wire.ask(head("GET", "/hold"))
    lines = [b"Connection: close\r\nX-Two: a: b\r\n", b"transfer-encoding: chunked\r\n", b"Keep-Alive: 5\r\n"]
    wire.owner.held[0].downstream.send(200, [*lines, b"upgrade: h2c\r\nproxy-connection: x\r\nx-empty:\r\n"], b"")
    wire.exchange()
    assert wire.caller.headers(number) == {":status": "200", "x-two": "a: b", "x-empty": "", "content-length": "0"}


async def test_many_requests_are_answered_in_whatever_order_they_are_ready():
    wire = Wire()
    first, second = wire.ask(head("GET", "/hold/1")), wire.ask(head("GET", "/hold/2"))
    wire.owner.held[1].answer(b"second")
    wire.exchange()
    assert (wire.caller.ended(first), wire.caller.ended(second)) == (False, True)
    wire.owner.held[0].answer(b"first")
    wire.exchange()
    assert wire.caller.bodies[first] == b"first"


async def test_trailers_end_a_request_and_are_not_believed():
    wire = Wire()
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST"))
    wire.caller.h2.send_data(number, b"body")
    wire.caller.h2.send_headers(number, [("authorization", "Bearer late")], end_stream=True)
    wire.exchange()
    assert (wire.owner.requests[0].body, b"authorization" in wire.owner.requests[0].headers) == (b"body", False)


async def test_a_caller_that_asks_first_is_told_to_go_on():
    wire = Wire()
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST", "/", ("expect", "100-continue")))
    wire.exchange()
    assert any(isinstance(event, InformationalResponseReceived) for event in wire.caller.events)
    wire.caller.h2.send_data(number, b"body", end_stream=True)
    wire.exchange()
    assert wire.caller.status(number) == 200


async def test_a_caller_that_asks_first_is_refused_without_being_told_to_go_on():
    wire = Wire(Owner(Limits(body_bytes=10)))
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST", "/", ("expect", "100-continue"), ("content-length", "11")))
    wire.exchange()
    assert not any(isinstance(event, InformationalResponseReceived) for event in wire.caller.events)
    assert (wire.caller.status(number), wire.caller.resets(number)) == (413, [ErrorCodes.NO_ERROR])


# --- what is refused

SCHEME, PATH, AUTHORITY = (":scheme", "https"), (":path", "/"), (":authority", "gateway")
METHOD = (":method", "GET")

MALFORMED: dict[str, Fields] = {
    "no method": [SCHEME, AUTHORITY, PATH],
    "no scheme": [METHOD, AUTHORITY, PATH],
    "no path": [METHOD, SCHEME, AUTHORITY],
    "an empty path": [METHOD, SCHEME, AUTHORITY, (":path", "")],
    "a space in the path": [METHOD, SCHEME, AUTHORITY, (":path", "/a b")],
    "a space in the method": [(":method", "GET /x"), SCHEME, AUTHORITY, PATH],
    "two methods": [METHOD, METHOD, SCHEME, AUTHORITY, PATH],
    "two paths": [METHOD, SCHEME, AUTHORITY, PATH, (":path", "/other")],
    "two authorities": [METHOD, SCHEME, AUTHORITY, AUTHORITY, PATH],
    "an unknown pseudo-header": [METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")],
    "an answer's pseudo-header": [METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")],
    "a pseudo-header after the others": [METHOD, SCHEME, AUTHORITY, ("x", "y"), PATH],
    "upper case": head("GET", "/", ("X-Upper", "y")),
    "an empty name": head("GET", "/", ("", "y")),
    "a space in a name": head("GET", "/", ("x y", "z")),
    "a colon in a name": head("GET", "/", ("x:y", "z")),
    "a line break in a name": head("GET", "/", ("x\r\ny", "z")),
    "a line break in a value": head("GET", "/", ("x", "y\r\nz: 1")),
    "LF in a value": head("GET", "/", ("x", "y\nz")),
    "NUL in a value": head("GET", "/", ("x", "y\0z")),
    "a control character in a value": head("GET", "/", ("x", "y\x01z")),
    "white space before a value": head("GET", "/", ("x", " y")),
    "white space after a value": head("GET", "/", ("x", "y\t")),
    "a line break in the authority": [METHOD, SCHEME, (":authority", "a\r\nb"), PATH],
    "connection": head("GET", "/", ("connection", "close")),
    "keep-alive": head("GET", "/", ("keep-alive", "5")),
    "proxy-connection": head("GET", "/", ("proxy-connection", "x")),
    "transfer-encoding": head("GET", "/", ("transfer-encoding", "chunked")),
    "upgrade": head("GET", "/", ("upgrade", "h2c")),
    "te other than trailers": head("GET", "/", ("te", "gzip")),
}


@pytest.mark.parametrize("fields", MALFORMED.values(), ids=MALFORMED.keys())
async def test_a_malformed_request_resets_its_stream_and_no_other(fields: Fields):
    wire = Wire()
    other = wire.ask(head("GET", "/hold"))
    number = wire.ask(fields)
    assert (wire.caller.resets(number), wire.caller.goodbyes) == ([ErrorCodes.PROTOCOL_ERROR], [])
    wire.owner.held[0].answer()
    wire.exchange()
    assert (wire.caller.status(other), len(wire.owner.requests)) == (200, 1)


REFUSED: list[tuple[str, Fields, int, str]] = [
    ("neither authority nor Host", [METHOD, SCHEME, PATH], 400, "Host"),
    ("another Host than the authority", head("GET", "/", ("host", "elsewhere")), 400, "'host'"),
    ("two Hosts", [METHOD, SCHEME, PATH, ("host", "a"), ("host", "b")], 400, "'host'"),
    ("a repeated key", head("GET", "/", ("x-api-key", "a"), ("x-api-key", "b")), 400, "'x-api-key'"),
    ("a path that is none", head("GET", "x"), 400, "path"),
    ("* without OPTIONS", head("GET", "*"), 400, "path"),
    ("CONNECT", [(":method", "CONNECT"), (":authority", "a:443")], 405, "forward proxy"),
    ("one giant header", head("GET", "/", ("x", "y" * 2500)), 431, "2000 bytes"),
    ("many headers", head("GET", "/", *((f"x{number}", "y") for number in range(60))), 431, "50 lines"),
    ("a long path", head("GET", "/" + "a" * 2500), 431, "2000 bytes"),
    ("a large body", head("POST", "/", ("content-length", "1001")), 413, "1000 bytes"),
    ("an unknown expectation", head("POST", "/", ("expect", "200-maybe")), 417, "100-continue"),
]


@pytest.mark.parametrize(
    ("fields", "status", "word"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
async def test_a_request_that_cannot_be_served_is_answered(fields: Fields, status: int, word: str):
    wire = Wire(Owner(Limits(header_bytes=2000, header_count=50, body_bytes=1000)))
    number = wire.ask(fields)
    assert (wire.caller.status(number), wire.caller.ended(number)) == (status, True)
    assert word in wire.caller.bodies[number].decode()
    assert (wire.owner.requests, wire.caller.goodbyes) == ([], [])


async def test_the_same_host_twice_is_one_host_and_crumbs_are_one_cookie():
    wire = Wire()
    wire.ask(head("GET", "/", ("host", "gateway"), ("cookie", "a=1"), ("te", "trailers"), ("cookie", "b=2")))
    headers = wire.owner.requests[0].headers
    assert (headers[b"host"], headers[b"cookie"]) == (b"gateway", b"a=1; b=2")


async def test_a_head_far_beyond_the_limit_ends_the_connection_before_it_is_decoded():
    wire = Wire(Owner(Limits(header_bytes=2000)))
    wire.ask(head("GET", "/", ("x", "y" * 5000)))
    assert wire.caller.goodbyes == [ErrorCodes.ENHANCE_YOUR_CALM]
    assert wire.transport.is_closing()


async def test_a_body_that_grows_too_large_is_refused_and_the_caller_told_to_stop():
    wire = Wire(Owner(Limits(body_bytes=1000)))
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST"))
    wire.caller.h2.send_data(number, b"x" * 1000)
    wire.exchange()
    assert wire.owner.refused == []
    wire.caller.h2.send_data(number, b"x")
    wire.exchange()
    assert (wire.caller.status(number), wire.caller.resets(number)) == (413, [ErrorCodes.NO_ERROR])
    assert wire.ask() > number  # and the connection goes on
    assert len(wire.owner.requests) == 1


async def test_a_body_just_as_large_as_allowed_is_served_whatever_the_window():
    size = 5_000_000
    wire = Wire(Owner(Limits(body_bytes=size)))
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST", "/hold"))
    left = size
    while left:
        window = min(wire.caller.h2.local_flow_control_window(number), 16_384, left)
        assert window > 0, "received data is handed back to its window"
        left -= window
        wire.caller.h2.send_data(number, b"x" * window, end_stream=not left)
        wire.exchange()
    assert len(wire.owner.requests[0].body) == size


async def test_the_bodies_of_one_connection_are_bounded_together():
    wire = Wire(Owner(Limits(body_bytes=1000)))
    numbers = [wire.ask(head("POST", "/hold"), b"x" * 1000) for _ in range(4)]
    refused = wire.ask(head("POST", "/hold"), b"x")
    assert (wire.caller.resets(refused), len(wire.owner.held)) == ([ErrorCodes.REFUSED_STREAM], 4)
    wire.owner.held[0].answer()
    wire.exchange()
    assert wire.caller.status(numbers[0]) == 200
    wire.ask(head("POST", "/hold"), b"x")
    assert len(wire.owner.held) == 5


async def test_what_is_no_http_2_ends_the_connection():
    owner = Owner()
    transport = FakeTransport(Http2Connection(owner))
    transport.feed(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
    await settled()
    assert (transport.lost, owner.connections) == (True, set())


OUT_OF_ORDER: dict[str, Frame] = {
    "data for a stream that is not": DataFrame(7, b"x"),
    "continuation of nothing": ContinuationFrame(1, b"x"),
    "a stream that is not the caller's": HeadersFrame(2, b"\x82", flags=["END_HEADERS"]),
    "a window beyond all windows": WindowUpdateFrame(0, window_increment=2**31 - 1),
}


@pytest.mark.parametrize("frame", OUT_OF_ORDER.values(), ids=OUT_OF_ORDER.keys())
async def test_frames_out_of_order_end_the_connection_and_its_exchanges(frame: Frame):
    wire = Wire()
    wire.ask(head("GET", "/hold"))
    wire.send(frame)
    assert wire.caller.goodbyes in ([ErrorCodes.PROTOCOL_ERROR], [ErrorCodes.FLOW_CONTROL_ERROR])
    assert wire.owner.held[0].heard == ["left"]


# --- floods


async def test_a_caller_may_have_only_so_many_requests_under_way():
    wire = Wire()
    for _ in range(CONCURRENT_STREAMS):
        wire.ask(head("GET", "/hold"))
    wire.caller.h2.remote_settings[SettingCodes.MAX_CONCURRENT_STREAMS] = 1000
    wire.caller.h2.remote_settings.acknowledge()
    wire.ask(head("GET", "/hold"))
    assert (len(wire.owner.held), len(wire.caller.goodbyes)) == (CONCURRENT_STREAMS, 1)


async def test_rapid_resets_end_the_connection():
    wire = Wire()
    asked = 0
    while not wire.transport.is_closing():
        asked += 1
        number = wire.ask(head("GET", "/hold"))
        wire.caller.h2.reset_stream(number, ErrorCodes.CANCEL)
        wire.exchange()
    assert asked == CALM_BURST  # the caller's first settings were the one frame more
    assert wire.caller.goodbyes == [ErrorCodes.ENHANCE_YOUR_CALM]
    assert {tuple(held.heard) for held in wire.owner.held} == {("left",)}


async def test_a_request_reset_in_the_same_breath_is_never_begun():
    wire = Wire()
    number = wire.caller.ask(head("GET", "/hold"))
    wire.caller.h2.reset_stream(number, ErrorCodes.CANCEL)
    wire.exchange()
    assert wire.owner.requests == []


async def test_resets_at_a_human_pace_are_fine():
    wire = Wire()
    for second in range(1500):
        wire.owner.clock = lambda now=1000.0 + second: now
        number = wire.ask(head("GET", "/hold"))
        wire.caller.h2.reset_stream(number, ErrorCodes.CANCEL)
        wire.exchange()
    assert (wire.caller.goodbyes, wire.transport.is_closing()) == ([], False)


FLOODS: dict[str, Iterable[Frame]] = {
    "pings": [PingFrame(0, b"12345678")],
    "settings": [SettingsFrame(0, {SettingsFrame.ENABLE_PUSH: 0})],
    "priorities": [PriorityFrame(1, depends_on=0, stream_weight=5)],
    "malformed requests": [],
    "empty data": [DataFrame(1, b"")],
}


@pytest.mark.parametrize("kind", FLOODS)
async def test_frames_that_make_work_and_no_progress_end_the_connection(kind: str):
    wire = Wire()
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST"))
    wire.exchange()
    sent = 0
    while not wire.transport.is_closing():
        sent += 1
        if kind == "malformed requests":
            wire.ask(head("GET", "/", ("connection", "close")))
        else:
            wire.send(*FLOODS[kind])
        assert sent < 2 * CALM_BURST
    assert wire.caller.goodbyes == [ErrorCodes.ENHANCE_YOUR_CALM]


async def test_priorities_that_come_with_requests_are_no_flood():
    wire = Wire()
    for _ in range(int(2 * CALM_BURST)):
        number = wire.caller.h2.get_next_available_stream_id()
        wire.caller.h2.send_headers(number, head(), end_stream=True, priority_weight=10)
        wire.exchange()
    assert (len(wire.owner.requests), wire.caller.goodbyes) == (2 * CALM_BURST, [])


async def test_a_head_in_endless_pieces_ends_the_connection():
    wire = Wire()
    first = HeadersFrame(1, b"")
    wire.transport.feed(first.serialize())
    for _ in range(100):
        if wire.transport.is_closing():
            break
        wire.transport.feed(ContinuationFrame(1, b"").serialize())
    assert wire.transport.is_closing()


async def test_a_huge_header_table_is_not_kept_for_the_caller():
    wire = Wire(caller=Caller(header_table_size=1_000_000))
    for number in range(100):
        wire.ask(head("GET", f"/hold/{number}"))
        wire.owner.held[-1].downstream.send(200, [b"x-unique: %d%b\r\n" % (number, b"v" * 500)], b"")
        wire.exchange()
    assert wire.connection.h2.encoder.header_table_size == 4096
    assert wire.caller.goodbyes == []


async def test_replies_to_a_caller_that_reads_nothing_do_not_pile_up():
    wire = Wire()
    wire.transport.peer_reads = False
    number = wire.caller.ask(head("GET", "/large/10000000"))
    wire.transport.feed(wire.caller.h2.data_to_send())
    del number
    assert not wire.transport.is_reading()
    wire.transport.feed(PingFrame(0, b"12345678").serialize() * 1000)
    assert wire.transport.largest_buffer < 200_000


# --- flow control, and who reads how fast


async def test_a_slow_reader_of_one_stream_pauses_that_exchange_alone():
    wire = Wire(caller=Caller(acknowledges=False, initial_window_size=50_000))
    slow, quick = wire.ask(head("GET", "/hold/slow")), wire.ask(head("GET", "/hold/quick"))
    exchange, other = wire.owner.held
    exchange.downstream.start(200, [], b"x" * 100_000)
    assert (exchange.heard, exchange.downstream.paused) == ([], False)
    exchange.downstream.write(b"x" * 20_000)
    assert (exchange.heard, exchange.downstream.paused) == (["paused"], True)
    other.answer(b"y")
    wire.exchange()
    assert (len(wire.caller.bodies[slow]), wire.caller.bodies[quick], other.heard) == (50_000, b"y", [])
    wire.caller.h2.increment_flow_control_window(60_000, slow)
    wire.caller.h2.increment_flow_control_window(60_000)
    wire.exchange()
    assert (exchange.heard, exchange.downstream.paused) == (["paused", "resumed"], False)
    exchange.downstream.finish()
    wire.caller.h2.increment_flow_control_window(60_000, slow)
    wire.caller.h2.increment_flow_control_window(60_000)
    wire.exchange()
    assert (len(wire.caller.bodies[slow]), wire.caller.ended(slow)) == (120_000, True)


async def test_the_connections_window_is_shared_fairly():
    wire = Wire(caller=Caller(acknowledges=False, initial_window_size=1_000_000))
    numbers = [wire.ask(head("GET", "/large/400000")) for _ in range(3)]
    for _ in range(20):
        wire.caller.h2.increment_flow_control_window(65_536)
        wire.exchange()
        sizes = [len(wire.caller.bodies.get(number, b"")) for number in numbers]
        if all(sizes):
            break
    assert max(sizes) - min(sizes) <= 3 * 65_536
    wire.caller.h2.increment_flow_control_window(1_000_000)
    wire.exchange()
    assert [len(wire.caller.bodies[number]) for number in numbers] == [400_000] * 3
    assert all(wire.caller.ended(number) for number in numbers)


async def test_an_answer_waits_for_the_window_and_ends_when_it_is_out():
    wire = Wire(caller=Caller(acknowledges=False, initial_window_size=10))
    number = wire.ask(head("GET", "/stream/none"))
    assert not wire.caller.ended(number)
    for _ in range(2):
        wire.caller.h2.increment_flow_control_window(5, number)
        wire.exchange()
    assert (wire.caller.bodies[number], wire.caller.ended(number)) == (b"GET /stream/none ", True)


async def test_a_window_that_opens_by_a_setting_lets_streams_go_on():
    wire = Wire(caller=Caller(initial_window_size=0))
    number = wire.ask(head("GET", "/large/1000"))
    assert number not in wire.caller.bodies
    wire.caller.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 65_535})
    wire.exchange()
    assert (len(wire.caller.bodies[number]), wire.caller.ended(number)) == (1000, True)


async def test_an_empty_answer_needs_no_window():
    wire = Wire(caller=Caller(initial_window_size=0))
    number = wire.ask(head("GET", "/hold"))
    wire.owner.held[0].downstream.start(200, [], b"")
    wire.owner.held[0].downstream.finish()
    wire.exchange()
    assert wire.caller.ended(number)


# --- who leaves


async def test_a_stream_reset_by_the_caller_is_heard_of_and_nothing_more_is_sent_on_it():
    wire = Wire()
    number = wire.ask(head("GET", "/hold"))
    held = wire.owner.held[0]
    held.downstream.start(200, [], b"begun")
    wire.exchange()
    wire.caller.h2.reset_stream(number, ErrorCodes.CANCEL)
    wire.exchange()
    assert held.heard == ["left"]
    held.downstream.write(b"more")
    held.downstream.finish()
    wire.exchange()
    assert (wire.caller.bodies[number], wire.caller.goodbyes) == (b"begun", [])


async def test_a_lost_connection_is_heard_of_by_every_exchange():
    wire = Wire()
    wire.ask(head("GET", "/hold"))
    wire.ask(head("GET", "/hold"))
    wire.transport.hang_up(ConnectionResetError())
    await settled()
    assert [held.heard for held in wire.owner.held] == [["left"], ["left"]]
    wire.owner.held[0].answer()  # to nobody, and harmless
    assert wire.owner.connections == set()


async def test_an_exchange_that_is_over_hears_nothing_more():
    wire = Wire(caller=Caller(acknowledges=False))
    number = wire.ask(head("GET", "/hold"))
    held = wire.owner.held[0]
    held.answer(b"x" * 1_000_000)
    wire.exchange()
    wire.caller.h2.reset_stream(number, ErrorCodes.CANCEL)
    wire.exchange()
    assert held.heard == []


async def test_after_the_callers_goodbye_its_requests_are_still_answered():
    wire = Wire()
    number = wire.ask(head("GET", "/hold"))
    goodbye = b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + b"\x00" * 8
    wire.transport.feed(goodbye)
    assert (wire.owner.held[0].heard, wire.transport.is_closing()) == ([], False)
    wire.owner.held[0].answer()
    wire.exchange()
    assert (wire.caller.status(number), wire.transport.is_closing()) == (200, True)


async def test_a_goodbye_that_tells_of_an_error_ends_everything():
    wire = Wire()
    wire.ask(head("GET", "/hold"))
    wire.transport.feed(b"\x00\x00\x08\x07\x00\x00\x00\x00\x00" + b"\x00" * 7 + b"\x01")
    assert (wire.owner.held[0].heard, wire.transport.is_closing()) == (["left"], True)


async def test_draining_answers_what_is_under_way_refuses_what_is_new_and_closes():
    wire = Wire()
    number = wire.ask(head("GET", "/hold"))
    wire.owner.draining = True
    wire.connection.drain()
    late = wire.caller.ask(head("GET", "/late"))
    wire.transport.feed(wire.caller.h2.data_to_send())
    wire.owner.held[0].answer()
    received = bytes(wire.transport.received)
    # h2's client would stop reading at the GOAWAY, so the frames are told apart by hand.
    frames = []
    while received:
        frame, length = Frame.parse_frame_header(memoryview(received[:9]))
        frame.parse_body(memoryview(received[9 : 9 + length]))
        frames.append((type(frame).__name__, frame.stream_id, getattr(frame, "error_code", None)))
        received = received[9 + length :]
    assert frames[0] == ("GoAwayFrame", 0, 0)
    assert ("RstStreamFrame", late, ErrorCodes.REFUSED_STREAM) in frames
    assert ("HeadersFrame", number, None) in frames
    assert [request.path for request in wire.owner.requests] == [b"/hold"]
    assert wire.transport.is_closing()


async def test_a_connection_that_came_just_before_draining_has_its_request_answered_and_is_closed():
    owner = Owner()
    owner.draining = True
    wire = Wire(owner)
    number = wire.ask(head("GET", "/hold"))
    owner.held[0].answer()
    wire.exchange()
    assert (wire.caller.status(number), wire.caller.goodbyes) == (200, [ErrorCodes.NO_ERROR])
    assert wire.transport.is_closing()


async def test_draining_closes_an_idle_connection_at_once():
    wire = Wire()
    wire.connection.drain()
    wire.exchange()
    assert (wire.caller.goodbyes, wire.transport.is_closing()) == ([ErrorCodes.NO_ERROR], True)


async def test_a_connection_beyond_the_limit_is_closed_at_once():
    owner = Owner(Limits(connections=0))
    transport = FakeTransport(Http2Connection(owner))
    assert (transport.aborted, transport.received) == (True, b"")


# --- time


async def test_an_idle_connection_is_told_goodbye_in_its_time():
    wire = Wire(Owner(Limits(idle_seconds=5.0)))
    wire.ask()
    wire.connection.sweep(1005.0)
    assert not wire.transport.is_closing()
    wire.connection.sweep(1005.1)
    wire.exchange()
    assert (wire.caller.goodbyes, wire.transport.is_closing()) == ([ErrorCodes.NO_ERROR], True)


async def test_a_connection_that_never_says_anything_is_closed_sooner():
    owner = Owner(Limits(header_seconds=2.0, idle_seconds=5.0))
    connection = Http2Connection(owner)
    transport = FakeTransport(connection)
    connection.sweep(1002.1)
    assert transport.is_closing()


async def test_a_slow_body_is_refused():
    wire = Wire(Owner(Limits(body_seconds=5.0)))
    number = wire.caller.h2.get_next_available_stream_id()
    wire.caller.h2.send_headers(number, head("POST"))
    wire.exchange()
    wire.connection.sweep(1005.1)
    wire.exchange()
    assert (wire.caller.status(number), wire.caller.resets(number)) == (408, [ErrorCodes.NO_ERROR])


async def test_the_time_an_answer_takes_is_not_the_callers():
    wire = Wire(Owner(Limits(body_seconds=5.0, idle_seconds=5.0, header_seconds=5.0, write_stall_seconds=5.0)))
    number = wire.ask(head("GET", "/hold"))
    wire.connection.sweep(1_000_000.0)
    wire.owner.held[0].answer()
    wire.exchange()
    assert wire.caller.status(number) == 200


async def test_a_stream_that_is_not_read_is_reset_and_the_others_go_on():
    wire = Wire(Owner(Limits(write_stall_seconds=5.0)), Caller(acknowledges=False, initial_window_size=1000))
    stuck, fine = wire.ask(head("GET", "/flood/100")), wire.ask(head("GET", "/hold"))
    await settled()
    wire.exchange()
    wire.connection.sweep(1004.0)
    wire.exchange()
    assert wire.caller.resets(stuck) == []
    wire.connection.sweep(1005.1)
    wire.exchange()
    assert (wire.caller.resets(stuck), wire.owner.floods[0].left) == ([ErrorCodes.CANCEL], True)
    wire.owner.held[0].answer()
    wire.exchange()
    assert wire.caller.status(fine) == 200


async def test_a_connection_that_is_not_read_at_all_is_dropped():
    wire = Wire(Owner(Limits(write_stall_seconds=5.0)))
    wire.transport.peer_reads = False
    wire.caller.ask(head("GET", "/large/10000000"))
    wire.caller.h2.increment_flow_control_window(10_000_000)
    wire.transport.feed(wire.caller.h2.data_to_send())
    wire.connection.sweep(1004.0)
    assert not wire.transport.aborted
    wire.connection.sweep(1005.1)
    assert wire.transport.aborted


async def test_a_closed_connection_whose_caller_does_not_go_is_dropped():
    wire = Wire()
    wire.transport.peer_reads = False
    wire.ask()
    wire.connection.drain()
    wire.connection.drain()
    wire.transport.feed(PingFrame(0, b"12345678").serialize())
    wire.connection.sweep(1029.0)
    assert (wire.transport.is_closing(), wire.transport.aborted) == (True, False)
    wire.connection.sweep(1031.0)
    assert wire.transport.aborted


async def test_aborting_a_connection_tells_its_exchanges():
    wire = Wire()
    wire.ask(head("GET", "/hold"))
    wire.connection.abort()
    await settled()
    assert (wire.owner.held[0].heard, wire.owner.connections) == (["left"], set())
    wire.connection.sweep(1_000_000.0)


# --- however the bytes are cut


@given(st.lists(st.sampled_from(["/", "/stream", "/large/100000", "/broken"]), min_size=1, max_size=5), st.data())
def test_answers_are_the_same_however_the_network_cuts_the_requests(paths: list[str], data: st.DataObject):
    caller = Caller()
    numbers = [caller.ask(head("POST", path), b"body") for path in paths]
    sent = caller.h2.data_to_send()
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=20)))

    async def run() -> None:
        owner = Owner()
        transport = FakeTransport(Http2Connection(owner))
        for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
            transport.feed(sent[start:end])
        while received := bytes(transport.received):
            transport.received.clear()
            caller.take(received)
            transport.feed(caller.h2.data_to_send())
        assert [request.body for request in owner.requests] == [b"body"] * len(paths)

    asyncio.run(run())
    for number, path in zip(numbers, paths, strict=True):
        assert caller.ended(number) is (path != "/broken")
        if path.startswith("/large"):
            assert len(caller.bodies[number]) == 100_000


@given(st.binary(max_size=400))
def test_no_bytes_whatever_break_the_connection(junk: bytes):
    async def run() -> None:
        caller = Caller()
        transport = FakeTransport(Http2Connection(Owner()))
        transport.feed(caller.h2.data_to_send() + junk)
        transport.feed(junk)
        await settled()

    asyncio.run(run())


# --- over TLS


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def document(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> TlsServer:
    folder: Path = tmp_path_factory.mktemp("tls")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    return TlsServer(certificate_file=str(folder / "server.pem"), key_file=str(folder / "server.pem"))


def trusting(authority: trustme.CA, *protocols: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


def call(served: Served, context: ssl.SSLContext, *, receive_buffer: int | None = None) -> ssl.SSLSocket:
    return context.wrap_socket(served.connect(receive_buffer=receive_buffer), server_hostname="localhost")


@pytest.mark.parametrize(
    ("http1", "http2", "version"),
    [(True, True, "HTTP/2"), (False, True, "HTTP/2"), (True, False, "HTTP/1.1")],
    ids=["both", "HTTP/2 only", "HTTP/1.1 only"],
)
def test_the_caller_chooses_the_protocol(
    authority: trustme.CA, document: TlsServer, http1: bool, http2: bool, version: str
):
    with (
        serving(Owner(), server_context(document), document) as served,
        httpx.Client(verify=trusting(authority), http1=http1, http2=http2) as client,
    ):
        url = f"https://localhost:{served.port}"
        answers = [client.post(f"{url}/{number}", content=b"body" * 50_000) for number in range(5)]
        assert [answer.http_version for answer in answers] == [version] * 5
        assert [answer.text[:8] for answer in answers] == [f"POST /{number} " for number in range(5)]
        assert client.get(f"{url}/large/3000000").content == b"x" * 3_000_000
        with client.stream("GET", f"{url}/flood/300") as answer:
            assert sum(map(len, answer.iter_bytes())) == 300 * len(PIECE)
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(f"{url}/broken")
    assert {request.version for request in served.owner.requests} == {version}
    assert {request.scheme for request in served.owner.requests} == {"https"}


def test_a_caller_that_negotiates_nothing_gets_http_1_1(authority: trustme.CA, document: TlsServer):
    with (
        serving(Owner(), server_context(document), document) as served,
        call(served, trusting(authority)) as caller,
    ):
        caller.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert caller.recv(1000).startswith(b"HTTP/1.1 200")


def test_a_slow_reader_slows_its_stream_and_memory_stays_flat(authority: trustme.CA, document: TlsServer):
    pieces = 1000
    with (
        serving(Owner(), server_context(document), document) as served,
        call(served, trusting(authority, "h2"), receive_buffer=32_768) as caller,
    ):
        h2 = Caller()
        h2.h2.increment_flow_control_window(100_000_000)
        h2.h2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: 100_000_000})
        number = h2.ask(head("GET", f"/flood/{pieces}"))
        caller.sendall(h2.h2.data_to_send())
        while not served.owner.floods:
            time.sleep(0.005)
        (flood,) = served.owner.floods
        before = -1
        while flood.written != before:
            before = flood.written
            time.sleep(0.1)
        assert flood.written * len(PIECE) < 8_000_000
        while not h2.ended(number):
            h2.take(caller.recv(100_000))
            if data := h2.h2.data_to_send():
                caller.sendall(data)
        assert len(h2.bodies[number]) == pieces * len(PIECE)


def test_the_listener_drains_while_calls_go_on(authority: trustme.CA, document: TlsServer):
    with (
        serving(Owner(), server_context(document), document) as served,
        call(served, trusting(authority, "h2")) as caller,
    ):
        h2 = Caller()
        number = h2.ask(head("GET", "/hold"))
        caller.sendall(h2.h2.data_to_send())
        while not served.owner.held:
            time.sleep(0.005)

        def drain() -> None:
            for connection in tuple(served.owner.connections):
                connection.drain()

        served.call(drain)
        served.call(served.owner.held[0].answer)
        data = b""
        while piece := caller.recv(65_536):
            data += piece
    assert number == 1
    assert b"held" in data


def test_a_handshake_that_never_ends_holds_no_exchange(document: TlsServer):
    with serving(Owner(), server_context(document), document) as served, served.connect() as caller:
        caller.sendall(b"\x16\x03\x01")
        caller.shutdown(socket.SHUT_WR)
        assert caller.recv(100) == b""
        assert served.owner.connections == set()
