"""One worker: what it serves, what it says of itself, and how it changes and ends without losing a call or a record."""

import asyncio
import hashlib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from tollway.core.errors import PolicyRefusal
from tollway.core.ids import ClientId
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Authentication, PolicyExchange
from tollway.snapshot.document import Client, Contract, Health, Listener, PolicyUse, SecretHash, TlsServer
from tollway.testing import script
from tollway.testing.script import Hang, Pause
from tollway.testing.upstream import ScriptedUpstream

from .listener import read_answers
from .serving import CHAT, EVENTS, OK, SHOWN, STREAM, TEXTS, Served, in_time, policy, proxy, route, serving, soon

EVERY_LOOP = True

STREAMED: dict[str, Any] = {**CHAT, "stream": True}
LISTENER = Listener(name="main", host="127.0.0.1", port=8081)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@contextmanager
def tls_files(authority: trustme.CA, folder: Path) -> Iterator[tuple[Listener, ssl.SSLContext]]:
    issued = authority.issue_cert("127.0.0.1")
    issued.cert_chain_pems[0].write_to_path(folder / "cert.pem")
    issued.private_key_pem.write_to_path(folder / "key.pem")
    files = TlsServer(certificate_file=str(folder / "cert.pem"), key_file=str(folder / "key.pem"), http2=False)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    yield msgspec.structs.replace(LISTENER, tls=files), trusting


async def get(served: Served, path: str, method: str = "GET") -> tuple[int, bytes]:
    answer = await in_time(served.ask(path, method=method))
    return answer.status, answer.body


# --- what it says of itself


@pytest.mark.parametrize("path", ["/probes/liveness", "/probes/readiness"])
async def test_a_worker_that_serves_is_alive_and_ready(path: str) -> None:
    async with serving() as served:
        assert await get(served, path) == (200, b'{"status":"ok"}')
        assert await get(served, path, "HEAD") == (200, b"")


async def test_metrics_are_served_where_the_listener_says() -> None:
    async with serving() as served:
        assert (await get(served, "/metrics"))[0] == 404
    async with serving(listener=msgspec.structs.replace(LISTENER, metrics=True)) as served:
        answer = await in_time(served.ask("/metrics", method="GET"))
        assert (answer.status, answer.headers["content-type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")


async def test_probes_are_not_served_where_the_listener_says_so() -> None:
    async with serving(listener=msgspec.structs.replace(LISTENER, probes=False)) as served:
        assert (await get(served, "/probes/liveness"))[0] == 404


async def test_gauges_tell_what_is_under_way() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.sse([TEXTS[0], Hang()]), msgspec.structs.replace(OK, before=[Hang()]))
        stream = await served.send(body=STREAMED)
        await in_time(stream.until("one"))
        whole = await served.send()
        assert await up.arrival(2).reached()
        gauges = served.worker.gauges()
        assert (gauges.in_flight, gauges.streams, gauges.connections) == (2, 1, 2)
        assert [(one.name, one.healthy, one.in_flight) for one in gauges.upstreams] == [(f"openai {up.url}", True, 2)]
        assert (gauges.spool_ready, gauges.spool_failures, len(gauges.snapshot_version)) == (True, 0, 12)
        await stream.leave()
        await whole.leave()


async def test_an_upstream_that_fails_counts_as_unhealthy() -> None:
    health = Health(minimum_calls=2, error_rate=0.5)
    async with ScriptedUpstream() as up, serving(proxy(route(up, health=health))) as served:
        up.on(script.failure(500))
        await served.ask()
        (gauge,) = served.worker.gauges().upstreams
        assert (gauge.healthy, gauge.in_flight) == (False, 0)


# --- snapshots


async def test_a_call_keeps_the_snapshot_it_began_with() -> None:
    async with ScriptedUpstream() as old, ScriptedUpstream() as new:
        old.on(script.sse([TEXTS[0], Pause(1.0), *EVENTS[1:]]))
        new.on(OK)
        before, after = (
            policy(response=lambda exchange, _, name=name: exchange.set_response_header("x-snapshot", name))
            for name in ("before", "after")
        )
        async with serving(proxy(route(old, name="old"), policies=(before,))) as served:
            stream = await served.send(body=STREAMED)
            await in_time(stream.until("one"))
            await served.publish(proxy(route(new, name="new"), policies=(after,)))
            answer = await in_time(served.ask())
            assert (answer.status, answer.headers["x-snapshot"]) == (200, "after")
            begun = await in_time(stream.rest())
            assert (begun.body.decode(), begun.headers["x-snapshot"], begun.whole) == (SHOWN, "before", True)
            assert [(record.route, record.outcome) for record in served.records] == [("new", "ok"), ("old", "ok")]


async def test_a_connection_gets_the_new_snapshot_with_its_next_request() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(OK)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: g\r\n\r\n")
        assert b" 200 " in await reader.readline()
        await served.publish(proxy(route(up), base_path="/moved"))
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n")
        assert b"HTTP/1.1 404 " in await in_time(reader.read())
        writer.close()


@pytest.mark.parametrize("trouble", ["policy", "file"])
async def test_a_snapshot_that_fails_to_compile_changes_nothing(trouble: str, tmp_path: Path) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(OK)
        version = served.worker.snapshot
        if trouble == "policy":
            broken = PolicyUse(name="limit", policy="llm-token-rate-limit", config={"limits": "none"})
            with pytest.raises(msgspec.ValidationError):
                await served.publish(proxy(route(up), policies=(broken,)))
        else:
            gone = TlsServer(certificate_file=str(tmp_path / "none"), key_file=str(tmp_path / "none"))
            served.listener = msgspec.structs.replace(LISTENER, tls=gone)
            with pytest.raises(OSError, match="No such file"):
                await served.publish(proxy(route(up), base_path="/moved"))
        assert served.worker.snapshot is version
        assert (await in_time(served.ask())).status == 200


async def test_a_listener_that_is_gone_takes_no_more_connections() -> None:
    async with serving(proxy()) as served:
        port = served.port
        served.listener = msgspec.structs.replace(LISTENER, name="other", port=8082)
        await served.publish(proxy(listeners=("other",)))
        assert (await get(served, "/probes/liveness"))[0] == 200
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", port)


async def test_counts_of_an_upstream_outlive_a_snapshot() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, health=Health(max_concurrent=1)))) as served:
        up.on(msgspec.structs.replace(OK, before=[Pause(0.1)]))
        first = await served.send()
        assert await up.arrival(1).reached()
        await served.publish(proxy(route(up, health=Health(max_concurrent=1))))
        assert (await in_time(served.ask())).status == 503
        assert (await in_time(first.rest())).status == 200


async def test_pools_are_shared_by_routes_to_one_upstream() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        proxies = [proxy(route(up), name=name, base_path=f"/{name}") for name in ("a", "b")]
        async with serving(*proxies) as served:
            assert (await served.ask("/a/v1/chat/completions")).status == 200
            assert (await served.ask("/b/v1/chat/completions")).status == 200
            assert up.connections_accepted == 1


# --- records that cannot be stored


KNOWN = Authentication(client=ClientApplication(client_id=ClientId("app"), name="App"))


async def test_no_calls_are_taken_while_records_cannot_be_stored_and_none_is_lost() -> None:
    uses = (policy(request=lambda exchange: exchange.identify(KNOWN)),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(OK)
        served.sink.full = True
        assert (await in_time(served.ask())).status == 200  # it is the one whose record shows that the disk is full
        refused = await in_time(served.ask())
        assert (refused.status, msgspec.json.decode(refused.body)["error"]["code"]) == (503, "not_ready")
        assert refused.headers["x-should-retry"] == "false"
        assert len(up.requests) == 1
        assert (await get(served, "/v1/models"))[0] == 503
        assert await get(served, "/probes/readiness") == (503, b'{"status":"not ready"}')
        assert (await get(served, "/probes/liveness"))[0] == 200
        assert served.worker.gauges().spool_ready is False
        assert served.records == []
        assert {line["error"] for line in served.complaints()} == {"no space left on device"}

        served.sink.full = False
        await soon(lambda: served.worker.gauges().spool_ready)
        assert [(record.outcome, record.error) for record in served.records] == [
            ("ok", ""),
            ("refused", "not_ready"),
            ("refused", "not_ready"),
        ]
        assert (await in_time(served.ask())).status == 200
        assert (await get(served, "/probes/readiness"))[0] == 200


async def test_a_stream_whose_record_cannot_be_stored_still_reaches_its_caller() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(STREAM)
        served.sink.full = True
        answer = await in_time(served.stream())
        assert (answer.body.decode(), answer.whole) == (SHOWN, True)
        served.sink.full = False
        await soon(lambda: served.worker.gauges().spool_ready)
        assert served.record.outcome == "ok"
        assert len(served.complaints()) == 1


# --- clients


async def test_policies_know_the_clients_that_have_a_contract_on_their_proxy() -> None:
    salt, secret = "salt", "s3cret"
    hashed = SecretHash(salt=salt, sha256=hashlib.sha256(f"{salt}{secret}".encode()).hexdigest())
    clients = tuple(Client(client_id=name, name=name, secrets=(hashed,)) for name in ("in", "out"))
    uses = (PolicyUse(name="id", policy="client-id-enforcement"),)
    contracts = (Contract(client_id="in", sla_tier="Gold"),)
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up), policies=uses, contracts=contracts), clients=clients) as served,
    ):
        up.on(OK)
        found = [
            (await served.ask(headers={"client_id": name, "client_secret": given})).status
            for name, given in [("in", secret), ("in", "wrong"), ("out", secret)]
        ]
        assert found == [200, 401, 401]
        assert (served.record.client_id, served.record.sla_tier) == ("in", "Gold")


# --- the end


async def test_a_worker_that_drains_finishes_what_is_under_way() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(msgspec.structs.replace(OK, before=[Pause(0.1)]))
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)  # idle: it is closed at once
        begun = await served.send(headers={"connection": "keep-alive"})
        assert await up.arrival(1).reached()
        answer, _ = await in_time(asyncio.gather(begun.rest(), served.worker.drain(5.0)))
        assert await reader.read() == b""
        writer.close()
        assert (answer.status, answer.headers["connection"], answer.whole) == (200, "close", True)
        assert served.record.outcome == "ok"
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await asyncio.open_connection("127.0.0.1", served.port)


@pytest.mark.parametrize("encrypted", [False, True], ids=["plain", "TLS"])
async def test_what_does_not_end_in_time_is_broken_off_and_recorded_before_the_worker_ends(
    encrypted: bool, authority: trustme.CA, tmp_path: Path
) -> None:
    with tls_files(authority, tmp_path) as (listener, trusting):
        settings: dict[str, Any] = {"listener": listener, "tls": trusting} if encrypted else {}
        async with ScriptedUpstream() as up, serving(proxy(route(up)), **settings) as served:
            up.on(script.sse([TEXTS[0], Hang()]))
            stream = await served.send(body=STREAMED)
            await in_time(stream.until("one"))
            await in_time(served.worker.drain(0.05))
            # Its owner closes the spool right after.
            assert (served.record.outcome, served.record.usage.source) == ("cancelled", "estimated")
            assert not (await in_time(stream.rest())).whole


async def test_the_answer_of_a_caller_that_left_is_recorded_when_the_worker_ends() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), on_client_leave="drain")) as served:
        up.on(script.sse([TEXTS[0], Hang()]))
        stream = await served.send(body=STREAMED)
        await in_time(stream.until("one"))
        await stream.leave()
        await soon(lambda: not served.worker.connections)
        assert served.records == []
        await in_time(served.worker.drain(0.05))
        assert served.record.outcome == "cancelled"


async def test_a_policy_that_waits_for_ever_does_not_hold_up_the_end() -> None:
    waiting = asyncio.Event()

    async def wait(_: PolicyExchange) -> None:
        waiting.set()
        await asyncio.Event().wait()

    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(policy(request=wait),))) as served:
        call = await served.send()
        await in_time(waiting.wait())
        await in_time(served.worker.drain(0.05))
        assert not (await in_time(call.rest())).whole
        await soon(lambda: bool(served.records))
        assert (served.record.outcome, served.record.attempt) == ("cancelled", 0)


# --- tasks


async def test_a_task_that_fails_is_named_in_the_log() -> None:
    async def fails() -> None:
        raise PolicyRefusal("a secret")

    async with serving() as served:
        served.worker.spawn(fails())
        await soon(lambda: any(line["level"] == "error" for line in served.lines()))
        (line,) = served.complaints()
        assert line["message"] == "a task failed"
        assert "a secret" not in str(line)


async def test_requests_in_a_row_are_answered_in_a_row() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(OK)
        body = msgspec.json.encode(CHAT)
        one = b"POST /v1/chat/completions HTTP/1.1\r\nhost: g\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        last = one.replace(b"host: g", b"host: g\r\nconnection: close")
        reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
        writer.write(one * 3 + last)
        found = read_answers(await in_time(reader.read()))
        writer.close()
        assert [answer.status for answer in found] == [200] * 4
        assert len(served.records) == 4
