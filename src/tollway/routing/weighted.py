"""Smooth weighted round robin: shares by weight, as evenly spread as whole calls allow.

Each turn every route gains its weight; the one with the most takes the call and pays the sum back.
With weights 5, 1, 1 that gives a a b a c a a, not a a a a a b c.
"""

from collections.abc import Sequence


class WeightedOrder:
    """Whose turn it is. One a worker and proxy; it remembers what was chosen before."""

    __slots__ = ("_credits", "_weights")

    def __init__(self, weights: Sequence[int]) -> None:
        """Begin with no debts. A weight of 0 is never chosen."""
        self._weights = tuple(weights)
        self._credits = [0] * len(self._weights)

    def choose(self, allowed: Sequence[int]) -> int:
        """Choose among the indexes in `allowed`; -1 when none of them has a weight."""
        total = 0
        best = -1
        credits_ = self._credits
        for index in allowed:
            weight = self._weights[index]
            if weight <= 0:
                continue
            total += weight
            credits_[index] += weight
            if best < 0 or credits_[index] > credits_[best]:
                best = index
        if best >= 0:
            credits_[best] -= total
        return best
