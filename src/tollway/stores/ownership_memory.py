"""Whose things are, in a dict: the reference every other store must agree with."""

import msgspec

from tollway.interfaces.ownership import Owned


class MemoryOwnership:
    """Exact within one process; gone with it."""

    __slots__ = ("_known",)

    def __init__(self) -> None:
        """Know nothing."""
        self._known: dict[tuple[str, str], Owned] = {}

    def claim(self, place: str, resource: str, owned: Owned) -> Owned:
        """Store whose it is, if nobody has claimed it."""
        return self._known.setdefault((place, resource), owned)

    def find(self, place: str, resource: str) -> Owned | None:
        """Tell whose it is."""
        return self._known.get((place, resource))

    def settle(self, place: str, resource: str) -> None:
        """Note that its usage is recorded."""
        known = self._known.get((place, resource))
        if known is not None:
            self._known[place, resource] = msgspec.structs.replace(known, settled=True)

    def release(self, place: str, resource: str) -> None:
        """Forget it."""
        self._known.pop((place, resource), None)
