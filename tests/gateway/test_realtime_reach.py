"""Reaching a provider for a session."""

import asyncio
from typing import Any

import msgspec

from tollway.interfaces.secrets import Secret
from tollway.signing.client_credentials import client_credentials_grant
from tollway.snapshot.document import Retries, Timeouts
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream
from tollway.testing.websocket_upstream import Refusal, WebSocketUpstream

from .serving import KEY, policy, proxy, route, serving, soon
from .sessions import (
    answering,
    connect,
    refused,
    routed,
)


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


async def test_a_provider_that_takes_a_token_gets_it_in_place_of_a_key_and_a_fresh_one_after_a_refusal() -> None:
    async with ScriptedUpstream() as endpoint, WebSocketUpstream(answering) as upstream:
        endpoint.on(*(script.reply(json={"access_token": name, "expires_in": 3600}) for name in ("old", "new")))
        grant = client_credentials_grant(f"{endpoint.url}/token", "me", Secret("s"))
        grant = msgspec.structs.replace(grant, allow_private=True)
        there = route(f"{upstream.url}/openai/v1", provider="azureopenai", keys=(), token=grant)
        upstream.refusals.append(Refusal(401))
        async with serving(proxy(there)) as served, await connect(served) as caller:
            await caller.event()
            assert [(one.upstream_status, one.final) for one in served.records] == [(401, False)]
        peer = upstream.peers[-1]
        assert peer.target == "/openai/v1/realtime?model=m"
        assert peer.headers["authorization"] == "Bearer new"
        assert "api-key" not in peer.headers
        assert len(endpoint.requests) == 2


async def test_without_a_token_nothing_is_opened() -> None:
    async with ScriptedUpstream() as endpoint, WebSocketUpstream(answering) as upstream:
        endpoint.on(script.failure(500))
        grant = client_credentials_grant(f"{endpoint.url}/token", "me", Secret("s"))
        there = routed(upstream, keys=(), token=msgspec.structs.replace(grant, allow_private=True))
        async with serving(proxy(there, retries=Retries(attempts=0))) as served:
            status, body = await refused(served)
            assert (status, body["error"]["code"]) == (503, "sign_in_failed")
            assert served.complaints()
        assert upstream.peers == []
