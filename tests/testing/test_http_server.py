"""The server of the fakes, on the wire."""

import asyncio
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.testing.http_messages import Response, Stream
from tollway.testing.http_server import Answering, HttpServer
from tollway.testing.serving import InThread


def echo(request):
    """Answers with the method, path and body; `/stream/N` with N events; `/delay` a little later."""
    if request.path.startswith("/stream/"):
        events = [b"event %d\n" % i for i in range(int(request.path[8:]))]
        pace = 0.005 if "paced" in request.query else 0.0
        return Stream(status=200, headers=[], events=events, pace=pace)
    body = f"{request.method} {request.path} ".encode() + request.body
    return Response(
        status=200, headers=[("x-number", str(request.connection))], body=body, delay=0.02 * ("delay" in request.path)
    )


@pytest.fixture(scope="module")
def server():
    listening = HttpServer(lambda number, registry: Answering(number, registry, echo))
    listening.port = 0

    async def start():
        listening.port = await listening.start("127.0.0.1", 0)

    thread = InThread("echo", start, listening.close)
    thread.start()
    yield listening
    thread.stop()


def test_a_request_is_answered_with_a_length_and_the_connection_kept(server, connect):
    client = connect(server.port)
    for body in (b"one", b"two"):
        answer = client.request(body, path="/x").until(body)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"content-length: 11\r\n" in answer


def test_pipelined_requests_are_answered_in_order_whatever_each_takes(server, connect):
    paths = ["/delay/1", "/stream/2?paced", "/3", "/delay/4", "/5"]
    requests = b"".join(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for path in paths)
    client = connect(server.port).send(requests)
    got = client.until(b"GET /5 ")
    places = [got.index(mark) for mark in (b"GET /delay/1 ", b"event 1", b"GET /3 ", b"GET /delay/4 ", b"GET /5 ")]
    assert places == sorted(places)


@pytest.mark.parametrize("query", ["", "?paced"])
def test_a_stream_is_one_chunk_an_event_and_ends_properly(server, connect, query):
    got = connect(server.port).request(path=f"/stream/3{query}").until(b"0\r\n\r\n")
    assert got.partition(b"\r\n\r\n")[2] == b"8\r\nevent 0\n\r\n8\r\nevent 1\n\r\n8\r\nevent 2\n\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "request_bytes",
    [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"],
    ids=["1.0", "close"],
)
def test_a_client_that_wants_to_close_is_closed_after_the_answer(server, connect, request_bytes):
    assert connect(server.port).send(request_bytes).rest().endswith(b"GET / ")


def test_head_gets_the_length_but_no_body(server, connect):
    client = connect(server.port).send(b"HEAD /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    got = client.rest()
    assert b"content-length: 8\r\n" in got
    assert got.endswith(b"\r\n\r\n")


def test_what_is_no_http_gets_400_and_an_end(server, connect):
    assert connect(server.port).send(b"hello there\r\n\r\n").rest().startswith(b"HTTP/1.1 400 ")


def test_an_offer_to_upgrade_is_not_taken_up(server, connect):
    client = connect(server.port).request(headers="connection: upgrade\r\nupgrade: websocket\r\n")
    assert client.until(b"\r\n\r\n").startswith(b"HTTP/1.1 200 ")


def test_chunked_requests_are_put_together(server, connect):
    head = b"POST /x HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    assert connect(server.port).send(head + b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n").until(b"POST /x abcde")


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cuts=st.lists(st.integers(1, 80), max_size=6))
def test_a_request_may_arrive_in_any_pieces(server, connect, cuts):
    data = b"POST /pieces HTTP/1.1\r\nhost: x\r\ncontent-length: 11\r\nX-A: 1\r\n\r\nhello world"
    client = connect(server.port)
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(data)], strict=True):
        client.send(data[start:end])
    assert client.until(b"hello world")


def test_tls_is_served_when_a_context_is_given(connect, tls):
    listening = HttpServer(lambda number, registry: Answering(number, registry, echo))
    port = 0

    async def start():
        nonlocal port
        port = await listening.start("127.0.0.1", 0, tls=tls[0])

    thread = InThread("tls", start, listening.close)
    thread.start()
    assert connect(port, tls=tls[1]).request(b"safe").until(b"safe").startswith(b"HTTP/1.1 200 ")
    thread.stop()


async def test_closing_the_server_drops_its_connections():
    listening = HttpServer(lambda number, registry: Answering(number, registry, echo))
    port = await listening.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    await reader.readuntil(b"GET /x ")
    assert (listening.connections_accepted, listening.connections_open) == (1, 1)
    await listening.close()
    assert await reader.read() == b""
    assert listening.connections_open == 0
    writer.close()


def test_a_slow_reader_holds_a_paced_stream_up_and_loses_nothing(connect):
    big = [bytes([65 + i % 26]) * 200_000 for i in range(40)]
    listening = HttpServer(
        lambda number, registry: Answering(
            number, registry, lambda _: Stream(status=200, headers=[], events=big, pace=0.0001)
        )
    )
    port = 0

    async def start():
        nonlocal port
        port = await listening.start("127.0.0.1", 0)

    thread = InThread("big", start, listening.close)
    thread.start()
    client = connect(port).request()
    # By now the pipe is full: 8 MB do not fit into the buffers of two sockets.
    time.sleep(0.1)
    got = client.until(b"\r\n0\r\n\r\n")
    thread.stop()
    assert sum(got.count(event) for event in {bytes(e) for e in big}) == 40
