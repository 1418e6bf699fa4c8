"""The ingester as a service: it empties the spool into the ledger twice a second, beside the gateway's workers.

It holds the ingest lock as long as it runs, so nobody else does its work; when another process holds the lock, it
waits for its turn. Nothing that fails here reaches a call: records stay in the spool until the ledger takes them.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final, Literal, Protocol

from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ingest import Ingest, ingest_lock
from tollway.metering.ledger import Ledger, LedgerUnavailable
from tollway.wire.exposition import Family, Sample
from tollway.wire.spool_format import QUARANTINE_DIRECTORY, SPOOL_DIRECTORY

_LONGEST_PAUSE_SECONDS: Final = 5.0


class Log(Protocol):
    """Where to tell what an operator must know."""

    def error(self, message: str, **fields: object) -> None:
        """Write what an operator must look at."""
        ...


class Ingester:
    """Runs `Ingest` again and again, in a thread of its own or by hand."""

    def __init__(
        self,
        data_dir: Path,
        ledger: Ledger,
        *,
        log: Log,
        interval_seconds: float = 0.5,
        on_records: Callable[[Sequence[UsageRecord]], None] | None = None,
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            data_dir: whose spool to ingest.
            ledger: takes the records; used by the thread that runs this object only.
            log: told what goes wrong.
            interval_seconds: the pause between two passes. Larger batches cost less a record.
            on_records: told the records that are new to the ledger, once they are stored. It must not block.
        """
        self._spool = data_dir / SPOOL_DIRECTORY
        self._ingest = Ingest(self._spool, ledger, on_records=on_records)
        self._log = log
        self._interval_seconds = interval_seconds
        self._lock = ExitStack()
        self._locked = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._added = 0
        self._duplicates = 0
        self._quarantined = 0
        self._failures = 0
        self._pending_bytes = 0

    def run_once(self) -> int:
        """Ingest what the spool holds now; return how many records were new.

        Nothing is done while another process holds the lock.

        Raises:
            LedgerUnavailable: the ledger does not take records now.
            OSError: a spool file cannot be read, or not be set aside.
        """
        try:
            if not self._has_lock():
                self._pending_bytes = self._ingest.pending_bytes()
                return 0
            done = self._ingest.run_once()
        except (LedgerUnavailable, OSError):
            self._failures += 1
            raise
        self._added += done.added
        self._duplicates += done.duplicates
        self._quarantined += done.quarantined
        self._pending_bytes = done.waiting_bytes
        if done.quarantined:
            self._log.error(
                "lines of the spool are no usage records and were set aside",
                lines=done.quarantined,
                directory=str(self._spool / QUARANTINE_DIRECTORY),
            )
        return done.added

    def start(self) -> None:
        """Run in a thread until `stop`."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run, name="ingester", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ingest once more what is there, give up the lock, and end the thread."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def families(self) -> list[Family]:
        """Tell how it went, for `/metrics`."""
        return [
            _family("tollway_ingested_records_total", "counter", self._added),
            _family("tollway_ingested_duplicates_total", "counter", self._duplicates),
            _family("tollway_quarantined_lines_total", "counter", self._quarantined),
            _family("tollway_ingest_failures_total", "counter", self._failures),
            _family("tollway_spool_pending_bytes", "gauge", self._pending_bytes),
        ]

    def _has_lock(self) -> bool:
        if not self._locked:
            self._locked = self._lock.enter_context(ingest_lock(self._spool))
            if self._locked:
                self._ingest.forget_missing()
            else:
                self._lock.close()
        return self._locked

    def _run(self) -> None:
        pause = self._interval_seconds
        while not self._stop.wait(pause):
            pause = self._interval_seconds if self._try() else min(pause * 2, _LONGEST_PAUSE_SECONDS)
        self._try()
        self._lock.close()
        self._locked = False

    def _try(self) -> bool:
        try:
            self.run_once()
        except (LedgerUnavailable, OSError) as error:
            # Records wait in the spool; a disk or a ledger that comes back finds them there.
            self._log.error("usage records wait in the spool", reason=str(error))
            return False
        return True


HELP: Final[dict[str, str]] = {
    "tollway_ingested_records_total": "Usage records stored in the ledger.",
    "tollway_ingested_duplicates_total": "Usage records that the ledger held already.",
    "tollway_quarantined_lines_total": "Lines of the spool that are no usage records, set aside in its quarantine.",
    "tollway_ingest_failures_total": "Passes over the spool that failed; their records wait for the next.",
    "tollway_spool_pending_bytes": "Bytes of the spool that are not in the ledger.",
}


def _family(name: str, kind: Literal["counter", "gauge"], value: float) -> Family:
    return Family(name, kind, HELP[name], samples=[Sample((), value)])
