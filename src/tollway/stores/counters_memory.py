"""Counters of one process, in a dict: the reference every other store must agree with."""

from collections.abc import Sequence

from tollway.interfaces.counters import Admission, Amounts, Window

_SWEEP_AFTER = 32
_SWEEP_VISITS = 96


class MemoryCounters:
    """Exact within one process; gone with it."""

    __slots__ = ("_created", "_rows", "_to_visit")

    def __init__(self) -> None:
        """Start with no window."""
        self._rows: dict[bytes, tuple[int, Amounts, int]] = {}
        """Key → start, units used, length."""
        self._created = 0
        self._to_visit: list[bytes] = []

    def __len__(self) -> int:
        """Windows held, ended ones included until they are swept."""
        return len(self._rows)

    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        """Reserve in all windows, or in none."""
        found = [self._live(window, now_us) for window in windows]
        starts = tuple(start_us for start_us, _ in found)
        for index, (window, (_, used)) in enumerate(zip(windows, found, strict=True)):
            for amount in range(3):
                if used[amount] >= window.limits[amount]:
                    return Admission(False, starts, tuple(used for _, used in found), index, amount)  # noqa: FBT003
        after = tuple(_plus(used, reserve) for _, used in found)
        for window, start_us, used in zip(windows, starts, after, strict=True):
            self._created += window.key not in self._rows
            self._rows[window.key] = (start_us, used, window.length_us)
        if self._created >= _SWEEP_AFTER:
            self._sweep(now_us)
        return Admission(True, starts, after)  # noqa: FBT003 - admitted

    def settle(
        self, windows: Sequence[Window], starts: Sequence[int], correction: Amounts, now_us: int
    ) -> tuple[Amounts, ...]:
        """Add a correction to the windows that began at `starts`, where those have not ended."""
        after: list[Amounts] = []
        for window, began_us in zip(windows, starts, strict=True):
            start_us, used = self._live(window, now_us)
            row = self._rows.get(window.key)
            if row is not None and row[0] == start_us == began_us:
                used = _plus(used, correction)
                self._rows[window.key] = (start_us, used, window.length_us)
            after.append(used)
        return tuple(after)

    def _live(self, window: Window, now_us: int) -> tuple[int, Amounts]:
        """Start and units of the window's running period, or of the one that begins now."""
        row = self._rows.get(window.key)
        # A window may start after `now`: another worker read its clock later but came first. One
        # that starts further ahead than it lasts comes from a clock that was stepped back.
        if row is not None and -window.length_us < now_us - row[0] < window.length_us:
            return row[0], row[1]
        return now_us - now_us % window.length_us if window.aligned else now_us, (0, 0, 0)

    def _sweep(self, now_us: int) -> None:
        """Drop ended windows, visiting a bounded number; as many again as were made since last time."""
        self._created = 0
        if not self._to_visit:
            self._to_visit = list(self._rows)
        for _ in range(min(_SWEEP_VISITS, len(self._to_visit))):
            key = self._to_visit.pop()
            start_us, _, length_us = self._rows.get(key, (now_us, (0, 0, 0), 1))
            if start_us + length_us <= now_us:
                self._rows.pop(key, None)


def _plus(used: Amounts, more: Amounts) -> Amounts:
    """Add, never going below zero."""
    return max(0, used[0] + more[0]), max(0, used[1] + more[1]), max(0, used[2] + more[2])
