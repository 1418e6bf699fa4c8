"""What llhttp leaves to us of a head. Whole requests are in the tests of the connection."""

import httptools
import pytest

from tollway.core.errors import BadRequest
from tollway.gateway.http1_head import head_trouble, parser_trouble
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits

LIMITS = Limits(header_bytes=100, header_count=3, body_bytes=50)


def request(method: bytes = b"POST", **headers: bytes) -> Request:
    made = Request(method, b"/", "192.0.2.1")
    for name, value in {"host": b"a", **headers}.items():
        assert made.add_header(name.replace("_", "-").encode(), value) is None
    return made


CASES: list[tuple[str, Request, str, int, int, int | None]] = [
    ("a good one", request(), "1.1", 1, 20, None),
    ("as many lines as allowed", request(), "1.1", 3, 20, None),
    ("one line more", request(), "1.1", 4, 20, 431),
    ("much read, but mostly body", request(), "1.1", 1, 5000, None),
    ("much read, and all of it head", request(x=b"y" * 100), "1.1", 2, 120, 431),
    ("chunks", request(transfer_encoding=b"Chunked"), "1.1", 2, 50, None),
    ("another coding", request(transfer_encoding=b"gzip"), "1.1", 2, 50, 501),
    ("as large a body as allowed", request(content_length=b"50"), "1.1", 2, 50, None),
    ("one byte more", request(content_length=b"51"), "1.1", 2, 50, 413),
    ("HTTP/1.0 without Host", Request(b"GET", b"/", "192.0.2.1"), "1.0", 0, 20, None),
    ("HTTP/1.1 without Host", Request(b"GET", b"/", "192.0.2.1"), "1.1", 0, 20, 400),
    ("HTTP/1.0 with chunks", request(transfer_encoding=b"chunked"), "1.0", 2, 50, 400),
    ("HTTP/2.0", request(), "2.0", 1, 20, 505),
    ("CONNECT", request(b"CONNECT"), "1.1", 1, 20, 405),
]


@pytest.mark.parametrize(
    ("asked", "version", "lines", "read_bytes", "status"),
    [case[1:] for case in CASES],
    ids=[case[0] for case in CASES],
)
def test_a_head_is_refused_for_what_it_is(
    asked: Request, version: str, lines: int, read_bytes: int, status: int | None
):
    trouble = head_trouble(asked, version, LIMITS, lines, read_bytes)
    assert (None if trouble is None else trouble.status) == status


@pytest.mark.parametrize(("version", "known"), [("1.0", "HTTP/1.0"), ("1.1", "HTTP/1.1")])
def test_a_request_knows_its_version(version: str, known: str):
    asked = request()
    head_trouble(asked, version, LIMITS, 1, 20)
    assert asked.version == known


class Stops:
    """A parser's protocol that raises when the head is complete."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def on_headers_complete(self) -> None:
        raise self._error


def stopped(protocol: object, data: bytes) -> httptools.HttpParserError:
    with pytest.raises(httptools.HttpParserError) as stop:
        httptools.HttpRequestParser(protocol).feed_data(data)
    return stop.value


def test_what_the_parser_stopped_at_is_told():
    error = parser_trouble(stopped(object(), b"GET / HTTP/1.1\r\nA : b\r\n\r\n"))
    assert (error.status, "header token" in error.message) == (400, True)


def test_an_error_of_ours_inside_the_parser_stays_what_it_was():
    error = BadRequest("this very one")
    assert parser_trouble(stopped(Stops(error), b"GET / HTTP/1.1\r\n\r\n")) is error


def test_a_defect_inside_the_parser_is_raised_on():
    stop = stopped(Stops(ZeroDivisionError()), b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ZeroDivisionError):
        parser_trouble(stop)
