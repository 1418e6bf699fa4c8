"""A suite that cannot fail proves nothing: stores with one fault each must not pass it."""

from collections.abc import Sequence

import msgspec
import pytest

from tollway.interfaces.response_state import Kept
from tollway.stores.response_state_memory import MemoryResponseStore
from tollway.testing.contracts.response_state import ResponseStoreContract


class ForgetsOwners(MemoryResponseStore):
    async def put(self, kept: Sequence[Kept], *, owner_bytes: int) -> None:
        await super().put([msgspec.structs.replace(one, owner="all") for one in kept], owner_bytes=owner_bytes)

    async def get(self, owner: str, identity: str, now_us: int) -> Kept | None:
        return await super().get("all", identity, now_us)


class NewestFirst(MemoryResponseStore):
    async def chain(self, owner: str, identity: str, now_us: int, *, most: int) -> Sequence[Kept]:
        return (await super().chain(owner, identity, now_us, most=most))[::-1]


class KeepsParts(MemoryResponseStore):
    async def delete(self, owner: str, identity: str) -> bool:
        found = self._kept.pop((owner, identity), None)
        return found is not None


class HidesOnly(MemoryResponseStore):
    async def expire(self, now_us: int) -> int:
        return 0


class NeverProlongs(MemoryResponseStore):
    def _prolong(self, owner: str, identity: str, expires_us: int, *, touch: bool) -> bool:
        return (owner, identity) in self._kept


class HasNoLimit(MemoryResponseStore):
    def _shrink(self, owner: str, owner_bytes: int) -> None:
        del owner, owner_bytes


class TakesOrphans(MemoryResponseStore):
    def _prolong(self, owner: str, identity: str, expires_us: int, *, touch: bool) -> bool:
        super()._prolong(owner, identity, expires_us, touch=touch)
        return True


@pytest.mark.parametrize(
    ("store", "caught_by"),
    [
        (ForgetsOwners, "test_another_owner_sees_and_deletes_nothing"),
        (NewestFirst, "test_a_chain_is_given_oldest_first"),
        (KeepsParts, "test_deleting_takes_the_parts_along_and_nothing_else"),
        (HidesOnly, "test_what_is_over_is_not_given_and_goes_when_told"),
        (NeverProlongs, "test_what_follows_prolongs_what_it_follows"),
        (NeverProlongs, "test_a_new_part_prolongs_its_whole"),
        (HasNoLimit, "test_an_owner_with_too_much_loses_what_is_oldest"),
        (TakesOrphans, "test_a_part_of_what_is_no_longer_there_is_left_out"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else None,
)
async def test_a_store_with_a_fault_does_not_pass(store: type[MemoryResponseStore], caught_by: str):
    with pytest.raises(AssertionError):
        await getattr(ResponseStoreContract(), caught_by)(store())
