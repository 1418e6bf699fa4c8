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

    __slots__ = ("_alone", "_indexes", "_named", "_whole")

    def __init__(self, planner: Planner, provides: str, *, repeatable: bool) -> None:
        """Look through the routes of `planner`."""
        self._whole = planner
        targets = planner.targets
        self._indexes = [index for index, one in enumerate(targets) if provides in one.provider.operations]
        retries = planner.retries
        if not repeatable:
            retries = msgspec.structs.replace(retries, on=retries.on & _HARMLESS)
        self._named = planner.among(self._indexes, retries=retries) if self._indexes else None
        self._alone = {
            targets[index].route.name: planner.among([index], retries=retries, strategy="priority", fallback=None)
            for index in self._indexes
        }

    @property
    def names(self) -> Sequence[str]:
        """The routes, in the order written."""
        return tuple(self._alone)

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
        if self._named is None:
            raise _nowhere()
        return self._named if self.serve(model) else None

    def alone(self, name: str | None) -> Planner:
        """Give what plans calls to one route: the one called `name`, else the first.

        Raises:
            NotFound: no route has the operation.
            BadRequest: the one called `name` has not, or is not there.
        """
        if not self._alone:
            raise _nowhere()
        if name is None:
            return next(iter(self._alone.values()))
        found = self._alone.get(name)
        if found is None:
            raise BadRequest(
                f"the route '{name}' is not there or its provider has nothing of this kind; "
                f"send one of these, or leave the header out: {', '.join(self._alone)}",
                param=ROUTE_HEADER.decode(),
                code="operation_not_supported",
            )
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
