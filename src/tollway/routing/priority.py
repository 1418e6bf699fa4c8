"""Priorities: the lowest number that has a usable route takes every call, by weight within it."""

from collections.abc import Sequence

from tollway.routing.weighted import WeightedOrder


class PriorityOrder:
    """Routes in groups of equal priority."""

    __slots__ = ("_groups",)

    def __init__(self, priorities: Sequence[int], weights: Sequence[int]) -> None:
        """Sort the routes into groups."""
        turns = WeightedOrder(weights)
        self._groups = tuple(
            (frozenset(index for index, own in enumerate(priorities) if own == priority), turns)
            for priority in sorted(set(priorities))
        )

    def choose(self, allowed: Sequence[int]) -> int:
        """Choose among the indexes in `allowed`; -1 when none of them has a weight."""
        for group, turns in self._groups:
            chosen = turns.choose([index for index in allowed if index in group])
            if chosen >= 0:
                return chosen
        return -1
