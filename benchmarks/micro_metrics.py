"""What observing one usage record costs, in µs of CPU: `python benchmarks/micro_metrics.py`."""

import time

from msgspec.structs import replace

from tollway.gateway.metrics import Metrics
from tollway.testing.clock import FrozenClock
from tollway.testing.usage_records import usage_records

RECORDS = 5_000
ROUNDS = 15


def main() -> None:
    mixed = usage_records(RECORDS)
    one = next(record for record in mixed if record.outcome == "ok")
    plain = [replace(one, stream=False, usage=record.usage, upstream_us=record.upstream_us) for record in mixed]
    streamed = [replace(record, stream=True) for record in plain]
    for name, records in (("plain", plain), ("streamed", streamed), ("mixed", mixed)):
        metrics = Metrics(FrozenClock())
        costs: list[float] = []
        for _ in range(ROUNDS):
            started = time.process_time()
            for record in records:
                metrics.observe(record)
            costs.append((time.process_time() - started) / RECORDS * 1e6)
        costs.sort()
        print(f"{name:10s} {costs[0]:6.2f} µs best  {costs[ROUNDS // 2]:6.2f} µs median")
    started = time.process_time()
    size = len(metrics.dump())
    print(f"dump       {(time.process_time() - started) * 1e3:6.2f} ms  {size} bytes")


if __name__ == "__main__":
    main()
