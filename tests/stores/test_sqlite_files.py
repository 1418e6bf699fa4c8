import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tollway.stores.sqlite_files import write_ahead


def test_the_journal_is_turned_to_wal(tmp_path: Path):
    with closing(sqlite3.connect(tmp_path / "a.sqlite3")) as database:
        write_ahead(database, 1.0)
        assert database.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_what_stays_busy_is_given_up(tmp_path: Path):
    path = tmp_path / "a.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("CREATE TABLE t (a)")
        other.execute("BEGIN EXCLUSIVE")
        with (
            closing(sqlite3.connect(path, timeout=0.01)) as database,
            pytest.raises(sqlite3.OperationalError, match="locked"),
        ):
            write_ahead(database, 0.05)
