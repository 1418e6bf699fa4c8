"""What routing is told of how an attempt failed, and what it is asked."""

from typing import Any

import msgspec
import pytest

from tollway.core.errors import (
    InternalError,
    TollwayError,
    UpstreamAnswered,
    UpstreamCut,
    UpstreamGarbled,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from tollway.dialects.registry import all_dialects
from tollway.gateway.route import DialectsByName, failure_of
from tollway.routing.outcomes import Failure
from tollway.snapshot.document import Fallback, Retries
from tollway.testing import script
from tollway.testing.script import Cut
from tollway.testing.upstream import ScriptedUpstream

from .serving import CHAT, OK, STREAM, in_time, proxy, route, serving

PRODUCTION_LOOP = True


class Begun:
    """An attempt that began at second 10."""

    started_at = 10.0


@pytest.mark.parametrize(
    ("error", "kind", "status"),
    [
        (UpstreamAnswered("x", status=503), "status", 503),
        (UpstreamUnreachable("x"), "connect_error", 0),
        (UpstreamUnreachable("x", code="upstream_address_refused"), "internal", 0),
        (UpstreamTimeout("x", code="first_byte_timeout"), "first_byte_timeout", 0),
        (UpstreamTimeout("x", code="event_timeout"), "timeout", 0),
        (UpstreamTimeout("x", code="total_timeout"), "timeout", 0),
        (UpstreamCut("x"), "cut", 0),
        (UpstreamGarbled("x"), "garbled", 0),
        (InternalError("x"), "internal", 0),
    ],
    ids=lambda value: value.code if isinstance(value, TollwayError) else None,
)
def test_how_an_attempt_failed(error: Any, kind: str, status: int) -> None:
    assert failure_of(Begun(), error, 12.5) == Failure(kind=kind, status=status, elapsed_seconds=2.5)  # type: ignore[arg-type]


def test_the_providers_wait_is_passed_on() -> None:
    error = UpstreamAnswered("x", status=429, retry_after_seconds=3.0)
    assert failure_of(Begun(), error, 10.0).retry_after_seconds == 3.0  # type: ignore[arg-type]


def test_every_dialect_is_found_by_its_name() -> None:
    found = DialectsByName(all_dialects())
    assert set(found.conversation) == {
        "openai-chat",
        "openai-responses",
        "anthropic-messages",
        "gemini",
        "bedrock-converse",
        "bedrock-invoke",
        "cohere-chat",
        "ollama-chat",
        "ollama-generate",
    }
    assert set(found.embeddings) >= {"openai-embeddings", "gemini-embeddings", "vertex-embeddings", "voyage-embeddings"}
    assert not set(found.conversation) & set(found.embeddings)


ONE_REPEAT = Retries(attempts=1, backoff_seconds=0.001)


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (script.failure(500), 200),
        (script.failure(429, retry_after=0), 200),
        (msgspec.structs.replace(OK, before=[Cut()]), 200),
        (msgspec.structs.replace(OK, before=[Cut(reset=True)]), 200),
        (script.failure(400), 400),
        (script.failure(401), 401),
        (script.failure(404), 404),
        (script.failure(429, retry_after=60), 429),
        (script.reply(302, headers=[("location", "http://elsewhere/")]), 502),
    ],
    ids=["500", "429", "closed", "reset", "400", "401", "404", "429 for long", "302"],
)
async def test_what_is_tried_again(first: script.Answer, status: int) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), retries=ONE_REPEAT)) as served:
        up.on(first, OK)
        assert (await in_time(served.ask())).status == status
        assert len(up.requests) == len(served.records) == (2 if status == 200 else 1)


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
async def test_a_call_falls_back_and_says_so(streamed: bool) -> None:
    async with ScriptedUpstream() as bad, ScriptedUpstream() as good:
        bad.on(script.failure(500))
        good.on(STREAM if streamed else OK)
        routes = (route(bad), route(good, name="spare", target_model="spare-model"))
        fallback = Fallback(route="spare")
        async with serving(proxy(*routes, retries=Retries(attempts=0), fallback=fallback)) as served:
            answer = await in_time(served.ask(body={**CHAT, "stream": streamed}))
            assert answer.status == 200
            assert answer.headers["x-llm-proxy-routing-fallback"] == "true"
            assert answer.headers["x-llm-proxy-llm-model"] == "spare-model"
            assert [(record.route, record.final) for record in served.records] == [("main", False), ("spare", True)]
            assert good.requests[0].json()["model"] == "spare-model"  # type: ignore[index]


async def test_an_unknown_model_is_refused_in_words_that_help() -> None:
    async with ScriptedUpstream() as up:
        routes = (
            route(up, target_model=None),
            route(up, name="other", provider="anthropic", target_model=None),
        )
        async with serving(proxy(*routes)) as served:
            answer = await served.ask(body={**CHAT, "model": "nobody-knows"})
            assert (answer.status, up.requests) == (400, [])
            assert b"Use 'provider/model' format" in answer.body


async def test_a_route_may_ask_for_headers() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        async with serving(proxy(route(up, match_headers={"x-region": "eu"}))) as served:
            assert (await served.ask(headers={"x-region": "eu"})).status == 200
            assert (await served.ask(headers={"x-region": "us"})).status == 400
            assert len(up.requests) == 1


async def test_an_upstream_that_is_not_there_is_told_without_its_address() -> None:
    async with serving(proxy(route("http://127.0.0.1:9/v1"), retries=Retries(attempts=0))) as served:
        answer = await in_time(served.ask())
        assert (answer.status, served.record.error) == (502, "upstream_unreachable")
        assert b"127.0.0.1" not in answer.body


async def test_a_private_address_is_not_called_unless_its_route_allows() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, allow_private=False))) as served:
        up.on(OK)
        answer = await in_time(served.ask())
        assert (answer.status, up.requests, served.record.error) == (502, [], "upstream_address_refused")


async def test_a_repeat_the_gateway_has_made_is_not_asked_of_the_sdk_again() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), retries=ONE_REPEAT)) as served:
        up.on(script.failure(503, retry_after=0))
        answer = await in_time(served.ask())
        assert (answer.status, answer.headers["x-should-retry"], len(up.requests)) == (503, "false", 2)
