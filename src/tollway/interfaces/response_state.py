"""Turns the gateway keeps for callers whose provider keeps none: what is stored, and where.

Rules of this file:
- What is kept is what people wrote and models answered. A store keeps `content` encrypted, gives it to
  its owner alone, and really deletes it: on demand, when its time is over, and when its owner has too much.
- A store that outlives its process shows to every worker at once what one of them has put.
"""

from collections.abc import Sequence
from typing import Protocol

import msgspec


class StateUnavailable(Exception):
    """The store cannot be used now: a full disk, a lock that was not let go, a key that is not its own."""


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is kept."""

    id: str
    """Unguessable, or below an id that is; unique for its owner."""
    owner: str
    """Who alone may see it."""
    previous: str = ""
    """The id of what it follows; empty where it begins."""
    thread: str = ""
    """The id of what it is part of, and lives exactly as long as; empty where it stands alone."""
    created_us: int
    """µs since the epoch."""
    expires_us: int
    """From when on it is no more. Not looked at for a part."""
    content: bytes


class ResponseStore(Protocol):
    """A place for what is kept. Methods wait without holding up the event loop; each raises `StateUnavailable`."""

    async def put(self, kept: Sequence[Kept], *, owner_bytes: int) -> None:
        """Keep all of them, or none.

        One whose id its owner has already replaces that in its place. What they follow, directly or through
        others, and what they are part of, live at least as long as they do from now on. A part of what is
        no longer there is left out: it was deleted meanwhile.

        Args:
            kept: of one owner, and in this order where they are parts of the same.
            owner_bytes: most bytes of content that this owner may have. What it put or added to longest ago goes
                first, with all its parts; what is put or added to now never does.
        """
        ...

    async def get(self, owner: str, identity: str, now_us: int) -> Kept | None:
        """Give one; None where this owner has none of that id, or its time is over."""
        ...

    async def chain(self, owner: str, identity: str, now_us: int, *, most: int) -> Sequence[Kept]:
        """Give one and what it follows, the oldest first; at most so many, the newest ones.

        Where the first still names a `previous`, the rest is not there any more, or there is more than `most`.
        """
        ...

    async def parts(self, owner: str, thread: str, now_us: int) -> Sequence[Kept]:
        """Give what is part of `thread`, in the order it was first put."""
        ...

    async def delete(self, owner: str, identity: str) -> bool:
        """Delete one, and what is part of it; tell whether it was there."""
        ...

    async def expire(self, now_us: int) -> int:
        """Delete everything whose time is over, whoever owns it; tell how many they were."""
        ...

    async def close(self) -> None:
        """Let go of what is open; what was asked before is done first."""
        ...
