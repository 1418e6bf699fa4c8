"""A suite that cannot fail proves nothing: stores with one fault each must not pass it."""

from collections.abc import Sequence

import msgspec
import pytest

from tollway.interfaces.counters import NO_LIMIT, Admission, Amounts, Window
from tollway.stores.counters_memory import MemoryCounters
from tollway.testing.contracts.counters import CountersContract


class AdmitsAll(MemoryCounters):
    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        endless = [msgspec.structs.replace(window, limits=(NO_LIMIT,) * 3) for window in windows]
        return super().admit(endless, reserve, now_us)


class ReservesInEach(MemoryCounters):
    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        admissions = [super(ReservesInEach, self).admit([window], reserve, now_us) for window in windows]
        refused = [index for index, admission in enumerate(admissions) if not admission.admitted]
        starts = tuple(admission.starts[0] for admission in admissions)
        used = tuple(admission.used[0] for admission in admissions)
        return Admission(not refused, starts, used, refused[0] if refused else -1, 0 if refused else -1)


class LimitsTheFirstAmountOnly(MemoryCounters):
    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        cut = [msgspec.structs.replace(w, limits=(w.limits[0], NO_LIMIT, NO_LIMIT)) for w in windows]
        return super().admit(cut, reserve, now_us)


class SettlesLate(MemoryCounters):
    def settle(
        self, windows: Sequence[Window], starts: Sequence[int], correction: Amounts, now_us: int
    ) -> tuple[Amounts, ...]:
        return super().settle(windows, starts, correction, min(starts, default=now_us))


class NeverForgets(MemoryCounters):
    def _sweep(self, now_us: int) -> None:
        del now_us


class NeverAligns(MemoryCounters):
    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        return super().admit([msgspec.structs.replace(w, aligned=False) for w in windows], reserve, now_us)


class CutsKeys(MemoryCounters):
    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        return super().admit([msgspec.structs.replace(w, key=w.key[:511]) for w in windows], reserve, now_us)


@pytest.mark.parametrize(
    ("store", "caught_by"),
    [
        (AdmitsAll, "test_a_limit_of_zero_admits_nobody"),
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


def test_a_store_that_limits_the_first_amount_only_does_not_pass():
    with pytest.raises(AssertionError):
        CountersContract().test_each_amount_has_a_limit_of_its_own(LimitsTheFirstAmountOnly(), 2)


def test_a_store_that_cuts_keys_does_not_pass():
    with pytest.raises(AssertionError):
        CountersContract().test_keys_of_any_length_stay_apart(CutsKeys(), (b"k" * 511, b"k" * 512))
