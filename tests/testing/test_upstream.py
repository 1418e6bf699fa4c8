"""Every fault of the scripted upstream, seen through a raw socket."""

import asyncio
import gzip
import subprocess
import sys
import time

import msgspec
import pytest

from tollway.testing.script import (
    Answer,
    Cut,
    Hang,
    Interim,
    Pause,
    Rule,
    Script,
    Send,
    SendRaw,
    cut_after,
    failure,
    raw,
    reply,
    sse,
)
from tollway.testing.upstream import ScriptedUpstream, main

EVENTS = [b'data: {"n":1}\n\n', b'data: {"n":2}\n\n', b"data: [DONE]\n\n"]


@pytest.fixture
def up():
    with ScriptedUpstream() as upstream:
        yield upstream


def body_of(got):
    return got.partition(b"\r\n\r\n")[2]


def test_a_request_is_recorded_as_it_came(up, connect):
    up.on(reply(json={"ok": True}))
    client = connect(up.port)
    client.request(b'{"model":"m"}', path="/v1/chat?x=1", headers="X-Odd-Case: One\r\n").until(b'{"ok":true}')
    (recorded,) = up.requests
    assert (recorded.number, recorded.connection, recorded.method) == (1, 1, "POST")
    assert (recorded.path, recorded.query) == ("/v1/chat", "x=1")
    assert ("X-Odd-Case", "One") in recorded.request.headers
    assert (recorded.body, recorded.json()) == (b'{"model":"m"}', {"model": "m"})
    assert recorded.answered.wait()
    assert not recorded.client_left.is_set()


def test_a_test_can_wait_for_requests_to_arrive(up, connect):
    second = up.arrival(2)
    client = connect(up.port).request()
    assert up.arrival(1).wait()
    assert not second.wait(0.02)
    client.request()
    connect(up.port).request()
    assert second.wait()
    assert up.arrival(1).is_set()


def test_requests_are_numbered_in_time_and_by_connection(up, connect):
    up.on(reply(body=b"ok"))
    first, second = connect(up.port), connect(up.port)
    for client in (first, second, first):
        client.request().until(b"ok")
    assert [(r.number, r.connection) for r in up.requests] == [(1, 1), (2, 2), (3, 1)]
    times = [r.head_at for r in up.requests]
    assert times == sorted(times)
    assert up.connections_accepted == 2


class TestWhichAnswer:
    def test_a_queue_goes_before_rules_and_is_used_up_in_order(self, up, connect):
        up.on(reply(body=b"rule"))
        up.enqueue(reply(body=b"one"), reply(body=b"two"))
        up.enqueue(reply(body=b"three"))
        client = connect(up.port)
        for said in (b"one", b"two", b"three", b"rule", b"rule"):
            assert body_of(client.request().until(said)) == said

    @pytest.mark.parametrize(
        ("rule", "matches"),
        [
            ({}, True),
            ({"method": "POST"}, True),
            ({"method": "GET"}, False),
            ({"path": "/v1/chat"}, True),
            ({"path": "/v1/*"}, True),
            ({"path": "/v1"}, False),
            ({"model": "m"}, True),
            ({"model": "other"}, False),
            ({"path": "/v1/*", "model": "m"}, True),
        ],
        ids=str,
    )
    def test_a_rule_matches_by_method_path_and_model(self, up, connect, rule, matches):
        up.on(reply(body=b"hit!"), **rule)
        up.on(reply(body=b"miss"))
        said = b"hit!" if matches else b"miss"
        assert body_of(connect(up.port).request(b'{"model":"m"}', path="/v1/chat").until(said)) == said

    @pytest.mark.parametrize(
        ("used_up", "said"),
        [("repeat_last", b"abbb"), ("cycle", b"abab"), ("pass", b"abzz")],
    )
    def test_what_comes_after_the_last_answer(self, up, connect, used_up, said):
        up.on(reply(body=b"a"), reply(body=b"b"), when_used_up=used_up)
        up.on(reply(body=b"z"))
        client = connect(up.port)
        for i in range(4):
            got = client.request().until(b"\r\n\r\n" + said[i : i + 1])
            assert got.endswith(b"content-length: 1\r\n\r\n" + said[i : i + 1])

    def test_a_body_that_is_no_json_matches_no_model(self, up, connect):
        up.on(reply(body=b"hit"), model="m")
        assert b" 500 " in connect(up.port).request(b"{").until(b"\r\n\r\n")

    def test_without_a_rule_the_answer_says_so(self, up, connect):
        assert b"the script has no answer" in connect(up.port).request().until(b"}}")

    def test_everything_can_be_forgotten(self, up, connect):
        up.on(reply(body=b"old"))
        connect(up.port).request().until(b"old")
        up.forget()
        up.on(reply(body=b"new"))
        connect(up.port).request().until(b"new")
        assert [r.number for r in up.requests] == [1]


class TestFraming:
    def test_a_length(self, up, connect):
        up.on(reply(201, body=b"hello", headers=[("X-Case", "Kept")]))
        got = connect(up.port).request().until(b"hello")
        assert got == b"HTTP/1.1 201 Created\r\nX-Case: Kept\r\ncontent-length: 5\r\n\r\nhello"

    def test_chunks_one_for_each_event(self, up, connect):
        up.on(sse(EVENTS))
        got = connect(up.port).request().until(b"0\r\n\r\n")
        assert body_of(got) == b"".join(b"%x\r\n%b\r\n" % (len(e), e) for e in EVENTS) + b"0\r\n\r\n"

    def test_until_the_connection_closes(self, up, connect):
        up.on(Answer(framing="close", acts=[Send(b"to the end")]))
        got = connect(up.port).request().rest()
        assert body_of(got) == b"to the end"
        assert b"content-length" not in got

    def test_gzip(self, up, connect):
        up.on(msgspec.structs.replace(reply(body=b"hello " * 50), gzipped=True))
        got = connect(up.port).request(headers="connection: close\r\n").rest()
        assert b"content-encoding: gzip\r\n" in got
        assert gzip.decompress(body_of(got)) == b"hello " * 50

    def test_a_status_without_body_has_no_length(self, up, connect):
        up.on(Answer(status=204))
        assert connect(up.port).request().until(b"\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"

    def test_head_gets_no_body(self, up, connect):
        up.on(reply(body=b"hello"))
        got = connect(up.port).request(method="HEAD", headers="connection: close\r\n").rest()
        assert got.endswith(b"content-length: 5\r\n\r\n")

    def test_interim_answers_come_first(self, up, connect):
        up.on(Answer(interim=[Interim(103, [("link", "</a>")]), Interim(102)], acts=[Send(b"real")]))
        got = connect(up.port).request().until(b"real")
        assert got.startswith(
            b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 "
        )

    @pytest.mark.parametrize("continues", [True, False])
    def test_expectations_are_met_if_told(self, up, connect, continues):
        up.continues = continues
        up.on(reply(body=b"ok"))
        client = connect(up.port)
        client.send(b"POST / HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
        if continues:
            assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        else:
            assert client.silent(0.05)
        assert client.send(b"hi").until(b"ok").startswith(b"HTTP/1.1 200 ")

    def test_tls(self, connect, tls):
        with ScriptedUpstream(tls=tls[0]) as up:
            up.on(reply(body=b"safe"))
            connect(up.port, tls=tls[1]).request().until(b"safe")
            assert up.url.startswith("https://127.0.0.1:")


class TestStalls:
    @pytest.mark.parametrize(
        ("answer", "seen"),
        [
            (Answer(before=[Hang()]), b""),
            (sse([Hang()]), b"\r\n\r\n"),
            (sse([EVENTS[0], Hang(), EVENTS[1]]), EVENTS[0] + b"\r\n"),
            (Answer(acts=[Send(b"12"), Hang()], content_length=9), b"12"),
        ],
        ids=["before the head", "before the first byte", "in mid-stream", "in mid-body"],
    )
    def test_nothing_more_comes(self, up, connect, answer, seen):
        up.on(answer)
        client = connect(up.port).request()
        if seen:
            client.until(seen)
        assert client.silent(0.05)

    @pytest.mark.parametrize(
        "answer",
        [
            msgspec.structs.replace(reply(body=b"late"), before=[Pause(0.1)]),
            sse([Pause(0.1), b"late"]),
            sse([b"early", b"late"], pause=0.1),
        ],
        ids=["before the head", "before the first byte", "between two events"],
    )
    def test_a_pause_is_kept(self, up, connect, answer):
        up.on(answer)
        started = time.monotonic()
        connect(up.port).request().until(b"late")
        # A lower bound cannot fail on a busy machine.
        assert time.monotonic() - started >= 0.1

    @pytest.mark.parametrize("greeting", ["answer", "hold"])
    def test_a_half_open_upstream_accepts_and_never_answers(self, up, connect, greeting):
        up.greeting = greeting
        up.on(Answer(before=[Hang()]))
        client = connect(up.port).request()
        assert client.silent(0.1)
        assert len(up.requests) == (1 if greeting == "answer" else 0)

    def test_a_slowly_read_request_fills_the_pipe(self, connect):
        with ScriptedUpstream(receive_buffer_bytes=4096) as up:
            up.read_bytes_per_second = 20_000
            up.on(reply(body=b"ok"))
            client = connect(up.port, timeout=0.2)
            head = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 80000000\r\n\r\n"
            with pytest.raises(TimeoutError):
                client.send(head + b"x" * 80_000_000)
            assert not up.requests[0].complete.is_set()


class TestCuts:
    @pytest.mark.parametrize("count", [0, 5, 15, 20], ids=["at once", "in an event", "between two", "in the next"])
    def test_a_stream_ends_before_its_last_chunk(self, up, connect, count):
        up.on(cut_after(sse(EVENTS), count))
        got = body_of(connect(up.port).request().rest())
        whole = b"".join(EVENTS)[:count]
        parts = [whole[:15], whole[15:]]
        assert got == b"".join(b"%x\r\n%b\r\n" % (len(p), p) for p in parts if p)

    def test_in_the_middle_of_a_chunk(self, up, connect):
        up.on(sse([EVENTS[0], SendRaw(b"20\r\ndata: half"), Cut()]))
        assert connect(up.port).request().rest().endswith(b"20\r\ndata: half")

    def test_before_the_announced_length(self, up, connect):
        up.on(cut_after(reply(body=b"0123456789"), 4))
        got = connect(up.port).request().rest()
        assert b"content-length: 10\r\n" in got
        assert body_of(got) == b"0123"

    def test_before_the_head(self, up, connect):
        up.on(Answer(before=[Cut()]))
        assert connect(up.port).request().rest() == b""

    @pytest.mark.parametrize(
        "answer",
        [Answer(before=[Cut(reset=True)]), cut_after(sse(EVENTS), 20, reset=True)],
        ids=["before the head", "in mid-stream"],
    )
    def test_with_a_reset(self, up, connect, answer):
        up.on(answer)
        with pytest.raises(ConnectionResetError):
            connect(up.port).request().rest()

    @pytest.mark.parametrize("greeting", ["close", "reset"])
    def test_as_soon_as_connected(self, up, connect, greeting):
        up.greeting = greeting
        if greeting == "close":
            assert connect(up.port).rest() == b""
        else:
            with pytest.raises(ConnectionResetError):
                connect(up.port).rest()

    def test_a_cut_of_our_own_is_not_the_clients_leaving(self, up, connect):
        up.on(cut_after(sse(EVENTS), 5))
        connect(up.port).request().rest()
        assert not up.requests[0].client_left.wait(0.05)
        assert not up.requests[0].answered.is_set()


class TestGarbage:
    @pytest.mark.parametrize(
        "sent",
        [
            b"NOT HTTP AT ALL\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nbad header\r\n\r\n",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\nhello\r\n",
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!",
        ],
        ids=["head", "header", "chunk size", "two lengths"],
    )
    def test_raw_bytes_are_sent_as_they_are(self, up, connect, sent):
        up.on(raw(sent))
        assert connect(up.port).request().rest() == sent

    def test_broken_json_and_broken_events_are_only_bodies(self, up, connect):
        up.enqueue(
            reply(body=b'{"choices": [', headers=[("content-type", "application/json")]),
            sse([b"data {\n\n", b"\xff\xfe"]),
        )
        client = connect(up.port)
        client.request().until(b'{"choices": [')
        assert b"\xff\xfe" in client.request().until(b"0\r\n\r\n")


class TestKeepAlive:
    @pytest.mark.parametrize(("status", "wait"), [(429, 7), (503, "Wed, 21 Oct 2026 07:28:00 GMT"), (500, None)])
    def test_a_failure_keeps_the_connection(self, up, connect, status, wait):
        up.enqueue(failure(status, retry_after=wait))
        up.on(reply(body=b"ok"))
        client = connect(up.port)
        got = client.request().until(b"}}")
        assert got.startswith(b"HTTP/1.1 %d " % status)
        assert (b"retry-after: %b\r\n" % str(wait).encode() in got) == (wait is not None)
        client.request().until(b"ok")

    def test_the_connection_can_be_closed_after_an_answer(self, up, connect):
        up.on(msgspec.structs.replace(reply(body=b"bye"), after="close"))
        got = connect(up.port).request().rest()
        assert b"connection: close\r\n" in got
        assert got.endswith(b"bye")

    def test_the_connection_can_be_reset_after_an_answer(self, up, connect):
        up.on(msgspec.structs.replace(reply(body=b"bye"), after="reset"))
        with pytest.raises(ConnectionResetError):
            connect(up.port).request().rest()

    @pytest.mark.parametrize("after", ["close_on_next", "reset_on_next"])
    def test_an_idle_connection_can_be_dropped_just_as_the_next_request_comes(self, up, connect, after):
        up.enqueue(msgspec.structs.replace(reply(body=b"first"), after=after))
        up.on(reply(body=b"second"))
        client = connect(up.port)
        got = client.request().until(b"first")
        assert b"connection: close" not in got
        assert client.silent(0.05)
        client.request()
        if after == "close_on_next":
            assert client.rest() == b""
        else:
            with pytest.raises(ConnectionResetError):
                client.rest()
        assert len(up.requests) == 1
        connect(up.port).request().until(b"second")


class TestLeaving:
    @pytest.mark.parametrize("way", ["close", "reset"])
    def test_a_client_that_leaves_in_mid_stream_is_noticed(self, up, connect, way):
        up.on(sse([EVENTS[0], Hang()]))
        client = connect(up.port).request()
        client.until(EVENTS[0])
        (recorded,) = up.requests
        assert not recorded.client_left.is_set()
        getattr(client, way)()
        assert recorded.client_left.wait()
        assert recorded.client_left.at > recorded.head_at

    def test_a_client_that_leaves_before_its_request_is_whole_is_noticed(self, up, connect):
        client = connect(up.port).send(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\nhalf")
        assert up.arrival(1).wait()
        client.close()
        assert up.requests[0].client_left.wait()
        assert not up.requests[0].complete.is_set()

    def test_closing_an_idle_connection_is_not_leaving(self, up, connect):
        up.on(reply(body=b"ok"))
        client = connect(up.port).request()
        client.until(b"ok")
        client.close()
        assert not up.requests[0].client_left.wait(0.05)


async def test_it_serves_on_the_running_event_loop_too():
    async with ScriptedUpstream(Script([Rule(answers=[sse([EVENTS[0], Hang()])])])) as up:
        reader, writer = await asyncio.open_connection("127.0.0.1", up.port)
        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(EVENTS[0])
        assert not await up.requests[0].client_left.reached(0.02)
        writer.close()
        assert await up.requests[0].client_left.reached()


def test_it_runs_as_a_process_from_a_file(tmp_path, connect):
    script = tmp_path / "script.json"
    script.write_bytes(msgspec.json.encode(Script([Rule(answers=[failure(500), reply(body=b"second")])])))
    command = [sys.executable, "-m", "tollway.testing.upstream", "--script", str(script)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        port = int(process.stdout.readline().rpartition(":")[2])
        client = connect(port)
        client.request().until(b"}}")
        client.request().until(b"second")
        process.terminate()


@pytest.mark.parametrize("content", [None, b"{", b'{"rules": 5}'], ids=["absent", "no json", "no script"])
def test_a_bad_script_file_is_named_with_its_fault(tmp_path, capsys, content):
    path = tmp_path / "script.json"
    if content is not None:
        path.write_bytes(content)
    assert main(["--script", str(path)]) == 2
    assert str(path) in capsys.readouterr().err
