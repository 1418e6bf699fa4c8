"""Sessions through a gateway as an operator runs it, by the vendors' own SDKs."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import openai
import pytest
import trustme
import websockets
from google import genai
from google.genai import types
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from tests.support.running import Gateway, key_file, routes_to, until

from tollway.testing.sim.app import RunningSim
from tollway.testing.upstream_records import Signal
from tollway.testing.websocket_upstream import Peer, WebSocketUpstream

SECRET = "e2e-session-secret-1180"
FRANCE = "What is the capital of France?"
USAGE = {"total_tokens": 30, "input_tokens": 20, "output_tokens": 10}
DONE = {"type": "response.done", "event_id": "e", "response": {"id": "r", "status": "completed", "usage": USAGE}}


def resources(folder: Path, upstreams: dict[str, str], *, limit: int = 1_000_000, **gateway: Any) -> dict[str, Any]:
    """Two client applications, each with a limit of its own, on a proxy of every format."""
    secret = key_file(folder, "client", SECRET)
    config = {
        "keySelector": "#[authentication.clientId]",
        "maximumTokens": limit,
        "timePeriodInMilliseconds": 3_600_000,
        "reservation": "none",
    }
    return {
        "gateway": {"workers": 1, **gateway},
        "clients": [{"name": name, "client_id": name, "secrets": [secret]} for name in ("one", "two")],
        "credentials": [{"name": "key", "values": key_file(folder)}],
        "llm_proxies": [
            {
                "name": "voice",
                "base_path": "/voice",
                "format": "any",
                "routes": routes_to(upstreams, health={"minimum_calls": 100_000}),
                "policies": [
                    {"policy": "client-id-enforcement"},
                    {"policy": "llm-token-rate-limit", "config": config},
                ],
                "contracts": "all",
            }
        ],
    }


@pytest.fixture(scope="module")
def gateway(sim: RunningSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    folder = tmp_path_factory.mktemp("sessions")
    upstreams = {"openai": f"{sim.url}/openai/v1", "azureopenai": f"{sim.url}/azureopenai"}
    given = resources(folder, {**upstreams, "gemini": f"{sim.url}/v1beta"})
    newer = {"name": "newer", "base_path": "/newer", "policies": [], "contracts": []}
    url = f"{sim.url}/azureopenai/openai/v1"
    newer["routes"] = routes_to({"azureopenai": url})
    given["llm_proxies"].append(newer)
    with Gateway(folder, given) as running:
        yield running


def client(gateway: Gateway, name: str = "one", **how: Any) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key=f"{name}:{SECRET}", base_url=f"{gateway.url}/voice/v1", **how)


@asynccontextmanager
async def session(
    gateway: Gateway, name: str = "one", model: str = "openai/gpt-realtime", correlation: str = ""
) -> AsyncIterator[AsyncRealtimeConnection]:
    headers = {"x-correlation-id": correlation} if correlation else {}
    async with client(gateway, name).realtime.connect(model=model, extra_headers=headers) as connection:
        assert (await connection.recv()).type == "session.created"
        yield connection


async def ask(connection: AsyncRealtimeConnection, text: str = FRANCE) -> Any:
    """Ask and wait for the end of the response, or for an error."""
    content = [{"type": "input_text", "text": text}]
    item: Any = {"type": "message", "role": "user", "content": content}
    await connection.conversation.item.create(item=item)
    await connection.response.create()
    async with asyncio.timeout(20):
        while (event := await connection.recv()).type not in {"response.done", "error"}:
            pass
    return event


async def test_openais_sdk_holds_a_conversation_that_is_metered_response_by_response(gateway: Gateway) -> None:
    async with session(gateway, correlation="conversation") as connection:
        answers = [await ask(connection), await ask(connection, "What is 2 + 2?")]
    said = [answer.response.output[0].content[0].text for answer in answers]
    assert "Paris" in said[0]
    assert "4" in said[1]
    records = gateway.records("conversation", 3)
    responses = [record for record in records if record.operation == "realtime_response"]
    assert sorted(record.usage.total_tokens for record in responses) == sorted(
        answer.response.usage.total_tokens for answer in answers
    )
    assert {(record.client_id, record.provider, record.target_model) for record in records} == {
        ("one", "openai", "gpt-realtime")
    }


async def test_azures_deployment_is_reached_by_its_own_path(gateway: Gateway) -> None:
    async with session(gateway, model="azureopenai/voice-deployment", correlation="azure") as connection:
        assert "Paris" in (await ask(connection)).response.output[0].content[0].text
    assert {record.provider for record in gateway.records("azure", 2)} == {"azureopenai"}


async def test_azures_newer_base_url_is_as_good(gateway: Gateway) -> None:
    url = f"{gateway.url.replace('http', 'ws')}/newer/v1/realtime?model=azureopenai/voice"
    async with websockets.connect(url, proxy=None) as socket:
        assert msgspec.json.decode(await socket.recv())["type"] == "session.created"


async def test_azures_sdk_names_its_deployment_in_the_query(gateway: Gateway) -> None:
    query = "api-version=2025-04-01-preview&deployment=openai/gpt-realtime"
    url = f"{gateway.url.replace('http', 'ws')}/voice/openai/realtime?{query}"
    async with websockets.connect(url, additional_headers={"api-key": f"one:{SECRET}"}, proxy=None) as socket:
        assert msgspec.json.decode(await socket.recv())["type"] == "session.created"


async def test_openais_sdk_chains_responses_over_one_connection(gateway: Gateway) -> None:
    headers = {"x-correlation-id": "chain"}
    async with client(gateway).responses.connect(extra_headers=headers) as connection:
        last: str | None = None
        for _ in range(2):
            await connection.response.create(model="openai/gpt-5.2", input=FRANCE, previous_response_id=last)
            while (event := await connection.recv()).type != "response.completed":
                pass
            last = event.response.id
            assert "Paris" in event.response.output_text
    records = gateway.records("chain", 3)
    assert sorted(record.usage.total_tokens > 0 for record in records) == [False, True, True]
    assert {record.inbound_dialect for record in records} == {"openai-responses-socket"}


@pytest.mark.parametrize("name", ["one", "two"])
async def test_each_client_application_is_recorded_as_itself(gateway: Gateway, name: str) -> None:
    async with session(gateway, name, correlation=f"as-{name}") as connection:
        await ask(connection)
    assert {record.client_id for record in gateway.records(f"as-{name}", 2)} == {name}


@pytest.mark.parametrize(
    ("headers", "subprotocols"),
    [
        ({"client_id": "one", "client_secret": SECRET}, None),
        ({"authorization": f"Bearer one:{SECRET}"}, None),
        ({}, ["realtime", f"openai-insecure-api-key.one%3A{SECRET}"]),
    ],
    ids=["headers", "bearer", "a browser's subprotocol"],
)
async def test_a_caller_may_prove_itself_in_each_of_these_ways(
    gateway: Gateway, headers: dict[str, str], subprotocols: Any
) -> None:
    url = f"{gateway.url.replace('http', 'ws')}/voice/v1/realtime?model=openai/gpt-realtime"
    async with websockets.connect(url, additional_headers=headers, subprotocols=subprotocols, proxy=None) as socket:
        assert msgspec.json.decode(await socket.recv())["type"] == "session.created"
        assert socket.protocol.extensions == []


async def test_a_stranger_is_refused_before_anything_is_opened(gateway: Gateway) -> None:
    for key in ("one:wrong", "nobody:x", "unused"):
        wrong = openai.AsyncOpenAI(api_key=key, base_url=f"{gateway.url}/voice/v1")
        with pytest.raises(websockets.InvalidStatus) as caught:
            await wrong.realtime.connect(model="openai/gpt-realtime").enter()
        assert caught.value.response.status_code == 401


async def test_over_its_limit_a_client_is_told_in_the_session_and_the_other_is_not(
    sim: RunningSim, tmp_path: Path
) -> None:
    with Gateway(tmp_path, resources(tmp_path, {"openai": f"{sim.url}/openai/v1"}, limit=10)) as limited:
        async with session(limited, "one", "gpt-realtime") as one, session(limited, "two", "gpt-realtime") as two:
            assert (await ask(one)).type == "response.done"
            refused = await ask(one)
            assert (refused.type, refused.error.code) == ("error", "rate_limit_exceeded")
            assert (await ask(two)).type == "response.done"
        with pytest.raises(websockets.InvalidStatus) as caught:
            await client(limited).realtime.connect(model="gpt-realtime").enter()
        assert caught.value.response.status_code == 429


async def test_a_worker_killed_after_a_response_has_recorded_it_once(tmp_path: Path) -> None:
    async def script(peer: Peer) -> None:
        await peer.send({"type": "session.created", "event_id": "s", "session": {"type": "realtime"}})
        await peer.receive()
        await peer.send({"type": "response.created", "event_id": "c", "response": {"id": "r"}})
        await peer.send(DONE)
        await peer.until_closed()

    with (
        WebSocketUpstream(script) as upstream,
        Gateway(tmp_path, resources(tmp_path, {"openai": upstream.url})) as gateway,
    ):
        async with session(gateway, model="m", correlation="killed") as connection:
            await connection.response.create()
            while (await connection.recv()).type != "response.done":
                pass
            (worker,) = gateway.workers()
            os.kill(worker, signal.SIGKILL)
            with pytest.raises(websockets.ConnectionClosedError):
                await connection.recv()
        await asyncio.to_thread(gateway.settled_ledger, ["killed"])
        rows = [row for row in gateway.ledger() if row["correlation_id"] == "killed"]
        assert [(row["operation"], row["outcome"], row["usage"]) for row in rows] == [
            ("realtime_response", "ok", {"input_fresh": 20, "output_text": 10})
        ]


async def test_a_gateway_that_stops_lets_a_response_end_and_then_goes_away(tmp_path: Path) -> None:
    release = Signal()

    async def script(peer: Peer) -> None:
        await peer.send({"type": "session.created", "event_id": "s", "session": {"type": "realtime"}})
        await peer.receive()
        await peer.send({"type": "response.created", "event_id": "c", "response": {"id": "r"}})
        await release.reached(30)
        await peer.send(DONE)
        await peer.until_closed()

    with (
        WebSocketUpstream(script) as upstream,
        Gateway(tmp_path, resources(tmp_path, {"openai": upstream.url})) as gateway,
    ):
        async with session(gateway, model="m", correlation="drained") as connection:
            await connection.response.create()
            assert (await connection.recv()).type == "response.created"
            gateway.signal(signal.SIGTERM)
            release.set()
            assert (await connection.recv()).type == "response.done"
            with pytest.raises(websockets.ConnectionClosed) as caught:
                await connection.recv()
            assert caught.value.rcvd is not None
            assert caught.value.rcvd.code == 1001
        assert await asyncio.to_thread(gateway.wait) == 0
        outcomes = {row["operation"]: row["outcome"] for row in gateway.ledger()}
        assert outcomes == {"realtime_response": "ok", "realtime": "ok"}


async def test_googles_sdk_holds_a_conversation_over_tls(sim: RunningSim, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "key.pem").chmod(0o600)
    trusted = ssl.create_default_context()
    authority.configure_trust(trusted)
    tls = {"certificate_file": str(tmp_path / "cert.pem"), "key_file": str(tmp_path / "key.pem")}
    given = resources(tmp_path, {"gemini": f"{sim.url}/v1beta"})
    given["listeners"] = [{"name": "default", "address": "127.0.0.1:0", "tls": tls}]
    with Gateway(tmp_path, given) as gateway:
        options = types.HttpOptions(base_url=f"{gateway.url}/voice", async_client_args={"ssl": trusted})
        google = genai.Client(api_key=f"one:{SECRET}", http_options=options)
        google._api_client._websocket_ssl_ctx = {"ssl": trusted}
        model, config = "gemini-live-2.5-flash-preview", {"response_modalities": ["TEXT"]}
        async with google.aio.live.connect(model=model, config=config) as connection:
            content = types.Content(role="user", parts=[types.Part(text=FRANCE)])
            await connection.send_client_content(turns=content, turn_complete=True)
            messages = [message async for message in connection.receive()]
        assert "Paris" in "".join(message.text or "" for message in messages)
        usage = messages[-1].usage_metadata
        assert usage is not None

        def recorded() -> list[int]:
            return [
                sum(row["usage"].get(leaf, 0) for leaf in ("input_fresh", "output_text"))
                for row in gateway.ledger()
                if row["operation"] == "realtime_response"
            ]

        assert await asyncio.to_thread(until, recorded, "the record of the turn") == [usage.total_token_count]
