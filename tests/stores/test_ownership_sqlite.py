"""The shared file keeps what any worker claimed, whatever is killed."""

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tollway.interfaces.ownership import Owned, Ownership, OwnershipUnavailable
from tollway.stores.ownership_sqlite import SqliteOwnership
from tollway.testing.contracts.ownership import OwnershipContract

MINE = Owned(owner="mine", claimed_us=1)


class TestSqliteOwnership(OwnershipContract):
    @pytest.fixture
    def ownership(self, tmp_path: Path) -> Iterator[Ownership]:
        opened = SqliteOwnership(tmp_path / "data" / "ownership.sqlite3")
        yield opened
        opened.close()

    def test_what_one_worker_claims_another_sees_at_once(self, tmp_path: Path) -> None:
        first, second = (SqliteOwnership(tmp_path / "o.sqlite3") for _ in range(2))
        first.claim("place", "file-1", MINE)
        assert second.find("place", "file-1") == MINE
        second.release("place", "file-1")
        assert first.find("place", "file-1") is None
        first.close()
        second.close()

    def test_a_claim_outlives_the_killed_process_that_made_it(self, tmp_path: Path) -> None:
        path = tmp_path / "o.sqlite3"
        script = (
            "import os, signal, pathlib, sys\n"
            "from tollway.stores.ownership_sqlite import SqliteOwnership\n"
            "from tollway.interfaces.ownership import Owned\n"
            "SqliteOwnership(pathlib.Path(sys.argv[1])).claim('place', 'file-1', Owned(owner='mine', claimed_us=1))\n"
            "os.kill(os.getpid(), signal.SIGKILL)\n"
        )
        done = subprocess.run([sys.executable, "-c", script, str(path)], check=False, env=dict(os.environ))
        assert done.returncode == -signal.SIGKILL
        opened = SqliteOwnership(path)
        assert opened.find("place", "file-1") == MINE
        opened.close()

    def test_the_file_is_for_its_user_alone(self, tmp_path: Path) -> None:
        SqliteOwnership(tmp_path / "o.sqlite3").close()
        assert stat.S_IMODE((tmp_path / "o.sqlite3").stat().st_mode) == 0o600

    def test_another_file_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "o.sqlite3"
        other = sqlite3.connect(path)
        other.execute("PRAGMA application_id = 7")
        other.close()
        with pytest.raises(OwnershipUnavailable, match="no file of"):
            SqliteOwnership(path)
        path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
        with pytest.raises(OwnershipUnavailable):
            SqliteOwnership(path)
