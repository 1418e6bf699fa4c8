"""A suite that cannot fail proves nothing: stores with one fault each must not pass it."""

from collections.abc import Sequence

import pytest

from tollway.interfaces.counters import Admission, Window
from tollway.stores.counters_memory import MemoryCounters
from tollway.testing.contracts.counters import CountersContract


class AdmitsAll(MemoryCounters):
    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        endless = [Window(w.key, w.length_us, 1 << 60, w.reserve, w.aligned) for w in windows]
        return super().admit(endless, now_us)


class ReservesInEach(MemoryCounters):
    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        admissions = [super(ReservesInEach, self).admit([window], now_us) for window in windows]
        refused = [index for index, admission in enumerate(admissions) if not admission.admitted]
        states = tuple(admission.states[0] for admission in admissions)
        return Admission(not refused, states, refused[0] if refused else -1)


class SettlesLate(MemoryCounters):
    def settle(self, corrections: Sequence[tuple[bytes, int, int]], now_us: int) -> tuple[int, ...]:
        return super().settle(corrections, min((start_us for _, start_us, _ in corrections), default=now_us))


class NeverForgets(MemoryCounters):
    def _sweep(self, now_us: int) -> None:
        del now_us


class NeverAligns(MemoryCounters):
    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        return super().admit([Window(w.key, w.length_us, w.limit, w.reserve) for w in windows], now_us)


class CutsKeys(MemoryCounters):
    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        cut = [Window(w.key[:511], w.length_us, w.limit, w.reserve, w.aligned) for w in windows]
        return super().admit(cut, now_us)


@pytest.mark.parametrize(
    ("store", "caught_by"),
    [
        (AdmitsAll, "test_every_interleaving_counts_exactly"),
        (ReservesInEach, "test_every_interleaving_counts_exactly"),
        (SettlesLate, "test_settling_a_window_that_ended_changes_nothing"),
        (NeverForgets, "test_ended_windows_are_swept_away"),
        (NeverAligns, "test_an_aligned_window_starts_at_a_multiple_of_its_length"),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_store_with_a_fault_does_not_pass(store: type[MemoryCounters], caught_by: str):
    with pytest.raises(AssertionError):
        getattr(CountersContract(), caught_by)(store())


def test_a_store_that_cuts_keys_does_not_pass():
    with pytest.raises(AssertionError):
        CountersContract().test_keys_of_any_length_stay_apart(CutsKeys(), (b"k" * 511, b"k" * 512))
