"""Counters in time windows, shared by every worker of a machine."""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class Window(msgspec.Struct, frozen=True):
    """One limit on one key. The window starts at the key's first use and lasts `length_us`."""

    key: bytes
    length_us: int
    limit: int
    reserve: int
    """Units to set aside now; the rest is settled when the true figure is known."""
    aligned: bool = False
    """Start windows at multiples of their length since the epoch, instead of at first use."""


class WindowState(msgspec.Struct, frozen=True):
    """What a window holds after the call that returned it."""

    start_us: int
    used: int
    """Settled and reserved units together; may exceed the limit by what one call overran."""
    limit: int
    length_us: int

    @property
    def remaining(self) -> int:
        """Units left, never below zero."""
        return max(0, self.limit - self.used)


class Admission(msgspec.Struct, frozen=True):
    """The answer of `Counters.admit`."""

    admitted: bool
    states: tuple[WindowState, ...]
    """One a window, in the order asked."""
    refused_by: int = -1
    """Index of the first window that had nothing left; -1 when admitted."""


class Counters(Protocol):
    """Exact counters: what one worker takes, every other worker sees at once."""

    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        """Reserve in all windows, or in none.

        A call is admitted while every window has units left (`used < limit`); its reservation may
        pass the limit by that one call's own size.
        """
        ...

    def settle(self, corrections: Sequence[tuple[bytes, int, int]], now_us: int) -> tuple[int, ...]:
        """Add `(key, start_us, delta)` corrections; return the units used per key afterwards.

        A correction to a window that has ended since changes nothing.
        """
        ...
