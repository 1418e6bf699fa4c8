"""Whose the files, batches and other things are that a provider keeps for one shared key.

Rules of this file:
- What a client application made belongs to it alone. What nobody is known to have made belongs to nobody.
- Who made it is stored before the answer that names it is passed on.
"""

from typing import Protocol

import msgspec


class OwnershipUnavailable(Exception):
    """The store cannot be read or written now."""


class Owned(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is known of one thing that a provider keeps."""

    owner: str
    """The client application that made it, or what stands for callers without one."""
    origin: str = ""
    """The batch whose results it holds; empty for what is no result."""
    claimed_us: int
    """When it became known, µs since the epoch."""
    settled: bool = False
    """Whether the usage in it is recorded."""


class Ownership(Protocol):
    """Knows who made what, for every worker of a machine. Each method may raise `OwnershipUnavailable`."""

    def claim(self, place: str, resource: str, owned: Owned) -> Owned:
        """Store whose `resource` is, so that SIGKILL a microsecond later does not lose it; return what is stored.

        The first claim counts: a second one changes nothing.

        Args:
            place: the upstream and credential that keep it; ids are unique within one.
            resource: the provider's id of it.
            owned: whose it is.
        """
        ...

    def find(self, place: str, resource: str) -> Owned | None:
        """Tell whose it is; None when nobody claimed it."""
        ...

    def settle(self, place: str, resource: str) -> None:
        """Note that the usage in it is recorded."""
        ...

    def release(self, place: str, resource: str) -> None:
        """Forget it: the provider has deleted it."""
        ...
