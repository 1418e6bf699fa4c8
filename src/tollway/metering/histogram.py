"""Histograms of durations that merge: logarithmic buckets at most 2 % wide.

Rules of this file:
- Bucket bounds are whole microseconds and the same everywhere, so histograms merge across processes, hours and groups
  by adding counts, and a percentile of the merged one is that of the values, within 1 %.
- Percentiles are never averaged.
- The bounds are part of the ledger's format: changing them needs a migration.
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from math import ceil
from typing import Final

import msgspec

_LARGEST: Final = 10**12
"""Eleven days; longer ones share the last bucket."""


def _bounds() -> tuple[int, ...]:
    bounds: list[int] = []
    bound = 1
    while bound <= _LARGEST:
        bounds.append(bound)
        bound += max(1, bound // 50)
    return tuple(bounds)


BOUNDS: Final = _bounds()
"""Lower bound of each bucket; up to 100 a bucket is one value."""


class Histogram(msgspec.Struct, array_like=True):
    """Counts a bucket, and the exact sum. Zero means "not measured" and is not counted."""

    total: int = 0
    counts: dict[int, int] = {}

    def observe(self, values: Sequence[int]) -> None:
        """Count the values, none of which is negative."""
        bounds = BOUNDS
        counts = Counter([bisect_right(bounds, value) for value in values])
        counts.pop(0, None)
        self._add(sum(values), counts)

    def merge(self, other: "Histogram") -> None:
        """Add what `other` counted."""
        self._add(other.total, other.counts)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """The exact mean; 0 when nothing was counted."""
        return self.total / self.count if self.counts else 0.0

    def percentile(self, fraction: float) -> float:
        """Return the value that `fraction` of the values do not exceed (nearest rank), within 1 %.

        Nothing counted gives 0.
        """
        rank = max(1, ceil(fraction * self.count))
        for bucket in sorted(self.counts):
            rank -= self.counts[bucket]
            if rank <= 0:
                return _middle(bucket)
        return 0.0

    def encode(self) -> bytes:
        """Write it for storage."""
        return _encode(self)

    def _add(self, total: int, counts: dict[int, int]) -> None:
        self.total += total
        mine = self.counts
        for bucket, count in counts.items():
            mine[bucket] = mine.get(bucket, 0) + count


def decode_histogram(data: bytes) -> Histogram:
    """Read what `Histogram.encode` wrote.

    Raises:
        msgspec.DecodeError: it is something else.
    """
    return _decode(data)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Histogram).decode


def _middle(bucket: int) -> float:
    low = BOUNDS[bucket - 1]
    high = BOUNDS[bucket] - 1 if bucket < len(BOUNDS) else low
    return (low + high) / 2
