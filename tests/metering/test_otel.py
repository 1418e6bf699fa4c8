import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from msgspec.structs import replace
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver

from tollway.metering.ingest import Ingest
from tollway.metering.otel import HELP, OtelExporter
from tollway.metering.otel_settings import OtelSettings
from tollway.stores.ledger_memory import MemoryLedger
from tollway.testing.usage_records import usage_records
from tollway.wire.spool_format import encode_line


def wait_until(happened: Callable[[], bool]) -> None:
    while not happened():
        time.sleep(0.01)


def value(exporter: OtelExporter, name: str) -> float:
    return next(family.samples[0].value for family in exporter.families() if family.name == name)


def settings(receiver: OtlpReceiver) -> OtelSettings:
    return OtelSettings(endpoint=receiver.url, timeout_seconds=1.0)


def test_records_reach_the_collector_and_are_counted():
    records = [replace(record, final=True) for record in usage_records(100)]
    with otlp_receiver() as receiver:
        exporter = OtelExporter(settings(receiver), batch_records=30)
        exporter.offer(records)
        exporter.close(seconds=60)
    calls = [span for span in receiver.spans if span.kind == span.SPAN_KIND_SERVER]
    assert len(calls) == 100
    assert len(receiver.traces) == 4
    assert value(exporter, "tollway_otel_exported_records_total") == 100
    assert value(exporter, "tollway_otel_dropped_records_total") == 0
    assert receiver.metrics, "metrics are sent at the end at the latest"


def test_ingestion_feeds_it(tmp_path: Path):
    records = usage_records(10)
    (tmp_path / "a.jsonl").write_bytes(b"".join(map(encode_line, records)))
    with otlp_receiver() as receiver:
        exporter = OtelExporter(settings(receiver))
        Ingest(tmp_path, MemoryLedger(), on_records=exporter.offer).run_once()
        exporter.close(seconds=60)
    assert len(receiver.spans) == sum((record.attempt > 0) + record.final for record in records)


def test_a_collector_that_stalls_costs_nobody_time_and_what_does_not_fit_is_counted():
    with otlp_receiver() as receiver:
        receiver.hold.clear()
        exporter = OtelExporter(settings(receiver), queue_records=50, batch_records=10)
        exporter.offer(usage_records(10))
        wait_until(lambda: value(exporter, "tollway_otel_queued_records") == 0)
        # Ten are being sent and held up; of these, fifty can wait.
        exporter.offer(usage_records(200, seed=1))
        assert value(exporter, "tollway_otel_queued_records") == 50
        assert value(exporter, "tollway_otel_dropped_records_total") == 150
        receiver.hold.set()
        exporter.close(seconds=60)


def test_a_collector_that_refuses_is_counted_and_the_next_batch_is_tried():
    with otlp_receiver() as receiver:
        receiver.status = 400
        exporter = OtelExporter(settings(receiver))
        exporter.offer(usage_records(10))
        wait_until(lambda: value(exporter, "tollway_otel_dropped_records_total") == 10)
        receiver.status = 200
        exporter.offer(usage_records(5, seed=1))
        exporter.close(seconds=60)
    assert value(exporter, "tollway_otel_exported_records_total") == 5


def test_a_collector_that_is_not_there_does_not_keep_us_from_ending():
    exporter = OtelExporter(OtelSettings(endpoint="http://127.0.0.1:9", timeout_seconds=0.2))
    exporter.offer(usage_records(10))
    exporter.close(seconds=60)
    assert value(exporter, "tollway_otel_dropped_records_total") == 10


def test_without_an_endpoint_the_sdk_is_not_even_imported():
    script = (
        "import sys\n"
        "import tollway.metering.otel, tollway.metering.service, tollway.metering.ingest\n"
        "import tollway.stores.ledger_sqlite\n"
        "print(sorted(name for name in sys.modules if name.split('.')[0] in {'opentelemetry', 'requests', 'google'}))\n"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_every_metric_has_its_words():
    with otlp_receiver() as receiver:
        exporter = OtelExporter(settings(receiver))
        assert [family.name for family in exporter.families()] == list(HELP)
        exporter.close(seconds=60)
