import pytest

from tollway.stores.ledger_memory import MemoryLedger
from tollway.testing.contracts.ledger import LedgerContract, NewLedger


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def new_ledger(self) -> NewLedger:
        return MemoryLedger
