import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from threading import Barrier

import pytest

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ledger import Ledger, LedgerUnavailable, batch_of
from tollway.stores.ledger_sqlite import SqliteLedger
from tollway.testing.contracts.ledger import LastingLedgerContract, LedgerContract, NewLedger, holds_exactly
from tollway.testing.usage_records import usage_records


@pytest.fixture
def opened() -> Iterator[list[SqliteLedger]]:
    ledgers: list[SqliteLedger] = []
    yield ledgers
    for ledger in ledgers:
        ledger.close()


class TestSqliteLedger(LedgerContract, LastingLedgerContract):
    @pytest.fixture
    def new_ledger(self, tmp_path: Path, opened: list[SqliteLedger]) -> NewLedger:
        numbers = count()

        def new() -> Ledger:
            opened.append(SqliteLedger(tmp_path / f"new-{next(numbers)}.sqlite3"))
            return opened[-1]

        return new

    @pytest.fixture
    def open_ledger(self, tmp_path: Path) -> NewLedger:
        return lambda: SqliteLedger(tmp_path / "ledger.sqlite3")


def test_every_member_of_a_record_is_a_column_of_the_view(tmp_path: Path):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    records = usage_records(40)
    ledger.add(batch_of(records))
    ledger.close()
    database = sqlite3.connect(tmp_path / "ledger.sqlite3")
    database.row_factory = sqlite3.Row
    rows = {row["id"]: row for row in database.execute("SELECT * FROM usage_record")}
    database.close()
    plain = [name for name in UsageRecord.__struct_fields__ if name not in {"usage", "shadow", "losses"}]
    for record in records:
        assert {name: rows[record.id][name] for name in plain} == {name: getattr(record, name) for name in plain}


def test_another_application_s_database_is_left_alone(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    database = sqlite3.connect(path)
    database.execute("CREATE TABLE theirs (a)")
    database.commit()
    database.close()
    before = path.read_bytes()
    with pytest.raises(LedgerUnavailable, match="no Tollway ledger"):
        SqliteLedger(path)
    database = sqlite3.connect(path)
    assert [row[0] for row in database.execute("SELECT name FROM sqlite_schema")] == ["theirs"]
    database.close()
    assert len(path.read_bytes()) == len(before)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"not a database, but long enough to be looked at" * 100)
    with pytest.raises(LedgerUnavailable, match="not a database"):
        SqliteLedger(path)


def test_a_newer_schema_is_refused_and_said_so(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    SqliteLedger(path).close()
    database = sqlite3.connect(path)
    database.execute("PRAGMA user_version = 99")
    database.close()
    with pytest.raises(LedgerUnavailable, match=r"newer Tollway.*99"):
        SqliteLedger(path)


def test_a_view_of_an_older_version_is_made_anew(tmp_path: Path):
    path = tmp_path / "ledger.sqlite3"
    SqliteLedger(path).close()
    database = sqlite3.connect(path)
    database.executescript("DROP VIEW usage_record; CREATE VIEW usage_record AS SELECT id FROM record")
    database.close()
    SqliteLedger(path).close()
    database = sqlite3.connect(path)
    names = [row[1] for row in database.execute("PRAGMA table_info(usage_record)")]
    database.close()
    assert names == list(UsageRecord.__struct_fields__)


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE rollup SET output_text = output_text + 1",
        "DELETE FROM rollup WHERE rowid = 1",
        "DELETE FROM record WHERE id = (SELECT min(id) FROM record)",
        "UPDATE record SET context = 99999",
    ],
    ids=["a sum", "a rollup", "a record", "a context"],
)
def test_what_does_not_add_up_is_found(tmp_path: Path, damage: str):
    path = tmp_path / "ledger.sqlite3"
    ledger = SqliteLedger(path)
    ledger.add(batch_of(usage_records(40)))
    assert list(ledger.defects()) == []
    database = sqlite3.connect(path)
    database.execute(damage)
    database.commit()
    database.close()
    assert list(ledger.defects()) != []
    ledger.close()


def test_many_may_open_a_new_ledger_at_once(tmp_path: Path):
    for attempt in range(10):
        path = tmp_path / f"{attempt}.sqlite3"
        together = Barrier(8)

        def open_it(path: Path = path, together: Barrier = together) -> None:
            together.wait()
            SqliteLedger(path).close()

        with ThreadPoolExecutor(8) as openers:
            for opened in [openers.submit(open_it) for _ in range(8)]:
                opened.result()


def test_a_full_disk_is_said_so_and_nothing_is_half_done(tmp_path: Path):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3")
    records = usage_records(2000)
    ledger.add(batch_of(records[:10], file="a.jsonl", start=0, end=1))
    ledger._db.execute("PRAGMA max_page_count = 20")
    with pytest.raises(LedgerUnavailable, match="full"):
        ledger.add(batch_of(records[10:], file="a.jsonl", start=1, end=2))
    ledger._db.execute("PRAGMA max_page_count = 100000")
    assert holds_exactly(ledger, records[:10])
    ledger.add(batch_of(records[10:], file="a.jsonl", start=1, end=2))
    assert holds_exactly(ledger, records)
    ledger.close()


def test_sigkill_while_adding_leaves_whole_batches_and_their_sums(tmp_path: Path):
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from tollway.metering.ledger import batch_of\n"
        "from tollway.stores.ledger_sqlite import SqliteLedger\n"
        "from tollway.testing.usage_records import usage_record\n"
        "ledger = SqliteLedger(Path(sys.argv[1]))\n"
        "for batch in range(100000):\n"
        "    records = [usage_record(batch * 20 + number) for number in range(20)]\n"
        "    ledger.add(batch_of(records, file='a.jsonl', start=batch, end=batch + 1))\n"
        "    print(batch + 1, flush=True)\n"
    )
    path = tmp_path / "ledger.sqlite3"
    writer = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, cwd=tmp_path)
    assert writer.stdout is not None
    said = [writer.stdout.readline() for _ in range(15)]
    os.kill(writer.pid, signal.SIGKILL)
    said += writer.stdout.readlines()
    writer.wait()
    writer.stdout.close()
    added = int([line for line in said if line.endswith(b"\n")][-1])
    ledger = SqliteLedger(path)
    stored = ledger.position("a.jsonl")
    assert added <= stored <= added + 1
    assert holds_exactly(ledger, usage_records(stored * 20))
    ledger.close()
