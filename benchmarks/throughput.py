"""Whole answers at full speed: CPU per request, requests a second, memory; two workers and one.

The CPU of a turn is everything the target spends from the first request until it is idle again, so
that work put off until later (accounts, logs) is counted too. The rate is read in the middle of the
load. Both are over the requests the upstream itself has counted.
"""

import time
from collections.abc import Sequence

import msgspec

from benchmarks import loads, report
from benchmarks.bench import Bench, Collected
from benchmarks.cpu import TreeReading
from benchmarks.targets import JsonUpstream, Target, Tollway
from benchmarks.wrk import Wrk, WrkResult

RAMP_SECONDS = 0.6
WORKERS_CONNECTIONS = 256
MEGABYTE = 1e6


class Load(msgspec.Struct, frozen=True):
    """One size of request at one number of connections."""

    name: str
    body_bytes: int
    connections: int


LOADS = [
    Load(report.JSON_2K_32, 2048, 32),
    Load(report.JSON_2K_256, 2048, 256),
    Load(report.JSON_50K_32, 50 * 1024, 32),
]


class Turn(msgspec.Struct, frozen=True):
    """What one turn of one target gave."""

    requests: int
    requests_per_second: float
    before: TreeReading
    after: TreeReading
    result: WrkResult
    faults: list[str]

    @property
    def cpu_us(self) -> float:
        """CPU of all processes of the target per request."""
        return (self.after.total_ns - self.before.total_ns) / 1000 / max(1, self.requests)

    @property
    def busiest_cpu_us(self) -> float:
        """CPU of its busiest process, spread over all requests: what limits it in the end."""
        spent = [now - self.before.live_ns.get(pid, 0) for pid, now in self.after.live_ns.items()]
        return max(spent, default=0) / 1000 / max(1, self.requests)


def measure(bench: Bench) -> None:
    """Every load, every target in turns."""
    upstream = JsonUpstream(bench.new_folder("upstream"))
    try:
        targets = bench.rotation()
        with bench.running(targets, upstream.port):
            for load in LOADS:
                _take_turns(bench, upstream, targets, load)
    finally:
        upstream.stop()


def _take_turns(bench: Bench, upstream: JsonUpstream, targets: Sequence[Target], load: Load) -> None:
    settings = bench.settings
    collected = Collected()
    faults: dict[str, list[str]] = {target.name: [] for target in targets}
    for target in targets:
        warm = take_turn(bench, upstream, target, load, settings.warm_seconds)
        faults[target.name] += warm.faults
    for _ in range(settings.turns):
        for target in targets:
            turn = take_turn(bench, upstream, target, load, settings.seconds)
            faults[target.name] += turn.faults
            _collect(collected, target, turn)
    collected.hand_over(bench, load.name)
    for name, found in faults.items():
        bench.add_wrong(load.name, name, found)


def _collect(collected: Collected, target: Target, turn: Turn) -> None:
    if target.running is not None:
        collected.take(target.name, report.CPU_US, turn.cpu_us)
        collected.take(target.name, "of it busiest process µs", turn.busiest_cpu_us)
    collected.take(target.name, "requests/s", turn.requests_per_second)
    collected.take(target.name, "p50 ms", turn.result.p50_us / 1000)
    collected.take(target.name, "p99 ms", turn.result.p99_us / 1000)
    collected.take(target.name, "errors", len(turn.faults))
    if target.running is not None:
        collected.take(target.name, "RSS MB", target.memory_now().total_bytes / MEGABYTE)


def take_turn(bench: Bench, upstream: JsonUpstream, target: Target, load: Load, seconds: float) -> Turn:
    """One target under one load for some seconds."""
    call = target.call(loads.completion_request(load.body_bytes))
    total_before, before = upstream.count(), target.cpu_now()
    run = Wrk(call, bench.folder, connections=load.connections, seconds=RAMP_SECONDS + seconds)
    time.sleep(RAMP_SECONDS)
    count_before, started = upstream.count(), time.monotonic()
    time.sleep(seconds)
    count_after, ended = upstream.count(), time.monotonic()
    result = run.finish()
    target.answered += result.requests - result.wrong
    target.settle()
    # Each look at the counter is itself counted: one between the inner two, three in all.
    requests = upstream.count() - total_before - 3
    return Turn(
        requests=requests,
        requests_per_second=(count_after - count_before - 1) / (ended - started),
        before=before,
        after=target.cpu_now(),
        result=result,
        faults=find_faults(result, requests, load.connections),
    )


def find_faults(result: WrkResult, seen_upstream: int, connections: int) -> list[str]:
    """What was wrong with the answers of a run.

    An answer needs a request at the upstream, and only requests cut off by the end of the run
    may have reached the upstream without an answer: one a connection.
    """
    faults: list[str] = []
    if result.wrong:
        faults.append(f"{result.wrong} wrong answers, first: {result.first_wrong}")
    if result.errors:
        faults.append(
            f"{result.connect} connect, {result.read} read, {result.write} write errors, {result.timeout} timeouts"
        )
    if not result.requests and not seen_upstream:
        faults.append("no answer, and nothing reached the upstream")
    if not 0 <= seen_upstream - result.requests <= connections:
        faults.append(f"{result.requests} answers for {seen_upstream} requests at the upstream")
    return faults


def measure_workers(bench: Bench) -> None:
    """Tollway with two workers beside itself with one.

    With client and upstream on the same cores the rate cannot double, so the verdict is on
    capacity: requests per second of CPU of the busiest process, which is what two workers on
    cores of their own would reach.
    """
    if not bench.settings.with_tollway:
        return
    upstream = JsonUpstream(bench.new_folder("upstream"))
    load = Load(report.WORKERS, 2048, WORKERS_CONNECTIONS)
    one = Tollway(bench.new_folder("one-worker"), name="one worker")
    two = Tollway(bench.new_folder("two-workers"), name="two workers", workers=2)
    collected = Collected()
    faults: list[str] = []
    try:
        with bench.running([one, two], upstream.port):
            for target in (one, two):
                faults += take_turn(bench, upstream, target, load, bench.settings.warm_seconds).faults
            for _ in range(bench.settings.turns):
                turns: list[Turn] = []
                for target in (one, two):
                    turn = take_turn(bench, upstream, target, load, bench.settings.seconds)
                    faults += turn.faults
                    turns.append(turn)
                    _collect(collected, target, turn)
                ratio = turns[0].busiest_cpu_us / turns[1].busiest_cpu_us
                collected.take(report.TOLLWAY, report.CAPACITY_RATIO, ratio)
    finally:
        upstream.stop()
    collected.hand_over(bench, load.name)
    bench.add_wrong(load.name, report.TOLLWAY, faults)
