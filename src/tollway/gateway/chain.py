"""The policies of one proxy, in order, compiled into what each phase has to call.

A chain that nobody has to wait in is plain function calls; the exchange then needs no task.
The response side runs in reverse: the policy that saw the request first sees the answer last.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from tollway.core.errors import TollwayError
from tollway.interfaces.policy import Attempt, Policy, PolicyExchange, Refusal, ResponseEvent
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.document import PolicyCondition, PolicyUse

if TYPE_CHECKING:
    from tollway.gateway.call import Call

Predicate = Callable[[PolicyExchange], bool]
AnyPolicy = Policy[Any]

_PHASES: Final = ("request", "upstream", "response", "event", "end")


class Step:
    """One policy in one phase."""

    __slots__ = ("applies", "call", "name", "plain", "policy", "shadow")

    def __init__(self, use: PolicyUse, policy: AnyPolicy, phase: str, applies: Predicate | None) -> None:
        """Bind the phase's method."""
        self.name = use.name
        self.policy = policy
        self.shadow = use.shadow
        self.applies = applies
        self.plain = applies is None and not use.shadow
        """Whether it runs for every call, and counts."""
        self.call: Callable[..., Any] = getattr(policy, phase)


class Chain:
    """All policies of one proxy."""

    __slots__ = ("awaits", "end_steps", "event_steps", "request_steps", "response_steps", "upstream_steps")

    def __init__(self, uses: Sequence[tuple[PolicyUse, AnyPolicy]], base_path: str) -> None:
        """Sort the overridden phases of each policy into their steps."""
        steps: dict[str, list[Step]] = {phase: [] for phase in _PHASES}
        waits: set[str] = set()
        for use, policy in uses:
            applies = _predicate(use.when, len(base_path))
            for phase in _PHASES:
                method = getattr(type(policy), phase)
                if method is getattr(Policy, phase):
                    continue
                steps[phase].append(Step(use, policy, phase, applies))
                if inspect.iscoroutinefunction(method):
                    waits.add(phase)
        self.request_steps = tuple(steps["request"])
        self.upstream_steps = tuple(steps["upstream"])
        self.response_steps = tuple(reversed(steps["response"]))
        self.event_steps = tuple(reversed(steps["event"]))
        self.end_steps = tuple(reversed(steps["end"]))
        self.awaits = bool(waits)
        """Whether any phase but `event` and `end` may have to wait."""


class ShadowView:
    """An exchange whose setters do nothing: what a policy in shadow mode gets."""

    def __init__(self, exchange: PolicyExchange) -> None:
        """See through to `exchange`."""
        self._exchange = exchange

    def __getattr__(self, name: str) -> Any:
        """Read what the exchange says."""
        if name.startswith(("set_", "add_")) or name == "identify":
            return _ignore
        return getattr(self._exchange, name)


def _ignore(*_: object) -> None:
    """Take a change and make none."""


def run(steps: Sequence[Step], exchange: "Call", *arguments: object) -> Refusal:
    """Run the steps of one phase; the first refusal ends it."""
    for step in steps:
        if step.plain:
            # Arguments one by one: a call with `*` builds them anew, and this is on every call's way.
            refusal = step.call(exchange, arguments[0]) if arguments else step.call(exchange)
        elif step.applies is not None and not step.applies(exchange):
            continue
        elif step.shadow:
            if step.call(ShadowView(exchange), *arguments) is not None:
                exchange.shadow_refused(step.name)
            continue
        else:
            refusal = step.call(exchange, *arguments)
        if refusal is not None:
            exchange.refused_by = step.name
            return cast("TollwayError", refusal)
    return None


async def run_awaiting(steps: Sequence[Step], exchange: "Call", *arguments: object) -> Refusal:
    """Run the steps of one phase, waiting where a policy must."""
    for step in steps:
        if step.applies is not None and not step.applies(exchange):
            continue
        outcome = step.call(ShadowView(exchange) if step.shadow else exchange, *arguments)
        refusal = await cast("Awaitable[Refusal]", outcome) if inspect.isawaitable(outcome) else outcome
        if refusal is None:
            continue
        if step.shadow:
            exchange.shadow_refused(step.name)
            continue
        exchange.refused_by = step.name
        return cast("TollwayError", refusal)
    return None


def run_event(steps: Sequence[Step], exchange: "Call", event: ResponseEvent) -> ResponseEvent | TollwayError | None:
    """Pass one event of the answer through the chain."""
    current = event
    for step in steps:
        if step.applies is not None and not step.applies(exchange):
            continue
        outcome = step.call(ShadowView(exchange) if step.shadow else exchange, current)
        if step.shadow:
            if isinstance(outcome, TollwayError):
                exchange.shadow_refused(step.name)
            continue
        if outcome is None:
            return None
        if isinstance(outcome, TollwayError):
            exchange.refused_by = step.name
            return outcome
        current = outcome
    return current


def run_end(steps: Sequence[Step], exchange: "Call", record: UsageRecord) -> None:
    """Tell every policy how the call ended; the first failure among them is raised once all have heard."""
    failure: Exception | None = None
    for step in steps:
        try:
            if step.plain:
                step.call(exchange, record)
            elif step.applies is None or step.applies(exchange):
                step.call(ShadowView(exchange) if step.shadow else exchange, record)
        except Exception as error:  # noqa: BLE001 - what the others hold for this call must be let go of all the same
            failure = failure or error
    if failure is not None:
        raise failure


def run_upstream(steps: Sequence[Step], exchange: "Call", attempt: Attempt) -> Refusal:
    """Run the upstream phase; a shadowed policy gets an attempt it cannot change."""
    for step in steps:
        if step.applies is not None and not step.applies(exchange):
            continue
        if step.shadow:
            if step.call(ShadowView(exchange), ShadowView(cast("PolicyExchange", attempt))) is not None:
                exchange.shadow_refused(step.name)
            continue
        refusal = step.call(exchange, attempt)
        if refusal is not None:
            exchange.refused_by = step.name
            return cast("TollwayError", refusal)
    return None


async def run_upstream_awaiting(steps: Sequence[Step], exchange: "Call", attempt: Attempt) -> Refusal:
    """Run the upstream phase, waiting where a policy must."""
    for step in steps:
        if step.applies is not None and not step.applies(exchange):
            continue
        if step.shadow:
            outcome = step.call(ShadowView(exchange), ShadowView(cast("PolicyExchange", attempt)))
        else:
            outcome = step.call(exchange, attempt)
        refusal = await cast("Awaitable[Refusal]", outcome) if inspect.isawaitable(outcome) else outcome
        if refusal is None:
            continue
        if step.shadow:
            exchange.shadow_refused(step.name)
            continue
        exchange.refused_by = step.name
        return cast("TollwayError", refusal)
    return None


def _predicate(conditions: Sequence[PolicyCondition], base_length: int) -> Predicate | None:
    if not conditions:
        return None
    alternatives = tuple(_condition(condition, base_length) for condition in conditions)
    return lambda exchange: any(alternative(exchange) for alternative in alternatives)


def _condition(condition: PolicyCondition, base_length: int) -> Predicate:
    methods = frozenset(method.upper() for method in condition.methods)
    path = re.compile(condition.path) if condition.path else None
    headers = tuple((name.lower().encode(), re.compile(pattern)) for name, pattern in condition.headers.items())

    def holds(exchange: PolicyExchange) -> bool:
        if methods and exchange.method not in methods:
            return False
        if path is not None and path.search(exchange.request_path[base_length:]) is None:
            return False
        for name, pattern in headers:
            value = exchange.raw_header(name)
            if value is None or pattern.search(value.decode("latin-1")) is None:
                return False
        return True

    return holds
