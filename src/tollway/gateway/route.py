"""Where a call goes: `routing` decides; this file tells it what there is and what happened."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from tollway.core.errors import InternalError, UpstreamAnswered, UpstreamError
from tollway.gateway.target import Target
from tollway.interfaces.dialect import ConversationDialect, EmbeddingsDialect
from tollway.interfaces.realtime import RealtimeDialect
from tollway.routing.health import UpstreamHealth
from tollway.routing.keys import KeyRing
from tollway.routing.outcomes import Failure, FailureKind
from tollway.routing.plan import CallPlan
from tollway.routing.plan import Planner as RoutingPlanner
from tollway.snapshot.document import LlmProxy

if TYPE_CHECKING:
    from tollway.gateway.call import Call

_KINDS: dict[str, FailureKind] = {
    "upstream_unreachable": "connect_error",
    "upstream_address_refused": "internal",
    "first_byte_timeout": "first_byte_timeout",
    "event_timeout": "timeout",
    "total_timeout": "timeout",
    "upstream_cut": "cut",
    "upstream_garbled": "garbled",
    "sign_in_failed": "sign_in",
}


class _Tried(Protocol):
    @property
    def started_at(self) -> float: ...


def failure_of(
    attempt: _Tried, error: UpstreamError | InternalError, now: float, *, token_renewed: bool = False
) -> Failure:
    """Tell routing how an attempt failed."""
    kind: FailureKind = "status" if isinstance(error, UpstreamAnswered) else _KINDS.get(error.code, "internal")
    return Failure(
        kind=kind,
        status=error.status if kind == "status" else 0,
        elapsed_seconds=now - attempt.started_at,
        retry_after_seconds=error.retry_after_seconds,
        token_renewed=token_renewed,
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

    def plan(self, call: "Call") -> CallPlan:
        """Begin the plan of one call."""
        return CallPlan(self._planner, call.requested_model, call.header)

    def model_list(self) -> tuple[tuple[str, str], ...]:
        """The names a caller may use, each with the provider that owns it."""
        return tuple((name, self._owner(name)) for name in self._planner.router.listed())

    def _owner(self, name: str) -> str:
        choice = self._planner.router.choose(name)
        return self._targets[choice.route_index].route.provider if choice.matched else ""


class DialectsByName:
    """The dialects a gateway speaks, by name."""

    __slots__ = ("conversation", "embeddings")

    def __init__(self, dialects: Sequence[ConversationDialect | EmbeddingsDialect | RealtimeDialect]) -> None:
        """Sort them by kind."""
        self.conversation: dict[str, ConversationDialect] = {}
        self.embeddings: dict[str, EmbeddingsDialect] = {}
        for dialect in dialects:
            if hasattr(dialect, "watch"):
                continue  # realtime sessions are passed, never translated: nobody looks for their other side
            if hasattr(dialect, "stream_parser"):
                self.conversation[dialect.name] = dialect  # pyright: ignore[reportArgumentType] - what only one kind has tells
            else:
                self.embeddings[dialect.name] = dialect  # pyright: ignore[reportArgumentType]
