"""Where a call goes: `routing` decides; this file tells it what there is and what happened."""

import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, cast

import msgspec

from tollway.core.errors import InternalError, UpstreamAnswered, UpstreamError
from tollway.dialects.registry import operation_of
from tollway.gateway.target import Target
from tollway.interfaces.dialect import ConversationDialect, EmbeddingsDialect, RerankDialect
from tollway.interfaces.passed import PassedDialect
from tollway.interfaces.realtime import RealtimeDialect
from tollway.routing.health import UpstreamHealth
from tollway.routing.keys import KeyRing
from tollway.routing.models import RouteChoice
from tollway.routing.outcomes import Failure, FailureKind
from tollway.routing.plan import CallPlan
from tollway.routing.plan import Planner as RoutingPlanner
from tollway.snapshot.document import LlmProxy, Retries

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

    __slots__ = ("_document", "_healths", "_planner", "_rings", "targets")

    def __init__(
        self,
        document: LlmProxy,
        targets: Sequence[Target],
        healths: Sequence[UpstreamHealth],
        rings: Sequence[KeyRing],
    ) -> None:
        """Prepare; `healths` and `rings` are one a target, shared where upstream or credential is."""
        self._document = document
        self._healths = tuple(healths)
        self._rings = tuple(rings)
        self.targets = tuple(targets)
        """What its plans' `route_index` counts."""
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

    def among(self, indexes: Sequence[int], **settings: object) -> "Planner":
        """Plan with some of the routes only, and with these settings of the proxy in place of its own."""
        document = self._document
        routes = tuple(document.routes[index] for index in indexes)
        fallback = document.fallback
        if fallback is not None and fallback.route not in {route.name for route in routes}:
            fallback = None
        return Planner(
            msgspec.structs.replace(document, **{"routes": routes, "fallback": fallback, **settings}),
            [self.targets[index] for index in indexes],
            [self._healths[index] for index in indexes],
            [self._rings[index] for index in indexes],
        )

    def candidates(self, model: str) -> tuple[RouteChoice, ...]:
        """Give every route that may serve `model`, best first; one unmatched choice when none does."""
        return self._planner.candidates(model)

    @property
    def retries(self) -> Retries:
        """When calls are repeated."""
        return self._document.retries

    def model_list(self) -> tuple[tuple[str, str], ...]:
        """The names a caller may use, each with the provider that owns it."""
        return tuple((name, self._owner(name)) for name in self._planner.router.listed())

    def _owner(self, name: str) -> str:
        choice = self._planner.router.choose(name)
        return self.targets[choice.route_index].route.provider if choice.matched else ""


AnyDialect = ConversationDialect | EmbeddingsDialect | RerankDialect | PassedDialect | RealtimeDialect


class DialectsByName:
    """The dialects with a hub that a gateway speaks, by name."""

    __slots__ = ("conversation", "embeddings", "rerank")

    def __init__(self, dialects: Sequence[AnyDialect]) -> None:
        """Sort them by kind."""
        self.conversation: dict[str, ConversationDialect] = {}
        self.embeddings: dict[str, EmbeddingsDialect] = {}
        self.rerank: dict[str, RerankDialect] = {}
        for dialect in dialects:
            kind = operation_of(dialect)
            if kind == "conversation":
                self.conversation[dialect.name] = cast("ConversationDialect", dialect)
            elif kind == "embeddings":
                self.embeddings[dialect.name] = cast("EmbeddingsDialect", dialect)
            elif kind == "rerank":
                self.rerank[dialect.name] = cast("RerankDialect", dialect)
