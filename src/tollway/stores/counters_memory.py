"""Counters of one process, in a dict: the reference every other store must agree with."""

from collections.abc import Sequence

from tollway.interfaces.counters import Admission, Window, WindowState

_SWEEP_AFTER = 32
_SWEEP_VISITS = 96


class MemoryCounters:
    """Exact within one process; gone with it."""

    __slots__ = ("_created", "_rows", "_to_visit")

    def __init__(self) -> None:
        """Start with no window."""
        self._rows: dict[bytes, tuple[int, int, int]] = {}
        """Key → start, units used, length."""
        self._created = 0
        self._to_visit: list[bytes] = []

    def __len__(self) -> int:
        """Windows held, ended ones included until they are swept."""
        return len(self._rows)

    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        """Reserve in all windows, or in none."""
        rows = self._rows
        found: list[tuple[int, int]] = []
        refused_by = -1
        for window in windows:
            live = self._live(window, now_us)
            if live[1] >= window.limit and refused_by < 0:
                refused_by = len(found)
            found.append(live)
        states: list[WindowState] = []
        for index, window in enumerate(windows):
            start_us, used = found[index]
            if refused_by < 0:
                used += window.reserve
                self._created += window.key not in rows
                rows[window.key] = (start_us, used, window.length_us)
            states.append(WindowState(start_us, used, window.limit, window.length_us))
        if self._created >= _SWEEP_AFTER:
            self._sweep(now_us)
        return Admission(refused_by < 0, tuple(states), refused_by)

    def settle(self, corrections: Sequence[tuple[bytes, int, int]], now_us: int) -> tuple[int, ...]:
        """Add corrections to the windows they were reserved in, where those have not ended."""
        after: list[int] = []
        for key, start_us, delta in corrections:
            start, used, length = self._rows.get(key, (0, 0, 0))
            if not -length < now_us - start < length:
                after.append(0)
                continue
            if start == start_us and delta:
                used = max(0, used + delta)
                self._rows[key] = (start, used, length)
            after.append(used)
        return tuple(after)

    def _live(self, window: Window, now_us: int) -> tuple[int, int]:
        """Start and units of the window's running period, or of the one that begins now."""
        row = self._rows.get(window.key)
        # A window may start after `now`: another worker read its clock later but came first. One
        # that starts further ahead than it lasts comes from a clock that was stepped back.
        if row is not None and -window.length_us < now_us - row[0] < window.length_us:
            return row[0], row[1]
        return now_us - now_us % window.length_us if window.aligned else now_us, 0

    def _sweep(self, now_us: int) -> None:
        """Drop ended windows, visiting a bounded number; as many again as were made since last time."""
        self._created = 0
        if not self._to_visit:
            self._to_visit = list(self._rows)
        for _ in range(min(_SWEEP_VISITS, len(self._to_visit))):
            key = self._to_visit.pop()
            start_us, _, length_us = self._rows.get(key, (now_us, 0, 1))
            if start_us + length_us <= now_us:
                self._rows.pop(key, None)
