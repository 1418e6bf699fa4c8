import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tollway.gateway.spool import Spool
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ingest import Ingest, ingest_lock
from tollway.metering.ledger import LedgerUnavailable
from tollway.stores.ledger_memory import MemoryLedger
from tollway.stores.ledger_sqlite import SqliteLedger
from tollway.testing.contracts.ledger import holds_exactly
from tollway.testing.usage_records import usage_record, usage_records
from tollway.wire.spool_format import encode_line

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def writer_of(path: Path, data: bytes = b"") -> Iterator[int]:
    """Be a live writer of the file: hold its lock."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    fcntl.flock(fd, fcntl.LOCK_EX)
    os.write(fd, data)
    try:
        yield fd
    finally:
        os.close(fd)


def lines_of(records: list[UsageRecord]) -> bytes:
    return b"".join(map(encode_line, records))


def set_aside(spool: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (spool / "quarantine").glob("*")}


def test_a_finished_file_is_ingested_and_deleted(tmp_path: Path):
    records = usage_records(30)
    (tmp_path / "a.jsonl").write_bytes(lines_of(records))
    ledger = MemoryLedger()
    done = Ingest(tmp_path, ledger).run_once()
    assert (done.added, done.duplicates, done.quarantined, done.waiting_bytes) == (30, 0, 0, 0)
    assert holds_exactly(ledger, records)
    assert list(tmp_path.iterdir()) == []
    assert ledger.positions() == {}


def test_a_live_writer_s_file_is_read_as_it_grows_and_kept(tmp_path: Path):
    records = usage_records(30)
    ledger = MemoryLedger()
    ingest = Ingest(tmp_path, ledger)
    with writer_of(tmp_path / "a.jsonl", lines_of(records[:10])) as fd:
        assert ingest.run_once().added == 10
        assert ingest.run_once().added == 0
        os.write(fd, lines_of(records[10:]))
        assert ingest.run_once().added == 20
        assert (tmp_path / "a.jsonl").exists()
        assert ingest.pending_bytes() == 0
    assert ingest.run_once().added == 0
    assert not (tmp_path / "a.jsonl").exists()
    assert holds_exactly(ledger, records)


def test_the_torn_last_line_of_a_live_writer_waits(tmp_path: Path):
    one, two = usage_records(2)
    line = encode_line(two)
    ledger = MemoryLedger()
    ingest = Ingest(tmp_path, ledger)
    with writer_of(tmp_path / "a.jsonl", encode_line(one) + line[:40]) as fd:
        done = ingest.run_once()
        assert (done.added, done.waiting_bytes) == (1, 40)
        assert ingest.pending_bytes() == 40
        os.write(fd, line[40:])
        assert ingest.run_once().added == 1
    assert holds_exactly(ledger, [one, two])


def test_the_torn_last_line_of_a_dead_writer_is_set_aside_and_counted(tmp_path: Path):
    records = usage_records(3)
    torn = encode_line(usage_record(9))[:77]
    (tmp_path / "a.jsonl").write_bytes(lines_of(records) + torn)
    ledger = MemoryLedger()
    done = Ingest(tmp_path, ledger).run_once()
    assert (done.added, done.quarantined) == (3, 1)
    offset = len(lines_of(records))
    assert set_aside(tmp_path) == {f"a.{offset}.jsonl": torn + b"\n"}
    (note,) = ledger.quarantined()
    assert (note.file, note.offset, note.size) == ("a.jsonl", offset, 77)
    assert "truncated" in note.reason
    assert not (tmp_path / "a.jsonl").exists()


def test_a_dead_writer_s_last_record_counts_though_its_line_feed_is_missing(tmp_path: Path):
    (tmp_path / "a.jsonl").write_bytes(lines_of(usage_records(2))[:-1])
    ledger = MemoryLedger()
    Ingest(tmp_path, ledger).run_once()
    assert holds_exactly(ledger, usage_records(2))
    assert ledger.quarantined() == []


@pytest.mark.parametrize(
    "bad",
    [
        b"not json",
        b"\x00" * 4096,
        b"{}",
        b'{"id":"x","call_id":"y","started_us":-1}',
        b'{"id":"x","call_id":"y","started_us":1,"usage":{"input_fresh":-5}}',
        b'{"id":"x","call_id":"y","started_us":1,"usage":{"input_fresh":99999999999999999999999}}',
        b'{"outcome":"unheard-of","id":"x","call_id":"y","started_us":1}',
        b'{"id":"\\ud800","call_id":"y","started_us":1}',
        b'{"id":"\xff","call_id":"y","started_us":1}',
        b'{"proxy":"\xff\xfe","id":"x","call_id":"y","started_us":1}',
        b'{"id":"x","more":' + b"[" * 100_000 + b"]" * 100_000 + b',"call_id":"y","started_us":1}',
        b"x" * 3_000_000,
        b"x" * 5_000_000,
    ],
    ids=[
        "no JSON",
        "zeros",
        "an empty object",
        "a negative time",
        "negative tokens",
        "more tokens than a column holds",
        "an unknown outcome",
        "half a surrogate pair",
        "an id that is no text",
        "a context that is no text",
        "nested too deeply",
        "longer than a chunk",
        "longer than a line may be",
    ],
)
def test_what_is_no_record_is_set_aside_and_the_rest_is_ingested(tmp_path: Path, bad: bytes):
    before, after = usage_records(3), usage_records(3, seed=1)
    (tmp_path / "a.jsonl").write_bytes(lines_of(before) + bad + b"\n" + lines_of(after))
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    done = Ingest(tmp_path, ledger).run_once()
    assert holds_exactly(ledger, before + after)
    ledger.close()
    assert done.quarantined >= 1
    kept = b"".join(data[:-1] for _, data in sorted(set_aside(tmp_path).items(), key=lambda item: (len(item[0]), item)))
    assert kept == bad


def test_another_record_under_a_held_id_is_set_aside(tmp_path: Path):
    one, two, three = usage_records(3)
    impostor = replace(two, id=one.id)
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    (tmp_path / "a.jsonl").write_bytes(encode_line(one))
    Ingest(tmp_path, ledger).run_once()
    (tmp_path / "b.jsonl").write_bytes(lines_of([two, impostor, three]))
    done = Ingest(tmp_path, ledger).run_once()
    assert (done.added, done.quarantined) == (2, 1)
    assert holds_exactly(ledger, [one, two, three])
    assert set_aside(tmp_path) == {f"b.{len(encode_line(two))}.jsonl": encode_line(impostor)}
    ledger.close()


def test_a_copy_of_a_file_counts_nothing_twice(tmp_path: Path):
    records = usage_records(20)
    ledger = MemoryLedger()
    for name in ("a.jsonl", "copy.jsonl"):
        (tmp_path / name).write_bytes(lines_of(records))
    done = Ingest(tmp_path, ledger).run_once()
    assert (done.added, done.duplicates) == (20, 20)
    assert holds_exactly(ledger, records)


def test_new_records_are_told_once_they_are_stored(tmp_path: Path):
    records = usage_records(10)
    ledger = MemoryLedger()
    told: list[UsageRecord] = []

    def on_records(new: object) -> None:
        assert isinstance(new, list)
        assert all(ledger.record(record.id) == record for record in new)
        told.extend(new)

    (tmp_path / "a.jsonl").write_bytes(lines_of(records[:7]))
    (tmp_path / "b.jsonl").write_bytes(lines_of(records[3:]))
    Ingest(tmp_path, ledger, on_records=on_records).run_once()
    assert sorted(told, key=lambda record: record.id) == sorted(records, key=lambda record: record.id)


class UnwillingLedger(MemoryLedger):
    """Takes so many batches, then none."""

    def __init__(self, batches: int):
        super().__init__()
        self.batches = batches

    def add(self, batch):
        if self.batches == 0:
            raise LedgerUnavailable("no more")
        self.batches -= 1
        return super().add(batch)


def test_a_ledger_that_takes_nothing_loses_nothing(tmp_path: Path):
    records = usage_records(50)
    (tmp_path / "a.jsonl").write_bytes(lines_of(records))
    ledger = UnwillingLedger(2)
    ingest = Ingest(tmp_path, ledger, chunk_bytes=8_000)
    with pytest.raises(LedgerUnavailable):
        ingest.run_once()
    assert 0 < ledger.position("a.jsonl") < len(lines_of(records))
    assert (tmp_path / "a.jsonl").exists()
    ledger.batches = 99
    ingest.run_once()
    assert holds_exactly(ledger, records)


def test_the_positions_of_missing_files_are_forgotten(tmp_path: Path):
    ledger = MemoryLedger()
    ingest = Ingest(tmp_path, ledger)
    with writer_of(tmp_path / "a.jsonl", lines_of(usage_records(2))), writer_of(tmp_path / "b.jsonl"):
        ingest.run_once()
        (tmp_path / "a.jsonl").unlink()
        ingest.forget_missing()
        assert ledger.positions() == {}


def test_only_one_holds_the_lock(tmp_path: Path):
    with ingest_lock(tmp_path / "spool") as first, ingest_lock(tmp_path / "spool") as second:
        assert (first, second) == (True, False)
    with ingest_lock(tmp_path / "spool") as again:
        assert again


def test_two_who_ingest_at_once_count_nothing_twice(tmp_path: Path):
    records = usage_records(400)
    for number in range(20):
        (tmp_path / f"{number}.jsonl").write_bytes(lines_of(records[number * 20 : number * 20 + 20]))
    ledgers = [SqliteLedger(tmp_path / "ledger.sqlite3") for _ in range(2)]
    threads = [threading.Thread(target=Ingest(tmp_path, ledger, chunk_bytes=2_000).run_once) for ledger in ledgers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    Ingest(tmp_path, ledgers[0]).run_once()
    assert holds_exactly(ledgers[0], records)
    for ledger in ledgers:
        ledger.close()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_wherever_the_writer_and_the_reader_stop_every_whole_record_is_held_once(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
):
    directory = tmp_path_factory.mktemp("cut")
    spool = directory / "spool"
    spool.mkdir()
    records = usage_records(12, seed=data.draw(st.integers(0, 50)))
    whole = lines_of(records)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), min_size=1, max_size=6)))
    chunk = data.draw(st.sampled_from([1, 100, 1_000, 10_000]))
    path = spool / "w.jsonl"
    with writer_of(path) as fd:
        written = 0
        for cut in cuts:
            os.write(fd, whole[written:cut])
            written = cut
            # A fresh ledger object and reader each time, as after a restart.
            ledger = SqliteLedger(directory / "ledger.sqlite3")
            if data.draw(st.booleans(), label="the reader is killed before its commit"):
                fail_before_commit(ledger, Ingest(spool, ledger, chunk_bytes=chunk))
            else:
                Ingest(spool, ledger, chunk_bytes=chunk).run_once()
            assert holds_exactly(ledger, [r for r in ledger.records() if r in records])
            ledger.close()
    # The writer is dead now; its torn line, if there is one, is set aside.
    ledger = SqliteLedger(directory / "ledger.sqlite3")
    Ingest(spool, ledger, chunk_bytes=chunk).run_once()
    written_whole = whole[: cuts[-1]].count(b"\n")
    ends_at_a_record = whole[cuts[-1] : cuts[-1] + 1] == b"\n"
    assert holds_exactly(ledger, records[: written_whole + ends_at_a_record])
    torn = whole[: cuts[-1]].rpartition(b"\n")[2]
    assert list(set_aside(spool).values()) == ([torn + b"\n"] if torn and not ends_at_a_record else [])
    assert not path.exists()
    ledger.close()


class Killed(BaseException):
    """Stands for the end of the process."""


def fail_before_commit(ledger: SqliteLedger, ingest: Ingest) -> None:
    real = ledger._add_rollups

    def killed(batch: object) -> None:
        del batch
        raise Killed

    ledger._add_rollups = killed
    try:
        ingest.run_once()
    except Killed:
        pass
    finally:
        ledger._add_rollups = real


def test_sigkill_of_writer_and_ingester_keeps_every_appended_record_once(tmp_path: Path):
    writer_script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tollway.gateway.spool import Spool\n"
        "from tollway.testing.usage_records import usage_record\n"
        "worker, seed = sys.argv[2], int(sys.argv[3])\n"
        "spool = Spool(Path(sys.argv[1]), worker, max_file_bytes=40_000)\n"
        "for number in range(1_000_000):\n"
        "    spool.append(usage_record(number, seed=seed))\n"
        "    print(f'{number:0400}', flush=True)  # long, so that a full pipe holds the writer back\n"
    )
    ingest_script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tollway.metering.ingest import Ingest\n"
        "from tollway.stores.ledger_sqlite import SqliteLedger\n"
        "ledger = SqliteLedger(Path(sys.argv[2]))\n"
        "ingest = Ingest(Path(sys.argv[1]), ledger, chunk_bytes=20_000)\n"
        "while True:\n"
        "    print(ingest.run_once().added, flush=True)\n"
    )
    spool, path = tmp_path / "spool", tmp_path / "ledger.sqlite3"
    spool.mkdir()
    appended: dict[int, int] = {}
    for seed in range(3):
        writer = start(writer_script, str(spool), f"worker{seed}", str(seed))
        ingester = start(ingest_script, str(spool), str(path))
        written = read_lines(writer, 150)
        read_lines(ingester, 3)
        ingester.send_signal(signal.SIGKILL)
        written += read_lines(writer, 50)
        writer.send_signal(signal.SIGKILL)
        written += finish(writer)
        finish(ingester)
        appended[seed] = int(written[-1]) + 1
    ledger = SqliteLedger(path)
    Ingest(spool, ledger).run_once()
    held = {record.id for record in ledger.records()}
    promised = {record.id for seed, number in appended.items() for record in usage_records(number, seed=seed)}
    possible = {record.id for seed, number in appended.items() for record in usage_records(number + 1, seed=seed)}
    assert promised <= held <= possible
    assert list(ledger.defects()) == []
    assert list(spool.glob("*.jsonl")) == []
    ledger.close()


def start(script: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def read_lines(process: "subprocess.Popen[str]", number: int) -> list[str]:
    assert process.stdout is not None
    return [process.stdout.readline() for _ in range(number)]


def finish(process: "subprocess.Popen[str]") -> list[str]:
    """Read what is left, whole lines only."""
    assert process.stdout is not None
    rest = [line for line in process.stdout.readlines() if line.endswith("\n")]
    process.stdout.close()
    process.wait()
    return rest


def test_the_spool_s_own_files_are_understood(tmp_path: Path):
    spool = Spool(tmp_path, "01KDVDNA00V3RS3DTR98H6BCFN", max_file_bytes=10_000)
    ledger = MemoryLedger()
    ingest = Ingest(tmp_path, ledger)
    records = usage_records(90)
    for number, record in enumerate(records):
        spool.append(record)
        if number % 20 == 0:
            ingest.run_once()
    ingest.run_once()
    assert holds_exactly(ledger, records)
    spool.close()
    ingest.run_once()
    assert list(tmp_path.glob("*.jsonl")) == []


def test_what_was_there_when_asked_is_told_apart_from_what_came_since(tmp_path: Path):
    one, two, three = usage_records(3)
    ledger = MemoryLedger()
    ingest = Ingest(tmp_path, ledger)
    with writer_of(tmp_path / "a.jsonl", encode_line(one)) as fd:
        sizes = ingest.sizes()
        assert not ingest.has_ingested(sizes)
        os.write(fd, encode_line(two))
        ingest.run_once()
        os.write(fd, encode_line(three))
        assert ingest.has_ingested(sizes)
        assert not ingest.has_ingested(ingest.sizes())
        assert ingest.pending_bytes() == len(encode_line(three))
        sizes = ingest.sizes()
    ingest.run_once()
    assert ingest.has_ingested(sizes), "a file that is gone was ingested whole"
