"""Calls without a hub go only where they can be served."""

from typing import Any

import msgspec
import pytest

from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import Fallback, Retries
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

from .serving import proxy, route, serving

PRODUCTION_LOOP = True
CHECK: dict[str, Any] = {"input": "hi"}
OK = script.reply(json={"id": "modr-1", "model": "omni-moderation", "results": []})


def routed(record: UsageRecord) -> tuple[str, str, str]:
    return record.route, record.provider, record.target_model


async def test_a_call_that_names_no_model_goes_to_the_first_route_that_has_the_operation() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        claude = route(up, name="claude", provider="anthropic", target_model=None)
        ours = [route(up, name=name, target_model=None) for name in ("first", "second")]
        async with serving(proxy(claude, *ours)) as served:
            await served.ask("/v1/moderations", CHECK)
            await served.ask("/v1/moderations", CHECK, headers={"x-llm-proxy-route": "second"})
            assert [routed(one) for one in served.records] == [("first", "openai", ""), ("second", "openai", "")]
            assert msgspec.json.decode(up.requests[0].body) == CHECK


@pytest.mark.parametrize("name", ["claude", "nowhere"])
async def test_a_route_that_cannot_serve_it_is_refused_by_name(name: str) -> None:
    async with ScriptedUpstream() as up:
        claude = route(up, name="claude", provider="anthropic", target_model=None)
        async with serving(proxy(route(up, target_model=None), claude)) as served:
            answer = await served.ask("/v1/moderations", CHECK, headers={"x-llm-proxy-route": name})
            error = msgspec.json.decode(answer.body)["error"]
            assert (answer.status, error["code"], error["param"]) == (
                400,
                "operation_not_supported",
                "x-llm-proxy-route",
            )
            assert f"'{name}'" in error["message"]
            assert "main" in error["message"]
            assert up.requests == []


async def test_a_model_of_a_provider_without_the_operation_is_refused_before_anything_is_sent() -> None:
    async with ScriptedUpstream() as up:
        claude = route(up, name="claude", provider="anthropic", target_model=None)
        async with serving(proxy(route(up, target_model=None), claude)) as served:
            answer = await served.ask("/v1/moderations", {**CHECK, "model": "anthropic/claude-x"})
            error = msgspec.json.decode(answer.body)["error"]
            assert (answer.status, error["code"], error["param"]) == (400, "operation_not_supported", "model")
            assert up.requests == []


async def test_where_no_provider_has_it_there_is_no_such_endpoint() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="anthropic"))) as served:
        for model in ({}, {"model": "m"}):
            answer = await served.ask("/v1/moderations", {**CHECK, **model})
            assert (answer.status, msgspec.json.decode(answer.body)["error"]["code"]) == (
                404,
                "operation_not_supported",
            )
            assert answer.headers["x-should-retry"] == "false"
        assert up.requests == []


async def test_a_bare_model_goes_to_the_only_provider_that_has_the_operation() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        claude = route(up, name="claude", provider="anthropic", target_model=None)
        async with serving(proxy(claude, route(up, target_model=None))) as served:
            await served.ask("/v1/moderations", {**CHECK, "model": "omni-moderation"})
            assert routed(served.record) == ("main", "openai", "omni-moderation")


async def test_weights_count_only_routes_that_have_it() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        claude = route(up, name="claude", provider="anthropic", weight=1_000, target_model=None)
        async with serving(proxy(claude, route(up, target_model=None), strategy="weighted")) as served:
            for _ in range(5):
                await served.ask("/v1/moderations", {**CHECK, "model": "m"})
            assert {one.route for one in served.records} == {"main"}


async def test_a_fallback_that_has_it_is_taken_and_another_is_not() -> None:
    broken = script.reply(status=500, json={"error": {"message": "no"}})
    async with ScriptedUpstream() as up, ScriptedUpstream() as down:
        up.on(OK)
        down.on(broken)
        routes = [
            route(down, target_model=None),
            route(up, name="spare", target_model=None, models=("s",)),
            route(up, name="claude", provider="anthropic", target_model=None),
        ]
        for spare, status in (("spare", 200), ("claude", 500)):
            fallback = Fallback(route=spare, model="m")
            settings = {"fallback": fallback, "retries": Retries(attempts=0)}
            async with serving(proxy(routes[0], *[one for one in routes if one.name == spare], **settings)) as served:
                answer = await served.ask("/v1/moderations", {**CHECK, "model": "main/m"})
                assert answer.status == status
