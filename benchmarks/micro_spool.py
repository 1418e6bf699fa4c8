"""What one usage record costs on the event loop's thread, in µs: `python benchmarks/micro_spool.py [directory]`.

The directory decides which disk is measured; without one it is a temporary directory's.
"""

import sys
import tempfile
import time
from pathlib import Path

from tollway.gateway.spool import Spool
from tollway.testing.usage_records import usage_records
from tollway.wire.spool_format import encode_line

RECORDS = 5_000
ROUNDS = 9


def main(directory: Path) -> None:
    records = usage_records(RECORDS)
    print(f"record                 {sum(len(encode_line(r)) for r in records) / RECORDS:8.0f} bytes")
    wall: list[float] = []
    cpu: list[float] = []
    encode: list[float] = []
    for round_number in range(ROUNDS):
        spool = Spool(directory, f"bench-{round_number}")
        started = time.perf_counter()
        for record in records:
            encode_line(record)
        encode.append(time.perf_counter() - started)
        started, started_cpu = time.perf_counter(), time.thread_time()
        for record in records:
            spool.append(record)
        wall.append(time.perf_counter() - started)
        cpu.append(time.thread_time() - started_cpu)
        spool.close()
    for name, seconds in (("encode", encode), ("append", wall), ("append, CPU", cpu)):
        ordered = sorted(seconds)
        best, median = ordered[0] / RECORDS * 1e6, ordered[ROUNDS // 2] / RECORDS * 1e6
        print(f"{name:22s} {best:8.2f} µs best {median:8.2f} µs median")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as made:
        main(Path(made))
