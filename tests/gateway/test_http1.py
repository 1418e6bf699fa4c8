"""HTTP/1.1 on the listener's side: first without a socket, then over real ones."""

import asyncio
import contextlib
import socket
import struct
import time

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.http1 import Http1Connection
from tollway.snapshot.document import Limits

from .listener import PIECE, Owner, read_answers, read_to_end, serving
from .transport import FakeTransport

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


def connected(limits: Limits | None = None) -> tuple[Owner, FakeTransport]:
    owner = Owner(limits)
    return owner, FakeTransport(Http1Connection(owner))


async def settled() -> None:
    """Let everything that was put off happen."""
    for _ in range(20):
        await asyncio.sleep(0)


# --- what is refused

POST = b"POST / HTTP/1.1\r\nHost: a\r\n"
BODY = POST + b"Transfer-Encoding: chunked\r\n\r\n"

REFUSED: list[tuple[str, bytes, int, str]] = [
    ("two equal lengths", POST + b"Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 400, "Content-Length"),
    ("two lengths", POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 400, "Content-Length"),
    ("a list of lengths", POST + b"Content-Length: 3, 3\r\n\r\nabc", 400, "Content-Length"),
    ("a signed length", POST + b"Content-Length: +3\r\n\r\nabc", 400, "Content-Length"),
    ("a hexadecimal length", POST + b"Content-Length: 0x3\r\n\r\nabc", 400, "Content-Length"),
    ("an empty length", POST + b"Content-Length:\r\n\r\n", 400, "Content-Length"),
    ("a length no machine holds", POST + b"Content-Length: 99999999999999999999999\r\n\r\n", 400, "Content-Length"),
    ("length, chunks", POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400, "Transfer-Encoding"),
    ("chunks, then length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n", 400, "Content-Length"),
    ("chunks in HTTP/1.0", b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "Transfer-Encoding"),
    ("two codings", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n", 400, "Transfer-Encoding"),
    ("another coding", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501, "chunked"),
    ("the coding identity", POST + b"Transfer-Encoding: identity\r\n\r\n", 501, "chunked"),
    ("nearly the right coding", POST + b"Transfer-Encoding: xchunked\r\n\r\n", 501, "chunked"),
    ("a chunk size of letters", BODY + b"zz\r\n\r\n", 400, "chunk size"),
    ("a negative chunk size", BODY + b"-1\r\na\r\n0\r\n\r\n", 400, "chunk size"),
    ("a chunk size with a blank", BODY + b"1 \r\na\r\n0\r\n\r\n", 400, "chunk size"),
    ("a chunk size no machine holds", BODY + b"ffffffffffffffffff\r\na\r\n0\r\n\r\n", 400, "Chunk size"),
    ("an empty chunk size", BODY + b"\r\na\r\n0\r\n\r\n", 400, "chunk size"),
    ("a chunk longer than its size", BODY + b"1\r\nab\r\n0\r\n\r\n", 400, "chunk data"),
    ("bare LF between chunks", BODY + b"1\na\n0\n\n", 400, "CR"),
    ("a folded header", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400, "whitespace"),
    ("a folded first header", b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400, "space"),
    ("bare LF after the request line", b"GET / HTTP/1.1\nHost: a\n\n", 400, "CRLF"),
    ("bare LF after a header", b"GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400, "CR"),
    ("a space before the colon", b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, "header token"),
    ("no name before the colon", b"GET / HTTP/1.1\r\n: a\r\n\r\n", 400, "header token"),
    ("no colon", b"GET / HTTP/1.1\r\nHost\r\n\r\n", 400, "header token"),
    ("NUL in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", 400, "header value"),
    ("CR in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400, "header value"),
    ("a control character in a value", b"GET / HTTP/1.1\r\nHost: a\r\nX: b\x01c\r\n\r\n", 400, "header value"),
    ("a control character in the path", b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "url"),
    ("a space in the path", b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "HTTP/"),
    ("neither path nor address", b"GET a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "url"),
    ("an address of another scheme", b"GET ftp://a/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "absolute address"),
    ("* without OPTIONS", b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "absolute address"),
    ("no Host", b"GET / HTTP/1.1\r\n\r\n", 400, "Host"),
    ("two Hosts", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "'host' is sent more than once"),
    ("no such method", b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "method"),
    ("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01", 400, "method"),
    ("HTTP/0.9 in so many words", b"GET / HTTP/0.9\r\n\r\n", 505, "HTTP/0.9"),
    ("HTTP/2.0 in so many words", b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, "HTTP/2.0"),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "without TLS"),
    ("HTTP/1.2", b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "HTTP/1.1"),
    ("HTTP/3.7", b"GET / HTTP/3.7\r\nHost: a\r\n\r\n", 505, "HTTP/1.1"),
    ("CONNECT", b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 405, "forward proxy"),
    ("an unknown expectation", POST + b"Expect: 200-maybe\r\nContent-Length: 1\r\n\r\n", 417, "100-continue"),
]  # fmt: skip

SENSITIVE = ("Authorization", "Content-Type", "client_id", "client_secret", "x-api-key", "api-key", "x-goog-api-key")


@pytest.mark.parametrize(("sent", "status", "word"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
@pytest.mark.parametrize("whole", [True, False], ids=["at once", "byte by byte"])
async def test_what_cannot_be_trusted_is_answered_and_the_connection_closed(
    sent: bytes, status: int, word: str, whole: bool
):
    owner, transport = connected()
    pieces = [sent] if whole else [sent[at : at + 1] for at in range(len(sent))]
    for piece in pieces:
        transport.feed(piece)
    (answer,) = read_answers(bytes(transport.received))
    assert answer.status == status
    assert word in answer.body.decode()
    assert answer.headers["connection"] == "close"
    assert transport.eof_received
    assert owner.requests == []


@pytest.mark.parametrize("name", SENSITIVE)
async def test_a_repeated_header_that_decides_something_is_refused(name: str):
    _, transport = connected()
    transport.feed(f"GET / HTTP/1.1\r\nHost: a\r\n{name}: b\r\n{name.upper()}: c\r\n\r\n".encode())
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, name.lower() in answer.body.decode()) == (400, True)


async def test_what_follows_a_broken_request_is_never_served():
    owner, transport = connected()
    transport.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabc" + GET)
    transport.feed(GET)
    await settled()
    assert owner.requests == []
    assert len(read_answers(bytes(transport.received))) == 1


@pytest.mark.parametrize(
    "head",
    [
        b"X: " + b"y" * 3000,
        b"\r\n".join(b"X-%d: y" % number for number in range(200)),
        b"\r\n".join([b"X: y"] * 200),
    ],
    ids=["one giant header", "many headers", "one header many times"],
)
@pytest.mark.parametrize("step", [100_000, 700], ids=["one read", "several reads"])
async def test_a_head_beyond_the_limits_is_refused(head: bytes, step: int):
    owner, transport = connected(Limits(header_bytes=2000, header_count=100))
    sent = b"GET / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n"
    for at in range(0, len(sent), step):
        transport.feed(sent[at : at + step])
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, owner.requests) == (431, [])


async def test_a_target_beyond_the_limits_is_refused():
    _, transport = connected(Limits(header_bytes=2000))
    transport.feed(b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    assert read_answers(bytes(transport.received))[0].status == 431


async def test_a_head_is_refused_before_it_ends():
    _, transport = connected(Limits(header_bytes=2000))
    transport.feed(b"GET / HTTP/1.1\r\nX: ")
    transport.feed(b"y" * 1500)
    assert transport.received == b""
    transport.feed(b"y" * 1500)
    assert read_answers(bytes(transport.received))[0].status == 431


async def test_the_size_of_a_body_does_not_count_as_its_head():
    owner, transport = connected(Limits(header_bytes=2000))
    request = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n" + b"b" * 9000
    transport.feed(request + request + request[:60])
    transport.feed(request[60:])
    await settled()
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [200, 200, 200]
    assert [len(request.body) for request in owner.requests] == [9000, 9000, 9000]


@pytest.mark.parametrize(
    "endless",
    [b"X-Trailer: " + b"y" * 3000, b"1;x=" + b"y" * 3000],
    ids=["a trailer", "a chunk's extension"],
)
async def test_what_goes_on_for_ever_between_chunks_is_refused(endless: bytes):
    _, transport = connected(Limits(header_bytes=2000))
    transport.feed(BODY + b"1\r\na\r\n" + (b"0\r\n" if endless.startswith(b"X") else b""))
    transport.feed(endless[:1500])
    transport.feed(endless[1500:])
    assert read_answers(bytes(transport.received))[0].status == 431


async def test_trailers_are_not_believed():
    owner, transport = connected()
    transport.feed(BODY + b"1\r\na\r\n0\r\nAuthorization: Bearer late\r\n\r\n")
    assert b"authorization" not in owner.requests[0].headers
    assert owner.requests[0].body == b"a"


async def test_a_body_announced_too_large_is_refused_before_a_byte_of_it():
    owner, transport = connected(Limits(body_bytes=100))
    transport.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 101\r\n\r\n")
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, "100 bytes" in answer.body.decode(), owner.requests) == (413, True, [])


async def test_a_body_that_grows_too_large_by_chunks_is_refused():
    owner, transport = connected(Limits(body_bytes=100))
    transport.feed(BODY + b"64\r\n" + b"b" * 100 + b"\r\n")
    assert transport.received == b""
    transport.feed(b"1\r\nb\r\n0\r\n\r\n")
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, owner.requests) == (413, [])


async def test_a_body_just_as_large_as_allowed_is_served():
    owner, transport = connected(Limits(body_bytes=100))
    transport.feed(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n" + b"b" * 100)
    transport.feed(BODY + b"64\r\n" + b"b" * 100 + b"\r\n0\r\n\r\n")
    assert [len(request.body) for request in owner.requests] == [100, 100]


async def test_a_body_of_very_many_pieces_is_joined():
    owner, transport = connected()
    transport.feed(BODY)
    for _ in range(30):
        transport.feed(b"2\r\nab\r\n" * 100)
    transport.feed(b"0\r\n\r\n")
    assert owner.requests[0].body == b"ab" * 3000
    assert isinstance(owner.requests[0].body, bytes)


# --- what is understood


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/v1/models", b"/v1/models", b""),
        (b"/v1/models?a=b?c", b"/v1/models", b"a=b?c"),
        (b"http://gateway/v1/models?a=b", b"/v1/models", b"a=b"),
        (b"HTTPS://user@gateway:8443/x", b"/x", b""),
        (b"http://gateway", b"/", b""),
        (b"http://gateway?a=/b", b"/", b"a=/b"),
    ],
)
async def test_the_target_may_have_origin_or_absolute_form(target: bytes, path: bytes, query: bytes):
    owner, transport = connected()
    transport.feed(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\n\r\n")
    (request,) = owner.requests
    assert (request.path, request.query) == (path, query)


async def test_the_asterisk_form_is_understood():
    owner, transport = connected()
    transport.feed(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (owner.requests[0].path, owner.requests[0].method) == (b"/", b"OPTIONS")


async def test_a_request_tells_where_it_came_from_and_how():
    owner, transport = connected()
    transport.feed(GET)
    (request,) = owner.requests
    assert (request.client_address, request.scheme, request.version) == ("192.0.2.7", "http", "HTTP/1.1")


async def test_header_names_are_lower_case_and_white_space_around_values_is_gone():
    owner, transport = connected()
    transport.feed(b"GET / HTTP/1.1\r\nHOST:a\r\nX-One:  two words \t \r\nEmpty:\r\n\r\n")
    assert owner.requests[0].headers == {b"host": b"a", b"x-one": b"two words", b"empty": b""}


async def test_empty_lines_before_a_request_are_passed_over():
    _, transport = connected()
    transport.feed(b"\r\n\r\n" + GET + b"\r\n" + GET)
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [200, 200]


async def test_head_gets_the_head_of_the_answer_alone():
    _, transport = connected()
    transport.feed(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD /status/204 HTTP/1.1\r\nHost: a\r\n\r\n")
    first, second = read_answers(bytes(transport.received), heads_only=True)
    assert (first.status, first.headers["content-length"]) == (200, str(len("HEAD / ")))
    assert (second.status, "content-length" in second.headers) == (204, False)


async def test_a_refused_head_request_gets_no_body_either():
    _, transport = connected(Limits(body_bytes=1))
    transport.feed(GET)
    transport.feed(b"HEAD / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n")
    answer = bytes(transport.received).partition(b"HTTP/1.1 413")[2]
    assert answer.endswith(b"\r\n\r\n")


@pytest.mark.parametrize("status", [204, 304])
async def test_an_answer_that_cannot_have_a_body_has_none(status: int):
    _, transport = connected()
    transport.feed(b"GET /status/%d HTTP/1.1\r\nHost: a\r\n\r\n" % status + GET)
    first, second = read_answers(bytes(transport.received))
    assert (first.status, "content-length" in first.headers, second.status) == (status, False, 200)


async def test_a_stream_is_chunked():
    _, transport = connected()
    transport.feed(b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    stream, after = read_answers(bytes(transport.received))
    assert (stream.body, stream.whole, after.status) == (b"one,two", True, 200)


async def test_a_broken_stream_has_no_end():
    _, transport = connected()
    transport.feed(b"GET /broken HTTP/1.1\r\nHost: a\r\n\r\n")
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.body, answer.whole, transport.aborted) == (b"half", False, True)


@pytest.mark.parametrize(
    ("request_line", "headers", "kept"),
    [
        (b"GET / HTTP/1.1", b"", True),
        (b"GET / HTTP/1.1", b"Connection: close\r\n", False),
        (b"GET / HTTP/1.0", b"", False),
        (b"GET / HTTP/1.0", b"Connection: keep-alive\r\n", True),
        (b"GET /stream HTTP/1.0", b"Connection: keep-alive\r\n", False),
    ],
    ids=["1.1", "1.1 close", "1.0", "1.0 keep-alive", "1.0 keep-alive, but a stream"],
)
async def test_the_connection_is_kept_as_the_caller_asks(request_line: bytes, headers: bytes, kept: bool):
    _, transport = connected()
    transport.feed(request_line + b"\r\nHost: a\r\n" + headers + b"\r\n")
    (answer,) = read_answers(bytes(transport.received))
    expected = {True: {b"1.1": None, b"1.0": "keep-alive"}[request_line[-3:]], False: "close"}[kept]
    assert (answer.headers.get("connection"), transport.eof_received) == (expected, not kept)


async def test_http_1_0_gets_a_stream_without_chunks_up_to_the_end_of_the_connection():
    _, transport = connected()
    transport.feed(b"GET /stream HTTP/1.0\r\n\r\n")
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.body, answer.headers.get("transfer-encoding"), transport.eof_received) == (b"one,two", None, True)


async def test_an_offer_to_upgrade_is_ignored_and_what_follows_is_the_next_request():
    owner, transport = connected()
    offer = b"Connection: upgrade\r\nUpgrade: h2c\r\n"
    transport.feed(
        b"GET /1 HTTP/1.1\r\nHost: a\r\n" + offer + b"\r\n"
        b"POST /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" + offer + b"\r\nabc"
        b"GET /3 HTTP/1.1\r\nHost: a\r\n\r\nGET /4 HTTP/1.1\r\n"
    )
    transport.feed(b"Host: a\r\n\r\n")
    assert [request.path for request in owner.requests] == [b"/1", b"/2", b"/3", b"/4"]
    assert owner.requests[1].body == b"abc"
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [200] * 4


async def test_a_chunked_body_with_an_offer_to_upgrade_is_refused():
    owner, transport = connected()
    offer = b"Transfer-Encoding: chunked\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    transport.feed(POST + offer + b"3\r\nabc\r\n0\r\n\r\n")
    assert (read_answers(bytes(transport.received))[0].status, owner.requests) == (400, [])


# --- 100-continue

EXPECTING = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n"


async def test_a_caller_that_asks_first_is_told_to_go_on():
    _, transport = connected()
    transport.feed(EXPECTING)
    assert transport.received == b"HTTP/1.1 100 Continue\r\n\r\n"
    transport.feed(b"abc")
    assert read_answers(bytes(transport.received))[1].body == b"POST / abc"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (b"Content-Length: 101\r\n", 413),
        (b"Content-Length: 3\r\nAuthorization: a\r\nAuthorization: b\r\n", 400),
        (b"Transfer-Encoding: gzip\r\n", 501),
    ],
    ids=["too large", "ambiguous", "coding"],
)
async def test_a_caller_that_asks_first_is_refused_without_being_told_to_go_on(headers: bytes, status: int):
    _, transport = connected(Limits(body_bytes=100))
    transport.feed(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n" + headers + b"\r\n")
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [status]


async def test_http_1_0_knows_no_expectations():
    _, transport = connected()
    transport.feed(b"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert transport.received == b""
    transport.feed(b"abc")
    assert read_answers(bytes(transport.received))[0].status == 200


async def test_a_caller_that_asks_while_an_answer_is_under_way_is_told_after_it():
    owner, transport = connected()
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n" + EXPECTING)
    assert transport.received == b""
    owner.held[0].answer()
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [200, 100]
    transport.feed(b"abc")
    assert read_answers(bytes(transport.received))[2].body == b"POST / abc"


# --- order, and how many at once


async def test_answers_come_in_the_order_of_the_requests():
    owner, transport = connected()
    transport.feed(
        b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
        + b"".join(b"GET /%d HTTP/1.1\r\nHost: a\r\n\r\n" % number for number in range(5))
    )
    await settled()
    assert (transport.received, len(owner.requests), transport.is_reading()) == (b"", 1, False)
    owner.held[0].answer()
    await settled()
    bodies = [answer.body for answer in read_answers(bytes(transport.received))]
    assert bodies == [b"held"] + [b"GET /%d " % number for number in range(5)]
    assert transport.is_reading()


async def test_more_requests_at_once_than_allowed_are_refused_after_those_before_them():
    owner, transport = connected(Limits(pipelined_requests=3))
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n" + GET * 9)
    owner.held[0].answer()
    await settled()
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [200] * 4 + [400]
    assert transport.eof_received
    assert len(owner.refused) == 1


async def test_a_broken_request_behind_others_is_answered_after_them():
    owner, transport = connected()
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n" + GET + b"GARBAGE\r\n\r\n" + GET)
    owner.held[0].answer()
    await settled()
    assert [answer.status for answer in read_answers(bytes(transport.received))] == [200, 200, 400]


async def test_no_answer_follows_the_one_that_closes():
    owner, transport = connected()
    transport.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" + GET)
    transport.feed(GET)
    await settled()
    assert (len(owner.requests), len(read_answers(bytes(transport.received)))) == (1, 1)


async def test_a_caller_that_reads_no_answers_gets_no_more_of_them_and_nothing_piles_up():
    owner, transport = connected()
    transport.peer_reads = False
    request = b"GET /large/100000 HTTP/1.1\r\nHost: a\r\n\r\n"
    for _ in range(10):
        transport.feed(request)
    await settled()
    assert (len(owner.requests), transport.get_write_buffer_size() < 101_000) == (1, True)
    while transport.get_write_buffer_size():
        transport.read(50_000)
        await settled()
    assert [len(answer.body) for answer in read_answers(bytes(transport.received))] == [100_000] * 10
    assert transport.largest_buffer < 201_000


async def test_the_exchange_hears_when_its_caller_falls_behind_and_when_it_catches_up():
    owner, transport = connected()
    transport.peer_reads = False
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    held = owner.held[0]
    held.downstream.start(200, [], b"x" * 70_000)
    assert (held.heard, held.downstream.paused) == (["paused"], True)
    transport.read(70_000)
    assert (held.heard, held.downstream.paused) == (["paused", "resumed"], False)


async def test_an_exchange_that_is_over_hears_nothing_more():
    owner, transport = connected()
    transport.peer_reads = False
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
    owner.held[0].answer(b"x" * 100_000)
    await settled()
    transport.hang_up(ConnectionResetError())
    await settled()
    assert (owner.held[0].heard, len(owner.held)) == ([], 1)


async def test_the_exchange_hears_when_its_caller_hangs_up():
    owner, transport = connected()
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    transport.hang_up()
    await settled()
    assert (owner.held[0].heard, owner.connections) == (["left"], set())
    owner.held[0].answer()  # to nobody, and harmless
    assert transport.received == b""


# --- time


def patience(**limits: float) -> tuple[Owner, FakeTransport, Http1Connection]:
    owner, transport = connected(msgspec.structs.replace(Limits(), **limits))
    (connection,) = owner.connections
    assert isinstance(connection, Http1Connection)
    return owner, transport, connection


@pytest.mark.parametrize(
    ("sent", "limit"),
    [(b"GET / HTTP/1.1\r\nHo", "header_seconds"), (b"G", "header_seconds"), (EXPECTING + b"a", "body_seconds")],
    ids=["headers", "one byte", "body"],
)
async def test_a_slow_request_is_refused(sent: bytes, limit: str):
    _, transport, connection = patience(**{limit: 5.0})
    transport.feed(sent)
    connection.sweep(1005.0)
    assert not transport.eof_received
    connection.sweep(1005.1)
    answer = read_answers(bytes(transport.received))[-1]
    assert (answer.status, "5 s" in answer.body.decode(), transport.eof_received) == (408, True, True)


async def test_a_slow_request_is_refused_however_steadily_it_drips():
    owner, transport, connection = patience(header_seconds=5.0)
    for second in range(7):
        owner.clock = lambda now=1000.0 + second: now
        transport.feed(b"GET /very/long"[second : second + 1])
        connection.sweep(1000.0 + second)
    assert read_answers(bytes(transport.received))[0].status == 408


async def test_an_idle_connection_is_closed_without_a_word():
    _, transport, connection = patience(idle_seconds=5.0)
    transport.feed(GET)
    answered = len(transport.received)
    connection.sweep(1005.0)
    assert not transport.is_closing()
    connection.sweep(1005.1)
    assert (transport.is_closing(), len(transport.received)) == (True, answered)


async def test_an_idle_caller_that_never_read_its_answer_is_dropped():
    owner, transport, connection = patience(idle_seconds=5.0)
    transport.peer_reads = False
    transport.feed(GET)
    connection.sweep(1005.1)
    await settled()
    assert (transport.aborted, owner.connections) == (True, set())


async def test_the_time_an_answer_takes_is_not_the_callers():
    owner, transport, connection = patience(header_seconds=5.0, body_seconds=5.0, idle_seconds=5.0)
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    connection.sweep(1_000_000.0)
    owner.clock = lambda: 1_000_000.0
    owner.held[0].answer()
    connection.sweep(1_000_004.0)
    assert (len(read_answers(bytes(transport.received))), transport.is_closing()) == (1, False)


async def test_a_caller_that_stops_reading_is_dropped_and_one_that_goes_on_is_not():
    _, transport, connection = patience(write_stall_seconds=5.0)
    transport.peer_reads = False
    transport.feed(b"GET /large/1000000 HTTP/1.1\r\nHost: a\r\n\r\n")
    for second in range(20):
        transport.read(10_000)
        connection.sweep(1000.0 + second)
    assert not transport.aborted
    connection.sweep(1024.1)
    assert transport.aborted


async def test_a_closing_connection_waits_for_a_slow_caller_to_read_the_answer_but_not_for_ever():
    _, transport, connection = patience(write_stall_seconds=5.0)
    transport.peer_reads = False
    transport.feed(b"GET /large/60000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    for second in range(20):
        transport.read(2_000)
        connection.sweep(1000.0 + second)
    assert not transport.aborted
    connection.sweep(1030.0)
    assert transport.aborted


async def test_a_caller_that_does_not_go_after_its_last_answer_is_dropped():
    _, transport, connection = patience()
    transport.feed(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    transport.feed(b"what it still sends is read and forgotten")
    connection.sweep(1001.0)
    assert not transport.aborted
    connection.sweep(1003.0)
    assert transport.aborted


# --- draining, and too many


async def test_draining_closes_a_connection_that_was_idle_for_a_while_at_once():
    owner, transport, connection = patience()
    owner.draining = True
    owner.clock = lambda: 1002.0
    connection.drain()
    assert transport.is_closing()


async def test_draining_leaves_a_connection_that_was_just_used_time_for_a_request_on_its_way():
    owner, transport, connection = patience()
    transport.feed(GET)
    transport.received.clear()
    owner.draining = True
    connection.drain()
    assert not transport.is_closing()
    transport.feed(GET)
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, answer.headers["connection"], transport.eof_received) == (200, "close", True)


async def test_draining_does_not_wait_long_for_a_request_that_never_comes():
    owner, transport, connection = patience()
    transport.feed(GET)
    owner.draining = True
    connection.drain()
    connection.sweep(1000.5)
    assert not transport.is_closing()
    connection.sweep(1001.5)
    assert transport.is_closing()


async def test_draining_lets_the_answer_under_way_go_out_as_the_last_and_then_closes():
    owner, transport, connection = patience()
    transport.feed(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
    owner.draining = True
    connection.drain()
    assert not transport.is_closing()
    owner.held[0].answer()
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, answer.headers["connection"], transport.eof_received) == (200, "close", True)


async def test_draining_answers_the_request_that_is_coming_in_and_tells_that_it_is_the_last():
    owner, transport, connection = patience()
    transport.feed(GET[:10])
    owner.draining = True
    connection.drain()
    transport.feed(GET[10:] + GET)
    (answer,) = read_answers(bytes(transport.received))
    assert (answer.status, answer.headers["connection"], len(owner.requests)) == (200, "close", 1)


async def test_a_connection_beyond_the_limit_is_closed_at_once():
    owner, _ = connected(Limits(connections=1))
    second = FakeTransport(Http1Connection(owner))
    await settled()
    assert (second.aborted, len(owner.connections)) == (True, 1)


async def test_a_defect_in_what_answers_is_not_blamed_on_the_caller():
    class Defective(Owner):
        def serve(self, request: object, downstream: object) -> None:
            msg = "a defect"
            raise ZeroDivisionError(msg)

    transport = FakeTransport(Http1Connection(Defective()))
    with pytest.raises(ZeroDivisionError):
        transport.feed(GET)
    assert transport.received == b""


# --- however the bytes are cut

ITEMS = st.sampled_from(
    [
        GET,
        b"POST /p HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
        BODY + b"3\r\nabc\r\n2;x=1\r\nde\r\n0\r\nT: v\r\n\r\n",
        b"GET /stream HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /u HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        POST + b"Content-Length: 5\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\nhello",
        POST + b"Content-Length: 0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    ]
)


@given(st.lists(ITEMS, min_size=1, max_size=6), st.data())
def test_requests_are_the_same_however_the_network_cuts_them(items: list[bytes], data: st.DataObject):
    sent = b"".join(items)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=12)))

    async def run(pieces: list[bytes]) -> tuple[list[tuple[bytes, bytes, bytes]], bytes]:
        owner, transport = connected()
        for piece in pieces:
            transport.feed(piece)
            await asyncio.sleep(0)
        await settled()
        seen = [(request.method, request.target, request.body) for request in owner.requests]
        return seen, bytes(transport.received)

    pieces = [sent[start:end] for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True)]
    assert asyncio.run(run(pieces)) == asyncio.run(run([sent]))


@given(st.binary(max_size=300) | st.binary(max_size=100).map(lambda junk: GET[:-2] + junk))
def test_no_bytes_whatever_break_the_connection(junk: bytes):
    async def run() -> None:
        _, transport = connected()
        transport.feed(junk)
        transport.feed(b"\r\n\r\n")
        await settled()
        read_answers(bytes(transport.received))

    asyncio.run(run())


# --- over real sockets


def test_a_request_and_its_answer_over_a_socket():
    with serving(Owner()) as served, served.connect() as caller:
        caller.sendall(
            b"POST /x?y HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody" + GET[:-2] + b"Connection: close\r\n\r\n"
        )
        first, second = read_answers(read_to_end(caller))
    assert (first.body, second.headers["connection"]) == (b"POST /x?y body", "close")
    assert served.owner.requests[0].client_address == "127.0.0.1"


def test_the_answer_to_a_refused_upload_arrives_although_the_caller_goes_on_sending():
    with serving(Owner(Limits(body_bytes=1000))) as served, served.connect() as caller:
        caller.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n")
        for _ in range(100):
            caller.sendall(PIECE)
        caller.shutdown(socket.SHUT_WR)
        (answer,) = read_answers(read_to_end(caller))
    assert answer.status == 413


@pytest.mark.parametrize(
    ("sent", "limits"),
    [
        (b"GET / HTTP/1.1\r\nHost", Limits(header_seconds=0.1)),
        (EXPECTING, Limits(body_seconds=0.1)),
    ],
    ids=["headers", "body"],
)
def test_a_slow_caller_is_told_so_and_closed(sent: bytes, limits: Limits):
    with serving(Owner(limits)) as served, served.connect() as caller:
        caller.sendall(sent)
        assert read_answers(read_to_end(caller))[-1].status == 408


def test_an_idle_connection_is_closed_in_its_time():
    with serving(Owner(Limits(idle_seconds=0.1))) as served, served.connect() as caller:
        caller.sendall(GET)
        assert len(read_answers(read_to_end(caller))) == 1


def test_a_caller_that_half_closes_is_treated_as_gone():
    with serving(Owner()) as served, served.connect() as caller:
        caller.sendall(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        caller.shutdown(socket.SHUT_WR)
        assert read_to_end(caller) == b""
        assert served.owner.held[0].heard == ["left"]


def test_a_caller_that_resets_is_heard_of():
    with serving(Owner()) as served, served.connect() as caller:
        caller.sendall(b"GET /hold HTTP/1.1\r\nHost: a\r\n\r\n")
        while not served.owner.held:
            time.sleep(0.005)
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        caller.close()
        while served.owner.held[0].heard != ["left"]:
            time.sleep(0.005)  # the test's own time limit ends what never comes


def test_a_slow_reader_slows_its_stream_and_memory_stays_flat():
    pieces = 1000
    with serving(Owner()) as served, served.connect(receive_buffer=32_768) as caller:
        caller.sendall(b"GET /flood/%d HTTP/1.1\r\nHost: a\r\n\r\n" % pieces)
        while not served.owner.floods:
            time.sleep(0.005)
        (flood,) = served.owner.floods
        before = -1
        while flood.written != before:
            before = flood.written
            time.sleep(0.1)
        # What is ahead of the reader sits in two kernel buffers and one bounded one of ours.
        assert flood.written * len(PIECE) < 8_000_000
        data = bytearray()
        while not data.endswith(b"0\r\n\r\n"):
            data += caller.recv(1_000_000)
        (answer,) = read_answers(bytes(data))
    assert (len(answer.body), answer.whole, flood.written) == (pieces * len(PIECE), True, pieces)


def test_a_slow_reader_gets_the_whole_of_an_answer_after_which_the_connection_closes():
    with serving(Owner()) as served, served.connect(receive_buffer=32_768) as caller:
        caller.sendall(b"GET /large/9000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(2.5)  # longer than a closed connection is waited for
        (answer,) = read_answers(read_to_end(caller))
    assert (len(answer.body), answer.whole) == (9_000_000, True)


def test_a_caller_that_never_reads_is_dropped():
    with serving(Owner(Limits(write_stall_seconds=0.3))) as served, served.connect(receive_buffer=32_768) as caller:
        caller.sendall(b"GET /flood/2000 HTTP/1.1\r\nHost: a\r\n\r\n")
        while not served.owner.floods or not served.owner.floods[0].left:
            time.sleep(0.01)
        assert served.owner.connections == set()


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_broken_stream_is_never_a_clean_end(version: bytes):
    with serving(Owner()) as served, served.connect() as caller:
        caller.sendall(b"GET /broken HTTP/%b\r\nHost: a\r\n\r\n" % version)
        try:
            (answer,) = read_answers(read_to_end(caller)) or [None]
        except ConnectionResetError:
            return
        assert version == b"1.1"
        assert answer is None or not answer.whole


def test_connections_beyond_the_limit_are_closed_and_places_become_free_again():
    with serving(Owner(Limits(connections=2))) as served:
        first, second = served.connect(), served.connect()
        for caller in (first, second):
            caller.sendall(GET)
            assert caller.recv(1000).startswith(b"HTTP/1.1 200")
        with served.connect() as third, contextlib.suppress(ConnectionError):
            third.sendall(GET)
            assert read_to_end(third) == b""
        first.close()
        while len(served.owner.connections) > 1:
            time.sleep(0.005)
        with served.connect() as fourth:
            fourth.sendall(GET)
            assert fourth.recv(1000).startswith(b"HTTP/1.1 200")
        second.close()


def test_many_offers_to_upgrade_in_one_read_do_not_nest():
    offer = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n"
    with serving(Owner(Limits(pipelined_requests=2000))) as served, served.connect() as caller:
        caller.sendall(offer * 1500 + GET[:-2] + b"Connection: close\r\n\r\n")
        assert [answer.status for answer in read_answers(read_to_end(caller))] == [200] * 1501
