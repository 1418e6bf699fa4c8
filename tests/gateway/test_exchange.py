"""The order of one call, and every way it can end, between a real caller and a real upstream."""

import asyncio
import re
from collections.abc import Callable, Coroutine
from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal, TollwayError
from tollway.core.ids import ClientId
from tollway.core.usage import Usage
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Attempt, Authentication, PolicyExchange, ResponseEvent
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import Fallback, Health, Retries, Timeouts
from tollway.testing import script
from tollway.testing.script import Cut, Hang, Pause
from tollway.testing.upstream import ScriptedUpstream

from .serving import (
    CHAT,
    CHAT_PATH,
    DONE,
    EVENTS,
    KEY,
    MESSAGES,
    MESSAGES_PATH,
    OK,
    SHOWN,
    STREAM,
    TEXTS,
    chunk,
    in_time,
    policy,
    proxy,
    route,
    serving,
    soon,
)

EVERY_LOOP = True

STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
USAGE = Usage(input_fresh=30, output_text=20)
NO = PolicyRefusal("not today", status=451, code="not_today")
SECRET = "the-value-7261"  # noqa: S105 - what a log must not show

Phase = Callable[..., Any]


def asked(streamed: bool) -> dict[str, Any]:
    return {**CHAT, "stream": streamed}


async def upstream_with(*answers: script.Answer) -> ScriptedUpstream:
    upstream = ScriptedUpstream()
    upstream.on(*answers)
    return upstream


class Gate:
    """Holds a policy until the test lets it go."""

    def __init__(self, verdict: TollwayError | None = None) -> None:
        self.reached = asyncio.Event()
        self.opened = asyncio.Event()
        self._verdict = verdict

    async def wait(self, *_: object) -> TollwayError | None:
        self.reached.set()
        await self.opened.wait()
        return self._verdict


# --- policies that wait


@STREAMED
@pytest.mark.parametrize("phase", ["request", "upstream", "response"])
async def test_a_call_waits_for_a_policy_that_waits(phase: str, streamed: bool) -> None:
    gate = Gate()
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(policy(**{phase: gate.wait}),))) as served:
        up.on(STREAM if streamed else OK)
        call = await served.send(body=asked(streamed))
        await in_time(gate.reached.wait())
        await asyncio.sleep(0.02)
        assert call.silent
        assert len(up.requests) == (1 if phase == "response" else 0)
        gate.opened.set()
        answer = await in_time(call.rest())
        assert (answer.status, answer.whole) == (200, True)
        assert answer.body == (SHOWN.encode() if streamed else OK.body)
        assert (served.record.outcome, served.record.usage) == ("ok", USAGE)


@STREAMED
@pytest.mark.parametrize(("phase", "called"), [("request", 0), ("upstream", 0), ("response", 1)])
async def test_a_policy_that_waits_may_refuse(phase: str, called: int, streamed: bool) -> None:
    gate = Gate(NO)
    gate.opened.set()
    uses = (policy(name="gate", **{phase: gate.wait}),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(STREAM if streamed else OK)
        answer = await in_time(served.ask(body=asked(streamed)))
        assert (answer.status, answer.whole) == (451, True)
        assert msgspec.json.decode(answer.body)["error"]["message"] == "not today"
        assert len(up.requests) == called


async def test_plain_policies_run_in_a_chain_that_waits() -> None:
    order: list[str] = []

    def told(name: str) -> Callable[..., None]:
        return lambda *_: order.append(name)

    async def waits(*_: object) -> None:
        await asyncio.sleep(0)
        order.append("waits")

    uses = (
        policy(request=told("first"), response=told("first again")),
        policy(request=waits),
        policy(request=told("last"), response=told("last again")),
    )
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(OK)
        assert (await served.ask()).status == 200
    assert order == ["first", "waits", "last", "last again", "first again"]


async def test_what_comes_while_a_response_policy_waits_is_passed_on_in_order() -> None:
    gate = Gate()
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up), policies=(policy(response=gate.wait),))) as served,
    ):
        up.on(script.sse([*TEXTS[:1], Pause(0.05), *TEXTS[1:], Pause(0.05), *EVENTS[3:]]))
        call = await served.send(body=asked(streamed=True))
        await in_time(gate.reached.wait())
        await asyncio.sleep(0.2)
        gate.opened.set()
        answer = await in_time(call.rest())
        assert (answer.body.decode(), answer.whole) == (SHOWN, True)


async def test_a_stream_that_breaks_while_a_response_policy_waits_ends_with_an_error_event() -> None:
    gate = Gate()
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up), policies=(policy(response=gate.wait),))) as served,
    ):
        up.on(script.sse([TEXTS[0], Cut()]))
        call = await served.send(body=asked(streamed=True))
        await in_time(gate.reached.wait())
        await asyncio.sleep(0.05)
        gate.opened.set()
        answer = await in_time(call.rest())
        assert answer.whole
        first, error, rest = answer.body.decode().split("\n\n")
        assert (first + "\n\n", rest) == (TEXTS[0], "")
        assert "upstream_cut" in error
        assert served.record.outcome == "cut"


@STREAMED
@pytest.mark.parametrize("phase", ["request", "upstream", "response"])
async def test_a_caller_that_leaves_while_a_policy_waits_is_recorded_once(phase: str, streamed: bool) -> None:
    gate = Gate()
    ends: list[UsageRecord] = []
    uses = (policy(**{phase: gate.wait}, end=lambda _, record: ends.append(record)),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(STREAM if streamed else OK)
        call = await served.send(body=asked(streamed))
        await in_time(gate.reached.wait())
        await call.leave()
        await asyncio.sleep(0.02)
        gate.opened.set()
        await soon(lambda: bool(served.records))
        await asyncio.sleep(0.05)
        assert ends == [served.record]
        assert len(up.requests) == (1 if phase == "response" else 0)
        if phase == "response" and not streamed:
            assert (served.record.attempt, served.record.usage) == (1, USAGE)


async def test_no_more_policies_are_asked_once_the_caller_has_left() -> None:
    gate = Gate()
    asked_later: list[str] = []
    uses = (policy(request=gate.wait), policy(request=lambda _: asked_later.append("asked")))
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        call = await served.send()
        await in_time(gate.reached.wait())
        await call.leave()
        await soon(lambda: bool(served.records))
        gate.opened.set()
        await asyncio.sleep(0.02)
        assert (asked_later, up.requests) == ([], [])


# --- policies that fail


async def _waits_not(*_: object) -> None:
    await asyncio.sleep(0)


def _fails(*_: object) -> None:
    raise ValueError(SECRET)


async def _fails_later(*_: object) -> None:
    await asyncio.sleep(0)
    raise ValueError(SECRET)


@STREAMED
@pytest.mark.parametrize("phase", ["request", "upstream", "response", "event", "end"])
@pytest.mark.parametrize("failing", [_fails, _fails_later], ids=["plain", "waiting"])
async def test_a_policy_that_fails_ends_the_call_and_is_named_in_the_log(
    failing: Phase, phase: str, streamed: bool
) -> None:
    if phase in {"event", "end"} and failing is _fails_later:
        failing = _fails  # these phases never wait; here they stand in a chain that does
        uses = (policy(request=_waits_not), policy(**{phase: failing}))
    else:
        uses = (policy(**{phase: failing}),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(STREAM if streamed else OK)
        answer = await in_time(served.ask(body=asked(streamed)))
        if phase == "event" and not streamed:
            assert answer.status == 200
            return
        (line,) = served.complaints()
        assert line["error"] == "ValueError"
        assert any("test_exchange.py" in frame for frame in line["stack"])
        assert SECRET not in str(line)
        if answer.whole:
            assert answer.status == 500
            assert SECRET.encode() not in answer.body
            assert msgspec.json.decode(answer.body)["error"]["code"] == "internal_error"
        else:
            assert streamed
        await soon(served.idle)
        assert len([record for record in served.records if record.attempt]) == (phase not in {"request", "upstream"})
