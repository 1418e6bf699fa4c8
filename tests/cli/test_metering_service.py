"""The spool's records in the ledger and at a collector, composed as the supervisor composes them."""

import sqlite3
from pathlib import Path

import pytest
from tests.support.otlp_receiver import otlp_receiver

from tollway.cli.metering_service import MeteringService, otel_name
from tollway.gateway.clock import SystemClock
from tollway.gateway.log import Log
from tollway.gateway.spool import Spool
from tollway.interfaces.secrets import Secret
from tollway.metering.ledger import LedgerUnavailable
from tollway.snapshot.document import Telemetry
from tollway.stores.ledger_sqlite import LEDGER_FILE, SqliteLedger
from tollway.testing.contracts.ledger import holds_exactly
from tollway.testing.usage_records import usage_records


def metered(folder: Path, telemetry: Telemetry, count: int) -> set[str]:
    """Run the service over a spool of so many records; name the metrics it told."""
    spool = Spool(folder / "spool", SystemClock().new_id())
    for record in usage_records(count):
        spool.append(record)
    spool.close()
    service = MeteringService(folder, telemetry, Log(SystemClock(), level="error"))
    service.start()
    names = {family.name for family in service.families()}
    service.stop()
    return names


def test_what_is_in_the_spool_is_in_the_ledger_when_it_has_stopped(tmp_path: Path) -> None:
    names = metered(tmp_path, Telemetry(), 30)
    ledger = SqliteLedger(tmp_path / LEDGER_FILE)
    assert holds_exactly(ledger, usage_records(30))
    ledger.close()
    assert "tollway_ingested_records_total" in names
    assert not any("otlp" in name or "otel" in name for name in names)


@pytest.mark.parametrize(
    ("vocabulary", "attribute"), [("1.41", "gen_ai.provider.name"), ("genai", "gen_ai.provider.name")]
)
def test_where_a_collector_is_set_it_hears_of_every_attempt(vocabulary: str, attribute: str, tmp_path: Path) -> None:
    with otlp_receiver() as receiver:
        telemetry = Telemetry(
            otlp_endpoint=receiver.url,
            otlp_headers={"x-token": Secret("t0ken")},
            service_name="edge",
            semantic_conventions=vocabulary,  # type: ignore[arg-type]
        )
        names = metered(tmp_path, telemetry, 20)
        attempts = [record for record in usage_records(20) if record.attempt]
        found = [span for span in receiver.spans if any(one.key == attribute for one in span.attributes)]
        assert len(found) >= len(attempts)
        assert receiver.headers[0]["x-token"] == "t0ken"
        resource = receiver.traces[0].resource_spans[0].resource
        assert {one.key: one.value.string_value for one in resource.attributes}["service.name"] == "edge"
    assert "tollway_ingested_records_total" in names
    assert len(names) > 1


def test_a_ledger_that_is_none_is_refused_at_the_start(tmp_path: Path) -> None:
    (tmp_path / LEDGER_FILE).write_bytes(b"this is no database, it is a letter to you" * 100)
    with pytest.raises(LedgerUnavailable):
        MeteringService(tmp_path, Telemetry(), Log(SystemClock()))


def test_a_newer_ledger_is_refused_at_the_start(tmp_path: Path) -> None:
    SqliteLedger(tmp_path / LEDGER_FILE).close()
    db = sqlite3.connect(tmp_path / LEDGER_FILE)
    db.execute("PRAGMA user_version = 9999")
    db.commit()
    db.close()
    with pytest.raises(LedgerUnavailable):
        MeteringService(tmp_path, Telemetry(), Log(SystemClock()))


@pytest.mark.parametrize(
    ("name", "told"),
    [("gemini", "gcp.gemini"), ("openai", "openai"), ("azureopenai", "azure.ai.openai"), ("gone-away", "gone-away")],
)
def test_providers_have_the_names_the_conventions_give_them(name: str, told: str) -> None:
    assert otel_name(name) == told
