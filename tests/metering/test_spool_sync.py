import os
import threading
from pathlib import Path

import pytest

from tollway.metering.spool_sync import SpoolSync


class Journal:
    """Takes what is logged, and what is synced."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.errors: list[str] = []
        self.synced: list[str] = []
        self.refuses = False
        self.seen = threading.Event()
        monkeypatch.setattr(os, "fdatasync", self._sync)
        monkeypatch.setattr(os, "fsync", self._sync)

    def _sync(self, fd: int) -> None:
        if self.refuses:
            raise OSError(5, "Input/output error")
        self.synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        self.seen.set()

    def error(self, message: str, **fields: object) -> None:
        self.errors.append(f"{message}: {fields['reason']}")
        self.seen.set()


@pytest.fixture
def journal(monkeypatch: pytest.MonkeyPatch) -> Journal:
    return Journal(monkeypatch)


def test_only_what_has_grown_is_synced(tmp_path: Path, journal: Journal) -> None:
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    (tmp_path / "b.jsonl").write_bytes(b"1\n")
    (tmp_path / "ingest.lock").write_bytes(b"x")
    sync = SpoolSync(tmp_path, log=journal)
    assert sync.run_once() == 2
    assert sorted(journal.synced) == ["a.jsonl", "b.jsonl", tmp_path.name]
    journal.synced.clear()
    assert sync.run_once() == 0
    with (tmp_path / "b.jsonl").open("ab") as file:
        file.write(b"2\n")
    assert sync.run_once() == 1
    assert journal.synced == ["b.jsonl"]


def test_a_new_file_s_name_is_brought_to_the_disk_before_its_records(tmp_path: Path, journal: Journal) -> None:
    sync = SpoolSync(tmp_path, log=journal)
    sync.run_once()
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    sync.run_once()
    assert journal.synced == [tmp_path.name, "a.jsonl"]


def test_files_and_folders_may_go_at_any_time(tmp_path: Path, journal: Journal) -> None:
    folder = tmp_path / "spool"
    sync = SpoolSync(folder, log=journal)
    assert sync.run_once() == 0
    folder.mkdir()
    (folder / "a.jsonl").write_bytes(b"1\n")
    assert sync.run_once() == 1
    (folder / "a.jsonl").unlink()
    assert sync.run_once() == 0


def test_a_thread_syncs_what_comes(tmp_path: Path, journal: Journal) -> None:
    sync = SpoolSync(tmp_path, log=journal, interval_seconds=0.001, rest_seconds=0.001)
    sync.start()
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    assert journal.seen.wait(10)
    sync.stop()
    assert "a.jsonl" in journal.synced


def test_what_came_last_is_synced_before_the_end(tmp_path: Path, journal: Journal) -> None:
    sync = SpoolSync(tmp_path, log=journal, interval_seconds=60.0)
    sync.start()
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    sync.stop()
    assert "a.jsonl" in journal.synced


def test_a_disk_that_refuses_is_told_and_tried_again(tmp_path: Path, journal: Journal) -> None:
    journal.refuses = True
    (tmp_path / "a.jsonl").write_bytes(b"1\n")
    sync = SpoolSync(tmp_path, log=journal, interval_seconds=0.001, rest_seconds=0.001)
    sync.start()
    assert journal.seen.wait(10)
    journal.seen.clear()
    journal.refuses = False
    assert journal.seen.wait(10)
    sync.stop()
    assert journal.errors[0] == "the usage spool could not be brought to the disk: [Errno 5] Input/output error"
    assert "a.jsonl" in journal.synced
