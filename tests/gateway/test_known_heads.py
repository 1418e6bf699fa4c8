"""Heads that were seen before: a request that is not parsed must be the one the parser would have read."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.gateway.http1 import Http1Connection
from tollway.gateway.known_heads import KnownHeads, Message, split
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits

from .listener import Owner
from .transport import FakeTransport

HEAD = b"POST /v1/chat?x=1 HTTP/1.1\r\nHost: a\r\nX-Thing: one, two \r\nContent-Length: 2\r\n\r\n"


def connected(owner: Owner) -> FakeTransport:
    return FakeTransport(Http1Connection(owner))


def read(owner: Owner, data: bytes) -> list[tuple[object, ...]]:
    """What one connection makes of these bytes."""
    before = len(owner.requests)
    connected(owner).feed(data)
    return [
        (one.method, one.target, one.path, one.query, one.headers, one.body, one.keep_alive, one.version, one.scheme)
        for one in owner.requests[before:]
    ]


def learnt(owner: Owner) -> KnownHeads:
    return owner.known_heads


def knows(owner: Owner, data: bytes) -> bool:
    message = split(data)
    return message is not None and learnt(owner).request(message, data) is not None


def test_a_head_seen_again_is_the_same_request() -> None:
    owner = Owner()
    first = read(owner, HEAD + b"{}")
    assert knows(owner, HEAD + b"{}")
    assert read(owner, HEAD + b"{}") == first
    assert read(Owner(), HEAD + b"{}") == first


def test_another_length_is_the_same_head() -> None:
    owner = Owner()
    read(owner, HEAD + b"{}")
    longer = HEAD.replace(b"Content-Length: 2", b"Content-Length: 11") + b'{"a": "bc"}'
    assert knows(owner, longer)
    assert read(owner, longer) == read(Owner(), longer)


def test_the_address_is_the_callers_own() -> None:
    owner = Owner()
    read(owner, HEAD + b"{}")
    transport = connected(owner)
    transport.feed(HEAD + b"{}")
    assert owner.requests[-1].client_address == "192.0.2.7"


def test_what_policies_see_of_one_request_is_not_what_they_see_of_the_next() -> None:
    owner = Owner()
    read(owner, HEAD + b"{}")
    read(owner, HEAD + b"{}")
    owner.requests[-1].headers[b"x-thing"] = b"changed"
    read(owner, HEAD + b"{}")
    assert owner.requests[-1].headers[b"x-thing"] == b"one, two"


_NOT_REMEMBERED = [
    pytest.param(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", id="no length"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="chunks"),
    pytest.param(b"POST / HTTP/1.0\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", id="HTTP/1.0"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}", id="close"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n{}", id="expect"),
    pytest.param(
        b"POST / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: x\r\nContent-Length: 2\r\n\r\n{}", id="upgrade"
    ),
    pytest.param(b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}", id="no host"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}", id="two lengths"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +2\r\n\r\n{}", id="a signed length"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{", id="half a body"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}GET / HTTP/1.1\r\n", id="more behind it"),
    pytest.param(b"\r\n\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}", id="blank lines before it"),
    pytest.param(b"POST / HTTP/1.1\r\nHost: a\r\nA: %b\r\nContent-Length: 2\r\n\r\n{}" % (b"x" * 9000), id="large"),
]


@pytest.mark.parametrize("data", _NOT_REMEMBERED)
def test_what_is_not_plain_is_left_to_the_parser(data: bytes) -> None:
    owner = Owner()
    read(owner, data)
    assert not knows(owner, data)


@pytest.mark.parametrize("data", _NOT_REMEMBERED)
def test_a_known_head_changes_nothing_for_what_is_not_plain(data: bytes) -> None:
    owner = Owner()
    for known in (HEAD + b"{}", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}"):
        read(owner, known)
    fresh = Owner()
    assert read(owner, data) == read(fresh, data)
    assert [error.message for error, _ in owner.refused] == [error.message for error, _ in fresh.refused]


def test_a_body_that_comes_later_is_waited_for() -> None:
    owner = Owner()
    read(owner, HEAD + b"{}")
    transport = connected(owner)
    transport.feed(HEAD + b"{")
    assert len(owner.requests) == 1
    transport.feed(b"}")
    assert owner.requests[-1].body == b"{}"


def test_requests_on_one_connection_may_take_turns_between_known_and_new() -> None:
    owner = Owner()
    transport = connected(owner)
    other = b"POST /other HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n"
    for data in (HEAD + b"{}", other, HEAD + b"{}", HEAD + b"{}", other):
        transport.feed(data)
    assert [(one.path, one.body) for one in owner.requests] == [
        (b"/v1/chat", b"{}"),
        (b"/other", b"[]"),
        (b"/v1/chat", b"{}"),
        (b"/v1/chat", b"{}"),
        (b"/other", b"[]"),
    ]


def test_a_known_head_cannot_pass_the_bodys_limit() -> None:
    owner = Owner(Limits(body_bytes=10))
    read(owner, HEAD + b"{}")
    read(owner, HEAD.replace(b": 2\r", b": 11\r") + b"x" * 11)
    assert [error.status for error, _ in owner.refused] == [413]


async def test_while_a_call_is_answered_the_next_waits_its_turn() -> None:
    owner = Owner()
    head = HEAD.replace(b"/v1/chat", b"/hold")
    transport = connected(owner)
    transport.feed(head + b"{}")
    owner.held[0].answer()
    transport.feed(head + b"{}")
    transport.feed(head + b"{}")
    assert len(owner.requests) == 2
    owner.held[1].answer()
    await asyncio.sleep(0)
    assert len(owner.requests) == 3


def test_heads_do_not_pile_up() -> None:
    heads = KnownHeads()
    request = Request(b"POST", b"/", "", {b"content-length": b"0"})
    for number in range(3_000):
        heads.learn(Message(b"%d" % number, b"0", 0, 0), request)
    assert len(heads) < 2_000


_name = st.sampled_from([b"Host", b"X-A", b"Content-Length", b"content-length", b"Transfer-Encoding", b"Connection"])
_value = st.sampled_from([b"a", b"2", b"3", b"0002", b"chunked", b"close", b" 2", b"2 ", b"", b"9999999999999"])


@given(
    heads=st.lists(
        st.tuples(st.sampled_from([b"POST / HTTP/1.1", b"GET /x HTTP/1.1"]), st.lists(st.tuples(_name, _value))),
        min_size=1,
        max_size=4,
    ),
    body=st.sampled_from([b"{}", b"", b"abc", b"2\r\n{}\r\n0\r\n\r\n"]),
)
def test_whatever_was_seen_before_a_request_is_what_the_parser_reads(
    heads: list[tuple[bytes, list[tuple[bytes, bytes]]]], body: bytes
) -> None:
    owner = Owner()
    for line, headers in heads * 2:
        fields = b"".join(b"%b: %b\r\n" % field for field in [(b"Host", b"a"), *headers])
        data = line + b"\r\n" + fields + b"\r\n" + body
        fresh = Owner()
        seen = len(owner.refused)
        assert read(owner, data) == read(fresh, data)
        assert [error.message for error, _ in owner.refused[seen:]] == [error.message for error, _ in fresh.refused]
