"""Health of one upstream, shared by all routes that use it: error-rate breaker, concurrency cap, repeat budget.

    closed ──(error rate in the window reached)──> open ──(open_seconds)──> half-open
       ^                                            ^                          │
       └──────────────(the probe succeeded)─────────┼──────────────────────────┤
                                                    └───(the probe failed)─────┘

Only what is the upstream's fault moves it: a caller's bad request, a refused key, a throttled key or
a caller that left says nothing about the upstream.
"""

from typing import Final, Literal

from tollway.routing.settings import HealthSettings

Verdict = Literal["ok", "fault", "neutral"]
State = Literal["closed", "open", "half-open"]

_BUCKETS: Final = 10
_BURST: Final = 10.0
"""Repeats saved up at most, and had at the start: an upstream that is seldom called may be called again."""


class UpstreamHealth:
    """What one worker knows of one upstream. Times are monotonic seconds, handed in."""

    __slots__ = (
        "_budget",
        "_calls",
        "_faults",
        "_fresh_calls",
        "_fresh_until",
        "_open_until",
        "_probing",
        "_recent_calls",
        "_recent_faults",
        "_settings",
        "_tick",
        "_ticks_per_second",
        "active",
        "cap",
        "state",
    )

    def __init__(self, settings: HealthSettings) -> None:
        """Begin healthy."""
        self._settings = settings
        self.cap = settings.max_concurrent
        self.state: State = "closed"
        self.active = 0
        """Calls in flight."""
        self._open_until = 0.0
        self._probing = False
        self._ticks_per_second = _BUCKETS / settings.window_seconds
        self._tick = 0
        # Calls since `_tick` began, not in its bucket yet, and when it ends: counting one is one addition.
        self._fresh_calls = 0
        self._fresh_until = 0.0
        self._recent_calls = [0] * _BUCKETS
        self._recent_faults = [0] * _BUCKETS
        self._calls = 0
        self._faults = 0
        self._budget = _BURST

    def admits(self, now: float) -> bool:
        """Tell whether a call may go there now."""
        if self.active >= self.cap:
            return False
        if self.state == "closed":
            return True
        if self.state == "open":
            if now < self._open_until:
                return False
            self.state = "half-open"
            self._probing = False
        return not self._probing

    def begin(self) -> bool:
        """A call goes there. True when it is the probe, which `end` must be told again."""
        self.active += 1
        if self.state == "half-open" and not self._probing:
            self._probing = True
            return True
        return False

    def begin_if_well(self, ratio: float) -> bool:
        """Begin a call at once, and `earn`, when the breaker is closed and the cap not reached."""
        if self.state != "closed" or self.active >= self.cap:
            return False
        self.active += 1
        budget = self._budget + ratio
        self._budget = min(budget, _BURST)
        return True

    def end_well(self, now: float) -> None:
        """A call, not the probe, came back with its answer: `end` for the usual case."""
        self.active -= 1
        if self.state == "closed":
            if now >= self._fresh_until:
                self._advance(int(now * self._ticks_per_second))
            self._fresh_calls += 1

    def end(self, verdict: Verdict, now: float, *, probe: bool = False) -> None:
        """A call came back, one way or another."""
        self.active -= 1
        if probe:
            self._end_probe(verdict, now)
        elif verdict != "neutral" and self.state == "closed":
            self._count(verdict == "fault", now)

    def ready_in(self, now: float) -> float:
        """Seconds until a call may be tried; 0 when it is only the cap that is reached."""
        return max(0.0, self._open_until - now) if self.state == "open" else 0.0

    def earn(self, ratio: float) -> None:
        """A call, not a repeat, was made: that allows `ratio` of a repeat."""
        budget = self._budget + ratio
        self._budget = min(budget, _BURST)

    def spend(self) -> bool:
        """Take the allowance for one repeat; False when there is none."""
        if self._budget < 1.0:
            return False
        self._budget -= 1.0
        return True

    def _end_probe(self, verdict: Verdict, now: float) -> None:
        self._probing = False
        if self.state != "half-open":
            return
        if verdict == "ok":
            self.state = "closed"
            self._forget()
        elif verdict == "fault":
            self._open(now)

    def _count(self, fault: bool, now: float) -> None:  # noqa: FBT001 - one private caller
        if now >= self._fresh_until:
            self._advance(int(now * self._ticks_per_second))
        self._fresh_calls += 1
        if fault:
            self._recent_faults[self._tick % _BUCKETS] += 1
            self._faults += 1
            settings = self._settings
            calls = self._calls + self._fresh_calls
            if calls >= settings.minimum_calls and self._faults >= settings.error_rate * calls:
                self._open(now)

    def _advance(self, tick: int) -> None:
        """Begin the bucket of `tick`; forget those that the window has left behind."""
        self._recent_calls[self._tick % _BUCKETS] += self._fresh_calls
        self._calls += self._fresh_calls
        self._fresh_calls = 0
        if tick - self._tick >= _BUCKETS:
            self._forget()
        else:
            for passed in range(self._tick + 1, tick + 1):
                bucket = passed % _BUCKETS
                self._calls -= self._recent_calls[bucket]
                self._faults -= self._recent_faults[bucket]
                self._recent_calls[bucket] = self._recent_faults[bucket] = 0
        self._tick = tick
        self._fresh_until = (tick + 1) / self._ticks_per_second

    def _forget(self) -> None:
        self._recent_calls = [0] * _BUCKETS
        self._recent_faults = [0] * _BUCKETS
        self._calls = self._faults = self._fresh_calls = 0

    def _open(self, now: float) -> None:
        self.state = "open"
        self._open_until = now + self._settings.open_seconds
        self._forget()
