import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest

from tollway.core.errors import NotReady
from tollway.interfaces.counters import Admission, Counters, Window
from tollway.stores.counters_lmdb import LmdbCounters
from tollway.testing.contracts.counters import MINUTE_US, START_US, CountersContract, SharedCountersContract

PAGE = 4096


class TestLmdbCounters(CountersContract, SharedCountersContract):
    open_counters = LmdbCounters

    @pytest.fixture
    def counters(self, tmp_path: Path) -> Iterator[Counters]:
        with LmdbCounters(tmp_path / "counters") as counters:
            yield counters


def window(n: int) -> Window:
    return Window(b"key %d" % n, MINUTE_US, (100, 100, 100))


def admit(counters: Counters, n: int) -> Admission:
    return counters.admit([window(n)], (1, 1, 1), START_US)


def used(counters: Counters, n: int) -> int:
    return counters.settle([window(n)], [START_US], (0, 0, 0), START_US)[0][0]


def test_the_map_grows_when_it_is_full(tmp_path: Path):
    with LmdbCounters(tmp_path, map_bytes=16 * PAGE) as counters:
        for n in range(3000):
            assert admit(counters, n).admitted
        assert sum(used(counters, n) for n in range(3000)) == 3000


def test_a_map_that_another_worker_grew_is_taken_over(tmp_path: Path):
    with LmdbCounters(tmp_path, map_bytes=16 * PAGE) as counters:
        admit(counters, 0)
        grow_elsewhere(tmp_path)
        assert admit(counters, 0).used == ((2, 2, 2),)
        assert used(counters, 2999) == 1


FILL = """
import sys
from tollway.interfaces.counters import Window
from tollway.stores.counters_lmdb import LmdbCounters
with LmdbCounters(sys.argv[1]) as counters:
    for n in range(1, 3000):
        counters.admit([Window(b"key %d" % n, int(sys.argv[2]), (100, 100, 100))], (1, 1, 1), int(sys.argv[3]))
"""


def grow_elsewhere(directory: Path):
    """Fill the map from another process: one that has it open twice would be refused by LMDB."""
    subprocess.run([sys.executable, "-c", FILL, directory, str(MINUTE_US), str(START_US)], check=True)


def test_counts_outlive_an_orderly_close(tmp_path: Path):
    with LmdbCounters(tmp_path) as counters:
        admit(counters, 0)
    with LmdbCounters(tmp_path) as counters:
        assert used(counters, 0) == 1


def test_counts_closed_in_order_are_taken_up_after_a_reboot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with LmdbCounters(tmp_path) as counters:
        admit(counters, 0)
    monkeypatch.setattr("tollway.stores.counters_lmdb._boot_id", lambda: b"the next boot")
    with LmdbCounters(tmp_path) as counters:
        assert used(counters, 0) == 1


def test_counts_left_open_by_a_crash_of_the_machine_are_thrown_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with LmdbCounters(tmp_path) as counters:
        admit(counters, 0)
    (tmp_path / "owner").write_bytes(b"an earlier boot")
    with LmdbCounters(tmp_path) as counters:
        assert used(counters, 0) == 0


def test_the_directory_is_for_its_owner_alone(tmp_path: Path):
    with LmdbCounters(tmp_path / "counters"):
        pass
    assert (tmp_path / "counters").stat().st_mode & 0o077 == 0
    assert (tmp_path / "counters" / "data.mdb").stat().st_mode & 0o077 == 0


def test_a_directory_that_cannot_be_used_is_named(tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(NotReady, match="file cannot be opened"):
        LmdbCounters(tmp_path / "file")


def test_a_store_that_fails_is_an_error_and_never_an_admission(tmp_path: Path):
    counters = LmdbCounters(tmp_path)
    counters.close()
    with pytest.raises((NotReady, lmdb.Error)):
        admit(counters, 0)
