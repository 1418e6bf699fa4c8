import time
from pathlib import Path

import pytest

from tollway.gateway.spool import Spool
from tollway.metering.ingest import ingest_lock
from tollway.metering.ledger import LedgerUnavailable
from tollway.metering.service import HELP, Ingester
from tollway.stores.ledger_memory import MemoryLedger
from tollway.testing.contracts.ledger import holds_exactly
from tollway.testing.usage_records import usage_records
from tollway.wire.exposition import Family
from tollway.wire.spool_format import encode_line


class Told:
    """Remembers what a log was told."""

    def __init__(self):
        self.lines: list[tuple[str, dict[str, object]]] = []

    def error(self, message: str, **fields: object) -> None:
        self.lines.append((message, fields))


def values(families: list[Family]) -> dict[str, float]:
    return {family.name: family.samples[0].value for family in families}


def test_it_empties_the_spool_in_a_thread_of_its_own(tmp_path: Path):
    ledger, told = MemoryLedger(), Told()
    ingester = Ingester(tmp_path, ledger, log=told, interval_seconds=0.01)
    ingester.start()
    spool = Spool(tmp_path / "spool", "01KDVDNA00V3RS3DTR98H6BCFN")
    records = usage_records(40)
    for record in records[:20]:
        spool.append(record)
    while sum(1 for _ in ledger.records()) < 20:
        time.sleep(0.01)
    for record in records[20:]:
        spool.append(record)
    spool.close()
    ingester.stop()
    assert holds_exactly(ledger, records)
    assert values(ingester.families())["tollway_ingested_records_total"] == 40
    assert told.lines == []


def test_what_is_set_aside_is_counted_and_told(tmp_path: Path):
    told = Told()
    ingester = Ingester(tmp_path, MemoryLedger(), log=told)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "a.jsonl").write_bytes(b"garbage\n" + encode_line(usage_records(1)[0]))
    (tmp_path / "spool" / "b.jsonl").write_bytes(encode_line(usage_records(1)[0]))
    assert ingester.run_once() == 1
    counted = values(ingester.families())
    assert counted["tollway_quarantined_lines_total"] == 1
    assert counted["tollway_ingested_duplicates_total"] == 1
    ((message, fields),) = told.lines
    assert "set aside" in message
    assert fields["lines"] == 1
    ingester.stop()


def test_it_waits_while_another_process_ingests(tmp_path: Path):
    ledger = MemoryLedger()
    ingester = Ingester(tmp_path, ledger, log=Told())
    with ingest_lock(tmp_path / "spool"):
        line = encode_line(usage_records(1)[0])
        (tmp_path / "spool" / "a.jsonl").write_bytes(line)
        assert ingester.run_once() == 0
        assert values(ingester.families())["tollway_spool_pending_bytes"] == len(line)
    assert ingester.run_once() == 1
    with ingest_lock(tmp_path / "spool") as free:
        assert not free, "it keeps the lock while it runs"


def test_a_ledger_that_fails_is_told_and_tried_again(tmp_path: Path):
    class Failing(MemoryLedger):
        works = False

        def add(self, batch):
            if not self.works:
                raise LedgerUnavailable("the disk is full")
            return super().add(batch)

    ledger, told = Failing(), Told()
    ingester = Ingester(tmp_path, ledger, log=told, interval_seconds=0.01)
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "a.jsonl").write_bytes(encode_line(usage_records(1)[0]))
    with pytest.raises(LedgerUnavailable):
        ingester.run_once()
    ingester.start()
    while not told.lines:
        time.sleep(0.01)
    assert told.lines[0] == ("usage records wait in the spool", {"reason": "the disk is full"})
    ledger.works = True
    ingester.stop()
    assert holds_exactly(ledger, usage_records(1))
    assert values(ingester.families())["tollway_ingest_failures_total"] >= 2


def test_every_metric_has_its_words(tmp_path: Path):
    families = Ingester(tmp_path, MemoryLedger(), log=Told()).families()
    assert [family.name for family in families] == list(HELP)
    assert all(family.help == HELP[family.name] for family in families)
