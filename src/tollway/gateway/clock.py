"""The real clock and the maker of ids."""

import random
import time
from collections.abc import Callable
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)
_LAST: Final = (1 << 20) - 1
_LAST_48: Final = (1 << 48) - 1


class SystemClock:
    """Time of this machine; ids that no other process of any machine makes.

    An id is a ULID whose first 60 random bits are drawn now and then, and whose last 20 bits count up,
    as the specification's monotonic variant does: sortable, and 0.3 µs instead of 3.
    """

    __slots__ = ("_at_ms", "_count", "_era", "_random", "_stem", "_upper")

    def __init__(self) -> None:
        """Begin before any time."""
        self._era = -1
        self._at_ms = -1
        self._upper = ""
        self._stem = ""
        self._random = ""
        self._count = 0

    monotonic = staticmethod(time.perf_counter)

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def new_id(self) -> str:
        """A fresh ULID."""
        now_ms = time.time_ns() // 1_000_000
        self._count = count = self._count + 1
        if now_ms != self._at_ms or count > _LAST:
            count = self._step(now_ms)
        return f"{self._stem}{_PAIRS[count >> 10]}{_PAIRS[count & 1023]}"

    def _step(self, now_ms: int) -> int:
        """Go to another millisecond."""
        if now_ms >> 20 != self._era or self._count > _LAST:
            self._renew(now_ms)
        self._at_ms = now_ms
        lower = now_ms & _LAST
        self._stem = f"{self._upper}{_PAIRS[lower >> 10]}{_PAIRS[lower & 1023]}{self._random}"
        return self._count

    def _renew(self, now_ms: int) -> None:
        """Draw new random bits: every 17 minutes, or every half million ids at the most."""
        bits = random.getrandbits(79)  # the counter's top bit stays free, so that there is room to count
        self._era = now_ms >> 20
        self._upper = _pairs(self._era, 3)
        self._random = _pairs(bits >> 19, 6)
        self._count = bits & _LAST >> 1


def _pairs(value: int, count: int) -> str:
    return "".join(_PAIRS[value >> (10 * place) & 1023] for place in reversed(range(count)))


class _CorrelationIds:
    """Random UUIDs (version 4) of one process: 74 bits are drawn once, the last 48 follow from one another.

    Drawing and writing all 122 anew took 1.5 µs of each call. The last 48 run through all their values
    in an order that does not tell how many were made (a linear congruential generator of full period),
    so that one process never makes an id twice. Of a process that forks, both would make the same:
    workers are started afresh.
    """

    __slots__ = ("_last", "_prefix")

    def __init__(self) -> None:
        bits = random.getrandbits(122)
        self._last = bits & _LAST_48
        self._prefix = b"%08x-%04x-4%03x-%x%03x-" % (
            bits >> 48 & 0xFFFFFFFF,
            bits >> 80 & 0xFFFF,
            bits >> 96 & 0xFFF,
            8 | bits >> 108 & 3,  # the variant of RFC 9562
            bits >> 110,
        )

    def __call__(self) -> bytes:
        self._last = last = (self._last * 0x5DEECE66D + 11) & _LAST_48
        return b"%b%012x" % (self._prefix, last)


new_correlation_id: Callable[[], bytes] = _CorrelationIds()
"""Give a fresh UUID as text: the form the product we match mints."""
