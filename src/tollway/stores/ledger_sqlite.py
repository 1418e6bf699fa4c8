"""The ledger in SQLite: one file, one writer at a time, any number of readers.

Rules of this file:
- A commit is durable when `add` returns (WAL, synchronous=FULL); one commit a batch is what makes that cheap.
- A record is stored as the spool wrote it, in two halves: its context, which few hundred records share, once, and
  its own members. No column is bound that nothing searches by; the view `usage_record` gives every member its name.
- The record table is its own index: ids sort by time, so rows are added at its end.
- The schema is that of `ledger_schema.py`; a newer one is refused.
"""

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, Literal

import msgspec

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.histogram import decode_histogram
from tollway.metering.ledger import Batch, ConflictingRecords, LedgerUnavailable, PositionMoved, Quarantined
from tollway.metering.rollups import LEAVES, Rollup, RollupKey, roll_up
from tollway.stores.ledger_schema import MIGRATIONS, usage_record_view
from tollway.stores.sqlite_files import write_ahead
from tollway.wire.spool_format import decode_context, decode_line, decode_own, join_halves

LEDGER_FILE: Final = "ledger.sqlite3"
"""Of the data directory."""

_APPLICATION_ID: Final = 0x546F_6C6C  # "Toll": tells this file from any other SQLite database
_CACHED_CONTEXTS: Final = 16_384

_KEY: Final = RollupKey.__struct_fields__
_COUNTS: Final = ("attempts", "calls", "estimated", "anomalous")
_HISTOGRAMS: Final = ("upstream_us", "time_to_first_byte_us", "overhead_us")
_ROLLUP_COLUMNS: Final = (*_KEY, *_COUNTS, *LEAVES, *_HISTOGRAMS)

_ADD_ROLLUP: Final = (
    f"INSERT INTO rollup ({', '.join(_ROLLUP_COLUMNS)}) "  # noqa: S608 - the names of our own types
    f"VALUES ({', '.join('?' * len(_ROLLUP_COLUMNS))}) "
    f"ON CONFLICT ({', '.join(_KEY)}) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in (*_COUNTS, *LEAVES))
    + "".join(f", {name} = merged({name}, excluded.{name})" for name in _HISTOGRAMS)
)
_key_of: Final = attrgetter(*_KEY)
_counts_of: Final = attrgetter(*_COUNTS)


class SqliteLedger:
    """A `Ledger` in one file. Use one object from one thread at a time."""

    def __init__(self, path: Path, *, busy_seconds: float = 10.0) -> None:
        """Open the ledger at `path`, made or brought to this version's schema as needed.

        Args:
            path: the file; its directory is made, for this user alone.
            busy_seconds: how long to wait for another process that writes.

        Raises:
            LedgerUnavailable: it cannot be opened, is no ledger, or was written by a newer Tollway.
        """
        self._path = path
        self._contexts: dict[bytes, int] = {}
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=busy_seconds, check_same_thread=False)
        try:
            with self._errors():
                self._prepare(busy_seconds)
        except LedgerUnavailable:
            self._db.close()
            raise

    def position(self, file: str) -> int:
        """Tell how far a spool file was read."""
        with self._errors():
            return self._position(file)

    def positions(self) -> Mapping[str, int]:
        """Tell how far every known spool file was read."""
        with self._errors():
            return dict(self._db.execute("SELECT name, position FROM spool_file").fetchall())

    def add(self, batch: Batch) -> frozenset[str]:
        """Store the batch; see `Ledger.add`."""
        with self._errors(), self._transaction():
            if batch.file:
                position = self._position(batch.file)
                if position != batch.start:
                    raise PositionMoved(f"{batch.file} was read up to {position}, not {batch.start}")
                self._db.execute("INSERT OR REPLACE INTO spool_file VALUES (?, ?)", (batch.file, batch.end))
            self._db.executemany(
                "INSERT OR REPLACE INTO quarantined VALUES (?, ?, ?, ?)",
                [msgspec.structs.astuple(note) for note in batch.quarantined],
            )
            duplicates: frozenset[str] = frozenset()
            try:
                self._db.execute("SAVEPOINT records")
                self._insert(batch)
            except sqlite3.IntegrityError:
                self._db.execute("ROLLBACK TO records")
                duplicates, batch = self._without_held(batch)
                self._insert(batch)
            self._add_rollups(batch)
        return duplicates

    def forget(self, files: Sequence[str]) -> None:
        """Drop the positions of spool files that are no more."""
        with self._errors(), self._transaction():
            self._db.executemany("DELETE FROM spool_file WHERE name = ?", [(name,) for name in files])

    def rollups(self, since_hour: int, until_hour: int) -> Iterator[Rollup]:
        """Read the rollups of `since_hour <= hour < until_hour`."""
        with self._errors():
            rows = self._db.execute(
                f"SELECT {', '.join(_ROLLUP_COLUMNS)} FROM rollup WHERE hour >= ? AND hour < ?",  # noqa: S608 - names
                (since_hour, until_hour),
            )
            for row in rows:
                yield _rollup(row)

    def records(self) -> Iterator[UsageRecord]:
        """Read every record, by id."""
        with self._errors():
            rows = self._db.execute(
                "SELECT members, own FROM record JOIN context ON number = context ORDER BY record.id"
            )
            for context, own in rows:
                yield decode_line(join_halves(context, own))

    def record(self, record_id: str) -> UsageRecord | None:
        """Read one record."""
        with self._errors():
            line = self._line(record_id)
        return None if line is None else decode_line(line)

    def quarantined(self) -> Sequence[Quarantined]:
        """Tell what was set aside."""
        with self._errors():
            rows = self._db.execute("SELECT file, offset, size, reason FROM quarantined ORDER BY file, offset")
            return [Quarantined(*row) for row in rows]

    def defects(self) -> Sequence[str]:
        """Check the file's structure, and that rollups are the sum of records."""
        with self._errors():
            found = [str(row[0]) for row in self._db.execute("PRAGMA integrity_check") if row[0] != "ok"]
            orphans = self._db.execute(
                "SELECT count(*) FROM record WHERE context NOT IN (SELECT number FROM context)"
            ).fetchone()[0]
            if orphans:
                found.append(f"{orphans} records have no context")
            return found + self._rollup_defects()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # ── opening

    def _prepare(self, busy_seconds: float) -> None:
        db = self._db
        db.execute("PRAGMA page_size = 16384")  # before the file has one: a record takes half a kilobyte
        write_ahead(db, busy_seconds)
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA cache_size = -16384")
        db.execute("PRAGMA wal_autocheckpoint = 1024")
        db.create_function("merged", 2, _merged, deterministic=True)
        with self._transaction("DEFERRED"):  # one look: another process may be making the file
            if self._schema() == len(MIGRATIONS) and self._view() == usage_record_view():
                return
        with self._transaction():
            schema = self._schema()  # again: another process may have been quicker
            for script in MIGRATIONS[schema:]:
                for statement in script.split(";"):
                    db.execute(statement)
            db.execute("DROP VIEW IF EXISTS usage_record")
            db.execute(usage_record_view())
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")

    def _view(self) -> str | None:
        row = self._db.execute("SELECT sql FROM sqlite_schema WHERE name = 'usage_record'").fetchone()
        return None if row is None else str(row[0])

    def _schema(self) -> int:
        application = int(self._db.execute("PRAGMA application_id").fetchone()[0])
        schema = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        empty = self._db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0
        if application != _APPLICATION_ID and not (empty and application == 0 and schema == 0):
            raise LedgerUnavailable(f"{self._path} is a database, but no Tollway ledger")
        if schema > len(MIGRATIONS):
            raise LedgerUnavailable(f"{self._path} was written by a newer Tollway (schema {schema}); upgrade first")
        return schema

    # ── adding

    def _position(self, file: str) -> int:
        row = self._db.execute("SELECT position FROM spool_file WHERE name = ?", (file,)).fetchone()
        return 0 if row is None else int(row[0])

    def _insert(self, batch: Batch) -> None:
        rows: list[tuple[str, int, bytes]] = []
        for context, group in batch.groups.items():
            number = self._context(context)
            rows += [(own.id, number, members) for own, members in zip(group.own, group.objects, strict=True)]
        rows.sort()
        self._db.executemany("INSERT INTO record VALUES (?, ?, ?)", rows)

    def _context(self, members: bytes) -> int:
        number = self._contexts.get(members)
        if number is None:
            self._db.execute("INSERT OR IGNORE INTO context (members) VALUES (?)", (members,))
            row = self._db.execute("SELECT number FROM context WHERE members = ?", (members,)).fetchone()
            number = int(row[0])
            if len(self._contexts) >= _CACHED_CONTEXTS:
                self._contexts.clear()
            self._contexts[members] = number
        return number

    def _without_held(self, batch: Batch) -> tuple[frozenset[str], Batch]:
        """Find which records are held or come twice, and which only share an id with another."""
        self._contexts.clear()  # it may name contexts that the rollback took back
        lines: dict[str, bytes] = {}
        again: set[str] = set()
        other: set[str] = set()
        for record_id, line in batch.lines():
            held = lines.get(record_id) or self._line(record_id)
            if held is None:
                lines[record_id] = line
            elif held == line or decode_line(held) == decode_line(line):
                again.add(record_id)
            else:
                other.add(record_id)
        if other:
            raise ConflictingRecords(frozenset(other))
        rest = batch.without(frozenset(again))
        rest.add_lines(lines[record_id] for record_id in again & lines.keys())  # came twice, and is not held
        return frozenset(again), rest

    def _line(self, record_id: str) -> bytes | None:
        row = self._db.execute(
            "SELECT members, own FROM record JOIN context ON number = context WHERE record.id = ?", (record_id,)
        ).fetchone()
        return None if row is None else join_halves(row[0], row[1])

    def _add_rollups(self, batch: Batch) -> None:
        rollups = roll_up((group.context, group.own) for group in batch.groups.values())
        self._db.executemany(_ADD_ROLLUP, [_row(rollup) for rollup in rollups])

    # ── checking

    def _rollup_defects(self) -> list[str]:
        counted: dict[RollupKey, Rollup] = {}
        contexts = {
            number: decode_context(members)
            for number, members in self._db.execute("SELECT number, members FROM context").fetchall()
        }
        for number, own in self._db.execute("SELECT number, own FROM record JOIN context ON number = context"):
            for rollup in roll_up([(contexts[number], [decode_own(own)])]):
                counted.setdefault(rollup.key, Rollup(rollup.key)).merge(rollup)
        stored = {rollup.key: rollup for rollup in self.rollups(0, 1 << 62)}
        wrong = sorted(
            (key for key in counted.keys() | stored.keys() if counted.get(key) != stored.get(key)), key=_key_of
        )
        return [f"the rollup {key} is not the sum of its records" for key in wrong]

    # ── the boundary

    @contextmanager
    def _transaction(self, kind: Literal["IMMEDIATE", "DEFERRED"] = "IMMEDIATE") -> Generator[None]:
        self._db.execute(f"BEGIN {kind}")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            self._contexts.clear()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise LedgerUnavailable(f"the ledger {self._path} cannot be used: {error}") from error


def _row(rollup: Rollup) -> tuple[object, ...]:
    return (
        *_key_of(rollup.key),
        *_counts_of(rollup),
        *rollup.leaves,
        rollup.upstream_us.encode(),
        rollup.time_to_first_byte_us.encode(),
        rollup.overhead_us.encode(),
    )


def _rollup(row: tuple[Any, ...]) -> Rollup:
    key = msgspec.convert(dict(zip(_KEY, row, strict=False)), RollupKey)
    attempts, calls, estimated, anomalous = row[len(_KEY) : len(_KEY) + len(_COUNTS)]
    histograms = [decode_histogram(data) for data in row[-len(_HISTOGRAMS) :]]
    leaves = row[len(_KEY) + len(_COUNTS) : -len(_HISTOGRAMS)]
    return Rollup(key, attempts, calls, estimated, anomalous, leaves, *histograms)


def _merged(mine: bytes, other: bytes) -> bytes:
    histogram = decode_histogram(mine)
    histogram.merge(decode_histogram(other))
    return histogram.encode()
