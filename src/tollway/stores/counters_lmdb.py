"""Counters shared by the workers of one machine, in an LMDB map.

Rules of this file:
- One write transaction a call, never synced: the kernel holds the pages, so the counts outlive
  SIGKILL of any worker, and LMDB's lock is handed on when its holder dies.
- What does not outlive a crash of the *machine* is trusted no more: counts are taken up again after
  a reboot only if the last worker closed them (`_Directory`). Damaged counts would be worse than none.
- One `LmdbCounters` a process and directory, opened after any fork.

A row is `key → start_us, end_us` and the three amounts used, little-endian; keys longer than `_LONGEST_KEY` bytes keep
their head and end in a hash of the whole.
"""

import contextlib
import fcntl
import os
import struct
from collections.abc import Callable, Sequence
from hashlib import blake2b
from pathlib import Path
from types import TracebackType
from typing import Final, Self, TypeVar

import lmdb

from tollway.core.errors import NotReady
from tollway.interfaces.counters import Admission, Amounts, Window

_ROW: Final = struct.Struct("<QQqqq")
_pack = _ROW.pack
_unpack = _ROW.unpack
_NO_ROW: Final = bytes(_ROW.size)
"""Stands for a row that is not there: a window that ended at the beginning of time."""

_LONGEST_KEY: Final = 128
_HASH_BYTES: Final = 32

_SWEEP_AFTER: Final = 32
"""New rows between two sweeps; a sweep visits three times as many, so ended rows never pile up."""
_SWEEP_VISITS: Final = 96

_GROWTHS_PER_CALL: Final = 8
_MAP_BYTES: Final = 16 << 20
"""Room for some 100,000 windows; doubled whenever it is full."""

ResultT = TypeVar("ResultT")


class LmdbCounters:
    """Exact across every process that opens the same directory."""

    __slots__ = ("_begin", "_created", "_directory", "_env", "_sweep_from")

    def __init__(self, directory: Path | str, *, map_bytes: int = _MAP_BYTES) -> None:
        """Open the counters in `directory`, making it where it is missing.

        Args:
            directory: of the counters alone; on a local file system.
            map_bytes: size to start with; a multiple of the page size.

        Raises:
            NotReady: the directory cannot be used; the message says why.
        """
        self._created = 0
        self._sweep_from = b""
        self._directory = _Directory(Path(directory))
        try:
            self._env = self._open(map_bytes)
        except (lmdb.Error, OSError) as error:
            self._directory.release()
            raise NotReady(f"the counters in {directory} cannot be opened: {error}") from error
        self._begin = self._env.begin

    def _open(self, map_bytes: int) -> lmdb.Environment:
        self._directory.enter()
        data = self._directory.path / "data.mdb"
        map_bytes = max(map_bytes, data.stat().st_size if data.exists() else 0)
        env = lmdb.open(
            os.fspath(self._directory.path),
            map_size=map_bytes,
            mode=0o600,
            sync=False,
            metasync=False,
            writemap=True,
            map_async=True,
            meminit=False,
            max_spare_txns=2,
        )
        self._reserve_disk(map_bytes)
        # A reader that was killed would keep old pages from being used again. Nothing here opens
        # read transactions, but `mdb_stat` and its like do.
        env.reader_check()
        return env

    def admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        """Reserve in all windows, or in none."""
        try:
            admission = self._admit(windows, reserve, now_us)
        except lmdb.Error as error:
            admission = self._after_growth(error, lambda: self._admit(windows, reserve, now_us))
        if self._created >= _SWEEP_AFTER:
            self._sweep(now_us)
        return admission

    def _admit(self, windows: Sequence[Window], reserve: Amounts, now_us: int) -> Admission:
        # Every line here is paid for by every call: no context manager, arguments by position, the
        # three amounts one by one.
        first_more, second_more, third_more = reserve
        starts: list[int] = []
        used: list[Amounts] = []
        txn = self._begin(None, None, True)  # noqa: FBT003 - write
        try:
            for window in windows:
                key = window.key
                if not 0 < len(key) <= _LONGEST_KEY:
                    key = _short(key)
                start_us, end_us, first, second, third = _unpack(txn.get(key, _NO_ROW))
                # A window may start after `now`: another worker read its clock later but came first.
                # One that starts further ahead than it lasts comes from a clock that was stepped back.
                if not start_us - window.length_us < now_us < end_us:
                    self._created += end_us == 0
                    start_us, end_us = _new_period(window, now_us)
                    first = second = third = 0
                first_most, second_most, third_most = window.limits
                if first >= first_most or second >= second_most or third >= third_most:
                    refusal = _refusal(txn, windows, starts, used, reserve, now_us)
                    txn.abort()
                    return refusal
                first += first_more
                second += second_more
                third += third_more
                txn.put(key, _pack(start_us, end_us, first, second, third))
                starts.append(start_us)
                used.append((first, second, third))
            txn.commit()
        except BaseException:
            txn.abort()
            raise
        return Admission(True, tuple(starts), tuple(used))  # noqa: FBT003 - admitted

    def settle(
        self, windows: Sequence[Window], starts: Sequence[int], correction: Amounts, now_us: int
    ) -> tuple[Amounts, ...]:
        """Add a correction to the windows that began at `starts`, where those have not ended."""
        try:
            return self._settle(windows, starts, correction, now_us)
        except lmdb.Error as error:
            return self._after_growth(error, lambda: self._settle(windows, starts, correction, now_us))

    def _settle(
        self, windows: Sequence[Window], starts: Sequence[int], correction: Amounts, now_us: int
    ) -> tuple[Amounts, ...]:
        first_more, second_more, third_more = correction
        used: list[Amounts] = []
        txn = self._begin(None, None, True)  # noqa: FBT003 - write
        try:
            for window, began_us in zip(windows, starts, strict=False):
                key = window.key
                if not 0 < len(key) <= _LONGEST_KEY:
                    key = _short(key)
                start_us, end_us, first, second, third = _unpack(txn.get(key, _NO_ROW))
                if not start_us - window.length_us < now_us < end_us:
                    used.append((0, 0, 0))
                    continue
                if start_us == began_us:
                    first += first_more
                    second += second_more
                    third += third_more
                    if first < 0 or second < 0 or third < 0:
                        first, second, third = max(0, first), max(0, second), max(0, third)
                    txn.put(key, _pack(start_us, end_us, first, second, third))
                used.append((first, second, third))
            txn.commit()
        except BaseException:
            txn.abort()
            raise
        return tuple(used)

    def close(self) -> None:
        """Write everything to disk and let go. The last worker to close makes the counts last a reboot."""
        with contextlib.suppress(lmdb.Error):
            self._env.sync(True)  # noqa: FBT003 - its only argument, by position in the C extension
        self._env.close()
        self._directory.leave()

    def __enter__(self) -> Self:
        """Use the counters until the block ends."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close them."""
        self.close()

    def __len__(self) -> int:
        """Windows held, ended ones included until they are swept."""
        return int(self._env.stat()["entries"])

    def _sweep(self, now_us: int) -> None:
        """Delete ended windows, visiting a bounded number of rows from where the last sweep stopped."""
        self._created = 0
        # A sweep that finds the map full did its work in part or not at all: the next one goes on.
        with contextlib.suppress(lmdb.MapFullError), self._begin(write=True) as txn, txn.cursor() as cursor:
            here = cursor.set_range(self._sweep_from) if self._sweep_from else cursor.first()
            for _ in range(_SWEEP_VISITS):
                if not here:
                    break
                row = cursor.value()
                ended = len(row) != _ROW.size or _unpack(row)[1] <= now_us
                here = (cursor.delete() and bool(cursor.key())) if ended else cursor.next()
            self._sweep_from = bytes(cursor.key()) if here else b""

    def _after_growth(self, error: lmdb.Error, repeat: Callable[[], ResultT]) -> ResultT:
        """Make room, or take over the room another worker made, and do the call again."""
        for _ in range(_GROWTHS_PER_CALL):
            try:
                if isinstance(error, lmdb.MapResizedError):
                    self._env.set_mapsize(0)
                elif isinstance(error, lmdb.MapFullError):
                    self._env.reader_check()
                    size = 2 * int(self._env.info()["map_size"])
                    self._reserve_disk(size)
                    self._env.set_mapsize(size)
                else:
                    break
                return repeat()
            except lmdb.Error as again:
                error = again
            except OSError as no_room:
                raise NotReady(f"no room for the counters in {self._directory.path}: {no_room}") from no_room
        raise NotReady(f"the counters in {self._directory.path} failed: {error}") from error

    def _reserve_disk(self, size: int) -> None:
        """Claim the map's blocks. A write to a mapped page that the disk has no room for is a SIGBUS."""
        if not hasattr(os, "posix_fallocate"):
            return
        file = os.open(self._directory.path / "data.mdb", os.O_RDWR)
        try:
            os.posix_fallocate(file, 0, size)
        finally:
            os.close(file)


def _refusal(
    txn: lmdb.Transaction,
    windows: Sequence[Window],
    starts: Sequence[int],
    used: Sequence[Amounts],
    reserve: Amounts,
    now_us: int,
) -> Admission:
    """Tell what every window holds, as if nothing had been reserved in those `starts` and `used` are of."""
    refused_by = len(starts)
    all_starts = list(starts)
    before = [(first - reserve[0], second - reserve[1], third - reserve[2]) for first, second, third in used]
    for window in windows[refused_by:]:
        key = window.key if 0 < len(window.key) <= _LONGEST_KEY else _short(window.key)
        start_us, end_us, *amounts = _unpack(txn.get(key, _NO_ROW))
        if not start_us - window.length_us < now_us < end_us:
            start_us, _ = _new_period(window, now_us)
            amounts = (0, 0, 0)
        all_starts.append(start_us)
        before.append((amounts[0], amounts[1], amounts[2]))
    limits = windows[refused_by].limits
    refused_amount = next(n for n in range(3) if before[refused_by][n] >= limits[n])
    return Admission(False, tuple(all_starts), tuple(before), refused_by, refused_amount)  # noqa: FBT003 - admitted


def _new_period(window: Window, now_us: int) -> tuple[int, int]:
    """Give start and end of a window that begins now."""
    start_us = now_us - now_us % window.length_us if window.aligned else now_us
    return start_us, start_us + window.length_us


def _short(key: bytes) -> bytes:
    """Give a key of any length one of exactly `_LONGEST_KEY + 1` bytes, which no short key has."""
    return (
        key[: _LONGEST_KEY + 1 - _HASH_BYTES].ljust(_LONGEST_KEY + 1 - _HASH_BYTES, b"\0")
        + blake2b(key, digest_size=_HASH_BYTES).digest()
    )


class _Directory:
    """Decides whether the counts found can be trusted, and says so for the next who asks.

    Every process that has the counters open holds a shared lock on `owner`, which the kernel drops
    when it dies. The file names the boot the counts belong to, or `closed` once the last process
    closed them in order.
    """

    __slots__ = ("_file", "path")

    _CLOSED = b"closed"

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = -1

    def enter(self) -> None:
        """Take part; throw away what a crash of the machine may have damaged.

        Raises:
            OSError: the directory cannot be made or written.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file = os.open(self.path / "owner", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        boot = _boot_id()
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Alone: nobody else can have the map open while it is thrown away.
            if os.pread(self._file, 64, 0) not in {self._CLOSED, boot}:
                for name in ("data.mdb", "lock.mdb"):
                    (self.path / name).unlink(missing_ok=True)
            self._say(boot)
        fcntl.flock(self._file, fcntl.LOCK_SH)
        if os.pread(self._file, 64, 0) != boot:
            self._say(boot)  # the last one before us left while we waited

    def leave(self) -> None:
        """Stop taking part; the last one marks the counts as whole."""
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._say(self._CLOSED)
        self.release()

    def release(self) -> None:
        """Let go of the lock without a word."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _say(self, word: bytes) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, word, 0)
        os.fsync(self._file)


def _boot_id() -> bytes:
    """Name this run of the operating system; the same word for all runs where it cannot be told."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().strip()
    except OSError:
        return b"unknown"
