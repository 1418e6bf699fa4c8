"""Moves usage records from the spool's files into the ledger.

Rules of this file:
- How far a file was read is stored with the records that were read, so a crash at any point repeats nothing.
- The end of a file without a line feed waits while its writer lives. Once the writer is gone, it is read as it is.
- What is no usage record is set aside in `quarantine/`, counted, and reading goes on behind it.
- A file is deleted only when its writer is gone and the ledger holds all of it.
- Who ingests holds the lock of `ingest.lock`; even without it nothing is counted twice, only tried in vain.
"""

import fcntl
import os
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import msgspec

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ledger import Batch, ConflictingRecords, Ledger, PositionMoved, Quarantined
from tollway.wire.spool_format import MAX_LINE_BYTES, QUARANTINE_DIRECTORY, SPOOL_SUFFIX

LOCK_FILE: Final = "ingest.lock"

# RecursionError: JSON nested deeper than the reader goes. UnicodeDecodeError: bytes that are no text.
_NO_RECORD = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Ingested(msgspec.Struct):
    """What one pass found."""

    added: int = 0
    duplicates: int = 0
    quarantined: int = 0
    waiting_bytes: int = 0
    """Bytes behind the last whole line of files that are still written."""


class Ingest:
    """Reads one spool directory into one ledger."""

    def __init__(
        self,
        directory: Path,
        ledger: Ledger,
        *,
        chunk_bytes: int = 1 << 21,
        on_records: Callable[[Sequence[UsageRecord]], None] | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            directory: the spool's.
            ledger: takes the records.
            chunk_bytes: how much is read and stored at once.
            on_records: told the records that are new to the ledger, once they are stored.
        """
        self._directory = directory
        self._ledger = ledger
        self._chunk_bytes = chunk_bytes
        self._on_records = on_records

    def run_once(self) -> Ingested:
        """Read everything that is there now.

        Raises:
            LedgerUnavailable: the ledger does not take records now.
            OSError: a file cannot be read, or not be set aside.
        """
        done = Ingested()
        for path in spool_files(self._directory):
            with suppress(FileNotFoundError):  # another process was quicker and is done with it
                self._file(path, done)
        return done

    def pending_bytes(self) -> int:
        """Tell how much is in the spool and not in the ledger."""
        positions = self._ledger.positions()
        return sum(max(0, size - positions.get(name, 0)) for name, size in self.sizes().items())

    def sizes(self) -> dict[str, int]:
        """Tell how long each of the spool's files is."""
        sizes: dict[str, int] = {}
        for path in spool_files(self._directory):
            with suppress(FileNotFoundError):
                sizes[path.name] = path.stat().st_size
        return sizes

    def has_ingested(self, sizes: Mapping[str, int]) -> bool:
        """Tell whether the ledger holds as much of these files as they had, whoever has put it there."""
        there = self.sizes()  # before the positions: a file that was ingested meanwhile may be gone, never the reverse
        positions = self._ledger.positions()
        return all(positions.get(name, 0) >= size for name, size in sizes.items() if name in there)

    def forget_missing(self) -> None:
        """Drop the positions of files that are no more."""
        there = {path.name for path in spool_files(self._directory)}
        gone = [name for name in self._ledger.positions() if name not in there]
        if gone:
            self._ledger.forget(gone)

    def _file(self, path: Path, done: Ingested) -> None:
        with path.open("rb", buffering=0) as file:
            # Before the size is read: with the lock held, nothing is written any more.
            finished = _locked(file.fileno())
            size = os.fstat(file.fileno()).st_size
            position = self._ledger.position(path.name)
            while position < size:
                data = os.pread(file.fileno(), min(self._chunk_bytes, size - position), position)
                batch = self._batch(path.name, position, data, whole=finished and position + len(data) >= size)
                if batch.end == position and position + len(data) < size:
                    data = os.pread(file.fileno(), min(MAX_LINE_BYTES, size - position), position)
                    batch = self._batch(path.name, position, data, whole=finished or len(data) == MAX_LINE_BYTES)
                if batch.end == position:
                    break
                if not self._add(batch, data, done):
                    return
                position = batch.end
            if finished:
                path.unlink()
                if size:
                    self._ledger.forget([path.name])
            else:
                done.waiting_bytes += max(0, size - position)

    def _batch(self, name: str, start: int, data: bytes, *, whole: bool) -> Batch:
        """Read the lines of `data`; the rest behind the last one too, if `whole`."""
        end = start + (len(data) if whole else data.rfind(b"\n") + 1)
        lines = data[: end - start].split(b"\n")
        batch = Batch(name, start, end)
        try:
            batch.add_lines(lines)
        except _NO_RECORD:
            return self._batch_of_sound_lines(Batch(name, start, end), lines)
        return batch

    def _batch_of_sound_lines(self, batch: Batch, lines: Sequence[bytes]) -> Batch:
        """Take the lines one by one, and set aside those that are no records."""
        offset = batch.start
        for line in lines:
            try:
                batch.add_lines((line,))
            except _NO_RECORD as error:
                self._set_aside(batch, offset, line, str(error))
            offset += len(line) + 1
        return batch

    def _add(self, batch: Batch, data: bytes, done: Ingested) -> bool:
        """Store the batch; False when another process has done so."""
        try:
            duplicates = self._ledger.add(batch)
        except PositionMoved:
            return False
        except ConflictingRecords as conflict:
            return self._add(self._without_conflicts(batch, data, conflict), data, done)
        done.added += len(batch) - len(duplicates)
        done.duplicates += len(duplicates)
        done.quarantined += len(batch.quarantined)
        if self._on_records is not None:
            new = batch.without(duplicates) if duplicates else batch
            self._on_records(list(new.records()))
        return True

    def _without_conflicts(self, batch: Batch, data: bytes, conflict: ConflictingRecords) -> Batch:
        rest = batch.without(conflict.ids)
        for record_id, line in batch.lines():
            if record_id in conflict.ids:
                offset = batch.start + data.index(line)
                self._set_aside(rest, offset, line, f"another record has the id {record_id}")
        return rest

    def _set_aside(self, batch: Batch, offset: int, line: bytes, reason: str) -> None:
        directory = self._directory / QUARANTINE_DIRECTORY
        directory.mkdir(mode=0o700, exist_ok=True)
        path = directory / f"{batch.file.removesuffix(SPOOL_SUFFIX)}.{offset}{SPOOL_SUFFIX}"
        # Under a name of its own, so that a repeat after a crash replaces it.
        unnamed = path.with_suffix(".new")
        with unnamed.open("wb") as file:
            file.write(line + b"\n")
            file.flush()
            os.fsync(file.fileno())
        unnamed.rename(path)
        batch.quarantined.append(Quarantined(batch.file, offset, len(line), reason))


def spool_files(directory: Path) -> list[Path]:
    """List the spool's files, oldest first; none when there is no such directory."""
    return sorted(directory.glob(f"*{SPOOL_SUFFIX}"))


@contextmanager
def ingest_lock(directory: Path) -> Generator[bool]:
    """Be the one who ingests this spool, as long as the block lasts; gives False when another process is."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd = os.open(directory / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        yield _locked(fd)
    finally:
        os.close(fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
