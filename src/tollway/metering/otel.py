"""Sends usage records to an OpenTelemetry collector, beside the ingester and away from every call.

Rules of this file:
- `offer` never waits: what the bounded queue cannot take is dropped and counted.
- The SDK is imported when an endpoint is configured and not before; everything that needs it is in `otel_export.py`.
- The ledger is the truth and telemetry a copy: what a collector does not take is not kept for it.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final, Literal, Protocol

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.otel_settings import OtelSettings
from tollway.wire.exposition import Family, Sample


class RecordExport(Protocol):
    """Delivers usage records; what `otel_export.py` makes."""

    def deliver(self, records: Sequence[UsageRecord]) -> bool:
        """Send them; False when the collector did not take them. May wait."""
        ...

    def close(self) -> None:
        """Deliver what is left of metrics, and end."""
        ...


class OtelExporter:
    """Takes records from the ingester and delivers them from a thread of its own."""

    def __init__(
        self,
        settings: OtelSettings,
        *,
        provider_name: Callable[[str], str] = str,
        queue_records: int = 20_000,
        batch_records: int = 512,
    ) -> None:
        """Start the thread.

        Args:
            settings: where to, and how.
            provider_name: gives OpenTelemetry's name of one of our providers.
            queue_records: how many records may wait.
            batch_records: how many are sent at once.
        """
        self._settings = settings
        self._provider_name = provider_name
        self._queue_records = queue_records
        self._batch_records = batch_records
        self._queue: deque[UsageRecord] = deque()
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._exported = 0
        self._overflowed = 0
        self._failed = 0
        self._thread = threading.Thread(target=self._run, name="otel-export", daemon=True)
        self._thread.start()

    def offer(self, records: Sequence[UsageRecord]) -> None:
        """Take records, as many as there is room for. Never waits."""
        room = max(0, self._queue_records - len(self._queue))
        self._queue.extend(islice(records, room))
        self._overflowed += max(0, len(records) - room)
        self._wake.set()

    def close(self, *, seconds: float = 5.0) -> None:
        """Deliver what is queued, for at most `seconds`; then give up the rest."""
        self._stop.set()
        self._wake.set()
        self._thread.join(seconds)

    def families(self) -> list[Family]:
        """Tell how it went, for `/metrics`."""
        return [
            _family("tollway_otel_exported_records_total", "counter", self._exported),
            _family("tollway_otel_dropped_records_total", "counter", self._overflowed + self._failed),
            _family("tollway_otel_queued_records", "gauge", len(self._queue)),
        ]

    def _run(self) -> None:
        from tollway.metering.otel_export import OtlpExport  # noqa: PLC0415 - the SDK costs start-up time and memory

        export: RecordExport = OtlpExport(self._settings, self._provider_name)
        while True:
            if not self._queue:
                if self._stop.is_set():
                    break
                self._wake.wait()
                self._wake.clear()
                continue
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._batch_records))]
            if self._deliver(export, batch):
                self._exported += len(batch)
            else:
                self._failed += len(batch)
        export.close()

    def _deliver(self, export: RecordExport, batch: Sequence[UsageRecord]) -> bool:
        try:
            return export.deliver(batch)
        except Exception:  # noqa: BLE001 - a worker loop: whatever one batch did to the SDK, the next must be tried
            return False


HELP: Final[dict[str, str]] = {
    "tollway_otel_exported_records_total": "Usage records that the OpenTelemetry collector took.",
    "tollway_otel_dropped_records_total": "Usage records not exported: the queue was full, or the collector failed.",
    "tollway_otel_queued_records": "Usage records that wait to be exported.",
}


def _family(name: str, kind: Literal["counter", "gauge"], value: float) -> Family:
    return Family(name, kind, HELP[name], samples=[Sample((), value)])
