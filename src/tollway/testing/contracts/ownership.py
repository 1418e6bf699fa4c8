"""What every `Ownership` store must do. Inherit `OwnershipContract` and give `ownership`."""

# ruff: noqa: S101, D102 - a suite is made of assertions, and a test's name is its sentence

import msgspec
import pytest

from tollway.interfaces.ownership import Owned, Ownership

_MINE = Owned(owner="mine", claimed_us=1)
_THEIRS = Owned(owner="theirs", origin="batch_1", claimed_us=2)


class OwnershipContract:
    """Semantics of one handle; each call is atomic."""

    @pytest.fixture
    def ownership(self) -> Ownership:
        raise NotImplementedError

    def test_what_nobody_claimed_is_nobodys(self, ownership: Ownership) -> None:
        assert ownership.find("place", "file-1") is None

    def test_a_claim_is_found_as_it_was_made(self, ownership: Ownership) -> None:
        assert ownership.claim("place", "file-1", _THEIRS) == _THEIRS
        assert ownership.find("place", "file-1") == _THEIRS

    def test_the_first_claim_counts(self, ownership: Ownership) -> None:
        ownership.claim("place", "file-1", _MINE)
        assert ownership.claim("place", "file-1", _THEIRS) == _MINE
        assert ownership.find("place", "file-1") == _MINE

    def test_ids_are_those_of_one_place(self, ownership: Ownership) -> None:
        ownership.claim("here", "file-1", _MINE)
        ownership.claim("there", "file-1", _THEIRS)
        assert ownership.find("here", "file-1") == _MINE
        assert ownership.find("there", "file-1") == _THEIRS

    def test_what_is_settled_stays_so(self, ownership: Ownership) -> None:
        ownership.claim("place", "file-1", _THEIRS)
        ownership.settle("place", "file-1")
        ownership.claim("place", "file-1", _MINE)
        assert ownership.find("place", "file-1") == msgspec.structs.replace(_THEIRS, settled=True)

    def test_what_is_released_is_nobodys_again(self, ownership: Ownership) -> None:
        ownership.claim("place", "file-1", _MINE)
        ownership.release("place", "file-1")
        assert ownership.find("place", "file-1") is None

    def test_what_is_not_there_can_be_settled_and_released(self, ownership: Ownership) -> None:
        ownership.settle("place", "file-1")
        ownership.release("place", "file-1")
        assert ownership.find("place", "file-1") is None

    @pytest.mark.parametrize("name", ["", "a'b\"c", "ü\0", "x" * 500])
    def test_any_name_is_a_name(self, ownership: Ownership, name: str) -> None:
        ownership.claim(name, name, Owned(owner=name, origin=name, claimed_us=1 << 60))
        assert ownership.find(name, name) == Owned(owner=name, origin=name, claimed_us=1 << 60)
