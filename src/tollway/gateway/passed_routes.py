"""Where calls without a hub may go: only to routes whose provider has the operation itself."""

from collections.abc import Sequence
from typing import Final

import msgspec

from tollway.core.errors import BadRequest, NotFound
from tollway.gateway.route import Planner
from tollway.snapshot.document import Trigger

ROUTE_HEADER: Final = b"x-llm-proxy-route"
_HARMLESS: Final[frozenset[Trigger]] = frozenset({"status_429"})
"""Failures that say that nothing was done, so that even what makes something may be tried again."""


class PassedRoutes:
    """The routes of one proxy whose providers have one operation."""

    # Plans are made when they are first asked for: a proxy has dozens of operations, and few are called.
    __slots__ = ("_alone", "_indexes", "_named", "_retries", "_whole")

    def __init__(self, planner: Planner, provides: str, *, repeatable: bool) -> None:
        """Look through the routes of `planner`."""
        self._whole = planner
        targets = planner.targets
        self._indexes = [index for index, one in enumerate(targets) if provides in one.provider.operations]
        retries = planner.retries
        if not repeatable:
            retries = msgspec.structs.replace(retries, on=retries.on & _HARMLESS)
        self._retries = retries
        self._named: Planner | None = None
        self._alone: dict[str, Planner] = {}

    @property
    def names(self) -> Sequence[str]:
        """The routes, in the order written."""
        return tuple(self._whole.targets[index].route.name for index in self._indexes)

    def serve(self, model: str) -> bool:
        """Whether a call for `model` can be passed; one that names none, to any route."""
        candidates = self._whole.candidates(model)
        if not model or not candidates[0].matched:
            return bool(self._indexes)
        return any(one.route_index in self._indexes for one in candidates)

    def named(self, model: str) -> Planner | None:
        """Give what plans calls for `model`; None where its routes lack the operation.

        Raises:
            NotFound: no route has it.
        """
        if not self._indexes:
            raise _nowhere()
        if not self.serve(model):
            return None
        if self._named is None:
            self._named = self._whole.among(self._indexes, retries=self._retries)
        return self._named

    def alone(self, name: str | None) -> Planner:
        """Give what plans calls to one route: the one called `name`, else the first.

        Raises:
            NotFound: no route has the operation.
            BadRequest: the one called `name` has not, or is not there.
        """
        names = self.names
        if not names:
            raise _nowhere()
        chosen = names[0] if name is None else name
        if chosen not in names:
            raise BadRequest(
                f"the route '{chosen}' is not there or its provider has nothing of this kind; "
                f"send one of these, or leave the header out: {', '.join(names)}",
                param=ROUTE_HEADER.decode(),
                code="operation_not_supported",
            )
        found = self._alone.get(chosen)
        if found is None:
            index = self._indexes[names.index(chosen)]
            found = self._whole.among([index], retries=self._retries, strategy="priority", fallback=None)
            self._alone[chosen] = found
        return found


def unsupported(model: str) -> BadRequest:
    """Say that the model's provider has nothing of this kind."""
    return BadRequest(
        f"the provider of '{model}' has nothing of this kind; choose a model of another provider",
        param="model",
        code="operation_not_supported",
    )


def _nowhere() -> NotFound:
    return NotFound(
        "no route of this LLM proxy goes to a provider that has this; its operator can add one",
        code="operation_not_supported",
        should_retry=False,
    )
