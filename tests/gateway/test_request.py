"""One request, read once and the same for every stage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest
from tollway.gateway.request import Request


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b", b"/a/b", b""),
        (b"/a?b=c&d", b"/a", b"b=c&d"),
        (b"/a?b?c", b"/a", b"b?c"),
        (b"//a", b"//a", b""),
        (b"/a%2Fb", b"/a%2Fb", b""),
        (b"http://host/a?b", b"/a", b"b"),
        (b"https://user:pass@host:1/a", b"/a", b""),
        (b"HTTP://host", b"/", b""),
        (b"http://host?b=/c", b"/", b"b=/c"),
        (b"http://host/", b"/", b""),
    ],
)
def test_path_and_query_are_taken_out_of_the_target(target: bytes, path: bytes, query: bytes):
    request = Request(b"GET", target, "192.0.2.1")
    assert (request.path, request.query, request.target) == (path, query, target)


@pytest.mark.parametrize("target", [b"", b"*", b"a/b", b"host:443", b"ftp://host/", b"http:/host", b"?x", b"#x"])
def test_any_other_target_is_refused(target: bytes):
    with pytest.raises(BadRequest, match="neither a path nor an absolute address"):
        Request(b"GET", target, "192.0.2.1")


@pytest.mark.parametrize(("method", "target"), [(b"OPTIONS", b"*"), (b"CONNECT", b"host:443")])
def test_some_methods_have_a_target_of_their_own(method: bytes, target: bytes):
    assert Request(method, target, "192.0.2.1").path == b"/"


@given(st.binary(max_size=60))
def test_every_target_gives_a_path_that_begins_with_a_slash_or_a_bad_request(target: bytes):
    try:
        request = Request(b"GET", target, "192.0.2.1")
    except BadRequest:
        return
    assert request.path.startswith(b"/")
    assert b"?" not in request.path


def filled(*headers: tuple[bytes, bytes]) -> tuple[Request, list[str | None]]:
    request = Request(b"GET", b"/", "192.0.2.1")
    errors = [request.add_header(name, value) for name, value in headers]
    return request, [None if error is None else error.param for error in errors]


def test_names_are_lower_case_and_repeats_are_joined_in_order():
    request, errors = filled((b"Accept", b"a"), (b"X-Y", b"1"), (b"ACCEPT", b"b"), (b"accept", b""))
    assert request.headers == {b"accept": b"a, b, ", b"x-y": b"1"}
    assert errors == [None] * 4


SINGLE = (
    *("host", "content-length", "content-type", "transfer-encoding", "authorization", "expect"),
    *("client_id", "client_secret", "x-api-key", "x-goog-api-key", "api-key", "x-correlation-id"),
)


@pytest.mark.parametrize("name", SINGLE)
def test_a_header_that_decides_something_may_come_once(name: str):
    request, errors = filled((name.encode(), b"first"), (name.title().encode(), b"second"))
    assert errors == [None, name]
    assert request.headers[name.encode()] == b"first"


def test_the_size_of_a_head_counts_target_names_and_values():
    request, _ = filled((b"a", b"bc"), (b"a", b"d"))
    assert request.head_bytes() == len(b"/") + len(b"a: bc, d\r\n")
