"""Kept turns in memory: the reference that every other store must agree with, and tests use."""

from collections.abc import Iterator, Sequence

import msgspec

from tollway.interfaces.response_state import Kept


class MemoryResponseStore:
    """A `ResponseStore` of one process; gone with it, so it encrypts nothing."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._kept: dict[tuple[str, str], Kept] = {}
        """In the order first put."""
        self._touched: dict[tuple[str, str], int] = {}
        """When each was put or added to last, counted in puts."""
        self._puts = 0

    async def put(self, kept: Sequence[Kept], *, owner_bytes: int) -> None:
        """Keep all; see `ResponseStore.put`."""
        self._puts += 1
        for one in kept:
            key = (one.owner, one.id)
            if one.thread and not self._prolong(one.owner, one.thread, one.expires_us, touch=True):
                continue
            self._kept[key] = one
            self._touched[key] = self._puts
            seen = {one.id}
            previous = self._kept.get((one.owner, one.previous))
            while previous is not None and previous.id not in seen:
                seen.add(previous.id)
                self._prolong(previous.owner, previous.id, one.expires_us, touch=False)
                previous = self._kept.get((previous.owner, previous.previous))
        if kept:
            self._shrink(kept[0].owner, owner_bytes)

    async def get(self, owner: str, identity: str, now_us: int) -> Kept | None:
        """Give one."""
        found = self._kept.get((owner, identity))
        return found if found is not None and self._lives(found, now_us) else None

    async def chain(self, owner: str, identity: str, now_us: int, *, most: int) -> Sequence[Kept]:
        """Give one and what it follows."""
        found: list[Kept] = []
        while identity and len(found) < most:
            one = await self.get(owner, identity, now_us)
            if one is None:
                break
            found.append(one)
            identity = one.previous
        return found[::-1]

    async def parts(self, owner: str, thread: str, now_us: int) -> Sequence[Kept]:
        """Give the parts of one."""
        return [one for one in self._parts(owner, thread) if self._lives(one, now_us)]

    async def delete(self, owner: str, identity: str) -> bool:
        """Delete one and its parts."""
        found = self._kept.get((owner, identity))
        if found is not None:
            self._forget(found)
        return found is not None

    async def expire(self, now_us: int) -> int:
        """Delete what is over."""
        before = len(self._kept)
        for one in tuple(self._kept.values()):
            if not self._lives(one, now_us):
                self._forget(one)
        return before - len(self._kept)

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _lives(self, one: Kept, now_us: int) -> bool:
        head = self._kept.get((one.owner, one.thread)) if one.thread else one
        return head is not None and now_us < head.expires_us

    def _parts(self, owner: str, thread: str) -> Iterator[Kept]:
        return (one for one in tuple(self._kept.values()) if one.owner == owner and one.thread == thread != "")

    def _forget(self, one: Kept) -> None:
        for each in (*self._parts(one.owner, one.id), one):
            self._kept.pop((each.owner, each.id), None)
            self._touched.pop((each.owner, each.id), None)

    def _prolong(self, owner: str, identity: str, expires_us: int, *, touch: bool) -> bool:
        found = self._kept.get((owner, identity))
        if found is None:
            return False
        longer = max(found.expires_us, expires_us)
        self._kept[owner, identity] = msgspec.structs.replace(found, expires_us=longer)
        if touch:
            self._touched[owner, identity] = self._puts
        return True

    def _shrink(self, owner: str, owner_bytes: int) -> None:
        mine = [one for one in self._kept.values() if one.owner == owner]
        size = sum(len(one.content) for one in mine)
        alone = [one for one in mine if not one.thread and self._touched[owner, one.id] < self._puts]
        for one in sorted(alone, key=lambda one: self._touched[owner, one.id]):
            if size <= owner_bytes:
                break
            size -= len(one.content) + sum(len(part.content) for part in self._parts(owner, one.id))
            self._forget(one)
