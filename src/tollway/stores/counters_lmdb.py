"""Counters shared by the workers of one machine, in an LMDB map.

Rules of this file:
- One write transaction a call, never synced: the kernel holds the pages, so the counts outlive
  SIGKILL of any worker, and LMDB's lock is handed on when its holder dies.
- What does not outlive a crash of the *machine* is trusted no more: counts are taken up again after
  a reboot only if the last worker closed them (`_Directory`). Damaged counts would be worse than none.
- One `LmdbCounters` a process and directory, opened after any fork.

A row is `key → start_us, used, end_us`, little-endian; keys longer than `_LONGEST_KEY` bytes keep
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
from tollway.interfaces.counters import Admission, Window, WindowState

_ROW: Final = struct.Struct("<QqQ")
_pack = _ROW.pack
_unpack = _ROW.unpack

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

    def admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        """Reserve in all windows, or in none. The keys of one call are distinct."""
        try:
            admission = self._admit(windows, now_us)
        except lmdb.Error as error:
            admission = self._after_growth(error, lambda: self._admit(windows, now_us))
        if self._created >= _SWEEP_AFTER:
            self._sweep(now_us)
        return admission

    def _admit(self, windows: Sequence[Window], now_us: int) -> Admission:
        # Every line here is paid for by every call: no context manager, arguments by position.
        txn = self._begin(None, None, True)  # noqa: FBT003 - write
        try:
            states: list[WindowState] = []
            created = 0
            for window in windows:
                key = window.key
                if not 0 < len(key) <= _LONGEST_KEY:
                    key = _short(key)
                length_us = window.length_us
                row = txn.get(key)
                if row is None:
                    created += 1
                    used = 0
                    start_us = now_us - now_us % length_us if window.aligned else now_us
                else:
                    start_us, used, _ = _unpack(row)
                    # A window may start after `now`: another worker read its clock later but came
                    # first. One that starts further ahead than it lasts comes from a clock that
                    # was stepped back.
                    if not -length_us < now_us - start_us < length_us:
                        used = 0
                        start_us = now_us - now_us % length_us if window.aligned else now_us
                limit = window.limit
                if used >= limit:
                    return _refused(txn, windows, states, now_us)
                used += window.reserve
                txn.put(key, _pack(start_us, used, start_us + length_us))
                states.append(WindowState(start_us, used, limit, length_us))
            txn.commit()
        finally:
            txn.abort()  # nothing, once committed
        self._created += created
        return Admission(True, tuple(states))  # noqa: FBT003 - admitted

    def settle(self, corrections: Sequence[tuple[bytes, int, int]], now_us: int) -> tuple[int, ...]:
        """Add corrections to the windows they were reserved in, where those have not ended.

        A key without a running window has 0 units used.
        """
        try:
            return self._settle(corrections, now_us)
        except lmdb.Error as error:
            return self._after_growth(error, lambda: self._settle(corrections, now_us))

    def _settle(self, corrections: Sequence[tuple[bytes, int, int]], now_us: int) -> tuple[int, ...]:
        after: list[int] = []
        txn = self._begin(None, None, True)  # noqa: FBT003 - write
        try:
            for key, start_us, delta in corrections:
                stored = key if 0 < len(key) <= _LONGEST_KEY else _short(key)
                row = txn.get(stored)
                if row is None:
                    after.append(0)
                    continue
                start, used, end_us = _unpack(row)
                if not 2 * start - end_us < now_us < end_us:
                    after.append(0)
                    continue
                if delta and start == start_us:
                    used = max(0, used + delta)
                    txn.put(stored, _pack(start, used, end_us))
                after.append(used)
            txn.commit()
        finally:
            txn.abort()  # nothing, once committed
        return tuple(after)

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
                _, _, end_us = _unpack(cursor.value())
                here = (cursor.delete() and bool(cursor.key())) if end_us <= now_us else cursor.next()
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


def _refused(txn: lmdb.Transaction, windows: Sequence[Window], reserved: list[WindowState], now_us: int) -> Admission:
    """Tell what every window holds, as if nothing had been reserved."""
    states = [
        WindowState(state.start_us, state.used - window.reserve, state.limit, state.length_us)
        for window, state in zip(windows, reserved, strict=False)
    ]
    for window in windows[len(reserved) :]:
        row = txn.get(window.key if 0 < len(window.key) <= _LONGEST_KEY else _short(window.key))
        start_us, used, _ = (now_us, 0, 0) if row is None else _unpack(row)
        if row is None or not -window.length_us < now_us - start_us < window.length_us:
            used = 0
            start_us = now_us - now_us % window.length_us if window.aligned else now_us
        states.append(WindowState(start_us, used, window.limit, window.length_us))
    return Admission(False, tuple(states), len(reserved))  # noqa: FBT003 - admitted


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
