"""The plan of one call: its first target, and after each failure the next one, or none.

Rules of this file:
- After a failure, in this order, the first that applies: another key of the same route, or once a
  fresh token; the same route again, after a wait; the next route of the strategy; the fallback.
- Repeats are counted per call, not per route, and share a budget per upstream. Each route is begun
  once, each key used once, the fallback taken once: the number of attempts is bounded by settings.
- What failed slowly is not repeated (`only_within_seconds`); it may still go elsewhere.
- Nothing follows a failure after a byte of the answer has gone to the caller.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.errors import BadRequest, NoHealthyRoute, TollwayError
from tollway.routing.health import UpstreamHealth, Verdict
from tollway.routing.keys import REFUSED_REST_SECONDS, THROTTLED_REST_SECONDS, KeyRing
from tollway.routing.models import ModelRouter, RouteChoice
from tollway.routing.outcomes import KEY_STATUSES, Failure, trigger_of, verdict_of
from tollway.routing.priority import PriorityOrder
from tollway.routing.settings import FallbackSettings, RetrySettings, RouteSettings, Strategy, Trigger
from tollway.routing.weighted import WeightedOrder

ELSEWHERE: Final[frozenset[Trigger]] = frozenset(
    {"unhealthy", "status_408", "status_429", "status_5xx", "connect_error", "first_byte_timeout"}
)
"""What sends a call to the strategy's next route."""

_MAX_REMEMBERED: Final = 4_096
_LONGEST_REMEMBERED: Final = 256
"""Names come from callers: neither they nor their number may pile up."""
_AT_ONCE: Final = 0.0


class Go(msgspec.Struct, frozen=True, gc=False):
    """One attempt to make."""

    route_index: int
    model: str
    number: int
    """1 for the first attempt."""
    key_index: int = 0
    delay_seconds: float = 0.0
    """Wait before it is sent."""


class _Plain(msgspec.Struct, frozen=True, gc=False):
    """The first attempt of a call that has one way to go: one route, one key at most."""

    candidates: tuple[RouteChoice, ...]
    go: Go
    health: UpstreamHealth


class Planner:
    """The routes of one proxy, ready to plan calls."""

    __slots__ = (
        "_matches",
        "_order",
        "_plain",
        "_remembered",
        "fallback",
        "fallback_index",
        "healths",
        "jitter",
        "retries",
        "rings",
        "router",
        "routes",
    )

    def __init__(
        self,
        routes: Sequence[RouteSettings],
        *,
        strategy: Strategy,
        retries: RetrySettings,
        healths: Sequence[UpstreamHealth],
        rings: Sequence[KeyRing],
        known_models: Mapping[str, frozenset[str]],
        jitter: Callable[[], float],
        fallback: FallbackSettings | None = None,
    ) -> None:
        """Prepare.

        Args:
            routes: as written.
            strategy: how to choose among them.
            retries: when to repeat.
            healths: one a route; routes to one upstream share one.
            rings: one a route; routes with one credential share one.
            known_models: provider → models it is known to serve.
            jitter: a fresh random number from 0 to 1.
            fallback: where to go when they fail.

        Raises:
            ValueError: the fallback names no route.
        """
        self.routes = tuple(routes)
        self.router = ModelRouter(routes, known_models)
        self.retries = retries
        self.healths = tuple(healths)
        self.rings = tuple(rings)
        self.jitter = jitter
        self.fallback = fallback
        names = [route.name for route in routes]
        if fallback is not None and fallback.route not in names:
            raise ValueError(f"fallback.route: there is no route '{fallback.route}'; the routes are {', '.join(names)}")
        self.fallback_index = names.index(fallback.route) if fallback is not None else -1
        weights = [route.weight for route in routes]
        self._order: WeightedOrder | PriorityOrder | None = None
        if strategy == "weighted":
            self._order = WeightedOrder(weights)
        elif strategy == "priority":
            self._order = PriorityOrder([route.priority for route in routes], weights)
        self._remembered: dict[str, tuple[RouteChoice, ...]] = {}
        self._plain: dict[str, _Plain | None] = {}
        self._matches = tuple(tuple(route.match_headers.items()) for route in routes)
        if not any(self._matches):
            self._matches = ()

    def plan(self, requested: str, header: Callable[[str], str | None]) -> "CallPlan":
        """Begin the plan of one call for the model `requested`; `header` reads its request headers."""
        return CallPlan(self, requested, header)

    def candidates(self, requested: str) -> tuple[RouteChoice, ...]:
        """Give the routes that may serve `requested`, and the model each is asked for."""
        if self._order is None:
            return self.router.candidates(requested)
        remembered = self._remembered.get(requested)
        if remembered is None:
            remembered = tuple(
                RouteChoice(index, self.router.model_for(index, requested)) for index in range(len(self.routes))
            )
            if len(requested) <= _LONGEST_REMEMBERED:
                if len(self._remembered) >= _MAX_REMEMBERED:
                    self._remembered.clear()
                self._remembered[requested] = remembered
        return remembered

    def plain(self, requested: str) -> _Plain | None:
        """Give the only way a call for `requested` can go; None when there are several, or conditions."""
        try:
            return self._plain[requested]
        except KeyError:
            pass
        candidates = self.candidates(requested)
        only = candidates[0]
        index = only.route_index
        plain = None
        if len(candidates) == 1 and only.matched and not self._matches and self.rings[index].count <= 1:
            plain = _Plain(candidates, Go(index, only.target_model, 1), self.healths[index])
        if len(requested) <= _LONGEST_REMEMBERED:
            if len(self._plain) >= _MAX_REMEMBERED:
                self._plain.clear()
            self._plain[requested] = plain
        return plain

    def matching(
        self, candidates: tuple[RouteChoice, ...], header: Callable[[str], str | None]
    ) -> tuple[RouteChoice, ...]:
        """Keep the candidates whose `match_headers` the request has."""
        if not self._matches:
            return candidates
        return tuple(
            choice
            for choice in candidates
            if all(header(name) == value for name, value in self._matches[choice.route_index])
        )

    def serves(self, index: int) -> bool:
        """Tell whether the strategy ever chooses the route."""
        return self._order is None or self.routes[index].weight > 0

    def choose(self, usable: Sequence[RouteChoice]) -> RouteChoice | None:
        """Choose one of the usable routes by the strategy."""
        if not usable:
            return None
        if self._order is None:
            return usable[0]
        index = self._order.choose([choice.route_index for choice in usable])
        return next((choice for choice in usable if choice.route_index == index), None)


class CallPlan:
    """One call's attempts. Exactly one of `after`, `succeeded`, `broke` and `cancelled` follows each `Go`."""

    __slots__ = (
        "_candidates",
        "_header",
        "_health",
        "_key",
        "_model",
        "_number",
        "_planner",
        "_probe",
        "_renewed",
        "_repeats_left",
        "_requested",
        "_route",
        "_tried_keys",
        "_tried_routes",
        "fell_back",
    )

    def __init__(self, planner: Planner, requested: str, header: Callable[[str], str | None]) -> None:
        """Begin; nothing is chosen yet."""
        self._planner = planner
        self._requested = requested
        self._header = header
        self._candidates: tuple[RouteChoice, ...] = ()
        self._health: UpstreamHealth | None = None
        self._probe = False
        self._route = -1
        self._model = ""
        self._key = 0
        self._number = 0
        self._tried_routes = 0
        self._tried_keys = 0
        self._renewed = False
        self._repeats_left = planner.retries.attempts
        self.fell_back = False
        """Whether the call went to the fallback."""

    @property
    def repeated(self) -> bool:
        """Whether more than one attempt was made: then a repeat by the caller's SDK multiplies them."""
        return self._number > 1

    def first(self, now: float) -> Go | TollwayError:
        """Choose the first target, or say why there is none."""
        planner = self._planner
        plain = planner.plain(self._requested)
        if plain is not None and plain.health.begin_if_well(planner.retries.budget_ratio):
            self._candidates = plain.candidates
            self._health = plain.health
            go = plain.go
            self._route = go.route_index
            self._model = go.model
            self._tried_routes = 1 << go.route_index
            self._number = 1
            return go
        candidates = planner.candidates(self._requested)
        if not candidates[0].matched:
            return self.divert("unknown_model", now) or planner.router.unknown(self._requested)
        self._candidates = planner.matching(candidates, self._header)
        if not self._candidates:
            return self.divert("unknown_model", now) or BadRequest(
                f"no route for model '{self._requested}' takes a request with these headers: send the ones it asks for",
                code="no_matching_route",
                should_retry=False,
            )
        return self._next_route(now) or self.divert("unhealthy", now) or self._last_resort(now)

    def divert(self, trigger: Trigger, now: float) -> Go | None:
        """Go to the fallback because of `trigger`; None when it is not for that, was taken, or is unhealthy."""
        planner = self._planner
        fallback = planner.fallback
        if fallback is None or self.fell_back or trigger not in fallback.on:
            return None
        index = planner.fallback_index
        model = fallback.model or planner.router.model_for(index, self._requested)
        tried = self._tried_routes >> index & 1 and any(
            choice.route_index == index and choice.target_model == model for choice in self._candidates
        )
        if tried or not planner.healths[index].admits(now):
            return None
        self.fell_back = True
        return self._begin(index, model, now)

    def after(self, failure: Failure, now: float) -> Go | None:
        """Say what follows a failure; None: the caller gets it as it is."""
        self._end(verdict_of(failure), now)
        self._rest_key(failure, now)
        if failure.answer_begun:
            return None
        trigger = trigger_of(failure)
        again = (
            self._with_another_key(failure, now)
            or self._with_another_token(failure, now)
            or self._again(trigger, failure, now)
        )
        if again is not None or trigger is None:
            return again
        if trigger in ELSEWHERE and not self.fell_back:
            elsewhere = self._next_route(now)
            if elsewhere is not None:
                return elsewhere
        return self.divert(trigger, now)

    def succeeded(self, now: float) -> None:
        """The answer is complete."""
        health = self._health
        if health is not None:
            self._health = None
            if self._probe:
                health.end("ok", now, probe=True)
            else:
                health.end_well(now)

    def broke(self, now: float) -> None:
        """The answer broke after its first byte went to the caller."""
        self._end("fault", now)

    def cancelled(self, now: float) -> None:
        """The caller left, or a policy refused: nobody waits for the attempt any more."""
        self._end("neutral", now)

    def _next_route(self, now: float) -> Go | None:
        planner = self._planner
        candidates = self._candidates
        if len(candidates) == 1 and not self._tried_routes:
            only = candidates[0]
            return self._begin(only.route_index, only.target_model, now) if self._usable(only, now) else None
        chosen = planner.choose([choice for choice in candidates if self._usable(choice, now)])
        return None if chosen is None else self._begin(chosen.route_index, chosen.target_model, now)

    def _usable(self, choice: RouteChoice, now: float) -> bool:
        index = choice.route_index
        ring = self._planner.rings[index]
        return (
            not self._tried_routes >> index & 1
            and self._planner.healths[index].admits(now)
            and (ring.count <= 1 or not ring.resting(now))
        )

    def _last_resort(self, now: float) -> Go | NoHealthyRoute:
        """Use a route whose keys all rest, if its upstream is well; else there is none."""
        planner = self._planner
        soonest = float("inf")
        for choice in self._candidates:
            index = choice.route_index
            health = planner.healths[index]
            if health.admits(now) and planner.rings[index].resting(now) and planner.serves(index):
                return self._begin(index, choice.target_model, now)
            soonest = min(soonest, health.ready_in(now))
        return NoHealthyRoute(
            f"no healthy route for model '{self._requested}': every upstream that could serve it is failing or has as "
            "many calls as it may have; try again later",
            retry_after_seconds=max(1.0, soonest),
        )

    def _begin(self, index: int, model: str, now: float) -> Go:
        planner = self._planner
        health = self._health = planner.healths[index]
        self._probe = health.begin()
        health.earn(planner.retries.budget_ratio)
        self._route = index
        self._model = model
        self._tried_routes |= 1 << index
        self._tried_keys = 0
        ring = planner.rings[index]
        if ring.count > 1:
            key = ring.take(now)
            self._key = key if key >= 0 else ring.take_soonest()
            self._tried_keys = 1 << self._key
        else:
            self._key = 0
        self._number += 1
        return Go(index, model, self._number, self._key)

    def _repeat(self, delay_seconds: float) -> Go:
        health = self._health = self._planner.healths[self._route]
        self._probe = health.begin()
        self._number += 1
        return Go(self._route, self._model, self._number, self._key, delay_seconds)

    def _with_another_key(self, failure: Failure, now: float) -> Go | None:
        """Repeat at once with a key this call has not used, when the failure is about the key."""
        planner = self._planner
        ring = planner.rings[self._route]
        health = planner.healths[self._route]
        if (
            ring.count <= 1
            or failure.kind != "status"
            or failure.status not in KEY_STATUSES
            or failure.elapsed_seconds > planner.retries.only_within_seconds
            or not health.admits(now)
        ):
            return None
        key = ring.take(now, self._tried_keys)
        if key < 0 or not health.spend():
            return None
        self._key = key
        self._tried_keys |= 1 << key
        return self._repeat(_AT_ONCE)

    def _with_another_token(self, failure: Failure, now: float) -> Go | None:
        """Repeat at once where the provider refused a token that is being replaced: once a call.

        It costs no budget: a token that ends takes all the calls of that moment with it.
        """
        if not failure.token_renewed or self._renewed or not self._planner.healths[self._route].admits(now):
            return None
        self._renewed = True
        return self._repeat(_AT_ONCE)

    def _again(self, trigger: Trigger | None, failure: Failure, now: float) -> Go | None:
        """Repeat on the same route, where settings, time, health and budget allow it."""
        retries = self._planner.retries
        health = self._planner.healths[self._route]
        if (
            trigger not in retries.on
            or self._repeats_left <= 0
            or failure.elapsed_seconds > retries.only_within_seconds
            or not health.admits(now)
        ):
            return None
        delay_seconds = self._delay(failure)
        # A provider that asks for more patience than we have is not asked again; the caller is told.
        if delay_seconds > retries.max_backoff_seconds or not health.spend():
            return None
        self._repeats_left -= 1
        return self._repeat(delay_seconds)

    def _delay(self, failure: Failure) -> float:
        """Seconds to wait: doubled each time, with jitter, and no less than the provider asked for."""
        retries = self._planner.retries
        made = retries.attempts - self._repeats_left
        backoff = min(retries.backoff_seconds * 2.0**made, retries.max_backoff_seconds)
        return max(backoff * (0.5 + 0.5 * self._planner.jitter()), failure.retry_after_seconds or 0.0)

    def _rest_key(self, failure: Failure, now: float) -> None:
        if failure.kind != "status" or failure.status not in KEY_STATUSES:
            return
        if failure.status == 429:
            seconds = failure.retry_after_seconds or THROTTLED_REST_SECONDS
        else:
            seconds = REFUSED_REST_SECONDS
        self._planner.rings[self._route].rest(self._key, now + seconds, now=now)

    def _end(self, verdict: Verdict, now: float) -> None:
        health = self._health
        if health is not None:
            self._health = None
            health.end(verdict, now, probe=self._probe)
