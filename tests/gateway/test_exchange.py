"""The order of one call, and every way it can end, between a real caller and a real upstream."""

import asyncio
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal, TollwayError
from tollway.core.ids import ClientId
from tollway.core.usage import Usage
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Attempt, Authentication, PolicyExchange, ResponseEvent
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import Fallback, Health, PolicyUse, Retries, Timeouts
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

PRODUCTION_LOOP = True

STREAMED = pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
USAGE = Usage(input_fresh=30, output_text=20)
NO = PolicyRefusal("not today", status=451, code="not_today")
SECRET = "the-value-7261"

Phase = Callable[..., Any]


def asked(streamed: bool) -> dict[str, Any]:
    return {**CHAT, "stream": streamed}


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


async def test_policies_hear_of_the_end_after_all_of_them_have_been_asked() -> None:
    gate = Gate()
    order: list[str] = []
    uses = (
        policy(request=gate.wait, end=lambda *_: order.append("end")),
        policy(request=lambda _: order.append("asked")),
    )
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        call = await served.send()
        await in_time(gate.reached.wait())
        await call.leave()
        await asyncio.sleep(0.02)
        gate.opened.set()
        await soon(lambda: "end" in order)
        assert (order, up.requests) == (["asked", "end"], [])
        assert (served.record.outcome, served.record.attempt) == ("cancelled", 0)


# --- policies that fail


async def _waits_not(*_: object) -> None:
    await asyncio.sleep(0)


def _fails(*_: object) -> None:
    raise ValueError(SECRET)


async def _fails_later(*_: object) -> None:
    await asyncio.sleep(0)
    raise ValueError(SECRET)


# `event` and `end` never wait, but stand in chains that do; whole answers have no events.
FAILING = [
    pytest.param((policy(**{phase: failing}), *others), phase, streamed, id=f"{phase}-{name}-{kind}")
    for name, waiting in [("plain", False), ("waiting", True)]
    for phase in ["request", "upstream", "response", "event", "end"]
    for kind, streamed in [("whole", False), ("stream", True)]
    if streamed or phase != "event"
    for failing in [_fails_later if waiting and phase not in {"event", "end"} else _fails]
    for others in [[policy(request=_waits_not)] if waiting else []]
]


@pytest.mark.parametrize(("uses", "phase", "streamed"), FAILING)
async def test_a_policy_that_fails_ends_the_call_and_is_named_in_the_log(
    uses: tuple[PolicyUse, ...], phase: str, streamed: bool
) -> None:
    ends: list[UsageRecord] = []
    uses = (policy(end=lambda _, record: ends.append(record)), *uses)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(script.sse([*TEXTS, Pause(0.05), *EVENTS[3:]]) if streamed else OK)
        answer = await in_time(served.ask(body=asked(streamed)))
        (line,) = served.complaints()
        assert line["error"] == "ValueError"
        assert any("test_exchange.py" in frame for frame in line["stack"])
        assert SECRET not in str(line)
        assert SECRET.encode() not in answer.body
        if phase == "end" and streamed:
            assert not answer.whole
        else:
            assert (answer.status, answer.whole) == (500, True)
            assert msgspec.json.decode(answer.body)["error"]["code"] == "internal_error"
            assert "x-correlation-id" in answer.headers
        called = phase not in {"request", "upstream"}
        assert len(up.requests) == called
        assert len(served.records) == called
        assert [record.attempt for record in ends] == [int(called)]
        if phase == "end":
            assert served.record.usage == USAGE
        else:
            assert (ends[0].status, ends[0].error) == (500, "internal_error")


async def test_a_policy_that_fails_before_a_repeat_ends_the_call() -> None:
    def fails_again(_: object, attempt: Attempt) -> None:
        if attempt.number == 2:
            _fails()

    served_by = proxy(retries=Retries(backoff_seconds=0.01), policies=(policy(upstream=fails_again),))
    async with ScriptedUpstream() as up:
        up.on(script.failure(503))
        async with serving(msgspec.structs.replace(served_by, routes=(route(up),))) as served:
            answer = await in_time(served.ask())
            assert answer.status == 500
            assert [line["error"] for line in served.complaints()] == ["ValueError"]
            assert [(record.attempt, record.final) for record in served.records] == [(1, False)]


async def test_a_policy_that_fails_when_the_caller_leaves_costs_no_record() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(policy(end=_fails),))) as served:
        up.on(script.sse([TEXTS[0], Hang()]))
        call = await served.send(body=asked(streamed=True))
        await in_time(call.until("one"))
        await call.leave()
        await soon(lambda: bool(served.records))
        assert served.record.outcome == "cancelled"
        assert [line["error"] for line in served.complaints()] == ["ValueError"]


async def test_every_policy_hears_the_end_even_when_one_of_them_fails() -> None:
    ends: list[str] = []
    uses = (
        policy(end=lambda *_: ends.append("first")),
        policy(end=_fails),
        policy(end=lambda *_: ends.append("last")),
    )
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(OK)
        assert (await served.ask()).status == 500
        assert len(served.complaints()) == 1
    assert ends == ["last", "first"]


# --- order


@STREAMED
async def test_the_policy_that_saw_the_request_first_sees_the_answer_last(streamed: bool) -> None:
    order: list[str] = []

    def noted(name: str) -> PolicyUse:
        def passes(phase: str) -> Phase:
            def note(_: PolicyExchange, seen: object = None, /) -> object:
                if order[-1:] != [f"{phase} {name}"]:
                    order.append(f"{phase} {name}")
                return seen if phase == "event" else None

            return note

        return policy(**{phase: passes(phase) for phase in ("request", "upstream", "response", "event", "end")})

    uses = (noted("A"), noted("B"))
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(script.sse(["".join(EVENTS[3:])]) if streamed else OK)
        assert (await served.ask(body=asked(streamed))).status == 200
    events = ["event B", "event A"] * 2 if streamed else []
    ends = ["end B", "end A"]
    head = ["response B", "response A"]
    assert order[:4] == ["request A", "request B", "upstream A", "upstream B"]
    # A stream's first bytes are there when its head is asked about; its end may be among them.
    assert sorted(order[4:]) == sorted([*events, *ends, *head])
    assert [one for one in order if one in head] == head
    assert [one for one in order if one in ends] == ends
    assert [one for one in order if one in events] == events


async def test_a_refusal_ends_its_phase() -> None:
    order: list[str] = []
    uses = (
        policy(request=lambda _: order.append("first")),
        policy(name="no", request=lambda _: NO),
        policy(request=lambda _: order.append("never")),
    )
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        assert (await served.ask()).status == 451
        assert (order, up.requests) == (["first"], [])


async def test_what_was_noted_stays_with_its_call() -> None:
    def request(exchange: PolicyExchange) -> None:
        assert exchange.recall("k") is None
        exchange.note("k", exchange.header("x-number"))

    def response(exchange: PolicyExchange, _: int) -> None:
        exchange.set_response_header("x-noted", str(exchange.recall("k")))

    uses = (policy(request=request, response=response),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(OK)
        found = await asyncio.gather(*(served.ask(headers={"x-number": str(number)}) for number in range(5)))
        assert [answer.headers["x-noted"] for answer in found] == list("01234")


# --- shadow mode


@STREAMED
@pytest.mark.parametrize("waiting", [False, True], ids=["plain", "waiting"])
async def test_a_policy_in_shadow_leaves_no_trace_but_its_name(waiting: bool, streamed: bool) -> None:
    someone = Authentication(client=ClientApplication(client_id=ClientId("x"), name="X"))

    def request(exchange: PolicyExchange) -> TollwayError:
        exchange.identify(someone)
        exchange.set_upstream_header("x-up", "1")
        exchange.add_upstream_header("x-up", "2")
        exchange.set_response_header("x-down", "1")
        exchange.add_response_header("x-down", "2")
        exchange.set_response_lines("k", b"x-lines: 1\r\n")
        return NO

    def upstream(_: PolicyExchange, attempt: Attempt) -> TollwayError:
        attempt.set_header("x-attempt", "1")
        return NO

    def response(exchange: PolicyExchange, _: int) -> TollwayError:
        exchange.set_response_header("x-down", "3")
        return NO

    def later(phase: Phase) -> Phase:
        async def waits(*arguments: object) -> object:
            await asyncio.sleep(0)
            return phase(*arguments)

        return waits if waiting else phase

    shadowed = policy(
        name="strict",
        shadow=True,
        request=later(request),
        upstream=later(upstream),
        response=later(response),
        event=lambda _, __: NO,
    )
    plain = policy(request=_waits_not) if waiting else policy(request=lambda _: None)
    answers = []
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(plain,))) as served:
        up.on(STREAM if streamed else OK)
        answers.append(await served.ask(body=asked(streamed), headers={"x-correlation-id": "c"}))
        await served.publish(proxy(route(up), policies=(plain, shadowed)))
        answers.append(await served.ask(body=asked(streamed), headers={"x-correlation-id": "c"}))
        without, with_shadow = answers
        assert with_shadow.headers.pop("x-tollway-shadow") == "strict"
        for answer in answers:
            answer.headers["date"] = answer.headers["x-tollway-overhead-us"] = ""
        assert with_shadow == without
        assert up.requests[1].request.headers == up.requests[0].request.headers
        assert [record.shadow for record in served.records] == [(), ("strict",)]
        assert [record.client_id for record in served.records] == ["", ""]


async def test_a_policy_in_shadow_that_refuses_nothing_is_not_named() -> None:
    uses = (policy(name="calm", shadow=True, request=lambda _: None),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(OK)
        assert "x-tollway-shadow" not in (await served.ask()).headers
        assert served.record.shadow == ()


# --- refusals after the upstream answered


@STREAMED
async def test_a_refusal_after_the_upstream_answered_reaches_the_caller_and_keeps_the_usage(streamed: bool) -> None:
    uses = (policy(name="late", response=lambda _, __: NO),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(script.sse([*TEXTS, Hang()]) if streamed else OK)
        answer = await in_time(served.ask(body=asked(streamed)))
        assert answer.status == 451
        assert (await served.ask(body=asked(streamed))).status == 451
        record = served.records[0]
        assert (record.attempt, record.status, record.error, record.policy) == (1, 451, "not_today", "late")
        assert (record.upstream_status, record.response_bytes > 0) == (200, True)
        if streamed:
            assert (record.usage.source, record.usage.total_tokens > 0) == ("estimated", True)
            assert await up.requests[0].client_left.reached()
        else:
            assert record.usage == USAGE


async def test_an_upstreams_error_is_shown_to_response_policies() -> None:
    seen: list[int] = []
    uses = (policy(response=lambda _, status: seen.append(status)),)
    served_by = proxy(policies=uses, retries=Retries(attempts=0))
    async with ScriptedUpstream() as up:
        up.on(script.failure(400))
        async with serving(msgspec.structs.replace(served_by, routes=(route(up),))) as served:
            assert (await served.ask()).status == 400
    assert seen == [400]


# --- events


def _shout(_: PolicyExchange, event: ResponseEvent) -> ResponseEvent:
    return ResponseEvent(event.data.replace(b"one", b"ONE"), event.event)


def _drop_two(_: PolicyExchange, event: ResponseEvent) -> ResponseEvent | None:
    return None if b"two" in event.data else event


def _stop_at_three(_: PolicyExchange, event: ResponseEvent) -> ResponseEvent | TollwayError:
    return NO if b"three" in event.data else event


@pytest.mark.parametrize(
    ("decide", "shown"),
    [
        (_shout, SHOWN.replace("one", "ONE")),
        (_drop_two, SHOWN.replace(TEXTS[1], "")),
    ],
    ids=["replaced", "dropped"],
)
async def test_policies_decide_what_the_caller_sees_of_a_stream(decide: Phase, shown: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(policy(event=decide),))) as served:
        up.on(STREAM)
        answer = await served.stream()
        assert (answer.body.decode(), answer.whole) == (shown, True)
        assert (served.record.outcome, served.record.usage) == ("ok", USAGE)


async def test_a_stream_that_a_policy_stops_ends_with_its_refusal() -> None:
    uses = (policy(name="stop", event=_stop_at_three),)
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=uses)) as served:
        up.on(script.sse([*TEXTS, Pause(0.05), *EVENTS[3:]]))
        answer = await in_time(served.stream())
        assert answer.whole
        first, second, error, rest = answer.body.decode().split("\n\n")
        assert ([first + "\n\n", second + "\n\n"], rest) == (TEXTS[:2], "")
        assert "not today" in error
        record = served.record
        assert (record.outcome, record.policy, record.usage.source) == ("error", "stop", "estimated")


async def test_policies_see_translated_events_as_the_caller_does() -> None:
    uses = (policy(event=_shout),)
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up), policies=uses, format="anthropic")) as served,
    ):
        up.on(STREAM)
        answer = await served.ask(MESSAGES_PATH, {**MESSAGES, "stream": True})
        assert b"event: message_start" in answer.body
        assert b'"text":"ONE "' in answer.body
        assert served.record.usage == USAGE


# --- keys from the request


KEY_FROM_HEADER = "#[attributes.headers['x-key']]"


async def test_the_key_may_come_from_the_request() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, key_expression=KEY_FROM_HEADER))) as served:
        up.on(OK)
        assert (await served.ask(headers={"x-key": "sk-own"})).status == 200
        assert up.requests[0].header("authorization") == "Bearer sk-own"
        assert up.requests[0].header("x-key") is None


@pytest.mark.parametrize("headers", [{}, {"x-key": ""}], ids=["absent", "empty"])
async def test_a_request_without_its_key_is_refused_before_the_provider_is_asked(headers: dict[str, str]) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, key_expression=KEY_FROM_HEADER))) as served:
        answer = await served.ask(headers=headers)
        assert (answer.status, up.requests) == (400, [])
        assert msgspec.json.decode(answer.body)["error"]["code"] == "missing_provider_key"


@pytest.mark.parametrize(
    "expression",
    ["#[payload.key]", "#[payload.missing.deeper]", "#[payload.messages]", "#[payload.number ++ 'x']"],
)
async def test_no_key_expression_can_smuggle_in_a_header_or_fail_unanswered(expression: str) -> None:
    body = {**CHAT, "key": "a\r\nx-evil: 1", "number": 3}
    async with ScriptedUpstream() as up, serving(proxy(route(up, key_expression=expression))) as served:
        up.on(OK)
        answer = await in_time(served.ask(body=body))
        assert answer.status in {200, 400}
        assert all(recorded.header("x-evil") is None for recorded in up.requests)


# --- budgets


OVER_BUDGET = PolicyRefusal("no more tokens", status=429, code="rate_limit_exceeded")


@pytest.mark.parametrize(
    ("triggers", "status", "asked_of"),
    [({"budget"}, 200, "spare"), ({"status_5xx"}, 429, None)],
    ids=["fallback for budgets", "fallback for other troubles"],
)
async def test_a_call_over_its_budget_goes_to_the_fallback_where_that_is_for_budgets(
    triggers: set[str], status: int, asked_of: str | None
) -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        routes = (route(up), route(up, name="spare", target_model="cheap"))
        fallback = Fallback(route="spare", model="cheaper", on=frozenset(triggers))  # type: ignore[arg-type]
        uses = (policy(name="limit", request=lambda _: OVER_BUDGET),)
        async with serving(proxy(*routes, fallback=fallback, policies=uses)) as served:
            answer = await served.ask()
            assert answer.status == status
            if asked_of is None:
                assert (up.requests, served.records) == ([], [])
            else:
                assert up.requests[0].json()["model"] == "cheaper"  # type: ignore[index]
                assert answer.headers["x-llm-proxy-routing-fallback"] == "true"
                assert (served.record.route, served.record.target_model) == (asked_of, "cheaper")


# --- correlation and traces


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-123", True),
        ("x" * 256, True),
        ("x" * 257, False),
        ("", False),
        ("caf\xe9", False),
        (None, False),
    ],
    ids=["plain", "longest", "too long", "empty", "not ascii", "absent"],
)
@pytest.mark.parametrize("status", [200, 400, 404])
async def test_every_answer_has_a_correlation_id(given: str | None, kept: bool, status: int) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(OK)
        headers = {} if given is None else {"x-correlation-id": given}
        path = CHAT_PATH if status != 404 else "/v1/nowhere"
        answer = await served.ask(path, headers=headers, raw=b"{" if status == 400 else None)
        assert answer.status == status
        found = answer.headers["x-correlation-id"]
        if kept:
            assert found == given
        else:
            assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", found)
        if status == 200:
            assert served.record.correlation_id == found


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN = "00f067aa0ba902b7"


@pytest.mark.parametrize(
    ("given", "trace", "span"),
    [
        (f"00-{TRACE}-{SPAN}-01", TRACE, SPAN),
        (f"00-{TRACE}-{SPAN}-00", TRACE, SPAN),
        (f"00-{'0' * 32}-{SPAN}-01", "", ""),
        (f"00-{TRACE}-{'0' * 16}-01", "", ""),
        (f"00-{TRACE.upper()}-{SPAN}-01", "", ""),
        (f"00-{TRACE}-{SPAN}-01-more", "", ""),
        ("nonsense", "", ""),
    ],
    ids=["sampled", "not sampled", "zero trace", "zero span", "upper case", "too long", "nonsense"],
)
async def test_the_record_takes_the_callers_trace(given: str, trace: str, span: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(OK)
        assert (await served.ask(headers={"traceparent": given})).status == 200
        assert (served.record.trace_id, served.record.parent_span_id) == (trace, span)


# --- the gateway's own share of the time


@STREAMED
async def test_the_overhead_is_told_and_leaves_out_what_the_upstream_and_pauses_took(streamed: bool) -> None:
    answers = [script.failure(503), STREAM if streamed else OK]
    slow = [msgspec.structs.replace(answer, before=[Pause(0.2)]) for answer in answers]
    async with ScriptedUpstream() as up:
        up.on(*slow)
        async with serving(proxy(route(up), retries=Retries(backoff_seconds=0.2))) as served:
            began = served.loop.time()
            answer = await served.ask(body=asked(streamed))
            elapsed_us = (served.loop.time() - began) * 1_000_000
            assert answer.status == 200
            first, second = served.records
            not_ours_us = first.upstream_us + second.upstream_us + 90_000  # the pause before the repeat
            assert 0 <= first.overhead_us <= second.overhead_us <= elapsed_us - not_ours_us
            assert 0 <= int(answer.headers["x-tollway-overhead-us"]) <= elapsed_us - not_ours_us


async def test_an_error_of_the_upstream_tells_the_overhead_too() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.failure(400))
        assert int((await served.ask()).headers["x-tollway-overhead-us"]) >= 0


# --- callers that leave


@pytest.mark.parametrize("acts", [[Hang()], [TEXTS[0], Hang()]], ids=["before its head", "in the stream"])
async def test_a_caller_that_leaves_takes_the_upstream_call_with_it(acts: list[Any]) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(script.sse(acts))
        call = await served.send(body=asked(streamed=True))
        assert await up.arrival(1).reached()
        if len(acts) > 1:
            await in_time(call.until("one"))
        await call.leave()
        assert await up.requests[0].client_left.reached()
        await soon(lambda: bool(served.records))
        record = served.record
        assert (record.outcome, record.status, record.error, record.attempt) == ("cancelled", 499, "client_left", 1)
        assert record.usage.source == ("estimated" if len(acts) > 1 else "none")


async def test_a_caller_that_leaves_while_a_repeat_waits_leaves_nothing_behind() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.failure(503), OK)
        async with serving(proxy(route(up), retries=Retries(backoff_seconds=0.2))) as served:
            call = await served.send()
            await soon(lambda: len(served.records) == 1)
            await call.leave()
            await soon(lambda: len(served.records) == 2)
            assert [(record.attempt, record.outcome) for record in served.records] == [(1, "error"), (0, "cancelled")]
            await soon(served.idle)
            await asyncio.sleep(0.3)
            assert len(up.requests) == 1


DRAINING: dict[str, Any] = {"on_client_leave": "drain"}


async def leave_stream(up: ScriptedUpstream, events: list[Any], **settings: Any) -> UsageRecord:
    """Leave a stream after its first event, and give the record that is written."""
    up.on(script.sse(events))
    async with serving(proxy(route(up), **DRAINING, **settings)) as served:
        call = await served.send(body=asked(streamed=True))
        await in_time(call.until("one"))
        await call.leave()
        await soon(lambda: bool(served.records))
        return served.record


async def test_the_stream_of_a_caller_that_left_may_be_read_to_its_usage() -> None:
    async with ScriptedUpstream() as up:
        record = await leave_stream(up, [TEXTS[0], Pause(0.1), *EVENTS[1:]])
        assert (record.outcome, record.usage) == ("ok", USAGE)
        assert await up.requests[0].answered.reached()


@pytest.mark.parametrize(
    ("settings", "events"),
    [
        ({"drain_bytes": 2000}, [*[Pause(0.01), chunk("x" * 500)] * 200]),
        ({"drain_seconds": 0.3}, [*[Pause(0.05), chunk("x")] * 200]),
        ({"drain_seconds": 0.3}, [Hang()]),
    ],
    ids=["bytes", "seconds", "seconds without a byte"],
)
async def test_the_stream_of_a_caller_that_left_is_not_read_beyond_its_limits(
    settings: dict[str, Any], events: list[Any]
) -> None:
    async with ScriptedUpstream() as up:
        record = await leave_stream(up, [TEXTS[0], *events], **settings)
        assert (record.outcome, record.usage.source) == ("cancelled", "estimated")
        assert await up.requests[0].client_left.reached()


# --- requests that cannot be read


@pytest.mark.parametrize(
    ("raw", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"", {}, 400),
        (b'{"model":3}', {}, 400),
        (b'{"model":"m","stream":"yes"}', {}, 400),
        (b"{}", {"content-type": "text/plain"}, 415),
        (b"{}", {"content-type": "application/json", "content-encoding": "gzip"}, 415),
    ],
    ids=["cut", "array", "empty", "model", "stream", "media type", "compressed"],
)
async def test_a_request_that_cannot_be_read_is_refused_and_reaches_nobody(
    raw: bytes, headers: dict[str, str], status: int
) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        answer = await served.ask(raw=raw, headers=headers)
        assert answer.status == status
        assert msgspec.json.decode(answer.body)["error"]["message"]
        assert (up.requests, served.records) == ([], [])


async def test_strangers_who_are_refused_are_counted_but_fill_no_ledger() -> None:
    known = Authentication(client=ClientApplication(client_id=ClientId("app"), name="App"))

    def knock(exchange: PolicyExchange) -> TollwayError:
        if exchange.header("x-known"):
            exchange.identify(known)
        return NO

    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up), policies=(policy(name="no", request=knock),))) as served,
    ):
        assert (await served.ask()).status == 451
        assert served.records == []
        assert (await served.ask(headers={"x-known": "1"})).status == 451
        record = served.record
        assert (record.attempt, record.outcome, record.policy, record.client_id) == (0, "refused", "no", "app")


# --- upstreams that fail


async def test_an_upstream_at_its_limit_gets_no_more_calls() -> None:
    health = Health(max_concurrent=1)
    async with ScriptedUpstream() as up, serving(proxy(route(up, health=health))) as served:
        up.on(msgspec.structs.replace(OK, before=[Pause(0.1)]))
        first = await served.send()
        assert await up.arrival(1).reached()
        second = await served.ask()
        assert (second.status, msgspec.json.decode(second.body)["error"]["code"]) == (503, "no_healthy_route")
        assert (await first.rest()).status == 200


async def test_the_operators_key_is_in_no_answer() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), retries=Retries(attempts=0))) as served:
        up.on(script.failure(401, json={"error": {"message": f"Incorrect API key provided: {KEY}"}}))
        answer = await served.ask()
        assert answer.status == 401
        assert KEY.encode() not in answer.body
        assert KEY not in str(answer.headers)


async def test_nothing_is_tried_again_once_the_caller_has_a_byte() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), retries=Retries(attempts=3))) as served:
        up.on(script.sse([TEXTS[0], Pause(0.02), Cut()]))
        answer = await in_time(served.stream())
        assert answer.whole
        assert b"upstream_cut" in answer.body
        assert DONE.encode() not in answer.body
        assert (len(up.requests), served.record.outcome) == (1, "cut")


async def test_a_stream_that_breaks_before_its_first_event_is_tried_again() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up), fallback=Fallback(route="main", model="n"))) as served,
    ):
        up.on(script.sse([Cut()]), STREAM)
        answer = await in_time(served.stream())
        assert answer.status in {200, 502}
        assert len(served.records) == len(up.requests)


async def test_a_slow_upstream_is_given_up() -> None:
    timeouts = Timeouts(first_byte_seconds=0.2)
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up, timeouts=timeouts), retries=Retries(attempts=0))) as served,
    ):
        up.on(msgspec.structs.replace(OK, before=[Hang()]))
        answer = await in_time(served.ask())
        assert (answer.status, served.record.outcome) == (504, "timeout")


@pytest.mark.parametrize(
    "body",
    [b'{"model":"\xb9","messages":[]}', b'{"model":"m","max_tokens":1,"messages":[{"role":"user","content":"\xb9"}]}'],
    ids=["in the model", "in what is translated"],
)
async def test_bytes_that_are_no_text_are_the_callers_error(body: bytes) -> None:
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up, provider="anthropic", target_model="claude-sonnet-4-5"))) as served,
    ):
        answer = await served.ask(raw=body, headers={"content-type": "application/json"})
        assert answer.status == 400
        assert up.requests == []
