"""Connections to upstreams, against an upstream that does what it is told."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import InternalError, UpstreamCut, UpstreamError, UpstreamGarbled, UpstreamUnreachable
from tollway.gateway import upstream
from tollway.gateway.upstream import UpstreamConnection
from tollway.snapshot.document import TlsClient
from tollway.testing import script
from tollway.testing.script import Answer, Cut, Hang, Interim, Pause, Send

from .calling import GET, Heard, Pools, call, scripted, until
from .transport import FakeTransport

EVERY_LOOP = True
ONE_BYTE = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"


# --- answers


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
async def test_an_answer_is_heard_whole_however_it_is_framed(pools: Pools, framing: str):
    answer = Answer(
        status=207, headers=[("X-One", "a"), ("x-one", "b")], acts=[Send(b"hel"), Pause(0.01), Send(b"lo")],
        framing=framing,
    )  # fmt: skip
    async with scripted(answer) as up:
        heard = await call(pools.pool(up.port))
    assert (heard.status, heard.headers[b"x-one"], heard.whole, heard.error) == (207, b"a, b", b"hello", None)


async def test_the_request_goes_out_as_it_was_written(pools: Pools):
    async with scripted(script.reply()) as up:
        await call(pools.pool(up.port))
        assert (up.requests[0].method, up.requests[0].path) == ("GET", "/x")


@pytest.mark.parametrize("status", [200, 204, 304, 404])
async def test_an_answer_without_a_body_ends_with_its_head(pools: Pools, status: int):
    async with scripted(Answer(status=status)) as up:
        heard = await call(pools.pool(up.port))
    assert (heard.status, heard.whole, heard.error) == (status, b"", None)


async def test_a_redirect_is_an_answer_like_any_other(pools: Pools):
    async with scripted(script.reply(307, headers=[("location", "http://127.0.0.1:1/")])) as up:
        heard = await call(pools.pool(up.port))
        assert (heard.status, len(up.requests)) == (307, 1)


async def test_informational_answers_before_the_real_one_are_passed_over(pools: Pools):
    answer = Answer(interim=[Interim(100), Interim(103, [("link", "</x>")])], acts=[Send(b"real")])
    async with scripted(answer) as up:
        pool = pools.pool(up.port)
        heard = await call(pool)
        assert (heard.status, heard.whole, b"link" in heard.headers) == (200, b"real", False)
        assert (await call(pool)).whole == b"real"


async def test_trailers_do_not_change_the_head_that_was_heard(pools: Pools):
    answer = script.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Late: b\r\n\r\n")
    async with scripted(answer) as up:
        heard = await call(pools.pool(up.port))
    assert (heard.whole, b"x-late" in heard.headers, heard.error) == (b"a", False, None)


async def test_an_answer_without_any_header_is_an_answer(pools: Pools):
    async with scripted(script.raw(b"HTTP/1.1 200 OK\r\n\r\nbody")) as up:
        heard = await call(pools.pool(up.port))
    assert (heard.status, heard.headers, heard.whole, heard.error) == (200, {}, b"body", None)


# --- what goes wrong

BROKEN: dict[str, tuple[Answer, type[UpstreamError]]] = {
    "closed before a byte": (Answer(before=[Cut()]), UpstreamUnreachable),
    "reset before a byte": (Answer(before=[Cut(reset=True)]), UpstreamUnreachable),
    "cut in the status line": (script.raw(b"HTTP/1.1 20"), UpstreamCut),
    "cut in the head": (script.raw(b"HTTP/1.1 200 OK\r\nX-One: a\r\nX-Tw"), UpstreamCut),
    "cut in a body with length": (script.cut_after(script.reply(body=b"x" * 100), 50), UpstreamCut),
    "cut between chunks": (script.cut_after(script.sse([b"data: 1\n\n", b"data: 2\n\n"]), 9), UpstreamCut),
    "reset in a body without length": (
        Answer(framing="close", acts=[Send(b"half"), Pause(0.05), Cut(reset=True)]),
        UpstreamCut,
    ),
    "no HTTP at all": (script.raw(b"SSH-2.0-OpenSSH_9.6\r\n"), UpstreamGarbled),
    "length and chunks": (
        script.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\nabc"),
        UpstreamGarbled,
    ),
    "two lengths": (
        script.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"),
        UpstreamGarbled,
    ),
    "a chunk size of letters": (
        script.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"),
        UpstreamGarbled,
    ),
    "another protocol": (
        script.raw(b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n", Hang()),
        UpstreamGarbled,
    ),
    "a head of very many headers": (
        script.raw(b"HTTP/1.1 200 OK\r\n", b"X-One: abcdefgh\r\n" * 20_000, Hang()),
        UpstreamGarbled,
    ),
    "one header without end": (script.raw(b"HTTP/1.1 200 OK\r\nA: b\r\nX: ", b"y" * 900_000, Hang()), UpstreamGarbled),
    "a trailer without end": (
        script.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ", b"y" * 900_000, Hang()),
        UpstreamGarbled,
    ),
}


@pytest.mark.parametrize(("answer", "error"), BROKEN.values(), ids=BROKEN.keys())
async def test_a_broken_answer_is_told_once_and_its_connection_is_not_used_again(
    pools: Pools, answer: Answer, error: type[UpstreamError]
):
    async with scripted(answer) as up:
        pool = pools.pool(up.port)
        heard = await call(pool)
        assert type(heard.error) is error
        assert pool.take() is None


async def test_the_body_before_a_break_is_heard(pools: Pools):
    async with scripted(script.cut_after(script.sse([b"data: 1\n\n", b"data: 2\n\n"]), 12)) as up:
        heard = await call(pools.pool(up.port))
    assert (heard.whole, type(heard.error)) == (b"data: 1\n\ndat", UpstreamCut)


async def test_the_body_before_garbage_is_heard(pools: Pools):
    answer = script.raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n")
    async with scripted(answer) as up:
        heard = await call(pools.pool(up.port))
    assert (heard.whole, type(heard.error)) == (b"abc", UpstreamGarbled)


async def test_an_upstream_that_is_not_there_is_unreachable(pools: Pools):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        heard = await call(pools.pool(free.getsockname()[1]))
    assert isinstance(heard.error, UpstreamUnreachable)
    assert (heard.error.status, "refused" in heard.error.message, "127" in heard.error.message) == (502, True, False)


async def test_a_name_that_does_not_resolve_is_unreachable(pools: Pools):
    heard = await call(pools.pool(80, host="no-such-host.invalid"))
    assert isinstance(heard.error, UpstreamUnreachable)


@contextmanager
def unanswering(port: int, host: str) -> Iterator[None]:
    """An address that takes no connection and refuses none: its queue of the unaccepted is full."""
    with socket.socket() as listener:
        listener.bind((host, port))
        listener.listen(0)
        waiting: list[socket.socket] = []
        for _ in range(3):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex((host, port))
            waiting.append(client)
        try:
            yield
        finally:
            for client in waiting:
                client.close()


async def test_an_upstream_that_does_not_take_connections_is_given_up_in_time(pools: Pools, unused_port: int):
    with unanswering(unused_port, "127.0.0.1"):
        heard = await call(pools.pool(unused_port), timeout=0.2)
    assert isinstance(heard.error, UpstreamUnreachable)
    assert (heard.error.status, "0.2 s" in heard.error.message) == (504, True)


async def test_an_address_that_does_not_answer_leaves_time_for_the_next(pools: Pools, monkeypatch: pytest.MonkeyPatch):
    asked = 0

    async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
        nonlocal asked
        asked += 1
        return ["127.0.0.2", "127.0.0.3", "127.0.0.1"]

    monkeypatch.setattr(upstream, "resolve", resolve)
    async with scripted(script.reply(body=b"here")) as up:
        with unanswering(up.port, "127.0.0.2"):
            pool = pools.pool(up.port)
            first, second = await call(pool, timeout=0.6), Heard()
            pool.connect(second, timeout=0.6)
            await second.over.wait()
    assert (first.whole, second.whole) == (b"here", b"here")
    assert asked == 2, "after a failure the resolver is asked again"


async def test_names_are_resolved_once_for_a_while(pools: Pools, monkeypatch: pytest.MonkeyPatch):
    asked = 0

    async def resolve(host: str, port: int, *, allow_private: bool) -> list[str]:
        nonlocal asked
        asked += 1
        return ["127.0.0.1"]

    monkeypatch.setattr(upstream, "resolve", resolve)
    async with scripted(Answer(after="close")) as up:
        pool = pools.pool(up.port)
        for now in (100.0, 110.0, 131.0):
            pools.now = now
            await call(pool)
    assert asked == 2


async def test_a_private_address_is_refused_unless_its_route_allows_it(pools: Pools):
    async with scripted(script.reply()) as up:
        for host in ("127.0.0.1", "localhost"):
            heard = await call(pools.pool(up.port, host=host, private=False))
            assert heard.error is not None
            assert heard.error.code == "upstream_address_refused"
        assert up.connections_accepted == 0


async def test_giving_up_while_connecting_leaves_nothing_behind(pools: Pools, unused_port: int):
    heard = Heard()
    with unanswering(unused_port, "127.0.0.1"):
        task = pools.pool(unused_port).connect(heard, timeout=5.0)
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.wait([task])
    assert (heard.ends, heard.connection) == (0, None)


@pytest.mark.parametrize(
    "answer", [Answer(before=[Hang()]), script.sse([b"data: 1\n\n", Hang()])], ids=["head", "body"]
)
async def test_abandoning_an_answer_is_seen_by_the_upstream_and_heard_no_more(pools: Pools, answer: Answer):
    async with scripted(answer) as up:
        pool = pools.pool(up.port)
        heard = Heard()
        pool.connect(heard, timeout=5.0)
        await until(lambda: bool(up.requests) and up.requests[0].complete.is_set())
        await until(lambda: bool(heard.pieces) or not answer.acts)
        assert heard.connection is not None
        heard.connection.abandon()
        assert await up.requests[0].client_left.reached()
        assert (heard.ends, pool.take()) == (0, None)


async def test_a_defect_in_whoever_hears_is_not_blamed_on_the_upstream(pools: Pools):
    class Defective(Heard):
        def head(self, status: int, headers: dict[bytes, bytes]) -> None:
            msg = "a defect"
            raise ZeroDivisionError(msg)

    seen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context.get("exception")))
    async with scripted(script.reply(body=b"x")) as up:
        heard = Defective()
        pools.pool(up.port).connect(heard, timeout=5.0)
        await heard.over.wait()
        await asyncio.sleep(0.01)
    assert isinstance(heard.error, InternalError)
    assert [type(error) for error in seen] == [ZeroDivisionError]


# --- keeping connections


async def test_a_connection_is_used_again(pools: Pools):
    async with scripted(script.reply(body=b"x"), script.sse([b"data: 1\n\n"]), Answer(status=204)) as up:
        pool = pools.pool(up.port)
        heard = [await call(pool) for _ in range(3)]
        assert {one.connection for one in heard} == {heard[0].connection}
        assert (up.connections_accepted, pool.open_connections) == (1, 1)
        assert heard[0].connection is not None
        assert heard[0].connection.reused


async def test_the_connection_used_last_is_used_first(pools: Pools):
    async with scripted(Answer(before=[Pause(0.05)])) as up:
        pool = pools.pool(up.port)
        first, second = await asyncio.gather(call(pool), call(pool))
        assert (up.connections_accepted, first.connection is second.connection) == (2, False)
        last = pool.take()
        assert last is not None
        pool.give_back(last)
        assert (await call(pool)).connection is last


@pytest.mark.parametrize(
    "answer",
    [
        Answer(framing="close", acts=[Send(b"x")]),
        Answer(after="close", acts=[Send(b"x")]),
        script.raw(b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx"),
        script.raw(ONE_BYTE + b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecond", Hang()),
        script.raw(ONE_BYTE + b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\nhalf", Hang()),
        script.raw(ONE_BYTE + b"HTTP/1.1 200 OK\r\nCont", Hang()),
        script.raw(ONE_BYTE + b" and garbage", Hang()),
    ],
    ids=["to the end", "said so", "HTTP/1.0", "a second answer", "half an answer more", "half a head more", "garbage"],
)  # fmt: skip
async def test_a_connection_that_cannot_be_trusted_further_is_not_kept(pools: Pools, answer: Answer):
    async with scripted(answer, script.reply(body=b"next")) as up:
        pool = pools.pool(up.port)
        heard = await call(pool)
        assert (heard.whole, heard.error) == (b"x", None)
        assert pool.take() is None
        assert (await call(pool)).whole == b"next"
        assert up.connections_accepted == 2


async def test_what_comes_unasked_on_an_idle_connection_closes_it(pools: Pools):
    answer = script.raw(ONE_BYTE, Pause(0.05), b"HTTP/1.1 200 OK\r\n", Hang())
    async with scripted(answer) as up:
        pool = pools.pool(up.port)
        await call(pool)
        assert pool.open_connections == 1
        await until(lambda: pool.open_connections == 0)
        assert pool.take() is None


@pytest.mark.parametrize("after", ["close_on_next", "reset_on_next"])
async def test_a_kept_connection_that_is_dropped_at_the_next_request_is_unreachable_and_known_as_reused(
    pools: Pools, after: script.After
):
    async with scripted(Answer(after=after), script.reply()) as up:
        pool = pools.pool(up.port)
        await call(pool)
        heard = await call(pool)
        assert heard.connection is not None
        assert (type(heard.error), heard.connection.reused) == (UpstreamUnreachable, True)
        assert (await call(pool)).status == 200


async def test_a_kept_connection_that_the_upstream_closes_is_forgotten(pools: Pools):
    async with scripted(script.reply()) as up:
        pool = pools.pool(up.port)
        await call(pool)
        assert pool.open_connections == 1
        await up.stop()
        await until(lambda: pool.open_connections == 0)
    assert pool.take() is None


async def test_a_connection_nobody_used_for_a_while_is_closed(pools: Pools):
    async with scripted(script.reply()) as up:
        pool = pools.pool(up.port)
        await call(pool)
        pool.sweep(130.0)
        await asyncio.sleep(0.01)
        assert pool.open_connections == 1
        pool.sweep(130.1)
        await until(lambda: up.connections_open == 0)
        assert (pool.open_connections, pool.take()) == (0, None)


async def test_a_closed_pool_lets_answers_come_to_their_end_and_keeps_nothing(pools: Pools):
    async with scripted(Answer(before=[Pause(0.05)], acts=[Send(b"late")])) as up:
        pool = pools.pool(up.port)
        calling = asyncio.ensure_future(call(pool))
        await until(lambda: bool(up.requests))
        pool.close()
        assert (await calling).whole == b"late"
        await until(lambda: pool.open_connections == 0)


# --- reading slowly


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_a_paused_answer_waits_in_the_upstream(pools: Pools, secure: bool, tmp_path: Path):
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    tls = TlsClient(ca_file=str(tmp_path / "ca.pem")) if secure else None
    size = 30_000_000
    answer = Answer(framing="chunked", acts=[Send(b"x" * 1_000_000)] * (size // 1_000_000))
    async with scripted(answer, tls=server(authority) if secure else None) as up:
        heard = Heard()
        pools.pool(up.port, host="localhost", tls=tls).connect(heard, timeout=5.0)
        await until(lambda: bool(heard.pieces))
        assert heard.connection is not None
        heard.connection.pause()
        before = -1
        while (count := len(heard.pieces)) != before:
            before = count
            await asyncio.sleep(0.1)
        assert not up.requests[0].answered.is_set()
        heard.connection.resume()
        await heard.over.wait()
    assert len(heard.whole) == size


async def test_a_connection_that_was_paused_at_its_end_can_be_used_again(pools: Pools):
    class PausesInTheMiddle(Heard):
        def body(self, data: bytes) -> None:
            super().body(data)
            assert self.connection is not None
            self.connection.pause()

    async with scripted(script.reply(body=b"x")) as up:
        pool = pools.pool(up.port)
        heard = PausesInTheMiddle()
        pool.connect(heard, timeout=5.0)
        await heard.over.wait()
        assert heard.connection is not None
        heard.connection.pause()  # by an exchange that does not know yet that it is over
        again = await call(pool)
        assert (again.whole, again.connection) == (b"x", heard.connection)


# --- TLS


def server(authority: trustme.CA, *names: str, demand: bool = False) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or ("localhost", "127.0.0.1"))).configure_cert(context)
    if demand:
        authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return str(tmp_path / "ca.pem")


@pytest.fixture
def client_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.issue_cert("gateway@example.org").private_key_and_cert_chain_pem.write_to_path(tmp_path / "client.pem")
    return str(tmp_path / "client.pem")


async def test_an_upstream_of_a_trusted_authority_is_called(pools: Pools, authority: trustme.CA, ca_file: str):
    async with scripted(script.reply(body=b"secret"), tls=server(authority)) as up:
        pool = pools.pool(up.port, host="localhost", tls=TlsClient(ca_file=ca_file))
        assert [(await call(pool)).whole for _ in range(2)] == [b"secret"] * 2
        assert up.connections_accepted == 1


@pytest.mark.parametrize("name", ["another.test", "localhost.another.test"])
async def test_an_upstream_of_another_name_is_refused(pools: Pools, authority: trustme.CA, ca_file: str, name: str):
    async with scripted(script.reply(), tls=server(authority, name)) as up:
        heard = await call(pools.pool(up.port, host="localhost", tls=TlsClient(ca_file=ca_file)))
        assert isinstance(heard.error, UpstreamUnreachable)
        assert ("TLS" in heard.error.message, up.requests) == (True, [])


async def test_the_name_to_verify_can_be_given(pools: Pools, authority: trustme.CA, ca_file: str):
    async with scripted(script.reply(body=b"x"), tls=server(authority, "api.internal.test")) as up:
        tls = TlsClient(ca_file=ca_file, server_name="api.internal.test")
        assert (await call(pools.pool(up.port, host="localhost", tls=tls))).whole == b"x"


async def test_an_upstream_of_an_unknown_authority_is_refused(pools: Pools, authority: trustme.CA):
    async with scripted(script.reply(), tls=server(authority)) as up:
        heard = await call(pools.pool(up.port, host="localhost", tls=TlsClient()))
        assert isinstance(heard.error, UpstreamUnreachable)


async def test_verification_can_be_switched_off(pools: Pools, authority: trustme.CA):
    async with scripted(script.reply(body=b"x"), tls=server(authority, "another.test")) as up:
        assert (await call(pools.pool(up.port, host="localhost", tls=TlsClient(verify=False)))).whole == b"x"


async def test_a_client_certificate_is_shown(pools: Pools, authority: trustme.CA, ca_file: str, client_file: str):
    async with scripted(script.reply(body=b"x"), tls=server(authority, demand=True)) as up:
        tls = TlsClient(ca_file=ca_file, certificate_file=client_file, key_file=client_file)
        assert (await call(pools.pool(up.port, host="localhost", tls=tls))).whole == b"x"
        heard = await call(pools.pool(up.port, host="localhost", tls=TlsClient(ca_file=ca_file)))
        assert isinstance(heard.error, UpstreamUnreachable)
        assert len(up.requests) == 1


async def test_an_upstream_that_speaks_no_tls_is_unreachable(pools: Pools, ca_file: str):
    async with scripted(script.reply()) as up:
        heard = await call(pools.pool(up.port, host="localhost", tls=TlsClient(ca_file=ca_file)))
    assert isinstance(heard.error, UpstreamUnreachable)


async def test_a_handshake_that_never_ends_is_given_up_in_time(pools: Pools, ca_file: str):
    async with scripted(script.reply()) as up:
        up.greeting = "hold"
        heard = await call(pools.pool(up.port, host="localhost", tls=TlsClient(ca_file=ca_file)), timeout=0.2)
    assert heard.error is not None
    assert heard.error.status == 504


# --- however the bytes are cut

ANSWERS = [
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2\r\nlo\r\n0\r\nX: y\r\n\r\n", b"hello", True),
    (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", b"hello", True),
    (b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", b"hello", False),
]


@given(st.sampled_from(ANSWERS), st.data())
def test_answers_are_the_same_however_the_network_cuts_them(answer: tuple[bytes, bytes, bool], data: st.DataObject):
    sent, body, framed = answer
    cuts = sorted(data.draw(st.sets(st.integers(1, len(sent) - 1), max_size=10)))

    async def run() -> None:
        pools = Pools()
        pool = pools.pool(1)
        connection = UpstreamConnection(pool)
        transport = FakeTransport(connection)
        for _ in range(2 if framed else 1):
            heard = Heard()
            connection.send(GET, heard)
            for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
                transport.feed(sent[start:end])
            if framed:
                assert pool.take() is connection
            else:
                transport.hang_up()
                await heard.over.wait()
            assert (heard.whole, heard.ends, heard.error) == (body, 1, None)

    asyncio.run(run())


@given(st.binary(max_size=300))
def test_no_bytes_whatever_break_the_connection(junk: bytes):
    async def run() -> None:
        connection = UpstreamConnection(Pools().pool(1))
        transport = FakeTransport(connection)
        heard = Heard()
        connection.send(GET, heard)
        transport.feed(b"HTTP/1.1 2" + junk)
        transport.feed(junk)
        transport.hang_up()
        await heard.over.wait()
        assert heard.ends == 1

    asyncio.run(run())


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]
