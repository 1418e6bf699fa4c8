"""A clock for tests: it stands still until told to go on, and its ids are the same every run.

It fits the `Clock` seam: `monotonic()` in seconds, `wall_us()` in microseconds since the
epoch in UTC, and `new_id()`.
"""

from __future__ import annotations

from typing import Final

from tollway.core.ids import ulid

START_WALL_US: Final = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z, the wall time at which a frozen clock starts unless told."""


class FrozenClock:
    """Time that moves only by `advance`, and ids that count up: the same in every run."""

    def __init__(
        self,
        *,
        wall_us: int = START_WALL_US,
        monotonic_seconds: float = 1000.0,
    ) -> None:
        self._wall_us = wall_us
        self._start_us = wall_us
        self._start_monotonic = monotonic_seconds
        self._skew_us = 0
        self._ids = 0

    def monotonic(self) -> float:
        """Seconds since an unspecified start; never goes back."""
        return self._start_monotonic + (self._wall_us - self._start_us) / 1_000_000

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        return self._wall_us + self._skew_us

    def new_id(self) -> str:
        """The next ULID, of this clock's time and a counter instead of chance: they sort as they were made."""
        self._ids += 1
        return ulid(self.wall_us() // 1000, self._ids)

    def advance(self, seconds: float) -> None:
        """Let time pass on both clocks.

        Raises:
            ValueError: `seconds` is negative; only `set_wall_us` can turn a clock back.
        """
        if seconds < 0:
            message = f"a clock cannot advance by {seconds} seconds"
            raise ValueError(message)
        # Whole microseconds, so that a thousand small steps and one large one agree.
        self._wall_us += round(seconds * 1_000_000)

    def set_wall_us(self, wall_us: int) -> None:
        """Step the wall clock alone, back or forth, as an operator or a time server does."""
        self._skew_us = wall_us - self._wall_us
