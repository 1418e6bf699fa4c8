"""Counters in time windows, shared by every worker of a machine."""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

Amounts = tuple[int, int, int]
"""What one window counts: three amounts in a fixed order, such as tokens in total, of prompts and of
completions. They share the window's start and end, so that several limits on one period cost one
row. A counter of one thing uses the first and gives the others no limit."""

NO_LIMIT: Final = 1 << 62
"""Stands for the limit of an amount that has none."""


class Window(msgspec.Struct, frozen=True, gc=False):
    """One period of one key. It starts at the key's first use and lasts `length_us`."""

    key: bytes
    length_us: int
    limits: Amounts
    aligned: bool = False
    """Start windows at multiples of their length since the epoch, instead of at first use."""


class Admission(msgspec.Struct, frozen=True, gc=False):
    """The answer of `Counters.admit`; members that are tuples have one element a window, in the order asked."""

    admitted: bool
    starts: tuple[int, ...]
    """When each window began, µs since the epoch."""
    used: tuple[Amounts, ...]
    """Settled and reserved units together; may exceed a limit by what one call overran."""
    refused_by: int = -1
    """Index of the first window that had nothing left; -1 when admitted."""
    refused_amount: int = -1
    """Index of its first amount that had nothing left; -1 when admitted."""


class Counters(Protocol):
    """Exact counters: what one worker takes, every other worker sees at once."""

    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        """Reserve in all windows, or in none. The keys of one call are distinct.

        A call is admitted while every amount of every window has units left (`used < limit`); its
        reservation may pass a limit by that one call's own size. The rest is settled when the true
        figures are known.
        """
        ...

    def settle(
        self, windows: Sequence[Window], starts: Sequence[int], correction: Amounts, now_us: int
    ) -> tuple[Amounts, ...]:
        """Add a correction to every window that began at its `starts`; return the units used in each afterwards.

        No amount falls below zero. A correction to a window that has ended since changes nothing; a
        key without a running window has no units used.
        """
        ...
