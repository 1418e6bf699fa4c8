import pytest

from tollway.stores.response_state_memory import MemoryResponseStore
from tollway.testing.contracts.response_state import NewStore, ResponseStoreContract


class TestMemoryResponseStore(ResponseStoreContract):
    @pytest.fixture
    def new_store(self) -> NewStore:
        return MemoryResponseStore
