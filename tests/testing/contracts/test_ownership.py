"""A suite that cannot fail proves nothing: stores with one fault each must not pass it."""

import msgspec
import pytest

from tollway.interfaces.ownership import Owned
from tollway.stores.ownership_memory import MemoryOwnership
from tollway.testing.contracts.ownership import OwnershipContract


class LastClaimCounts(MemoryOwnership):
    def claim(self, place: str, resource: str, owned: Owned) -> Owned:
        self.release(place, resource)
        return super().claim(place, resource, owned)


class ForgetsThePlace(MemoryOwnership):
    def claim(self, place: str, resource: str, owned: Owned) -> Owned:
        del place
        return super().claim("", resource, owned)

    def find(self, place: str, resource: str) -> Owned | None:
        del place
        return super().find("", resource)


class NeverReleases(MemoryOwnership):
    def release(self, place: str, resource: str) -> None:
        """Do nothing."""


class NeverSettles(MemoryOwnership):
    def settle(self, place: str, resource: str) -> None:
        """Do nothing."""


class ForgetsTheOrigin(MemoryOwnership):
    def find(self, place: str, resource: str) -> Owned | None:
        known = super().find(place, resource)
        return known and msgspec.structs.replace(known, origin="")


FAULTY = [LastClaimCounts, ForgetsThePlace, NeverReleases, NeverSettles, ForgetsTheOrigin]


def passes(store: type[MemoryOwnership]) -> bool:
    suite = OwnershipContract()
    for name in dir(suite):
        if name.startswith("test_"):
            arguments = {"name": "x"} if name == "test_any_name_is_a_name" else {}
            try:
                getattr(suite, name)(store(), **arguments)
            except AssertionError:
                return False
    return True


@pytest.mark.parametrize("faulty", FAULTY)
def test_a_store_with_a_fault_does_not_pass(faulty: type[MemoryOwnership]) -> None:
    assert passes(MemoryOwnership)
    assert not passes(faulty)
