"""Where a call goes: `routing` decides, this file hands it what happened and makes its choice a target."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from tollway.core.errors import InternalError, TollwayError, UpstreamAnswered, UpstreamError
from tollway.gateway.target import Target
from tollway.interfaces.dialect import ConversationDialect, EmbeddingsDialect
from tollway.routing.health import UpstreamHealth
from tollway.routing.keys import KeyRing
from tollway.routing.outcomes import Failure, FailureKind
from tollway.routing.plan import CallPlan
from tollway.routing.plan import Go as Choice
from tollway.routing.plan import Planner as RoutingPlanner
from tollway.snapshot.document import LlmProxy

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt
    from tollway.gateway.exchange import Exchange

_KINDS: dict[str, FailureKind] = {
    "upstream_unreachable": "connect_error",
    "upstream_address_refused": "internal",
    "first_byte_timeout": "first_byte_timeout",
    "event_timeout": "timeout",
    "total_timeout": "timeout",
    "upstream_cut": "cut",
    "upstream_garbled": "garbled",
}


class Go(msgspec.Struct, frozen=True, gc=False):
    """One attempt to make."""

    target: Target
    model: str
    number: int
    key_index: int
    delay_seconds: float


class Plan:
    """One call's way over the targets of its proxy."""

    __slots__ = ("_plan", "_targets")

    def __init__(self, plan: CallPlan, targets: Sequence[Target]) -> None:
        """Follow `plan`."""
        self._plan = plan
        self._targets = targets

    @property
    def fell_back(self) -> bool:
        """Whether the call went to the fallback."""
        return self._plan.fell_back

    @property
    def repeated(self) -> bool:
        """Whether more than one attempt was made."""
        return self._plan.repeated

    def first(self, now: float) -> Go | TollwayError:
        """Choose the first target, or say why there is none."""
        choice = self._plan.first(now)
        return choice if isinstance(choice, TollwayError) else self._go(choice)

    def divert_for_budget(self, now: float) -> Go | None:
        """Go to the fallback because a token budget is exhausted, where the proxy says so."""
        choice = self._plan.divert("budget", now)
        return None if choice is None else self._go(choice)

    def after(self, attempt: "Attempt", error: UpstreamError | InternalError, now: float) -> Go | None:
        """Say what follows a failed attempt; None: the caller gets the error."""
        kind: FailureKind = "status" if isinstance(error, UpstreamAnswered) else _KINDS.get(error.code, "internal")
        choice = self._plan.after(
            Failure(
                kind=kind,
                status=error.status if kind == "status" else 0,
                elapsed_seconds=now - attempt.started_at,
                retry_after_seconds=error.retry_after_seconds,
            ),
            now,
        )
        return None if choice is None else self._go(choice)

    def succeeded(self, now: float) -> None:
        """The answer is complete."""
        self._plan.succeeded(now)

    def broke(self, now: float) -> None:
        """The answer broke after its first byte went to the caller."""
        self._plan.broke(now)

    def cancelled(self, now: float) -> None:
        """Nobody waits for the attempt any more."""
        self._plan.cancelled(now)

    def _go(self, choice: Choice) -> Go:
        return Go(
            self._targets[choice.route_index], choice.model, choice.number, choice.key_index, choice.delay_seconds
        )


class Planner:
    """The targets of one proxy, and how to choose among them."""

    __slots__ = ("_planner", "_targets")

    def __init__(
        self,
        document: LlmProxy,
        targets: Sequence[Target],
        healths: Sequence[UpstreamHealth],
        rings: Sequence[KeyRing],
    ) -> None:
        """Prepare; `healths` and `rings` are one a target, shared where upstream or credential is."""
        self._targets = tuple(targets)
        self._planner = RoutingPlanner(
            document.routes,
            strategy=document.strategy,
            retries=document.retries,
            healths=healths,
            rings=rings,
            known_models={target.route.provider: target.provider.known_models for target in targets},
            jitter=random.random,
            fallback=document.fallback,
        )

    def plan(self, exchange: "Exchange") -> Plan:
        """Begin the plan of one call."""
        return Plan(self._planner.plan(exchange.requested_model, exchange.header), self._targets)

    def model_list(self) -> tuple[tuple[str, str], ...]:
        """The names a caller may use, each with the provider that owns it."""
        return tuple((name, self._owner(name)) for name in self._planner.router.listed())

    def _owner(self, name: str) -> str:
        choice = self._planner.router.choose(name)
        return self._targets[choice.route_index].route.provider if choice.matched else ""


class DialectsByName:
    """The dialects a gateway speaks, by name."""

    __slots__ = ("conversation", "embeddings")

    def __init__(self, dialects: Sequence[ConversationDialect | EmbeddingsDialect]) -> None:
        """Sort them by kind."""
        self.conversation: dict[str, ConversationDialect] = {}
        self.embeddings: dict[str, EmbeddingsDialect] = {}
        for dialect in dialects:
            if hasattr(dialect, "stream_parser"):
                self.conversation[dialect.name] = dialect  # pyright: ignore[reportArgumentType] - what only one kind has tells
            else:
                self.embeddings[dialect.name] = dialect  # pyright: ignore[reportArgumentType]
