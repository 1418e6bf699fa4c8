"""What a usage record says, member by member."""

from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.core.ids import ClientId
from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Authentication
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import Retries
from tollway.testing import script
from tollway.testing.script import Cut, Hang, Pause
from tollway.testing.upstream import ScriptedUpstream

from .serving import ANSWER, CHAT, DONE, EVENTS, OK, STREAM, TEXTS, chunk, in_time, policy, proxy, route, serving, soon

PRODUCTION_LOOP = True

NO = PolicyRefusal("no")
APP = ClientApplication(client_id=ClientId("app-1"), name="App", business_group="Finance", sla_tier="Gold")
IDENTIFIES = policy(request=lambda exchange: exchange.identify(Authentication(client=APP)))
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
MEASURED = {"id", "call_id", "started_us", "ended_us", "time_to_first_byte_us", "upstream_us", "overhead_us"}


def said(record: UsageRecord) -> dict[str, Any]:
    """Every member but those that are measured."""
    return {name: value for name, value in msgspec.structs.asdict(record).items() if name not in MEASURED}


async def test_every_member_of_an_answered_call() -> None:
    answer = {**ANSWER, "service_tier": "flex"}
    uses = (IDENTIFIES, policy(name="strict", shadow=True, request=lambda _: NO))
    async with ScriptedUpstream() as up:
        up.on(script.reply(json=answer))
        served_by = proxy(
            route(up, name="fast", target_model=None, aliases={"quick": "m"}, models=("quick",)),
            name="llm-proxy",
            policies=uses,
        )
        async with serving(served_by, gateway="edge") as served:
            headers = {"x-correlation-id": "corr-1", "traceparent": TRACE}
            reply = await served.ask(body={**CHAT, "model": "quick"}, headers=headers)
            assert reply.status == 200
            record = served.record
            assert said(record) == {
                "gateway": "edge",
                "proxy": "llm-proxy",
                "route": "fast",
                "provider": "openai",
                "credential": "ours",
                "client_id": "app-1",
                "client_name": "App",
                "business_group": "Finance",
                "sla_tier": "Gold",
                "operation": "conversation",
                "inbound_dialect": "openai-chat",
                "provider_dialect": "openai-chat",
                "requested_model": "quick",
                "target_model": "m",
                "served_model": "m-1",
                "service_tier": "flex",
                "stream": False,
                "outcome": "ok",
                "status": 200,
                "upstream_status": 200,
                "error": "",
                "policy": "",
                "shadow": ("strict",),
                "stop_reason": "stop",
                "losses": (),
                "attempt": 1,
                "final": True,
                "correlation_id": "corr-1",
                "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
                "parent_span_id": "00f067aa0ba902b7",
                "response_id": "chatcmpl-1",
                "usage": Usage(input_fresh=30, output_text=20),
                "request_bytes": len(msgspec.json.encode({**CHAT, "model": "quick"})),
                "response_bytes": len(msgspec.json.encode(answer)),
            }
            assert 0 < record.time_to_first_byte_us <= record.upstream_us
            assert record.upstream_us + record.overhead_us <= record.ended_us - record.started_us + 100_000
            assert len(record.id) == len(record.call_id) == 26


async def test_a_translated_call_says_both_dialects_and_what_was_lost() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="anthropic")) as served:
        up.on(OK)
        body = {**CHAT, "max_tokens": 9, "top_k": 5}
        assert (await served.ask("/v1/messages", body)).status == 200
        record = served.record
        assert (record.inbound_dialect, record.provider_dialect) == ("anthropic-messages", "openai-chat")
        assert record.losses == ("top_k",)
        assert (record.served_model, record.response_id, record.stop_reason) == ("m-1", "chatcmpl-1", "stop")


async def test_every_attempt_has_its_own_record_and_they_share_the_call() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.failure(503), OK)
        async with serving(proxy(route(up), retries=Retries(backoff_seconds=0.001))) as served:
            assert (await served.ask()).status == 200
            first, second = served.records
            assert (first.call_id, first.correlation_id) == (second.call_id, second.correlation_id)
            assert first.id != second.id
            assert first.started_us == second.started_us
            assert first.ended_us <= second.ended_us
            assert [(one.attempt, one.final, one.outcome, one.status) for one in served.records] == [
                (1, False, "error", 503),
                (2, True, "ok", 200),
            ]
            assert [one.upstream_status for one in served.records] == [503, 200]
            assert first.usage == NO_USAGE


async def test_ids_of_records_are_never_repeated() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(OK)
        for _ in range(20):
            await served.ask()
        ids = [record.id for record in served.records]
        assert len(set(ids)) == 20
        assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("answer", "streamed", "outcome", "error", "status", "source"),
    [
        (OK, False, "ok", "", 200, "provider"),
        (STREAM, True, "ok", "", 200, "provider"),
        (script.failure(400), False, "error", "", 400, "none"),
        (script.reply(body=b"<html>"), False, "ok", "", 200, "none"),
        (script.sse([*TEXTS, Pause(0.02), Cut()]), True, "cut", "upstream_cut", 200, "estimated"),
        (script.sse([*TEXTS, 'data: {"error":{"message":"x"}}\n\n']), True, "error", "upstream_error", 200, "none"),
        (script.sse([*EVENTS[:4], DONE]), True, "ok", "", 200, "none"),
    ],
    ids=["answer", "stream", "refused", "not read", "cut", "error in the stream", "no usage told"],
)
async def test_how_a_call_ended(
    answer: script.Answer, streamed: bool, outcome: str, error: str, status: int, source: str
) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), retries=Retries(attempts=0))) as served:
        up.on(answer)
        await in_time(served.ask(body={**CHAT, "stream": streamed}))
        record = served.record
        assert (record.outcome, record.status, record.usage.source) == (outcome, status, source)
        if error:
            assert record.error == error


async def test_what_a_cut_stream_used_is_estimated_from_what_was_seen() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.sse([*[chunk("word ")] * 7, Hang()]))
        body = {**CHAT, "stream": True, "padding": "x" * 4000}
        call = await served.send(body=body)
        await in_time(call.until("word"))
        await call.leave()
        await soon(lambda: bool(served.records))
        usage = served.record.usage
        assert usage == Usage(input_fresh=len(msgspec.json.encode(body)) // 4, output_text=7, source="estimated")


async def test_a_refused_call_says_who_refused_whom() -> None:
    uses = (IDENTIFIES, policy(name="guard", request=lambda _: NO))
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        assert (await served.ask()).status == 403
        record = served.record
        assert (record.outcome, record.policy, record.error, record.status) == (
            "refused",
            "guard",
            "policy_refused",
            403,
        )
        assert (record.client_id, record.business_group, record.requested_model) == ("app-1", "Finance", "m")
        assert (record.route, record.provider, record.attempt, record.usage) == ("", "", 0, NO_USAGE)
        assert record.overhead_us == record.ended_us - record.started_us


async def test_a_refused_name_is_in_no_other_calls_record() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), strategy="weighted")) as served:
        up.on(OK)
        for model in ("one", "two", "one"):
            await served.ask(body={**CHAT, "model": model})
        assert [record.requested_model for record in served.records] == ["one", "two", "one"]
