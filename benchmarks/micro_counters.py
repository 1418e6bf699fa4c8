"""What one admit and one settle cost, in µs: `python benchmarks/micro_counters.py [processes]`.

Keys are spread over 2,000 callers with two windows each, as a proxy with limits by the minute and by
the day has them. With a number, that many processes run at once on the same map.
"""

import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable

from tollway.interfaces.counters import NO_LIMIT, Counters, Window
from tollway.stores.counters_lmdb import LmdbCounters
from tollway.stores.counters_memory import MemoryCounters

CALLERS = 2_000
CALLS = 500
ROUNDS = 200  # many and short: the shortest is then free of what else the machine does
MINUTE_US = 60_000_000
RESERVE = (500, 300, 200)


def measure(counters: Counters) -> dict[str, float]:
    asked = [
        (
            Window(b"proxy/limit/client-%d/minute" % n, MINUTE_US, (1 << 40, 1 << 40, NO_LIMIT)),
            Window(b"proxy/limit/client-%d/day" % n, 1440 * MINUTE_US, (1 << 40, NO_LIMIT, NO_LIMIT)),
        )
        for n in range(CALLERS)
    ]
    full = [(Window(b"proxy/limit/client-%d/full" % n, MINUTE_US, (0, 0, 0)),) for n in range(CALLERS)]
    for windows in asked:
        counters.admit(windows, RESERVE, 0)
    return {
        "admit, 2 windows": best(lambda n: counters.admit(asked[n], RESERVE, 1)),
        "admit, 1 window": best(lambda n: counters.admit(asked[n][:1], RESERVE, 1)),
        "settle, 2 windows": best(lambda n: counters.settle(asked[n], (0, 0), (-1, -1, 0), 2)),
        "refuse, 1 window": best(lambda n: counters.admit(full[n], RESERVE, 1)),
        "loop alone": best(lambda n: asked[n]),
    }


def best(call: Callable[[int], object]) -> float:
    shortest = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for n in range(CALLS):
            call(n % CALLERS)
        shortest = min(shortest, time.perf_counter() - began)
    return shortest / CALLS * 1e6


def report(name: str, directory: str | None) -> None:
    if directory is None:
        figures = measure(MemoryCounters())
    else:
        with LmdbCounters(directory) as counters:
            figures = measure(counters)
    print(f"{name:24}" + "  ".join(f"{what} {us:5.2f}" for what, us in figures.items()), flush=True)


def main() -> None:
    processes = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    report("memory", None)
    with tempfile.TemporaryDirectory() as directory:
        report("lmdb, alone", directory)
    if processes:
        with tempfile.TemporaryDirectory() as directory:
            spawn = multiprocessing.get_context("spawn")
            names = [f"lmdb, {n + 1} of {processes}" for n in range(processes)]
            workers = [spawn.Process(target=report, args=(name, directory)) for name in names]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join()


if __name__ == "__main__":
    main()
