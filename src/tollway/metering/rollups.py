"""Hourly rollups: what reports and dashboards read in place of the records.

A rollup holds sums and histograms of the records that share an hour and seven other dimensions. It is kept in the
same transaction as the records it counts, so at every moment it is exactly their sum.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from tollway.core.usage import Usage
from tollway.interfaces.usage_record import Outcome, UsageRecord
from tollway.metering.histogram import Histogram
from tollway.wire.spool_format import OwnMembers

HOUR_US: Final = 3_600_000_000

LEAVES: Final = Usage.__struct_fields__[: Usage.__struct_fields__.index("provider_total")]
"""The disjoint counts of `Usage`, in its order."""

_SOURCE: Final = Usage.__struct_fields__.index("source")
_ANOMALY: Final = Usage.__struct_fields__.index("anomaly")


class RollupKey(msgspec.Struct, frozen=True, gc=False):
    """What the records of one rollup have in common."""

    hour: int
    """Whole hours since the epoch, UTC, at the caller's request."""
    business_group: str
    client_id: str
    client_name: str
    model: str
    """The served model; the targeted one where the provider did not say; empty when none was called."""
    provider: str
    proxy: str
    outcome: Outcome


class Rollup(msgspec.Struct):
    """Sums of the records of one key."""

    key: RollupKey
    attempts: int = 0
    calls: int = 0
    """Attempts that were their call's last; a refused call counts as one."""
    estimated: int = 0
    """Attempts whose tokens the gateway guessed, because the provider never said."""
    anomalous: int = 0
    """Attempts whose provider contradicted itself."""
    leaves: tuple[int, ...] = (0,) * len(LEAVES)
    upstream_us: Histogram = msgspec.field(default_factory=Histogram)
    time_to_first_byte_us: Histogram = msgspec.field(default_factory=Histogram)
    overhead_us: Histogram = msgspec.field(default_factory=Histogram)

    @property
    def usage(self) -> Usage:
        """The sums of the leaves as one usage."""
        return msgspec.convert(dict(zip(LEAVES, self.leaves, strict=True)), Usage)

    def observe(self, records: Sequence[OwnMembers], *, final: bool) -> None:
        """Count records that share this rollup's key and are all their call's last, or all not."""
        columns = tuple(zip(*[msgspec.structs.astuple(record.usage) for record in records], strict=True))
        self.attempts += len(records)
        self.calls += len(records) if final else 0
        self.estimated += columns[_SOURCE].count("estimated")
        self.anomalous += len(records) - columns[_ANOMALY].count("")
        self.leaves = tuple([have + sum(more) for have, more in zip(self.leaves, columns, strict=False)])
        self.upstream_us.observe([record.upstream_us for record in records])
        self.time_to_first_byte_us.observe([record.time_to_first_byte_us for record in records])
        self.overhead_us.observe([record.overhead_us for record in records])

    def merge(self, other: "Rollup") -> None:
        """Add the sums of another rollup, whatever its key."""
        self.attempts += other.attempts
        self.calls += other.calls
        self.estimated += other.estimated
        self.anomalous += other.anomalous
        self.leaves = tuple([mine + its for mine, its in zip(self.leaves, other.leaves, strict=True)])
        self.upstream_us.merge(other.upstream_us)
        self.time_to_first_byte_us.merge(other.time_to_first_byte_us)
        self.overhead_us.merge(other.overhead_us)


def roll_up(groups: Iterable[tuple[UsageRecord, Sequence[OwnMembers]]]) -> list[Rollup]:
    """Sum records, given by context: each context as a record, with the own members of those that share it."""
    rollups: dict[RollupKey, Rollup] = {}
    for context, records in groups:
        for hour, within in _by_hour(records):
            key = rollup_key(context, hour)
            rollup = rollups.get(key)
            if rollup is None:
                rollup = rollups[key] = Rollup(key)
            rollup.observe(within, final=context.final)
    return list(rollups.values())


def rollup_key(context: UsageRecord, hour: int) -> RollupKey:
    """Name the rollup that counts records of this context in that hour."""
    return RollupKey(
        hour=hour,
        business_group=context.business_group,
        client_id=context.client_id,
        client_name=context.client_name,
        model=context.served_model or context.target_model,
        provider=context.provider,
        proxy=context.proxy,
        outcome=context.outcome,
    )


def _by_hour(records: Sequence[OwnMembers]) -> Iterator[tuple[int, Sequence[OwnMembers]]]:
    starts = [record.started_us for record in records]
    first = min(starts) // HOUR_US
    if first == max(starts) // HOUR_US:  # nearly always: a batch spans less than a second
        yield first, records
        return
    hours = [start // HOUR_US for start in starts]
    for hour in sorted(set(hours)):
        yield hour, [record for record, its in zip(records, hours, strict=True) if its == hour]
