"""The spool: an append-only file that holds every usage record from the moment it is made.

Rules of this file:
- `append` makes one `write`, on the caller's thread. What the kernel has taken, SIGKILL cannot lose;
  a thread calls `fdatasync` within `sync_seconds`, which bounds what a power failure can take.
- What one `append` takes is in the file whole or not at all: what a full disk cut off is taken back.
- After a failure nothing is taken until the disk has been seen to work again; then a new file is begun.

The files' format and the meaning of their lock are those of `wire/spool_format.py`.
"""

import errno
import fcntl
import os
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

from tollway.interfaces.usage_record import UsageRecord
from tollway.wire.spool_format import SPOOL_SUFFIX, encode_line

_PROBE_BYTES = 65_536
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC


class _Signal:
    """Wakes the other thread, once for any number of calls of `set`.

    It is one lock, and so one call into C on each side. `threading.Event` makes a dozen, at each of which
    the interpreter may change hands: fifteen hundred times a second under load, where fifty were meant.
    """

    __slots__ = ("_lock",)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()

    def set(self) -> None:
        """Wake whoever waits, or who will. From one thread only."""
        if self._lock.locked():
            self._lock.release()

    def wait(self, seconds: float = -1) -> None:
        """Wait for `set`, at most so long."""
        self._lock.acquire(timeout=seconds)


class Spool:
    """A usage sink of one worker. Call `append` from one thread only."""

    def __init__(
        self,
        directory: Path,
        worker: str,
        *,
        max_file_bytes: int = 64 * 1024 * 1024,
        sync_seconds: float = 0.02,
        retry_seconds: float = 0.25,
    ) -> None:
        """Begin the file `<directory>/<worker>.jsonl`.

        Args:
            directory: made if it is missing, for this user alone.
            worker: a fresh ULID; no two workers ever share one.
            max_file_bytes: a new file is begun when one has this size.
            sync_seconds: how long a record may wait for the disk.
            retry_seconds: after a failure, how often to see whether the disk works again.

        Raises:
            OSError: the file cannot be made.
        """
        self.failures = 0
        """How often the disk refused a record or a sync."""
        self._directory = directory
        self._worker = worker
        self._max_file_bytes = max_file_bytes
        self._sync_seconds = sync_seconds
        self._retry_seconds = retry_seconds
        self._files = 0
        self._fault: OSError | None = None
        self._unsynced = False
        self._closing = False
        self._wake = _Signal()
        self._stop = _Signal()
        self._retired: deque[int] = deque()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._begin_file()
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        self._thread.start()

    @property
    def ready(self) -> bool:
        """False while records cannot be kept; the gateway must not take calls then."""
        return self._fault is None

    def append(self, *records: UsageRecord) -> None:
        """Write the records, with one `write`.

        Raises:
            OSError: they could not be written, and none of them is in the file.
        """
        if self._fault is not None:
            raise OSError(self._fault.errno, f"the usage spool in {self._directory} is not writable", str(self._path))
        lines = encode_line(records[0]) if len(records) == 1 else b"".join(map(encode_line, records))
        try:
            written = os.write(self._fd, lines)
            while written != len(lines):
                written += self._write_rest(lines, written)
        except OSError as error:
            self._fail(error)
            raise
        self._size += len(lines)
        if not self._unsynced:
            self._unsynced = True
            self._wake.set()
        if self._size >= self._rotate_at:
            self._rotate()

    def close(self) -> None:
        """Bring everything to the disk and give up the file. A file without records is removed."""
        if self._closing:
            return
        self._closing = True
        self._stop.set()
        self._wake.set()
        self._thread.join()
        self._retired.append(self._fd)
        with suppress(OSError):  # an `append` that failed has said so already; there is no one left to tell
            if self._size == 0 and self._fault is None:
                self._path.unlink()
            self._sync()
        self._fault = OSError(errno.EBADF, "the usage spool is closed")
        self._close_retired()

    # ── the file

    def _begin_file(self) -> None:
        number = f"-{self._files}" if self._files else ""
        path = self._directory / f"{self._worker}{number}{SPOOL_SUFFIX}"
        if path.exists():
            raise FileExistsError(errno.EEXIST, "a worker's id must be its own", str(path))
        # Locked before it has its name: a reader that sees a name without a lock may delete the file.
        unnamed = path.with_suffix(".new")
        unnamed.unlink(missing_ok=True)
        fd = os.open(unnamed, _FLAGS, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            unnamed.rename(path)
        except OSError:
            os.close(fd)
            raise
        self._files += 1
        self._path = path
        self._fd = fd
        self._size = 0
        self._rotate_at = self._max_file_bytes
        self._new_name = True

    def _write_rest(self, lines: bytes, written: int) -> int:
        # A full disk takes what fits and says so only at the next write.
        more = os.write(self._fd, lines[written:])
        if more == 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        return more

    def _fail(self, error: OSError) -> None:
        self.failures += 1
        self._fault = error
        # Where even this fails, the reader finds a torn line at the file's end and sets it aside.
        with suppress(OSError):
            os.ftruncate(self._fd, self._size)
        self._wake.set()

    def _rotate(self) -> None:
        old = self._fd
        try:
            self._begin_file()
        except OSError:
            # The record is kept, so this is no failure yet: go on in the old file, try again later.
            self._rotate_at += max(self._max_file_bytes // 16, 1)
            return
        self._retired.append(old)
        self._unsynced = True
        self._wake.set()

    # ── the thread

    def _run(self) -> None:
        while not self._closing:
            if self._fault is not None:
                self._stop.wait(self._retry_seconds)
                self._recover()
                continue
            self._wake.wait()
            self._stop.wait(self._sync_seconds)
            try:
                self._sync()
            except OSError as error:
                self.failures += 1
                self._fault = error

    def _sync(self) -> None:
        # Lowered before the call: a record written during it asks for another.
        self._unsynced = False
        if self._new_name:
            self._new_name = False
            self._sync_directory()
        current = self._fd
        while self._retired:
            os.fdatasync(self._retired[0])
            retired = self._retired.popleft()
            if retired == current:
                current = -1
            os.close(retired)
        if current >= 0:
            os.fdatasync(current)

    def _sync_directory(self) -> None:
        fd = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _recover(self) -> None:
        """See whether the disk takes more than a record again; begin a new file if it does."""
        # `append` raises while there is a fault, so this thread alone touches the file.
        probe = self._directory / f"{self._worker}.probe"
        old = self._fd
        try:
            with probe.open("wb") as file:
                file.write(b"\0" * _PROBE_BYTES)
                file.flush()
                os.fsync(file.fileno())
            self._begin_file()
        except OSError:
            return
        finally:
            with suppress(OSError):
                probe.unlink(missing_ok=True)
        self._retired.append(old)
        self._close_retired()
        self._fault = None

    def _close_retired(self) -> None:
        while self._retired:
            fd = self._retired.popleft()
            with suppress(OSError):
                os.fdatasync(fd)
            with suppress(OSError):
                os.close(fd)
