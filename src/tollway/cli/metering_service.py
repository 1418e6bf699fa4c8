"""Composes the ingester with its ledger and, where an endpoint is set, the OpenTelemetry exporter."""

from collections.abc import Callable
from pathlib import Path

from tollway.gateway.log import Log
from tollway.metering.service import Ingester
from tollway.snapshot.document import Telemetry
from tollway.stores.ledger_sqlite import SqliteLedger
from tollway.wire.exposition import Family

LEDGER_FILE = "ledger.sqlite3"


class MeteringService:
    """Empties the spool into the ledger beside the workers; what fails here never reaches a call."""

    def __init__(self, data_dir: Path, telemetry: Telemetry, log: Log) -> None:
        """Open the ledger.

        Raises:
            LedgerUnavailable: it cannot be opened, or was written by a newer Tollway.
        """
        self._close_exporter: Callable[[], None] = _nothing
        export = None
        if telemetry.otlp_endpoint:
            from tollway.metering.otel import OtelExporter  # noqa: PLC0415 - the SDK is heavy, and most gateways do without

            exporter = OtelExporter(
                telemetry.otlp_endpoint,
                headers={name: secret.reveal() for name, secret in telemetry.otlp_headers.items()},
                service_name=telemetry.service_name,
            )
            export, self._close_exporter = exporter.export, exporter.close
        self._ingester = Ingester(data_dir, SqliteLedger(data_dir / LEDGER_FILE), log=log, on_records=export)

    def start(self) -> None:
        """Begin."""
        self._ingester.start()

    def stop(self) -> None:
        """Ingest what is there, then end."""
        self._ingester.stop()
        self._close_exporter()

    def families(self) -> list[Family]:
        """Tell how it goes, for `/metrics`."""
        return self._ingester.families()


def _nothing() -> None:
    """Nothing to close."""
