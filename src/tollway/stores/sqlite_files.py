"""What every SQLite file of ours needs when it is opened."""

import sqlite3
import time
from typing import Final

_BUSY_PAUSE_SECONDS: Final = 0.01


def write_ahead(database: sqlite3.Connection, busy_seconds: float) -> None:
    """Turn the journal to WAL, waiting for others that do the same.

    SQLite waits for a busy file, but not while two that open a new one both turn its journal to WAL.

    Raises:
        sqlite3.Error: it cannot be done, or not within `busy_seconds`.
    """
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            database.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(_BUSY_PAUSE_SECONDS)
        else:
            return
