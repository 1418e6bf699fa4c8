"""A session from its handshake to the record of its last response."""

import asyncio
import struct
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
import websockets

from tollway.core.errors import PolicyRefusal
from tollway.core.usage import Usage
from tollway.interfaces.policy import ResponseEvent
from tollway.interfaces.secrets import Secret
from tollway.snapshot.document import Limits, Listener, PolicyUse, Retries, Timeouts
from tollway.testing.websocket_upstream import Peer, Refusal, WebSocketUpstream

from .serving import KEY, in_time, policy, proxy, route, serving, soon
from .sessions import ASK, CREATED, answering, begun, connect, delta, done, refused, then

USED = Usage(input_fresh=3, input_audio=5, cache_read=2, cache_read_audio=10, output_text=4, output_audio=6)


def routed(upstream: WebSocketUpstream, **settings: Any) -> Any:
    return route(f"{upstream.url}/v1", **settings)


def limited(**limits: Any) -> Listener:
    return Listener(name="main", host="127.0.0.1", port=8081, limits=Limits(**limits))


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


async def test_a_record_is_kept_before_the_event_that_ends_its_response_passes() -> None:
    async with (
        WebSocketUpstream(then(..., begun(), done())) as upstream,
        serving(proxy(routed(upstream))) as served,
        await connect(served) as caller,
    ):
        await caller.send(ASK)
        while (await caller.event())["type"] != "response.done":
            pass
        assert [record.usage for record in served.records] == [USED]


async def test_the_provider_gets_the_gateways_key_and_nothing_of_the_callers() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        headers = {"authorization": "Bearer id:secret", "x-own": "mine", "cookie": "c=1", "openai-beta": "realtime=v1"}
        async with await connect(served, headers=headers, user_agent_header="theirs"):
            (peer,) = upstream.peers
    assert peer.target == "/v1/realtime?model=m"
    assert peer.headers.pop("sec-websocket-key")
    assert peer.headers.pop("host").startswith("127.0.0.1:")
    assert peer.headers == {
        "authorization": f"Bearer {KEY}",
        "openai-beta": "realtime=v1",
        "user-agent": "tollway",
        "upgrade": "websocket",
        "connection": "Upgrade",
        "sec-websocket-version": "13",
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


async def test_a_refused_key_of_the_gateway_is_told_without_the_providers_words() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        upstream.refusals.append(Refusal(401, b'{"error":{"message":"Incorrect API key provided: sk-op***61"}}'))
        status, body = await refused(served)
        assert status == 401
        assert "sk-op" not in str(body)
        assert [(one.outcome, one.upstream_status, one.final) for one in served.records] == [("error", 401, True)]


async def test_a_handshake_that_fails_is_tried_elsewhere_with_a_record_each() -> None:
    async with WebSocketUpstream(answering) as broken, WebSocketUpstream(answering) as well:
        broken.refusals.append(Refusal(503))
        two = proxy(
            routed(broken, name="one"), routed(well, name="two"), strategy="priority", retries=Retries(attempts=0)
        )
        async with serving(two) as served, await connect(served) as caller:
            await caller.event()
            assert [(one.route, one.outcome, one.final) for one in served.records] == [("one", "error", False)]
        await soon(lambda: len(served.records) == 2)
        assert [(one.route, one.outcome, one.attempt) for one in served.records[1:]] == [("two", "ok", 2)]
        assert len({one.call_id for one in served.records}) == 1


async def test_an_answer_to_the_handshake_that_is_not_the_protocols_is_garbled() -> None:
    async def wrong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(
            b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
            b"sec-websocket-accept: d3Jvbmc=\r\n\r\n"
        )
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wrong, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with serving(proxy(route(f"http://127.0.0.1:{port}/v1"))) as served:
        status, body = await refused(served)
        assert (status, body["error"]["code"]) == (502, "upstream_garbled")
    server.close()


async def test_a_provider_that_does_not_answer_the_handshake_times_out() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    slow = route(f"http://127.0.0.1:{port}/v1", timeouts=Timeouts(first_byte_seconds=0.05))
    async with serving(proxy(slow)) as served:
        status, body = await refused(served)
        assert (status, body["error"]["code"], served.record.outcome) == (504, "first_byte_timeout", "timeout")
    server.close()


async def test_a_provider_without_the_api_is_refused_by_name() -> None:
    async with WebSocketUpstream(answering) as upstream:
        async with serving(proxy(routed(upstream, provider="anthropic"))) as served:
            status, body = await refused(served)
        assert (status, body["error"]["code"]) == (400, "operation_not_supported")


# --- policies


async def test_what_the_request_policies_refuse_is_not_opened() -> None:
    no = policy(request=lambda _: PolicyRefusal("not today", status=403))
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream), policies=(no,))) as served:
        status, body = await refused(served)
        assert (status, body["error"]["message"], upstream.peers) == (403, "not today", [])
        assert served.records == []  # strangers leave none


async def test_headers_that_policies_set_reach_provider_and_caller() -> None:
    def both(exchange: Any) -> None:
        exchange.set_upstream_header("X-Team", "blue")
        exchange.set_response_header("x-answered", "yes")

    sets = policy(request=both, upstream=lambda _, attempt: attempt.set_header("x-try", str(attempt.number)))
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream), policies=(sets,))) as served:
        async with await connect(served) as caller:
            response = caller.socket.response
            assert response is not None
            assert response.headers["x-answered"] == "yes"
            assert response.headers["x-llm-proxy-llm-provider"] == "openai"
        assert (upstream.peers[0].headers["x-team"], upstream.peers[0].headers["x-try"]) == ("blue", "1")


class Gatekeeper:
    """Refuses every response after the first `admits`, at once or after a moment."""

    def __init__(self, admits: int, *, waits: bool) -> None:
        self.left = admits + 1  # the handshake is asked about as well
        self.ended: list[str] = []
        if waits:
            self.use = policy(request=self._later, end=lambda _, record: self.ended.append(record.outcome))
        else:
            self.use = policy(request=self._now, end=lambda _, record: self.ended.append(record.outcome))

    def _now(self, exchange: Any) -> PolicyRefusal | None:
        del exchange
        self.left -= 1
        return PolicyRefusal("over the limit", status=429, code="rate_limit_exceeded") if self.left < 0 else None

    async def _later(self, exchange: Any) -> PolicyRefusal | None:
        await asyncio.sleep(0.01)
        return self._now(exchange)


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
async def test_a_response_that_is_refused_is_told_in_an_event_and_never_asked_for(waits: bool) -> None:
    keeper = Gatekeeper(1, waits=waits)
    async with WebSocketUpstream(answering) as upstream:
        async with serving(proxy(routed(upstream), policies=(keeper.use,))) as served:
            async with await connect(served) as caller:
                await caller.event()
                await caller.send(ASK)
                await caller.send({**ASK, "event_id": "mine"})
                await caller.send({"type": "input_audio_buffer.clear"})
                events = [await caller.event() for _ in range(4)]
                (error,) = (event for event in events if event["type"] == "error")
                assert "response.done" in [event["type"] for event in events]
                assert (error["error"]["code"], error["error"]["event_id"]) == ("rate_limit_exceeded", "mine")
                await soon(lambda: len(upstream.peers[0].messages) == 2)
            await soon(lambda: len(served.records) >= 2)
        sent = [msgspec.json.decode(message.data)["type"] for message in upstream.peers[0].messages]
        assert sent == ["response.create", "input_audio_buffer.clear"]
        assert sorted(keeper.ended) == ["ok", "ok", "refused"]


@pytest.mark.parametrize("waits", [False, True], ids=["at once", "after a wait"])
async def test_a_response_that_the_provider_began_by_itself_and_is_refused_is_stopped_unseen(waits: bool) -> None:
    keeper = Gatekeeper(0, waits=waits)

    async def hears(peer: Peer) -> None:
        await peer.send(begun())
        await peer.send(delta("leaks"))
        event = await peer.receive_object()
        assert event == {"type": "response.cancel", "response_id": "resp_1"}
        await peer.send(delta("leaks too"))
        await peer.send(done(status="cancelled"))

    async with WebSocketUpstream(then(..., hears)) as upstream:
        async with serving(proxy(routed(upstream), policies=(keeper.use,))) as served, await connect(served) as caller:
            await caller.send({"type": "input_audio_buffer.append", "audio": "AAAA"})
            assert await caller.kinds(4) == ["session.created", "response.created", "error", "response.done"]
            (record,) = served.records
        assert (record.outcome, record.error, record.usage) == ("cancelled", "rate_limit_exceeded", USED)


async def test_events_pass_the_event_policies() -> None:
    def look(exchange: Any, event: ResponseEvent) -> Any:
        if b"secret" in event.data:
            return PolicyRefusal("it said the word")
        if event.event == b"response.output_text.delta":
            return ResponseEvent(event.data.replace(b"yes", b"YES"))
        return None if event.event == b"rate_limits.updated" else event

    looks = policy(event=look)
    said = then(..., begun(), delta(), {"type": "rate_limits.updated"}, delta("secret"), ..., done(status="cancelled"))
    async with WebSocketUpstream(said) as upstream, serving(proxy(routed(upstream), policies=(looks,))) as served:
        async with await connect(served) as caller:
            await caller.send(ASK)
            assert await caller.kinds(2) == ["session.created", "response.created"]
            assert (await caller.event())["delta"] == "YES"
            assert await caller.kinds(2) == ["error", "response.done"]
        assert msgspec.json.decode(upstream.peers[0].messages[1].data)["type"] == "response.cancel"


async def test_token_limits_are_settled_after_each_response() -> None:
    config = {"keySelector": "#['all']", "maximumTokens": 50, "timePeriodInMilliseconds": 3_600_000}
    limit = PolicyUse(name="limit", policy="llm-token-rate-limit", config=config)
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream), policies=(limit,))) as served:
        async with await connect(served) as caller:
            await caller.event()
            for _ in range(2):  # 0 of 50 used, then 30 of 50
                await caller.send(ASK)
                assert (await caller.kinds(3))[2] == "response.done"
            await caller.send(ASK)
            error = (await caller.event())["error"]
            assert error["code"] == "rate_limit_exceeded"
            assert "60 of 50" in error["message"]
        status, _ = await refused(served)
        assert status == 429


async def test_what_a_transcription_uses_beside_the_responses_is_counted_by_its_own_model() -> None:
    session = {"type": "realtime", "audio": {"input": {"transcription": {"model": "scribe"}}}}
    heard = {
        "type": "conversation.item.input_audio_transcription.completed",
        "transcript": "hi",
        "usage": {"type": "tokens", "input_tokens": 8, "output_tokens": 3, "total_tokens": 11},
    }
    script = then({"type": "session.updated", "session": session}, heard)
    async with (
        WebSocketUpstream(script) as upstream,
        serving(proxy(routed(upstream))) as served,
        await connect(served) as caller,
    ):
        await caller.kinds(3)
        (record,) = served.records
    assert (record.served_model, record.usage) == ("scribe", Usage(input_fresh=8, output_text=3))


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


async def test_a_refusal_of_the_provider_ends_the_response_it_is_about() -> None:
    async def no(peer: Peer) -> None:
        asked = await peer.receive_object()
        error = {"type": "invalid_request_error", "code": "busy", "message": "no", "event_id": asked["event_id"]}
        await peer.send({"type": "error", "event_id": "e", "error": error})

    async with (
        WebSocketUpstream(then(no)) as upstream,
        serving(proxy(routed(upstream))) as served,
        await connect(served) as caller,
    ):
        await caller.send(ASK)
        assert await caller.kinds(2) == ["session.created", "error"]
        (record,) = served.records
        assert (record.outcome, record.error, record.usage.source) == ("error", "busy", "none")


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
            seen = [msgspec.json.decode(message)["type"] async for message in caller.socket]
            assert seen[-1] == "error"
            assert (await caller.closed())[0] == 1011
        response, session = served.records
        assert (response.outcome, response.usage.source, session.outcome) == ("cut", "estimated", "cut")


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


async def test_while_records_cannot_be_kept_nothing_is_asked_for() -> None:
    async with WebSocketUpstream(answering) as upstream, serving(proxy(routed(upstream))) as served:
        async with await connect(served) as caller:
            await caller.event()
            served.worker.spool_broken = True
            await caller.send(ASK)
            assert (await caller.event())["error"]["code"] == "not_ready"
            assert (await refused(served))[0] == 503
            served.worker.spool_broken = False
        assert upstream.peers[0].messages == []


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


async def test_a_key_of_the_callers_own_is_used_and_one_that_is_missing_is_named() -> None:
    async with WebSocketUpstream(answering) as upstream:
        own = routed(upstream, keys=(), key_expression="#[attributes.headers['x-provider-key']]")
        async with serving(proxy(own)) as served:
            assert (await refused(served))[1]["error"]["code"] == "missing_provider_key"
            async with await connect(served, headers={"x-provider-key": "sk-theirs"}):
                assert upstream.peers[0].headers["authorization"] == "Bearer sk-theirs"


async def test_keys_rotate_when_one_is_refused() -> None:
    async with WebSocketUpstream(answering) as upstream:
        upstream.refusals.append(Refusal(429))
        two = routed(upstream, keys=(Secret("sk-1"), Secret("sk-2")))
        async with serving(proxy(two)) as served, await connect(served):
            assert {peer.headers["authorization"] for peer in upstream.peers} == {"Bearer sk-1", "Bearer sk-2"}
