"""A session from its handshake to the record of its last response."""

import asyncio
import struct
from collections.abc import Mapping
from typing import Any

import pytest

from tollway.core.errors import PolicyRefusal
from tollway.core.usage import Usage
from tollway.snapshot.document import Timeouts
from tollway.testing.websocket_upstream import Peer, Refusal, WebSocketUpstream

from .serving import KEY, in_time, policy, proxy, route, serving, soon
from .sessions import (
    ASK,
    CREATED,
    USED,
    Gatekeeper,
    answering,
    begun,
    connect,
    delta,
    done,
    limited,
    refused,
    routed,
    then,
)


async def test_each_response_and_the_session_have_their_record() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        async with await connect(served, headers={"x-correlation-id": "c-1"}) as caller:
            assert (await caller.event()) == CREATED
            for count in (1, 2):
                await caller.send(ASK)
                assert await caller.kinds(3) == ["response.created", "response.output_text.delta", "response.done"]
                assert len(served.records) == count
        await soon(lambda: len(served.records) == 3)
        *responses, session = served.records
    assert [record.usage for record in responses] == [USED, USED]
    assert {(one.operation, one.outcome, one.stop_reason, one.attempt, one.final) for one in responses} == {
        ("realtime_response", "ok", "completed", 1, True)
    }
    assert [one.response_id for one in responses] == ["resp_1", "resp_2"]
    assert (session.operation, session.outcome, session.status, session.usage.total_tokens) == (
        "realtime",
        "ok",
        101,
        0,
    )
    assert {record.correlation_id for record in served.records} == {"c-1"}
    assert len({record.id for record in served.records} | {record.call_id for record in served.records}) == 3
    assert {(one.route, one.provider, one.credential, one.target_model) for one in served.records} == {
        ("main", "openai", "ours", "m")
    }


async def test_a_browsers_key_is_seen_by_policies_as_its_header_and_is_not_answered() -> None:
    seen: list[bytes | None] = []
    look = policy(request=lambda exchange: seen.append(exchange.raw_header(b"authorization")))
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream), policies=(look,))) as served:
        offered = ["realtime", "openai-insecure-api-key.id%3Asecret", "openai-beta.realtime-v1"]
        async with await connect(served, subprotocols=offered) as caller:
            assert caller.socket.subprotocol == "realtime"
        assert seen == [b"Bearer id:secret"]
        assert upstream.peers[0].headers["openai-beta"] == "realtime=v1"
        assert "sec-websocket-protocol" not in upstream.peers[0].headers


async def test_two_keys_that_differ_are_refused() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        how = {"headers": {"authorization": "Bearer a:b"}, "subprotocols": ["openai-insecure-api-key.c%3Ad"]}
        status, body = await refused(served, **how)
    assert (status, body["error"]["param"]) == (400, "authorization")


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/realtime?model=m&model=n", 400, "invalid_request"),
        ("/v1/realtime?model=m&call_id=rtc_1", 400, "call_not_through_gateway"),
        ("/v1/realtime?model=m&api_key=sk-1", 400, "invalid_request"),
    ],
)
async def test_a_query_that_would_be_ignored_is_refused(path: str, status: int, code: str) -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        found, body = await refused(served, path)
        assert (found, body["error"]["code"]) == (status, code)
        assert upstream.peers == []


@pytest.mark.parametrize(
    ("headers", "status", "answered"),
    [
        ({}, 426, ("upgrade", "websocket")),
        ({"upgrade": "h2c", "connection": "upgrade"}, 426, ("upgrade", "websocket")),
        ({"upgrade": "websocket"}, 426, ("upgrade", "websocket")),
        ({"upgrade": "websocket", "connection": "Upgrade"}, 426, ("sec-websocket-version", "13")),
        (
            {"upgrade": "websocket", "connection": "Upgrade", "sec-websocket-version": "13", "sec-websocket-key": "x"},
            400,
            None,
        ),
    ],
    ids=["no offer", "another protocol", "no connection header", "no version", "no key"],
)
async def test_a_wrong_upgrade_is_told_what_is_wrong(
    headers: Mapping[str, str], status: int, answered: tuple[str, str] | None
) -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET /v1/realtime?model=m HTTP/1.1\r\nhost: gateway\r\n{lines}\r\n".encode())
        head = (await in_time(reader.readuntil(b"\r\n\r\n"))).decode().lower().split("\r\n")
        writer.close()
        assert head[0].split()[1] == str(status)
        assert answered is None or ": ".join(answered) in head
        assert upstream.peers == []


@pytest.mark.parametrize("path", ["/v1/realtime/client_secrets", "/v1/realtime/sessions", "/realtime/calls"])
async def test_what_would_lead_around_the_gateway_is_refused_with_a_reason(path: str) -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        answer = await served.ask(path, {"session": {"type": "realtime"}})
        assert answer.status == 403
        assert b"past" in answer.body
        assert upstream.peers == []


# --- policies


async def test_what_the_request_policies_refuse_is_not_opened() -> None:
    no = policy(request=lambda _: PolicyRefusal("not today", status=403))
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream), policies=(no,))) as served:
        status, body = await refused(served)
        assert (status, body["error"]["message"], upstream.peers) == (403, "not today", [])
        assert served.records == []  # strangers leave none


# --- messages


async def test_a_model_named_in_a_session_is_the_targets_or_refused() -> None:
    async with WebSocketUpstream(answering) as upstream:
        async with (
            serving(proxy(routed(upstream, target_model="deployed"))) as served,
            await connect(served, "/v1/realtime?model=asked") as caller,
        ):
            await caller.event()
            await caller.send({"type": "session.update", "event_id": "a", "session": {"model": "other"}})
            error = (await caller.event())["error"]
            assert (error["code"], error["event_id"]) == ("model_not_of_session", "a")
            await caller.send({"type": "session.update", "session": {"model": "asked", "x": [1.50]}})
            await soon(lambda: bool(upstream.peers[0].messages))
        assert upstream.peers[0].target.endswith("?model=deployed")
        assert (
            upstream.peers[0].messages[0].data == b'{"type":"session.update","session":{"model":"deployed","x":[1.5]}}'
        )


@pytest.mark.parametrize(
    "garbage", ["nothing", "[]", "{", '{"type":1}', "{}", b"\x00\xff", '{"type":"response.create"', "[" * 5000]
)
async def test_a_message_that_cannot_be_read_is_refused_and_not_passed(garbage: str | bytes) -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        async with await connect(served) as caller:
            await caller.event()
            await caller.send(garbage)
            assert (await caller.event())["type"] == "error"
            await caller.send(ASK)
            assert (await caller.kinds(3))[2] == "response.done"
        assert len(upstream.peers[0].messages) == 1


async def test_a_message_of_the_provider_that_its_api_does_not_know_ends_the_session() -> None:
    async with WebSocketUpstream(then(..., begun(), delta(), "not JSON")) as upstream:
        async with serving(proxy(routed(upstream))) as served, await connect(served) as caller:
            await caller.send(ASK)
            assert (await caller.kinds(4))[3] == "error"
            assert (await caller.closed())[0] == 1011
        response, session = served.records
        assert (response.outcome, response.usage.source) == ("cancelled", "estimated")
        assert (session.outcome, session.error) == ("error", "upstream_garbled")


async def test_words_of_the_provider_about_the_gateways_key_are_withheld() -> None:
    error = {"type": "invalid_request_error", "code": "invalid_api_key", "message": "wrong key sk-op***61"}
    by_event = then({"type": "error", "event_id": "e", "error": error})
    by_close = then(lambda peer: peer.close(3000, "bad API key sk-op***61"))
    for script in (by_event, by_close):
        async with WebSocketUpstream(script) as upstream, serving(proxy(routed(upstream))) as served:
            async with await connect(served) as caller:
                events = [await caller.event(), await caller.event()]
                code, reason = await caller.closed()
            assert "sk-op" not in f"{events} {reason}"
            assert (code, served.records[-1].error) == (1011, "upstream_refused_key")


# --- closes, cuts and time


@pytest.mark.parametrize(("code", "outcome"), [(1000, "ok"), (1001, "ok"), (4042, "error"), (1008, "error")])
async def test_a_close_of_the_provider_reaches_the_caller_with_its_code(code: int, outcome: str) -> None:
    async with WebSocketUpstream(then(lambda peer: peer.close(code, "so"))) as upstream:
        async with serving(proxy(routed(upstream))) as served, await connect(served) as caller:
            assert await caller.closed() == (code, "so")
        assert served.record.outcome == outcome


async def test_a_close_of_the_caller_reaches_the_provider_with_its_code() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        caller = await connect(served)
        await caller.event()
        await caller.socket.close(4321, "done here")
        await soon(lambda: upstream.peers[0].closed is not None)
        assert upstream.peers[0].closed is not None
        assert upstream.peers[0].closed[:2] == (4321, "done here")
        await soon(lambda: bool(served.records))
        assert served.record.outcome == "ok"


@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_of_the_provider_is_an_error_to_the_caller_and_never_a_clean_end(reset: bool) -> None:
    script = then(..., begun(), delta(), delta("more"), lambda peer: peer.cut(reset=reset))
    async with WebSocketUpstream(script) as upstream, serving(proxy(routed(upstream))) as served:
        async with await connect(served) as caller:
            await caller.send(ASK)
            assert (await caller.kinds_to_the_end())[-1] == "error"
            assert (await caller.closed())[0] == 1011
        response, session = served.records
        assert (response.outcome, response.usage.source, session.outcome) == ("cut", "estimated", "cut")


async def test_a_provider_that_breaks_the_protocol_is_an_error_to_the_caller() -> None:
    async with WebSocketUpstream(then(lambda peer: peer.raw(b"\xff\xff\xff"))) as upstream:
        async with serving(proxy(routed(upstream))) as served, await connect(served) as caller:
            assert await caller.kinds(2) == ["session.created", "error"]
            assert (await caller.closed())[0] == 1011
        assert (served.record.outcome, served.record.error) == ("error", "upstream_garbled")


async def test_a_caller_that_hangs_up_has_its_response_stopped_and_its_usage_learnt() -> None:
    async def stops(peer: Peer) -> None:
        assert (await peer.receive_object())["type"] == "response.cancel"
        await peer.send(done(status="cancelled"))

    async with WebSocketUpstream(then(..., begun(), stops)) as upstream, serving(proxy(routed(upstream))) as served:
        caller = await connect(served)
        await caller.send(ASK)
        assert await caller.kinds(2) == ["session.created", "response.created"]
        caller.socket.transport.abort()
        await soon(lambda: len(served.records) == 2)
        response, session = served.records
        assert (response.outcome, response.usage) == ("cancelled", USED)
        assert (session.outcome, session.error) == ("cancelled", "client_left")
        await soon(lambda: not served.worker.connections)


async def test_a_caller_that_hangs_up_before_its_handshake_is_answered_is_let_go() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serving(proxy(route(f"http://127.0.0.1:{port}/v1"))) as served:
        attempt = asyncio.ensure_future(connect(served))
        await soon(lambda: bool(served.worker._tasks))
        attempt.cancel()
        await soon(lambda: bool(served.records))
        assert (served.record.outcome, served.record.error) == ("cancelled", "client_left")
        await soon(lambda: not served.worker.connections)
    server.close()


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\x81\x02{}", 1002),
        (b"\x82\xff" + struct.pack("!Q", 1 << 40) + b"mask", 1009),
        (b"\x81\x82\x00\x00\x00\x00\xff\xff", 1007),
    ],
    ids=["unmasked", "oversized", "not UTF-8"],
)
async def test_a_caller_that_breaks_the_protocol_is_closed_with_its_code(data: bytes, code: int) -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        caller = await connect(served)
        await caller.event()
        caller.socket.transport.write(data)
        assert (await caller.closed())[0] == code
        await soon(lambda: bool(served.records))
        assert (served.record.outcome, served.record.error) == ("error", "websocket_protocol")
        await soon(lambda: upstream.peers[0].closed is not None)


async def test_pings_are_answered_and_asked_on_both_sides() -> None:
    async with (
        WebSocketUpstream(answering) as upstream,
        serving(proxy(routed(upstream)), listener=limited(websocket_ping_seconds=0.1)) as served,
    ):
        async with await connect(served) as caller:
            await in_time(await caller.socket.ping())
            await asyncio.sleep(0.8)  # several of the gateway's own, each answered by the library
            await caller.send(ASK)
            await caller.kinds(4)
        assert upstream.peers[0].messages


async def test_a_side_that_answers_no_ping_is_gone() -> None:
    async def deaf(peer: Peer) -> None:
        await peer.send(CREATED)
        await asyncio.sleep(60)

    async with (
        WebSocketUpstream(deaf) as upstream,
        serving(proxy(routed(upstream)), listener=limited(websocket_ping_seconds=0.1)) as served,
    ):
        async with await connect(served) as caller:
            assert await caller.kinds(2) == ["session.created", "error"]
            assert (await caller.closed())[0] == 1011
        assert served.record.outcome == "cut"


@pytest.mark.parametrize(
    ("limits", "code"),
    [({"websocket_idle_seconds": 0.1}, "idle_timeout"), ({"websocket_seconds": 0.1}, "session_expired")],
)
async def test_a_session_ends_when_its_time_is_up(limits: dict[str, float], code: str) -> None:
    async with (
        WebSocketUpstream(answering) as upstream,
        serving(proxy(routed(upstream)), listener=limited(**limits)) as served,
    ):
        async with await connect(served) as caller:
            await caller.event()
            assert (await caller.event())["error"]["code"] == code
            await caller.closed()
        assert (served.record.outcome, served.record.stop_reason) == ("ok", code)


async def test_a_response_that_stalls_times_out() -> None:
    quick = Timeouts(between_events_seconds=0.1)
    async with WebSocketUpstream(then(..., begun(), delta())) as upstream:
        async with serving(proxy(routed(upstream, timeouts=quick))) as served, await connect(served) as caller:
            await caller.send(ASK)
            await caller.kinds(3)
            assert (await caller.event())["error"]["code"] == "event_timeout"
            assert (await caller.closed())[0] == 1011
        assert [record.outcome for record in served.records] == ["timeout", "timeout"]


async def test_a_slow_reader_pauses_its_provider_and_memory_stays_flat() -> None:
    sent = 0

    async def floods(peer: Peer) -> None:
        nonlocal sent
        for _ in range(400):
            await peer.send(delta("x" * 100_000))
            sent += 1

    async with (
        WebSocketUpstream(then(..., begun(), floods, done())) as upstream,
        serving(proxy(routed(upstream))) as served,
    ):
        caller = await connect(served, max_queue=1)
        await caller.send(ASK)
        before = -1
        while before != sent:
            before = sent
            await asyncio.sleep(0.2)
        assert sent < 300  # 40 MB in all: what is missing waits at the provider
        (session_end,) = served.worker.connections
        assert session_end.unsent() < 1_000_000
        kinds = [(await caller.event())["type"] for _ in range(403)]
        assert kinds[-1] == "response.done"
        assert len(served.records) == 1
        await caller.socket.close()


# --- the gateway's own end


async def test_draining_waits_for_the_response_under_way_and_then_goes_away() -> None:
    release = asyncio.Event()

    async def waits(peer: Peer) -> None:
        await release.wait()
        await peer.send(done())

    async with WebSocketUpstream(then(..., begun(), waits)) as upstream, serving(proxy(routed(upstream))) as served:
        caller, idle = await connect(served), await connect(served)
        await idle.event()
        await caller.send(ASK)
        assert await caller.kinds(2) == ["session.created", "response.created"]
        draining = asyncio.ensure_future(served.worker.drain(5.0))
        assert (await idle.closed())[0] == 1001
        assert not draining.done()
        release.set()
        assert (await caller.event())["type"] == "response.done"
        assert (await caller.closed())[0] == 1001
        await in_time(draining)
        assert sorted(record.outcome for record in served.records) == ["ok", "ok", "ok"]


async def test_a_drain_that_lasts_too_long_ends_all_with_their_records() -> None:
    async with WebSocketUpstream(then(..., begun(), delta())) as upstream, serving(proxy(routed(upstream))) as served:
        caller = await connect(served)
        await caller.send(ASK)
        await caller.kinds(3)
        await in_time(served.worker.drain(0.05))
        assert (await caller.closed())[0] == 1001
        response, session = served.records
        assert (response.outcome, response.usage.source) == ("cancelled", "estimated")
        assert (session.outcome, session.error) == ("cancelled", "draining")


async def test_a_reload_leaves_a_session_its_snapshot() -> None:
    async with WebSocketUpstream(answering) as old, WebSocketUpstream(answering) as new:
        async with serving(proxy(routed(old))) as served, await connect(served) as caller:
            await caller.event()
            no = policy(request=lambda _: PolicyRefusal("not any more", status=403))
            await served.publish(proxy(routed(new), policies=(no,)))
            await caller.send(ASK)
            assert (await caller.kinds(3))[2] == "response.done"
            assert (await refused(served))[0] == 403
        assert new.peers == []


async def test_a_policy_that_fails_ends_its_own_session_only() -> None:
    def fails(exchange: Any, record: Any) -> None:
        del exchange
        if record.operation == "realtime_response":
            raise RuntimeError("a defect")

    async with WebSocketUpstream(answering) as upstream:
        broken = policy(end=fails)
        async with serving(proxy(routed(upstream), policies=(broken,))) as served:
            async with await connect(served) as caller:
                await caller.event()
                await caller.send(ASK)
                await caller.kinds(2)
                assert (await caller.event())["type"] == "error"
                assert (await caller.closed())[0] == 1011
            assert [line["message"] for line in served.complaints()] == ["a session failed"]
            assert sorted(record.operation for record in served.records) == ["realtime", "realtime_response"]


# --- the model comes with the first message


async def test_responses_over_a_websocket_are_routed_by_their_first_message() -> None:
    async def script(peer: Peer) -> None:
        count = 0
        while True:
            asked = await peer.receive_object()
            assert asked["model"] == "deployed"
            count += 1
            usage = {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7}
            for event in (
                {"type": "response.created", "response": {"id": f"r{count}"}},
                {"type": "response.completed", "response": {"id": f"r{count}", "model": "served", "usage": usage}},
            ):
                await peer.send({**event, "stream_id": asked["stream_id"]})

    ask = {"type": "response.create", "model": "asked", "input": "hi", "stream_id": "lane"}
    async with WebSocketUpstream(script) as upstream:
        async with serving(proxy(routed(upstream, target_model="deployed"))) as served:
            async with await connect(served, "/v1/responses") as caller:
                assert upstream.peers == []
                for _ in range(2):
                    await caller.send(ask)
                    assert await caller.kinds(2) == ["response.created", "response.completed"]
                await caller.send({**ask, "model": "other"})
                assert (await caller.event())["error"]["code"] == "model_not_of_session"
            await soon(lambda: len(served.records) == 3)
        assert {record.requested_model for record in served.records} == {"asked"}
        assert [record.served_model for record in served.records[:2]] == ["served", "served"]
        assert [record.usage.total_tokens for record in served.records] == [7, 7, 0]


async def test_a_first_message_that_cannot_be_routed_is_told_and_the_session_ends() -> None:
    async with WebSocketUpstream(answering) as upstream:
        upstream.refusals.append(Refusal(404, b'{"error":{"message":"no such model","code":"model_not_found"}}'))
        async with serving(proxy(routed(upstream))) as served:
            async with await connect(served, "/v1/responses") as caller:
                await caller.send({"type": "response.create", "model": "m", "input": "hi"})
                error = await caller.event()
                assert (error["status"], error["error"]["message"]) == (404, "no such model")
                await caller.closed()
            assert (served.record.outcome, served.record.upstream_status) == ("error", 404)


async def test_a_caller_that_sends_no_first_message_is_closed() -> None:
    async with WebSocketUpstream(answering) as upstream:
        async with (
            serving(proxy(routed(upstream)), listener=limited(header_seconds=0.1)) as served,
            await connect(served, "/v1/responses") as caller,
        ):
            assert (await caller.event())["error"]["code"] == "request_timeout"
            await caller.closed()
        assert upstream.peers == []


LIVE = "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"


async def test_a_live_session_is_set_up_routed_and_metered_by_the_turn() -> None:
    async def script(peer: Peer) -> None:
        setup = await peer.receive_object()
        assert setup["setup"] == {"model": "models/deployed", "generationConfig": {"temperature": 0.5}}
        await peer.send({"setupComplete": {}}, text=False)
        while True:
            await peer.receive()
            await peer.send({"serverContent": {"modelTurn": {"parts": [{"text": "hi"}]}}}, text=False)
            usage = {"promptTokenCount": 7, "responseTokenCount": 3, "totalTokenCount": 10}
            await peer.send({"serverContent": {"turnComplete": True}, "usageMetadata": usage}, text=False)

    async with WebSocketUpstream(script) as upstream:
        target = route(f"{upstream.url}/v1beta", provider="gemini", target_model="deployed")
        async with (
            serving(proxy(target, format="gemini")) as served,
            await connect(served, f"{LIVE}?key=id%3Asecret") as caller,
        ):
            setup = {"model": "models/asked", "generationConfig": {"temperature": 0.5}}
            await caller.send({"setup": setup})
            assert await caller.event() == {"setupComplete": {}}
            await caller.send({"clientContent": {"turns": [], "turnComplete": True}})
            await caller.event()
            assert "usageMetadata" in await caller.event()
            assert served.record.usage == Usage(input_fresh=7, output_text=3)
        assert upstream.peers[0].target == LIVE
        assert upstream.peers[0].headers["x-goog-api-key"] == KEY


async def test_a_turn_over_the_limit_closes_a_live_session_which_has_no_words_for_it() -> None:
    keeper = Gatekeeper(0, waits=False)

    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.send({"setupComplete": {}})
        await peer.until_closed()

    async with WebSocketUpstream(script) as upstream:
        target = route(f"{upstream.url}/v1beta", provider="gemini")
        async with (
            serving(proxy(target, format="gemini", policies=(keeper.use,))) as served,
            await connect(served, LIVE) as caller,
        ):
            await caller.send({"setup": {"model": "models/m"}})
            await caller.event()
            await caller.send({"clientContent": {"turns": [], "turnComplete": True}})
            assert await caller.closed() == (1013, "over the limit")
        assert len(upstream.peers[0].messages) == 1
