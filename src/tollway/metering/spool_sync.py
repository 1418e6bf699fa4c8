"""Brings the spool's files to the disk, from the process that serves no calls.

`fdatasync` takes milliseconds, and a thread that does it in a worker takes the interpreter from the calls each time it
wakes: twice in twenty milliseconds. Any process may do it: what counts is the file, not who holds it open.
A worker syncs its own file once a second as well, which is how it learns that its disk fails.
"""

import os
import threading
from pathlib import Path
from typing import Final, Protocol

from tollway.wire.spool_format import SPOOL_SUFFIX

_LONGEST_PAUSE_SECONDS: Final = 5.0


class Log(Protocol):
    """Where to tell what an operator must know."""

    def error(self, message: str, **fields: object) -> None:
        """Write what an operator must look at."""
        ...


class SpoolSync:
    """Looks at the spool again and again, and syncs what has grown."""

    def __init__(self, directory: Path, *, log: Log, interval_seconds: float = 0.02, rest_seconds: float = 0.1) -> None:
        """Prepare; nothing is looked at yet.

        Args:
            directory: the spool's.
            log: told when the disk refuses.
            interval_seconds: how long a record may wait for the disk.
            rest_seconds: the same where no record came for a while: looking costs a little, too.
        """
        self._directory = directory
        self._log = log
        self._interval_seconds = interval_seconds
        self._rest_seconds = rest_seconds
        self._synced: dict[str, int] = {}
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def run_once(self) -> int:
        """Sync what has grown since the last look; return how many files that were.

        Raises:
            OSError: the disk refuses.
        """
        sizes = self._sizes()
        if sizes.keys() - self._synced.keys():
            _sync(self._directory, os.O_RDONLY | os.O_DIRECTORY, whole=True)
        grown = [name for name, size in sizes.items() if size > self._synced.get(name, 0)]
        for name in grown:
            _sync(self._directory / name, os.O_RDONLY)
        self._synced = sizes
        return len(grown)

    def start(self) -> None:
        """Run in a thread until `stop`."""
        self._thread = threading.Thread(target=self._run, name="spool-sync", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Sync once more, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _sizes(self) -> dict[str, int]:
        """Tell how long each file is; one that is deleted meanwhile was ingested, and needs no sync."""
        sizes: dict[str, int] = {}
        try:
            with os.scandir(self._directory) as entries:
                for entry in entries:
                    if entry.name.endswith(SPOOL_SUFFIX):
                        sizes[entry.name] = entry.stat().st_size
        except FileNotFoundError:
            return sizes
        return sizes

    def _run(self) -> None:
        pause = self._interval_seconds
        while not self._stop.wait(pause):
            pause = self._next_pause(pause)
        self._next_pause(0.0)

    def _next_pause(self, pause: float) -> float:
        try:
            grown = self.run_once()
        except OSError as error:
            self._log.error("the usage spool could not be brought to the disk", reason=str(error))
            return min(max(pause, self._rest_seconds) * 2, _LONGEST_PAUSE_SECONDS)
        return self._interval_seconds if grown else self._rest_seconds


def _sync(path: Path, flags: int, *, whole: bool = False) -> None:
    try:
        fd = os.open(path, flags | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # ingested and deleted
    try:
        (os.fsync if whole else os.fdatasync)(fd)
    finally:
        os.close(fd)
