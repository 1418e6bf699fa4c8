"""The real clock and the maker of ids."""

import random
import time
from typing import Final

_ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS: Final = tuple(a + b for a in _ALPHABET for b in _ALPHABET)


class SystemClock:
    """Time of this machine; ids that no other process of any machine makes.

    An id is a ULID whose 80 random bits are drawn once a millisecond and counted up within it, as
    the specification's monotonic variant does: sortable, and 0.3 µs instead of 3.
    """

    __slots__ = ("_at_ms", "_prefix", "_tail")

    def __init__(self) -> None:
        """Begin before any time."""
        self._at_ms = -1
        self._prefix = ""
        self._tail = 0

    monotonic = staticmethod(time.perf_counter)

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return time.time_ns() // 1000

    def new_id(self) -> str:
        """A fresh ULID."""
        now_ms = time.time_ns() // 1_000_000
        if now_ms != self._at_ms:
            self._at_ms = now_ms
            bits = random.getrandbits(80)
            self._prefix = _pairs(now_ms, 5) + _pairs(bits >> 40, 4)
            self._tail = bits & 0x7F_FFFF_FFFF  # the top bit stays free, so that counting cannot overflow
        self._tail += 1
        tail = self._tail
        return (
            self._prefix
            + _PAIRS[tail >> 30 & 1023]
            + _PAIRS[tail >> 20 & 1023]
            + _PAIRS[tail >> 10 & 1023]
            + _PAIRS[tail & 1023]
        )


def _pairs(value: int, count: int) -> str:
    return "".join(_PAIRS[value >> (10 * place) & 1023] for place in reversed(range(count)))


def new_correlation_id() -> bytes:
    """A random UUID (version 4) as text; the form the product we match mints."""
    bits = random.getrandbits(128)
    return b"%08x-%04x-4%03x-%x%03x-%012x" % (
        bits & 0xFFFFFFFF,
        bits >> 32 & 0xFFFF,
        bits >> 48 & 0xFFF,
        8 | bits >> 60 & 3,  # the variant of RFC 9562
        bits >> 62 & 0xFFF,
        bits >> 80,
    )
