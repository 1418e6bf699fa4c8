"""What one usage record costs between spool and ledger, in µs of CPU: `python benchmarks/micro_ledger.py [directory]`.

All of it counts: reading, decoding, rollups, SQLite with its commits and checkpoints. Records come in batches, as they
do when the ingester looks twice a second; `contexts` is how many kinds of calls are mixed.
"""

import fcntl
import sys
import tempfile
import time
from pathlib import Path

from msgspec.structs import replace

from tollway.core.ids import ulid
from tollway.metering.ingest import Ingest
from tollway.stores.ledger_sqlite import SqliteLedger
from tollway.testing.usage_records import START_US, usage_record
from tollway.wire.spool_format import encode_line

RECORDS = 20_000
ROUNDS = 5


def spooled(batch: int, contexts: int) -> list[bytes]:
    kinds = [usage_record(number) for number in range(contexts)]
    lines: list[bytes] = []
    for number in range(RECORDS):
        own = usage_record(number, seed=1)
        kind = kinds[number % contexts]
        started_us = START_US + number * 100
        record = replace(
            kind,
            id=ulid(started_us // 1000, number << 60),
            call_id=ulid(started_us // 1000, number << 60 | 1),
            correlation_id=own.correlation_id,
            response_id=own.response_id,
            started_us=started_us,
            ended_us=started_us + own.upstream_us,
            usage=own.usage,
            upstream_us=800_000 + own.upstream_us % 200_000,
            time_to_first_byte_us=300_000 + own.upstream_us % 100_000,
            overhead_us=own.overhead_us % 200,
        )
        lines.append(encode_line(record))
    return [b"".join(lines[start : start + batch]) for start in range(0, RECORDS, batch)]


def measure(directory: Path, batches: list[bytes]) -> float:
    spool = directory / "spool"
    spool.mkdir(parents=True)
    ledger = SqliteLedger(directory / "ledger.sqlite3")
    ingest = Ingest(spool, ledger, chunk_bytes=1 << 26)
    used = 0.0
    with (spool / "worker.jsonl").open("wb", buffering=0) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for data in batches:
            file.write(data)
            started = time.process_time()
            ingest.run_once()
            used += time.process_time() - started
    ledger.close()
    return used / RECORDS * 1e6


def main(directory: Path) -> None:
    for batch, contexts in ((200, 4), (1_000, 4), (5_000, 4), (5_000, 64)):
        batches = spooled(batch, contexts)
        costs = sorted(measure(directory / f"{batch}-{contexts}-{number}", batches) for number in range(ROUNDS))
        print(f"batch {batch:5d}  contexts {contexts:3d}  {costs[0]:6.2f} µs best  {costs[ROUNDS // 2]:6.2f} µs median")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        main(Path(made))
