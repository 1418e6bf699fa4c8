"""One stream by itself. What it does on the wire is in the tests of the connection."""

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import DataReceived, Event, ResponseReceived, StreamEnded, StreamReset

from tollway.gateway.http2_stream import Http2Stream
from tollway.gateway.request import Request

from .listener import Held, Owner


class Connection:
    """Two h2 engines back to back, and no transport."""

    def __init__(self, method: bytes = b"GET") -> None:
        self.owner = Owner()
        self.paused = False
        self.open = True
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.caller = H2Connection(H2Configuration(header_encoding=None))
        self.over: list[Http2Stream] = []
        self.events: list[Event] = []
        self.h2.initiate_connection()
        self.caller.initiate_connection()
        self.caller.send_headers(
            1, [(b":method", method), (b":scheme", b"https"), (b":authority", b"a"), (b":path", b"/")], end_stream=True
        )
        self.h2.receive_data(self.caller.data_to_send())
        self.stream = Http2Stream(self, 1, Request(method, b"/", "192.0.2.1"), 1000.0)
        self.held = Held(self.stream.request, self.stream)
        self.stream.handler = self.held

    def flush(self) -> None:
        self.events += self.caller.receive_data(self.h2.data_to_send())

    def stream_over(self, stream: Http2Stream) -> None:
        self.over.append(stream)

    @property
    def kinds(self) -> list[type[Event]]:
        kinds = (ResponseReceived, DataReceived, StreamEnded, StreamReset)
        return [type(event) for event in self.events if isinstance(event, kinds)]


def test_a_whole_answer_ends_the_stream_and_the_exchange():
    connection = Connection()
    connection.stream.send(200, [b"x: y\r\n"], b"body")
    assert connection.kinds == [ResponseReceived, DataReceived, StreamEnded]
    assert (connection.stream.over, connection.over, connection.stream.handler) == (True, [connection.stream], None)


def test_after_its_end_a_stream_takes_anything_and_sends_nothing():
    connection = Connection()
    stream = connection.stream
    stream.send(200, [], b"")
    before = connection.kinds
    stream.write(b"more")
    stream.finish()
    stream.abort()
    stream.send(200, [], b"again")
    stream.reset(ErrorCodes.CANCEL)
    assert (connection.kinds, connection.over, connection.held.heard) == (before, [stream], [])


def test_an_aborted_answer_is_reset_and_its_exchange_not_told_what_it_knows():
    connection = Connection()
    connection.stream.start(200, [], b"half")
    connection.stream.abort()
    assert connection.kinds == [ResponseReceived, DataReceived, StreamReset]
    assert connection.held.heard == []


def test_a_stream_reset_for_its_callers_sake_tells_its_exchange():
    connection = Connection()
    connection.stream.start(200, [], b"")
    connection.stream.reset(ErrorCodes.CANCEL)
    assert connection.held.heard == ["left"]


def test_while_the_connection_is_paused_everything_waits_here():
    connection = Connection()
    connection.paused = True
    connection.stream.start(200, [], b"a")
    connection.stream.write(b"b")
    connection.stream.finish()
    assert (connection.kinds, connection.stream.unsent) == ([ResponseReceived], True)
    connection.paused = False
    connection.stream.go_on()
    assert connection.kinds == [ResponseReceived, DataReceived, StreamEnded]


@pytest.mark.parametrize(("waiting", "heard"), [(65_536, []), (65_537, ["paused"])])
def test_an_exchange_is_paused_when_too_much_waits(waiting: int, heard: list[str]):
    connection = Connection()
    connection.paused = True
    connection.stream.start(200, [], b"x" * waiting)
    assert (connection.held.heard, connection.stream.paused) == (heard, bool(heard))


def test_a_stall_is_measured_from_the_last_byte_that_went():
    connection = Connection()
    stream = connection.stream
    stream.start(200, [], b"x" * 70_000)  # more than the window
    connection.owner.clock = lambda: 1010.0
    assert stream.stalls(1005.0) == 5.0
    connection.caller.increment_flow_control_window(100, 1)
    connection.caller.increment_flow_control_window(100)
    connection.h2.receive_data(connection.caller.data_to_send())
    stream.go_on()
    assert stream.stalls(1012.0) == 2.0


def test_the_pieces_of_a_body_become_one_request():
    stream = Connection().stream
    stream.take(b"he")
    stream.take(b"llo")
    assert (stream.body_bytes, stream.whole_request().body) == (5, b"hello")
