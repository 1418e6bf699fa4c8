"""HTTP/2 heads as values. Whole requests are in the tests of the connection."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.http2_head import MalformedHeadError, read_head, write_head
from tollway.snapshot.document import Limits

PSEUDO = [(b":method", b"POST"), (b":scheme", b"https"), (b":authority", b"gateway"), (b":path", b"/a?b")]
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")

NAMES = [b":method", b":path", b":authority", b":scheme", b":status", b"host", b"te", b"x", b"connection"]
fields = st.lists(
    st.tuples(
        st.sampled_from(NAMES) | st.binary(max_size=6),
        st.sampled_from([b"GET", b"/", b"gateway", b"https", b"trailers"]) | st.binary(max_size=6),
    ),
    max_size=8,
)


def test_a_head_becomes_a_request():
    request, trouble = read_head([*PSEUDO, (b"x-one", b"a"), (b"x-one", b"b")], "192.0.2.1", Limits())
    assert (request.method, request.path, request.query, request.version) == (b"POST", b"/a", b"b", "HTTP/2")
    assert (request.headers, trouble) == ({b"host": b"gateway", b"x-one": b"a, b"}, None)


def test_host_stands_in_for_the_authority():
    pseudo = [one for one in PSEUDO if one[0] != b":authority"]
    request, trouble = read_head([*pseudo, (b"host", b"other")], "192.0.2.1", Limits())
    assert (request.headers, trouble) == ({b"host": b"other"}, None)


@given(fields | fields.map(lambda more: PSEUDO + more))
def test_whatever_is_read_holds_nothing_that_http_1_1_would_have_refused(given: list[tuple[bytes, bytes]]):
    try:
        request, _ = read_head(given, "192.0.2.1", Limits())
    except MalformedHeadError:
        return
    for name, value in request.headers.items():
        assert re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9a-z]+", name)
        assert VALUE.fullmatch(value)
        assert name not in {b"connection", b"transfer-encoding", b"keep-alive", b"upgrade", b"proxy-connection"}
    assert request.path.startswith(b"/")


def test_the_size_of_a_head_is_counted_as_over_http_1_1():
    limits = Limits(header_bytes=50, header_count=2)
    assert read_head([*PSEUDO, (b"x", b"y" * 20)], "", limits)[1] is None
    for more in ([(b"x", b"y" * 40)], [(b"x", b"y")] * 3):
        trouble = read_head([*PSEUDO, *more], "", limits)[1]
        assert trouble is not None
        assert trouble.status == 431


def test_ready_made_lines_become_fields():
    lines = [b"content-type: text/plain\r\n", b"A-b: c: d\r\nx:\r\n", b"connection: close\r\ntransfer-encoding: x\r\n"]
    assert write_head(200, lines, 5) == [
        (b":status", b"200"),
        (b"content-type", b"text/plain"),
        (b"a-b", b"c: d"),
        (b"x", b""),
        (b"content-length", b"5"),
    ]
    assert write_head(204, [], None) == [(b":status", b"204")]


@pytest.mark.parametrize("name", [b"Keep-Alive", b"PROXY-connection", b"Upgrade"])
def test_lines_that_mean_one_connection_are_left_out_in_any_case(name: bytes):
    assert write_head(200, [name + b": x\r\n"], None) == [(b":status", b"200")]
