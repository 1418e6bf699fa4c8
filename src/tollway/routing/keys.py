"""Rotation over the keys of one credential: least recently used first, throttled ones rest.

A lone key never rests: there is nothing to use in its place, and one caller's refused call says
little about the next one's.
"""

from typing import Final

REFUSED_REST_SECONDS: Final = 60.0
"""Rest of a key that the provider did not accept (401, 403): long enough not to try it with every call."""
THROTTLED_REST_SECONDS: Final = 1.0
"""Rest of a throttled key when the provider did not say how long."""
_LONGEST_REST_SECONDS: Final = 600.0


class KeyRing:
    """The keys of one credential, by index. One a worker; it remembers which was used when."""

    __slots__ = ("_order", "_rests_until", "count")

    def __init__(self, count: int) -> None:
        """Begin with `count` fresh keys; 0 where the provider needs none."""
        self.count = count
        self._order = list(range(count))
        self._rests_until = [0.0] * count

    def take(self, now: float, tried: int = 0) -> int:
        """Take the least recently used key that is not resting; -1 when there is none.

        Args:
            now: monotonic seconds.
            tried: bit mask of keys this call used already.
        """
        if self.count <= 1:
            return -1 if tried & 1 else 0
        for place, index in enumerate(self._order):
            if self._rests_until[index] <= now and not tried >> index & 1:
                self._order.append(self._order.pop(place))
                return index
        return -1

    def take_soonest(self) -> int:
        """Take the key whose rest ends first, resting or not: better a refusal than no call at all."""
        if self.count <= 1:
            return 0
        index = min(self._order, key=self._rests_until.__getitem__)
        self._order.remove(index)
        self._order.append(index)
        return index

    def rest(self, index: int, until: float, *, now: float) -> None:
        """Let a key rest, for ten minutes at most; a longer rest already ordered stands."""
        if self.count > 1:
            self._rests_until[index] = max(self._rests_until[index], min(until, now + _LONGEST_REST_SECONDS))

    def resting(self, now: float) -> bool:
        """Tell whether every key rests."""
        return self.count > 1 and all(until > now for until in self._rests_until)

    def ready_in(self, now: float) -> float:
        """Seconds until a key is ready."""
        return max(0.0, min(self._rests_until, default=0.0) - now)
