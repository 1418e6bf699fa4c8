import pytest

from tollway.interfaces.ownership import Ownership
from tollway.stores.ownership_memory import MemoryOwnership
from tollway.testing.contracts.ownership import OwnershipContract


class TestMemoryOwnership(OwnershipContract):
    @pytest.fixture
    def ownership(self) -> Ownership:
        return MemoryOwnership()
