"""The ledger in memory: the reference that every other ledger must agree with, and tests use."""

from collections.abc import Iterator, Mapping, Sequence

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ledger import Batch, ConflictingRecords, PositionMoved, Quarantined
from tollway.metering.rollups import Rollup, RollupKey, roll_up
from tollway.wire.spool_format import OwnMembers


class MemoryLedger:
    """A `Ledger` that lasts as long as its object. Rollups are summed anew each time they are asked for."""

    def __init__(self) -> None:
        self._records: dict[str, UsageRecord] = {}
        self._positions: dict[str, int] = {}
        self._quarantined: dict[tuple[str, int], Quarantined] = {}

    def position(self, file: str) -> int:
        """Tell how far a spool file was read."""
        return self._positions.get(file, 0)

    def positions(self) -> Mapping[str, int]:
        """Tell how far every known spool file was read."""
        return dict(self._positions)

    def add(self, batch: Batch) -> frozenset[str]:
        """Store the batch; see `Ledger.add`."""
        if batch.file and self.position(batch.file) != batch.start:
            raise PositionMoved(f"{batch.file} was read up to {self.position(batch.file)}, not {batch.start}")
        records = dict(self._records)
        again: set[str] = set()
        other: set[str] = set()
        for record in batch.records():
            held = records.setdefault(record.id, record)
            if held is not record:
                (again if held == record else other).add(record.id)
        if other:
            raise ConflictingRecords(frozenset(other))
        self._records = records
        self._quarantined |= {(note.file, note.offset): note for note in batch.quarantined}
        if batch.file:
            self._positions[batch.file] = batch.end
        return frozenset(again)

    def forget(self, files: Sequence[str]) -> None:
        """Drop the positions of spool files that are no more."""
        for file in files:
            self._positions.pop(file, None)

    def rollups(self, since_hour: int, until_hour: int) -> Iterator[Rollup]:
        """Sum the records of `since_hour <= hour < until_hour`, one by one."""
        rollups: dict[RollupKey, Rollup] = {}
        for record in self._records.values():
            own = OwnMembers(**{name: getattr(record, name) for name in OwnMembers.__struct_fields__})
            for rollup in roll_up([(record, [own])]):
                if since_hour <= rollup.key.hour < until_hour:
                    rollups.setdefault(rollup.key, Rollup(rollup.key)).merge(rollup)
        yield from rollups.values()

    def records(self) -> Iterator[UsageRecord]:
        """Read every record, by id."""
        for record_id in sorted(self._records):
            yield self._records[record_id]

    def record(self, record_id: str) -> UsageRecord | None:
        """Read one record."""
        return self._records.get(record_id)

    def quarantined(self) -> Sequence[Quarantined]:
        """Tell what was set aside."""
        return [self._quarantined[key] for key in sorted(self._quarantined)]

    def defects(self) -> Sequence[str]:
        """Find nothing: the rollups are made from the records."""
        return []

    def close(self) -> None:
        """Do nothing; there is nothing to give up."""
