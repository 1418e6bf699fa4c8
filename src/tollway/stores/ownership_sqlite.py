"""Whose things are, in one SQLite file that the workers of a machine share.

Rules of this file:
- A claim is with the kernel when `claim` returns (WAL, synchronous=NORMAL): killing the process loses
  nothing. A power failure may lose the last ones, whose things then belong to nobody, and to no other.
- It is used on the event loop: every call is one row by its key.
"""

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tollway.interfaces.ownership import Owned, OwnershipUnavailable

OWNERSHIP_FILE: Final = "ownership.sqlite3"
"""Of the data directory."""
_APPLICATION_ID: Final = 0x546F_4F77  # "ToOw"
_BUSY_SECONDS: Final = 2.0


class SqliteOwnership:
    """An `Ownership` in one file. Use one object from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open the file at `path`, made for this user alone as needed.

        Raises:
            OwnershipUnavailable: it cannot be opened, or is something else.
        """
        self._path = path
        with self._errors():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.touch(mode=0o600)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS, check_same_thread=False)
            (kind,) = self._db.execute("PRAGMA application_id").fetchone()
            if kind not in (0, _APPLICATION_ID):
                self._db.close()
                raise OwnershipUnavailable(f"{path} is no file of Tollway's ownership")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            self._db.execute(
                "CREATE TABLE IF NOT EXISTS owned (place TEXT NOT NULL, resource TEXT NOT NULL, owner TEXT NOT NULL,"
                " origin TEXT NOT NULL, claimed_us INTEGER NOT NULL, settled INTEGER NOT NULL,"
                " PRIMARY KEY (place, resource)) WITHOUT ROWID"
            )

    def claim(self, place: str, resource: str, owned: Owned) -> Owned:
        """Store whose it is, if nobody has claimed it."""
        with self._errors():
            self._db.execute(
                "INSERT INTO owned VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                (place, resource, owned.owner, owned.origin, owned.claimed_us, owned.settled),
            )
        return self.find(place, resource) or owned

    def find(self, place: str, resource: str) -> Owned | None:
        """Tell whose it is."""
        with self._errors():
            row = self._db.execute(
                "SELECT owner, origin, claimed_us, settled FROM owned WHERE place = ? AND resource = ?",
                (place, resource),
            ).fetchone()
        if row is None:
            return None
        owner, origin, claimed_us, settled = row
        return Owned(owner=owner, origin=origin, claimed_us=claimed_us, settled=bool(settled))

    def settle(self, place: str, resource: str) -> None:
        """Note that its usage is recorded."""
        with self._errors():
            self._db.execute("UPDATE owned SET settled = 1 WHERE place = ? AND resource = ?", (place, resource))

    def release(self, place: str, resource: str) -> None:
        """Forget it."""
        with self._errors():
            self._db.execute("DELETE FROM owned WHERE place = ? AND resource = ?", (place, resource))

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise OwnershipUnavailable(f"{self._path}: {error}") from error
