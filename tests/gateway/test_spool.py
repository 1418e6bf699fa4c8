import fcntl
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tollway.gateway.spool import Spool
from tollway.interfaces.usage_record import UsageRecord
from tollway.testing.usage_records import usage_record, usage_records
from tollway.wire.spool_format import decode_line, encode_line

WORKER = "01KDVDNA00V3RS3DTR98H6BCFN"


def records_in(directory: Path) -> list[UsageRecord]:
    files = sorted(directory.glob("*.jsonl"), key=lambda path: (len(path.name), path.name))
    return [decode_line(line) for path in files for line in path.read_bytes().splitlines()]


def wait_until(happened: Callable[[], bool]) -> None:
    while not happened():  # pytest's own time limit ends what never comes
        time.sleep(0.01)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Make the kernel refuse to let any file of this process grow past `size`, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_what_was_appended_is_in_the_file_when_append_returns(tmp_path: Path):
    spool = Spool(tmp_path, WORKER)
    expected: list[UsageRecord] = []
    for record in usage_records(50):
        spool.append(record)
        expected.append(record)
        assert records_in(tmp_path) == expected
    spool.close()
    assert records_in(tmp_path) == expected


def test_a_new_file_is_begun_at_the_size_and_the_order_is_kept(tmp_path: Path):
    spool = Spool(tmp_path, WORKER, max_file_bytes=5_000)
    records = usage_records(100)
    for record in records:
        spool.append(record)
    spool.close()
    files = list(tmp_path.glob("*.jsonl"))
    assert len(files) > 5
    assert all(path.stat().st_size < 7_000 for path in files)
    assert records_in(tmp_path) == records


def test_only_the_file_in_use_is_locked_and_none_after_closing(tmp_path: Path):
    spool = Spool(tmp_path, WORKER, max_file_bytes=2_000, sync_seconds=0.001)
    for record in usage_records(20):
        spool.append(record)
    wait_until(lambda: [is_locked(path) for path in sorted(tmp_path.glob("*.jsonl"))].count(True) == 1)
    spool.close()
    assert not any(is_locked(path) for path in tmp_path.glob("*.jsonl"))


def is_locked(path: Path) -> bool:
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_worker_that_wrote_nothing_leaves_nothing(tmp_path: Path):
    Spool(tmp_path, WORKER).close()
    assert list(tmp_path.iterdir()) == []


def test_a_second_worker_of_the_same_id_is_refused(tmp_path: Path):
    spool = Spool(tmp_path, WORKER)
    with pytest.raises(FileExistsError, match="a worker's id must be its own"):
        Spool(tmp_path, WORKER)
    spool.append(usage_record(1))
    spool.close()
    assert records_in(tmp_path) == [usage_record(1)]


def test_the_directory_and_its_files_are_for_this_user_alone(tmp_path: Path):
    directory = tmp_path / "data" / "spool"
    spool = Spool(directory, WORKER)
    spool.append(usage_record(1))
    assert directory.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in directory.iterdir())
    spool.close()


@pytest.mark.parametrize("room", [0, 1, 200], ids=["no-room", "one-byte", "part-of-a-record"])
def test_a_full_disk_refuses_the_record_whole_and_the_spool_recovers(tmp_path: Path, room: int):
    spool = Spool(tmp_path, WORKER, retry_seconds=0.02)
    first, second, third, *_ = usage_records(3)
    spool.append(first)
    with largest_file(len(encode_line(first)) + room):
        with pytest.raises(OSError, match="File too large"):
            spool.append(second)
        assert not spool.ready
        with pytest.raises(OSError, match="not writable"):
            spool.append(third)
        time.sleep(0.1)
        assert not spool.ready, "the disk is still full"
        assert records_in(tmp_path) == [first]
    wait_until(lambda: spool.ready)
    spool.append(third)
    spool.close()
    assert records_in(tmp_path) == [first, third]
    assert spool.failures >= 1


def test_a_record_that_the_disk_took_in_two_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    spool = Spool(tmp_path, WORKER)
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:7]))
    spool.append(usage_record(1))
    monkeypatch.undo()
    spool.append(usage_record(2))
    spool.close()
    assert records_in(tmp_path) == [usage_record(1), usage_record(2)]


def test_after_closing_nothing_is_taken(tmp_path: Path):
    spool = Spool(tmp_path, WORKER)
    spool.close()
    spool.close()
    with pytest.raises(OSError, match="not writable"):
        spool.append(usage_record(1))


def test_sigkill_loses_no_record_whose_append_returned(tmp_path: Path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tollway.testing.usage_records import usage_record\n"
        "from tollway.gateway.spool import Spool\n"
        "spool = Spool(Path(sys.argv[1]), sys.argv[2])\n"
        "number = 0\n"
        "while True:\n"
        "    record = usage_record(number)\n"
        "    spool.append(record)\n"
        "    print(record.id, flush=True)\n"
        "    number += 1\n"
    )
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), WORKER],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert writer.stdout is not None
    appended = [writer.stdout.readline() for _ in range(200)]
    writer.send_signal(signal.SIGKILL)
    appended += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    whole = [line.decode().strip() for line in appended if line.endswith(b"\n")]
    kept = [record.id for record in records_in(tmp_path)]
    assert kept[: len(whole)] == whole
    assert len(kept) - len(whole) <= 1
    assert not is_locked(next(tmp_path.glob("*.jsonl")))
