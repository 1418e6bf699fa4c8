"""What every `Ledger` must do.

Inherit `LedgerContract` and give `new_ledger`; inherit `LastingLedgerContract` too for a ledger that outlives its
process, and give `open_ledger`.
"""

# ruff: noqa: S101, D102 - a suite is made of assertions, and a test's name is its sentence

from collections.abc import Callable, Iterable, Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ledger import ConflictingRecords, Ledger, PositionMoved, Quarantined, batch_of
from tollway.metering.rollups import Rollup, RollupKey, roll_up
from tollway.testing.usage_records import START_US, usage_record, usage_records
from tollway.wire.spool_format import OwnMembers

ALWAYS = (0, 1 << 50)
"""A range of hours that leaves none out."""

NewLedger = Callable[[], Ledger]


def sums_of(records: Iterable[UsageRecord]) -> dict[RollupKey, Rollup]:
    """Sum records one by one."""
    sums: dict[RollupKey, Rollup] = {}
    for record in records:
        own = OwnMembers(**{name: getattr(record, name) for name in OwnMembers.__struct_fields__})
        for rollup in roll_up([(record, [own])]):
            sums.setdefault(rollup.key, Rollup(rollup.key)).merge(rollup)
    return sums


def holds_exactly(ledger: Ledger, records: Iterable[UsageRecord]) -> bool:
    """Tell whether the ledger holds these records, their sums, and nothing else."""
    expected = {record.id: record for record in records}
    rollups = list(ledger.rollups(*ALWAYS))
    return (
        list(ledger.records()) == [expected[record_id] for record_id in sorted(expected)]
        and len({rollup.key for rollup in rollups}) == len(rollups)
        and {rollup.key: rollup for rollup in rollups} == sums_of(expected.values())
        and list(ledger.defects()) == []
    )


class LedgerContract:
    """Properties of one ledger."""

    @pytest.fixture
    def new_ledger(self) -> NewLedger:
        """Give what makes an empty ledger."""
        raise NotImplementedError

    @pytest.fixture
    def ledger(self, new_ledger: NewLedger) -> Ledger:
        return new_ledger()

    def test_an_empty_ledger_holds_nothing(self, ledger: Ledger) -> None:
        assert holds_exactly(ledger, [])
        assert ledger.positions() == {}
        assert ledger.position("a.jsonl") == 0
        assert ledger.record("nobody") is None

    def test_a_record_comes_back_with_every_member(self, ledger: Ledger) -> None:
        full = UsageRecord(
            id="id",
            call_id="call",
            correlation_id="correlation",
            trace_id="0af7651916cd43dd8448eb211c80319c",
            parent_span_id="b7ad6b7169203331",
            started_us=START_US,
            shadow=("one", 'two",with"odd\\signs'),
            losses=("logit_bias",),
            usage=Usage(input_fresh=1, cache_read=2, output_text=3, source="estimated", anomaly="why"),
            requested_model='odd ",\\ \u2028 \n é model',
        )
        assert ledger.add(batch_of([full])) == frozenset()
        assert ledger.record("id") == full

    def test_the_same_record_again_changes_nothing(self, ledger: Ledger) -> None:
        records = usage_records(20)
        ledger.add(batch_of(records))
        assert ledger.add(batch_of(records[5:] + usage_records(3, seed=1))) == {record.id for record in records[5:]}
        assert holds_exactly(ledger, records + usage_records(3, seed=1))

    def test_a_record_that_comes_twice_in_a_batch_is_held_once(self, ledger: Ledger) -> None:
        records = usage_records(5)
        assert ledger.add(batch_of([*records, records[2], records[2]])) == {records[2].id}
        assert holds_exactly(ledger, records)

    @pytest.mark.parametrize("within_a_batch", [True, False], ids=["same batch", "later batch"])
    def test_another_record_of_a_held_id_is_refused_with_its_whole_batch(
        self, ledger: Ledger, *, within_a_batch: bool
    ) -> None:
        first, second, *more = usage_records(6)
        impostor = replace(second, id=first.id)
        batch = [impostor, *more]
        if within_a_batch:
            batch = [first, *batch]
        else:
            ledger.add(batch_of([first]))
        with pytest.raises(ConflictingRecords) as refused:
            ledger.add(batch_of(batch, file="a.jsonl", start=0, end=10))
        assert refused.value.ids == {first.id}
        assert holds_exactly(ledger, [] if within_a_batch else [first])
        assert ledger.position("a.jsonl") == 0

    def test_the_position_moves_with_the_records(self, ledger: Ledger) -> None:
        one, two, three = usage_records(3)
        ledger.add(batch_of([one], file="a.jsonl", start=0, end=100))
        ledger.add(batch_of([two], file="b.jsonl", start=0, end=50))
        ledger.add(batch_of([three], file="a.jsonl", start=100, end=230))
        assert ledger.positions() == {"a.jsonl": 230, "b.jsonl": 50}
        assert ledger.position("a.jsonl") == 230

    @pytest.mark.parametrize("start", [0, 99, 101], ids=["from the start", "a byte before", "a byte after"])
    def test_a_batch_that_does_not_start_at_the_position_is_refused(self, ledger: Ledger, start: int) -> None:
        one, two = usage_records(2)
        ledger.add(batch_of([one], file="a.jsonl", start=0, end=100))
        with pytest.raises(PositionMoved, match="read up to 100"):
            ledger.add(batch_of([two], file="a.jsonl", start=start, end=200))
        assert holds_exactly(ledger, [one])
        assert ledger.position("a.jsonl") == 100

    def test_a_forgotten_file_starts_anew(self, ledger: Ledger) -> None:
        ledger.add(batch_of(usage_records(1), file="a.jsonl", start=0, end=100))
        ledger.forget(["a.jsonl", "never-seen.jsonl"])
        assert ledger.positions() == {}
        assert holds_exactly(ledger, usage_records(1))

    def test_what_was_set_aside_is_noted_once_with_its_place(self, ledger: Ledger) -> None:
        note = Quarantined("a.jsonl", 17, 4, "no record")
        batch = batch_of([], file="a.jsonl", start=0, end=100)
        batch.quarantined.append(note)
        ledger.add(batch)
        ledger.forget(["a.jsonl"])
        ledger.add(batch)
        assert list(ledger.quarantined()) == [note]

    def test_rollups_are_given_for_the_hours_asked(self, ledger: Ledger) -> None:
        records = usage_records(60, hours=4)
        ledger.add(batch_of(records))
        first = START_US // 3_600_000_000
        keys = {rollup.key for rollup in ledger.rollups(first + 1, first + 3)}
        assert keys == {key for key in sums_of(records) if first + 1 <= key.hour < first + 3}
        assert keys

    # One suite, several ledgers: hypothesis sees one function run by several classes, which is the point.
    @settings(
        deadline=None,
        max_examples=30,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
    )
    @given(
        deliveries=st.lists(st.lists(st.integers(0, 25), max_size=12), max_size=8),
        seed=st.integers(0, 3),
    )
    def test_sums_are_those_of_the_records_whatever_the_order_and_repetition(
        self, new_ledger: NewLedger, deliveries: Sequence[Sequence[int]], seed: int
    ) -> None:
        ledger = new_ledger()
        for numbers in deliveries:
            ledger.add(batch_of([usage_record(number, seed=seed) for number in numbers]))
        delivered = {number for numbers in deliveries for number in numbers}
        assert holds_exactly(ledger, [usage_record(number, seed=seed) for number in delivered])
        ledger.close()


class LastingLedgerContract:
    """Properties of a ledger that outlives its process; the fixture opens the same one each time."""

    @pytest.fixture
    def open_ledger(self) -> NewLedger:
        """Give what opens the one ledger of this test."""
        raise NotImplementedError

    def test_what_was_added_is_there_after_opening_again(self, open_ledger: NewLedger) -> None:
        records = usage_records(30)
        ledger = open_ledger()
        ledger.add(batch_of(records[:20], file="a.jsonl", start=0, end=7))
        ledger.close()
        again = open_ledger()
        assert again.position("a.jsonl") == 7
        again.add(batch_of(records[10:]))
        again.close()
        last = open_ledger()
        assert holds_exactly(last, records)
        last.close()

    def test_what_one_adds_another_sees(self, open_ledger: NewLedger) -> None:
        one, other = open_ledger(), open_ledger()
        records = usage_records(12)
        one.add(batch_of(records[:6], file="a.jsonl", start=0, end=7))
        with pytest.raises(PositionMoved):
            other.add(batch_of(records[:6], file="a.jsonl", start=0, end=7))
        other.add(batch_of(records[6:], file="a.jsonl", start=7, end=9))
        assert one.position("a.jsonl") == 9
        assert holds_exactly(one, records)
        assert holds_exactly(other, records)
        one.close()
        other.close()
