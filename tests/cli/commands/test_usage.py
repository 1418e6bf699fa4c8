import csv
import io
import threading
import time
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace

from tollway.cli.commands.usage import ingest_pending, read_range
from tollway.cli.main import main
from tollway.core.usage import Usage
from tollway.gateway.spool import Spool
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ingest import Ingest, ingest_lock
from tollway.metering.rollups import HOUR_US
from tollway.stores.ledger_memory import MemoryLedger
from tollway.stores.ledger_sqlite import LEDGER_FILE, SqliteLedger
from tollway.testing.contracts.ledger import holds_exactly
from tollway.testing.usage_records import START_US, usage_records
from tollway.wire.spool_format import encode_line

RECORD = UsageRecord(
    id="01",
    call_id="c1",
    started_us=START_US,
    proxy="llm-proxy",
    provider="openai",
    client_id="3f8a",
    client_name="checkout",
    business_group="retail",
    target_model="gpt-5-mini",
    served_model="gpt-5-mini-2025",
    outcome="ok",
    usage=Usage(input_fresh=1000, cache_read=234, output_text=50, reasoning=7),
    upstream_us=1_500_000,
)
RECORDS = [
    RECORD,
    replace(RECORD, id="02", client_id="b194", client_name="search", started_us=START_US + 5 * HOUR_US),
    replace(
        RECORD,
        id="03",
        business_group="",
        client_id="",
        client_name="",
        outcome="refused",
        usage=Usage(),
        upstream_us=0,
    ),
]

TABLES = """\
Usage from the beginning to now.

business group  calls  errors  input  cached  output  reasoning  total tokens  p50 ms  p95 ms
--------------  -----  ------  -----  ------  ------  ---------  ------------  ------  ------
retail              2       0  2,468     468     114         14         2,582   1,494   1,494
-                   1       1      0       0       0          0             0       -       -
total               3       1  2,468     468     114         14         2,582   1,494   1,494

client application  calls  errors  input  cached  output  reasoning  total tokens  p50 ms  p95 ms
------------------  -----  ------  -----  ------  ------  ---------  ------------  ------  ------
checkout                1       0  1,234     234      57          7         1,291   1,494   1,494
search                  1       0  1,234     234      57          7         1,291   1,494   1,494
-                       1       1      0       0       0          0             0       -       -
total                   3       1  2,468     468     114         14         2,582   1,494   1,494

model            calls  errors  input  cached  output  reasoning  total tokens  p50 ms  p95 ms
---------------  -----  ------  -----  ------  ------  ---------  ------------  ------  ------
gpt-5-mini-2025      3       1  2,468     468     114         14         2,582   1,494   1,494
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    spool = Spool(tmp_path / "spool", "01KDVDNA00V3RS3DTR98H6BCFN")
    for record in RECORDS:
        spool.append(record)
    spool.close()
    return tmp_path


def test_it_ingests_what_is_pending_and_shows_three_tables(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["usage", "--data", str(data)]) == 0
    assert capsys.readouterr().out == TABLES
    assert list((data / "spool").glob("*.jsonl")) == []


def test_one_table_by_what_was_asked(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["usage", "--data", str(data), "--by", "provider", "--by", "outcome"]) == 0
    lines = capsys.readouterr().out.splitlines()[2:]
    assert [line.split()[:3] for line in lines] == [
        ["provider", "outcome", "calls"],
        ["--------", "-------", "-----"],
        ["openai", "ok", "2"],
        ["openai", "refused", "1"],
        ["total", "3", "1"],
    ]


@pytest.mark.parametrize(
    ("since", "until", "calls"),
    [
        ("2026-01-01", None, 3),
        ("2026-01-01T05:30", None, 1),
        (None, "2026-01-01T05:00", 2),
        (None, "2026-01-01T05:01", 3),
    ],
    ids=["a day", "an hour counts whole", "until is not included", "until is rounded up"],
)
def test_a_range_is_whole_hours(
    data: Path, capsys: pytest.CaptureFixture[str], since: str | None, until: str | None, calls: int
):
    options = [*(["--since", since] if since else []), *(["--until", until] if until else [])]
    assert main(["usage", "--data", str(data), "--json", *options]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["total"]["calls"] == calls


def test_nothing_in_the_range_is_said_so(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["usage", "--data", str(data), "--since", "2027-01-01"]) == 0
    assert capsys.readouterr().out == "No calls from 2027-01-01 00:00 UTC to now.\n"


def test_a_directory_without_usage_is_said_so_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["usage", "--data", str(tmp_path)]) == 1
    assert "holds no usage" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_json_has_every_figure(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["usage", "--data", str(data), "--json"]) == 0
    document = msgspec.json.decode(capsys.readouterr().out)
    assert [table["by"] for table in document["tables"]] == [["business-group"], ["client"], ["model"]]
    first = document["tables"][1]["lines"][0]
    assert first["group"] == {"client": "3f8a"}
    assert first["client_name"] == "checkout"
    assert first["total_tokens"] == 1291
    assert document["total"]["attempts"] == 3


def test_csv_is_one_table_that_programs_read(data: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["usage", "--data", str(data), "--csv", "--by", "business-group", "--by", "client"]) == 0
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [(row["business-group"], row["client"], row["client_name"], row["total_tokens"]) for row in rows] == [
        ("retail", "3f8a", "checkout", "1291"),
        ("retail", "b194", "search", "1291"),
        ("", "", "", "0"),
    ]


def test_a_name_cannot_command_the_terminal(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "a.jsonl").write_bytes(encode_line(replace(RECORD, client_name="\x1b[2Jevil")))
    assert main(["usage", "--data", str(tmp_path), "--by", "client"]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "evil" in shown


def test_lines_that_could_not_be_read_are_not_kept_quiet(data: Path, capsys: pytest.CaptureFixture[str]):
    (data / "spool" / "bad.jsonl").write_bytes(b"garbage\n")
    assert main(["usage", "--data", str(data)]) == 0
    assert "1 lines of the spool could not be read" in capsys.readouterr().err


def test_a_ledger_that_cannot_be_opened_is_said_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / LEDGER_FILE).write_bytes(b"not a database" * 1000)
    assert main(["usage", "--data", str(tmp_path)]) == 1
    assert "not a database" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        ("yesterday", None, "--since: 'yesterday' is no time"),
        (None, "24", "--until: '24' is no time"),
        ("2026-02-01", "2026-01-01", "must be before"),
    ],
    ids=["a word", "a bare number", "backwards"],
)
def test_a_range_that_makes_no_sense_is_refused(since: str | None, until: str | None, message: str):
    with pytest.raises(ValueError, match=message):
        read_range(since, until, now_us=START_US)


@pytest.mark.parametrize(
    ("since", "hours_ago"),
    [("90m", 2), ("24h", 24), ("7d", 168), ("1w", 168)],
    ids=["minutes", "hours", "days", "weeks"],
)
def test_times_may_be_relative(since: str, hours_ago: int):
    assert read_range(since, None, now_us=START_US).since == START_US // HOUR_US - hours_ago


def test_a_time_may_name_its_zone():
    assert read_range("2026-01-01T02:00+02:00", None, now_us=0).since == START_US // HOUR_US


def test_it_waits_for_the_gateway_s_own_ingester(tmp_path: Path):
    spool = tmp_path / "spool"
    spool.mkdir()
    records = usage_records(20)
    (spool / "a.jsonl").write_bytes(b"".join(map(encode_line, records)))
    path = tmp_path / LEDGER_FILE

    def gateway() -> None:
        ledger = SqliteLedger(path)
        time.sleep(0.2)
        Ingest(spool, ledger).run_once()
        ledger.close()

    with ingest_lock(spool):
        thread = threading.Thread(target=gateway)
        thread.start()
        ledger = SqliteLedger(path)
        ingest_pending(spool, ledger)
        assert holds_exactly(ledger, records)
        ledger.close()
        thread.join()


def test_a_spool_that_does_not_exist_is_no_error(tmp_path: Path):
    ingest_pending(tmp_path / "spool", MemoryLedger())
    assert not (tmp_path / "spool").exists()
