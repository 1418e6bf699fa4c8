"""Composes what looks after the spool: its sync, the ingester with its ledger and, where one is set, the exporter."""

from pathlib import Path

from tollway.gateway.log import Log
from tollway.metering.otel import OtelExporter
from tollway.metering.otel_settings import OtelSettings
from tollway.metering.service import Ingester
from tollway.metering.spool_sync import SpoolSync
from tollway.snapshot.document import Telemetry
from tollway.snapshot.plugins import BrokenPlugin, UnknownPlugin, provider
from tollway.stores.ledger_sqlite import LEDGER_FILE, SqliteLedger
from tollway.wire.exposition import Family
from tollway.wire.spool_format import SPOOL_DIRECTORY


class MeteringService:
    """Empties the spool into the ledger beside the workers; what fails here never reaches a call."""

    def __init__(self, data_dir: Path, telemetry: Telemetry, log: Log) -> None:
        """Open the ledger.

        Raises:
            LedgerUnavailable: it cannot be opened, or was written by a newer Tollway.
        """
        self._ledger = SqliteLedger(data_dir / LEDGER_FILE)
        self._exporter: OtelExporter | None = None
        if telemetry.otlp_endpoint:
            settings = OtelSettings(
                endpoint=telemetry.otlp_endpoint,
                headers={name: secret.reveal() for name, secret in telemetry.otlp_headers.items()},
                service_name=telemetry.service_name,
                vocabulary="A" if telemetry.semantic_conventions == "1.41" else "B",
            )
            self._exporter = OtelExporter(settings, provider_name=otel_name)
        on_records = self._exporter.offer if self._exporter is not None else None
        self._ingester = Ingester(data_dir, self._ledger, log=log, on_records=on_records)
        self._sync = SpoolSync(data_dir / SPOOL_DIRECTORY, log=log)

    def start(self) -> None:
        """Begin."""
        self._sync.start()
        self._ingester.start()

    def stop(self) -> None:
        """Ingest what is there, then end."""
        self._sync.stop()
        self._ingester.stop()
        self._ledger.close()
        if self._exporter is not None:
            self._exporter.close()

    def families(self) -> list[Family]:
        """Tell how it goes, for `/metrics`."""
        exported = self._exporter.families() if self._exporter is not None else []
        return [*self._ingester.families(), *exported]


def otel_name(name: str) -> str:
    """Give OpenTelemetry's name of a provider; its own name where it is not installed any more."""
    try:
        found = provider(name)
    except (UnknownPlugin, BrokenPlugin):
        return name
    return found.otel_name or found.name
