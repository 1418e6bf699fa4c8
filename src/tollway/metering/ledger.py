"""The ledger's seam: every usage record once, with its rollups and how far each spool file was read.

Rules of this file:
- A batch is stored whole or not at all: records, rollups, position and quarantine notes together.
- A record's id decides whether it is held already. The same record again changes nothing; another record under an
  id that is held is refused, and the whole batch with it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

import msgspec

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.rollups import Rollup
from tollway.wire.spool_format import (
    OwnMembers,
    decode_context,
    decode_line,
    decode_own,
    encode_line,
    join_halves,
    split_line,
)


class LedgerUnavailable(Exception):
    """The ledger cannot be read or written now; nothing was changed."""


class PositionMoved(LedgerUnavailable):
    """Somebody else has read this part of the spool file meanwhile; nothing was changed."""


class ConflictingRecords(Exception):
    """The batch holds other records under ids that are taken; nothing was changed."""

    def __init__(self, ids: frozenset[str]) -> None:
        super().__init__(f"{len(ids)} usage records have ids that other records have: {', '.join(sorted(ids)[:3])}")
        self.ids = ids


class Quarantined(msgspec.Struct, frozen=True):
    """Bytes of a spool file that are no usage record, set aside in a file of their own."""

    file: str
    offset: int
    size: int
    reason: str


class Group(msgspec.Struct):
    """Records that share a context.

    Two lists of one length, because a pair a record would cost half as much as reading it.
    """

    context: UsageRecord
    """As a record whose own members are empty."""
    own: list[OwnMembers] = []
    """Each record's own members, as far as the ledger sums and sorts by them."""
    objects: list[bytes] = []
    """Each record's own members, all of them, as a JSON object."""


class Batch(msgspec.Struct):
    """A stretch of a spool file."""

    file: str = ""
    """The file's name; empty when the records come from no file."""
    start: int = 0
    end: int = 0
    """Where reading goes on."""
    groups: dict[bytes, Group] = {}
    """By the context's JSON object."""
    quarantined: list[Quarantined] = []

    def add_lines(self, lines: Iterable[bytes]) -> None:
        """Take lines, without their line feeds; empty ones are passed over.

        Raises:
            msgspec.DecodeError: one is no usage record; those before it are in the batch.
        """
        groups = self.groups
        hint = 0
        for line in lines:
            if not line:
                continue
            context, own = split_line(line, hint)
            members = decode_own(own)
            group = groups.get(context)
            if group is None:
                group = groups[context] = Group(decode_context(context))
                hint = min(map(len, groups)) - 1
            group.own.append(members)
            group.objects.append(own)

    def without(self, ids: frozenset[str]) -> "Batch":
        """Make the same batch without these records."""
        batch = Batch(self.file, self.start, self.end, quarantined=self.quarantined)
        for context, group in self.groups.items():
            for own, members in zip(group.own, group.objects, strict=True):
                if own.id not in ids:
                    kept = batch.groups.setdefault(context, Group(group.context))
                    kept.own.append(own)
                    kept.objects.append(members)
        return batch

    def lines(self) -> Iterator[tuple[str, bytes]]:
        """Give each record's id and its line, without line feed, in no order that means anything."""
        for context, group in self.groups.items():
            for own, members in zip(group.own, group.objects, strict=True):
                yield own.id, join_halves(context, members)

    def records(self) -> Iterator[UsageRecord]:
        """Read the records, in no order that means anything."""
        for _, line in self.lines():
            yield decode_line(line)

    def __len__(self) -> int:
        return sum(len(group.own) for group in self.groups.values())


def batch_of(records: Iterable[UsageRecord], *, file: str = "", start: int = 0, end: int = 0) -> Batch:
    """Make a batch of records that are values already."""
    batch = Batch(file, start, end)
    batch.add_lines(encode_line(record)[:-1] for record in records)
    return batch


class Ledger(Protocol):
    """Where usage records are kept. One process writes at a time; any number read."""

    def position(self, file: str) -> int:
        """Tell how far a spool file was read; 0 when it is not known."""
        ...

    def positions(self) -> Mapping[str, int]:
        """Tell how far every known spool file was read."""
        ...

    def add(self, batch: Batch) -> frozenset[str]:
        """Store the batch; when it returns, a power failure does not lose it.

        Returns the ids that were held already, or came twice; they are counted once.

        Raises:
            ConflictingRecords: other records are held under some of the ids.
            PositionMoved: the file was not read up to `batch.start`, but to somewhere else.
            LedgerUnavailable: it could not be stored.
        """
        ...

    def forget(self, files: Sequence[str]) -> None:
        """Drop the positions of spool files that are no more."""
        ...

    def rollups(self, since_hour: int, until_hour: int) -> Iterator[Rollup]:
        """Read the rollups of `since_hour <= hour < until_hour`, each key once, in no order that means anything."""
        ...

    def records(self) -> Iterator[UsageRecord]:
        """Read every record, by id."""
        ...

    def record(self, record_id: str) -> UsageRecord | None:
        """Read one record; None when it is not held."""
        ...

    def quarantined(self) -> Sequence[Quarantined]:
        """Tell what was set aside, by file and offset."""
        ...

    def defects(self) -> Sequence[str]:
        """Check the whole ledger: its storage, and that rollups are the sum of records. Slow.

        Returns a sentence a defect.
        """
        ...

    def close(self) -> None:
        """Give up what it holds."""
        ...
