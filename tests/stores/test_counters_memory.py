import pytest

from tollway.interfaces.counters import Counters
from tollway.stores.counters_memory import MemoryCounters
from tollway.testing.contracts.counters import CountersContract


class TestMemoryCounters(CountersContract):
    @pytest.fixture
    def counters(self) -> Counters:
        return MemoryCounters()
