"""Policies in order: phases, conditions, shadow mode, and waiting."""

import asyncio
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal, TollwayError
from tollway.gateway import chain
from tollway.gateway.call import Call
from tollway.gateway.chain import Chain
from tollway.gateway.clock import SystemClock
from tollway.gateway.request import Request
from tollway.interfaces.policy import Attempt, Authentication, Policy, PolicyContext, PolicyExchange, ResponseEvent
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import PolicyCondition, PolicyUse
from tollway.stores.counters_memory import MemoryCounters
from tollway.testing.clock import FrozenClock
from tollway.testing.exchange import FakeAttempt, FakeClients
from tollway.testing.usage_records import usage_record

REFUSAL = PolicyRefusal("no")


class Config(msgspec.Struct):
    """Settings of the policies below."""


class Described(Policy[Config]):
    """What every policy says of itself."""

    id: ClassVar[str] = "test"
    title: ClassVar[str] = "Test"
    category: ClassVar[Literal["troubleshooting"]] = "troubleshooting"
    summary: ClassVar[str] = "Does what a test needs."
    config_type: ClassVar[type[msgspec.Struct]] = Config
    journal: ClassVar[list[str]] = []

    def wrote(self, phase: str) -> None:
        self.journal.append(f"{self.context.name} {phase}")


class Everywhere(Described):
    def request(self, exchange: PolicyExchange) -> TollwayError | None:
        self.wrote("request")
        return None

    def upstream(self, exchange: PolicyExchange, attempt: Attempt) -> TollwayError | None:
        self.wrote("upstream")
        return None

    def response(self, exchange: PolicyExchange, status: int) -> TollwayError | None:
        self.wrote(f"response {status}")
        return None

    def event(self, exchange: PolicyExchange, event: ResponseEvent) -> ResponseEvent | TollwayError | None:
        self.wrote("event")
        return ResponseEvent(data=event.data + self.context.name.encode(), event=event.event)

    def end(self, exchange: PolicyExchange, record: UsageRecord) -> None:
        self.wrote("end")


class Refuses(Described):
    def request(self, exchange: PolicyExchange) -> TollwayError | None:
        self.wrote("request")
        return REFUSAL

    def upstream(self, exchange: PolicyExchange, attempt: Attempt) -> TollwayError | None:
        return REFUSAL

    def response(self, exchange: PolicyExchange, status: int) -> TollwayError | None:
        return REFUSAL

    def event(self, exchange: PolicyExchange, event: ResponseEvent) -> ResponseEvent | TollwayError | None:
        return REFUSAL


class Waits(Described):
    refusal: ClassVar[TollwayError | None] = None

    async def request(self, exchange: PolicyExchange) -> TollwayError | None:
        await asyncio.sleep(0)
        self.wrote("request")
        return self.refusal

    async def upstream(self, exchange: PolicyExchange, attempt: Attempt) -> TollwayError | None:
        await asyncio.sleep(0)
        attempt.set_header("x-waited", "yes")
        return self.refusal


class WaitsAndRefuses(Waits):
    refusal: ClassVar[TollwayError | None] = REFUSAL


class Changes(Described):
    def request(self, exchange: PolicyExchange) -> TollwayError | None:
        exchange.set_response_header("x-set", "yes")
        exchange.add_response_header("x-added", "yes")
        exchange.set_upstream_header("x-up", "yes")
        exchange.add_upstream_header("x-up", "too")
        exchange.identify(Authentication(principal="somebody"))
        exchange.note("seen", exchange.method)
        return None

    def upstream(self, exchange: PolicyExchange, attempt: Attempt) -> TollwayError | None:
        attempt.set_header("x-attempt", f"{attempt.number} {exchange.recall('seen')}")
        return None


class Drops(Described):
    def event(self, exchange: PolicyExchange, event: ResponseEvent) -> ResponseEvent | None:
        return None if b"drop" in event.data else event


class RequestOnly(Described):
    def request(self, exchange: PolicyExchange) -> TollwayError | None:
        return None


@pytest.fixture(autouse=True)
def journal() -> list[str]:
    Described.journal.clear()
    return Described.journal


def made(*uses: tuple[type[Described], PolicyUse] | type[Described], base_path: str = "/proxy") -> Chain:
    """A chain of these policies; those without a use of their own are called `0`, `1`, …"""
    pairs: list[tuple[PolicyUse, Policy[Any]]] = []
    for number, one in enumerate(uses):
        kind, use = one if isinstance(one, tuple) else (one, PolicyUse(name=str(number), policy="test"))
        context = PolicyContext(
            proxy="proxy", name=use.name, counters=MemoryCounters(), clients=FakeClients(), clock=FrozenClock()
        )
        pairs.append((use, kind(Config(), context)))
    return Chain(pairs, base_path)


def call(
    method: str = "POST", target: str = "/proxy/v1/chat/completions", headers: Mapping[str, str] | None = None
) -> Call:
    request = Request(method.encode(), target.encode(), "192.0.2.1")
    for name, value in (headers or {}).items():
        assert request.add_header(name.encode(), value.encode()) is None
    return Call(request, SystemClock())


def shadow(kind: type[Described], name: str = "shadowed") -> tuple[type[Described], PolicyUse]:
    return kind, PolicyUse(name=name, policy="test", shadow=True)


async def every_phase(chained: Chain, exchange: Call, attempt: FakeAttempt) -> list[object]:
    """Run a chain through its phases in the order of a call, waiting if it must."""
    outcomes: list[object] = []
    if chained.awaits:
        outcomes += [
            await chain.run_awaiting(chained.request_steps, exchange),
            await chain.run_upstream_awaiting(chained.upstream_steps, exchange, attempt),
            await chain.run_awaiting(chained.response_steps, exchange, 200),
        ]
    else:
        outcomes += [
            chain.run(chained.request_steps, exchange),
            chain.run_upstream(chained.upstream_steps, exchange, attempt),
            chain.run(chained.response_steps, exchange, 200),
        ]
    outcomes.append(chain.run_event(chained.event_steps, exchange, ResponseEvent(data=b"e")))
    chain.run_end(chained.end_steps, exchange, usage_record(1))
    return outcomes


# --- order


async def test_the_request_side_runs_in_order_and_the_response_side_in_reverse(journal: list[str]):
    outcomes = await every_phase(made(Everywhere, Everywhere), call(), FakeAttempt())
    assert journal == [
        *("0 request", "1 request", "0 upstream", "1 upstream"),
        *("1 response 200", "0 response 200", "1 event", "0 event", "1 end", "0 end"),
    ]
    assert outcomes == [None, None, None, ResponseEvent(data=b"e10")]


def test_only_overridden_phases_are_steps():
    chained = made(RequestOnly, Drops)
    before = [chained.request_steps, chained.upstream_steps]
    after = [chained.response_steps, chained.event_steps, chained.end_steps]
    counts = [len(steps) for steps in before + after]
    assert counts == [1, 0, 0, 1, 0]


def test_the_first_refusal_ends_the_phase_and_tells_who_refused(journal: list[str]):
    exchange = call()
    assert chain.run(made(Everywhere, Refuses, Everywhere).request_steps, exchange) is REFUSAL
    assert (journal, exchange.refused_by) == (["0 request", "1 request"], "1")


def test_the_upstream_and_response_phases_can_refuse():
    chained, exchange = made(Refuses), call()
    assert chain.run_upstream(chained.upstream_steps, exchange, FakeAttempt()) is REFUSAL
    assert chain.run(chained.response_steps, exchange, 200) is REFUSAL


# --- events


def test_an_event_that_one_policy_drops_is_not_shown_to_the_next(journal: list[str]):
    chained = made(Everywhere, Drops)
    assert chain.run_event(chained.event_steps, call(), ResponseEvent(data=b"drop")) is None
    assert chain.run_event(chained.event_steps, call(), ResponseEvent(data=b"keep")) == ResponseEvent(data=b"keep0")
    assert journal == ["0 event"]


def test_a_policy_can_end_a_stream_with_an_error():
    exchange = call()
    assert chain.run_event(made(Refuses).event_steps, exchange, ResponseEvent(data=b"x")) is REFUSAL
    assert exchange.refused_by == "0"


# --- what a policy may change


async def test_what_a_policy_sets_is_there_for_the_call_and_the_attempt():
    exchange, attempt = call(), FakeAttempt(number=2)
    await every_phase(made(Changes), exchange, attempt)
    assert exchange.set_lines == {"x-set": "yes"}
    assert exchange.added_lines == [("x-added", "yes")]
    assert (exchange.upstream_set, exchange.upstream_added) == ({"x-up": "yes"}, [("x-up", "too")])
    assert exchange.identity is not None
    assert attempt.headers == {"x-attempt": "2 POST"}


# --- shadow mode


@pytest.mark.parametrize("waits", [False, True], ids=["plain", "beside one that waits"])
async def test_a_shadowed_refusal_is_noted_once_and_refuses_nothing(waits: bool):
    exchange = call()
    outcomes = await every_phase(made(shadow(Refuses, "strict"), *([Waits] if waits else [])), exchange, FakeAttempt())
    assert outcomes == [None, None, None, ResponseEvent(data=b"e")]
    assert (list(exchange.shadow_refusals), exchange.refused_by) == (["strict"], "")


@pytest.mark.parametrize("waits", [False, True], ids=["plain", "beside one that waits"])
async def test_a_shadowed_policy_sees_everything_and_changes_nothing_that_leaves_the_gateway(waits: bool):
    exchange, attempt = call(), FakeAttempt()
    await every_phase(made(shadow(Changes), *([RequestOnly, Waits] if waits else [])), exchange, attempt)
    assert (exchange.set_lines, exchange.added_lines) == (None, None)
    assert (exchange.upstream_set, exchange.upstream_added, exchange.identity) == (None, None, None)
    assert attempt.headers == ({"x-waited": "yes"} if waits else {})
    assert exchange.recall("seen") == "POST"  # its own memory, which its later phases need


async def test_a_shadowed_policy_drops_and_rewrites_no_events(journal: list[str]):
    chained = made(shadow(Drops), shadow(Everywhere))
    event = ResponseEvent(data=b"drop")
    assert chain.run_event(chained.event_steps, call(), event) == event
    assert journal == ["shadowed event"]


# --- conditions

CONDITIONS: list[tuple[str, tuple[PolicyCondition, ...], Call, bool]] = [
    ("none", (), call(), True),
    ("the method", (PolicyCondition(methods=frozenset({"post"})),), call(), True),
    ("another method", (PolicyCondition(methods=frozenset({"GET"})),), call(), False),
    ("the path below the base", (PolicyCondition(path="^/v1/chat"),), call(), True),
    ("the base itself", (PolicyCondition(path="proxy"),), call(), False),
    ("the query", (PolicyCondition(path="stream"),), call(target="/proxy/v1?stream"), False),
    ("a header", (PolicyCondition(headers={"X-Team": "^a"}),), call(headers={"x-team": "ab"}), True),
    ("a header of another value", (PolicyCondition(headers={"X-Team": "^a"}),), call(headers={"x-team": "b"}), False),
    ("a header that is not there", (PolicyCondition(headers={"X-Team": ""}),), call(), False),
    ("all of one", (PolicyCondition(methods=frozenset({"POST"}), path="^/v2"),), call(), False),
    ("any of several", (PolicyCondition(path="^/v2"), PolicyCondition(path="^/v1")), call(), True),
]  # fmt: skip


@pytest.mark.parametrize(
    ("when", "exchange", "applies"), [case[1:] for case in CONDITIONS], ids=[case[0] for case in CONDITIONS]
)
async def test_a_policy_runs_in_every_phase_or_in_none_as_its_conditions_say(
    journal: list[str], when: tuple[PolicyCondition, ...], exchange: Call, applies: bool
):
    use = PolicyUse(name="0", policy="test", when=when)
    for others in ([], [Waits]):
        journal.clear()
        await every_phase(made((Everywhere, use), *others), exchange, FakeAttempt())
        assert len([line for line in journal if line.startswith("0")]) == (5 if applies else 0)


# --- waiting


def test_a_chain_waits_only_if_one_of_its_policies_does():
    assert (made(Everywhere, Drops).awaits, made(Everywhere, Waits).awaits, made().awaits) == (False, True, False)


async def test_a_policy_that_waits_keeps_its_place(journal: list[str]):
    assert await chain.run_awaiting(made(Waits, Everywhere, Waits).request_steps, call()) is None
    assert journal == ["0 request", "1 request", "2 request"]


async def test_a_policy_that_waited_can_refuse(journal: list[str]):
    chained, exchange = made(WaitsAndRefuses, Everywhere), call()
    assert await chain.run_awaiting(chained.request_steps, exchange) is REFUSAL
    assert (journal, exchange.refused_by) == (["0 request"], "0")
    assert await chain.run_upstream_awaiting(chained.upstream_steps, exchange, FakeAttempt()) is REFUSAL
