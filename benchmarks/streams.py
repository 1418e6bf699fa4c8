"""Streams: CPU and added time of a paced chunk, CPU of chunks that come together, many at once."""

import asyncio
import time
from collections.abc import Sequence

import uvloop

from benchmarks import loads, report
from benchmarks.bench import Bench, Collected
from benchmarks.client import Call, ChunkClock, Connection, run_stream, spread
from benchmarks.targets import StreamUpstream, Target

PAUSE_MS = 20
RAMP_SECONDS = 1.0
TAIL_SECONDS = 0.5
LONG_BURST = loads.StreamPlan(chunks=66 - loads.FRAME_EVENTS, pause_ms=0)
SHORT_BURST = loads.StreamPlan(chunks=1, pause_ms=0)
BURST_CONNECTIONS = 16
BODY_BYTES = 2048
CROWD_STREAMS = 2000
CROWD_PLAN = loads.StreamPlan(chunks=24, pause_ms=500)
CROWD_RAMP_SECONDS = 6.0
MEGABYTE = 1e6


def measure(bench: Bench) -> None:
    """Paced streams, then burst streams, every target in turns."""
    upstream = StreamUpstream(bench.new_folder("upstream"))
    try:
        targets = bench.rotation()
        with bench.running(targets, upstream.port):
            _measure_paced(bench, targets)
            _measure_burst(bench, targets)
    finally:
        upstream.stop()


def _measure_paced(bench: Bench, targets: Sequence[Target]) -> None:
    collected = Collected()
    faults: dict[str, list[str]] = {target.name: [] for target in targets}
    for number in range(bench.settings.turns + 1):
        is_warm_up = number == 0
        seconds = bench.settings.warm_seconds if is_warm_up else bench.settings.seconds
        direct_us = 0.0
        for target in targets:
            turn = uvloop.run(paced_turn(target, seconds))
            target.settle()
            faults[target.name] += turn.wrong
            if is_warm_up:
                continue
            if target.name == "direct":
                direct_us = turn.delay_p50_us
            else:
                collected.take(target.name, report.CPU_CHUNK_US, turn.cpu_us)
            collected.take(target.name, "chunk delay p50 µs", turn.delay_p50_us)
            collected.take(target.name, "added p50 a chunk µs", turn.delay_p50_us - direct_us)
            collected.take(target.name, "added p99 a chunk µs", turn.delay_p99_us - direct_us)
            collected.take(target.name, "streams", target.paced_streams)
    collected.hand_over(bench, report.PACED)
    for name, found in faults.items():
        bench.add_wrong(report.PACED, name, found)


class StreamTurn:
    """What was seen between two moments in the middle of a stream load."""

    def __init__(self, target: Target, clock: ChunkClock) -> None:
        self._target = target
        self._clock = clock
        self._first_chunk = len(clock.delays_ns)
        self._cpu_before = target.cpu_now().total_ns
        self.wrong = clock.wrong
        self.chunks = 0
        self.cpu_us = 0.0
        self.delay_p50_us = 0.0
        self.delay_p99_us = 0.0

    @property
    def all_chunks(self) -> int:
        """Chunks of the whole load, before and after the two moments too."""
        return self._clock.chunks

    def end(self) -> None:
        """The second moment."""
        delays = sorted(self._clock.delays_ns[self._first_chunk :])
        self.chunks = len(delays)
        spent_ns = self._target.cpu_now().total_ns - self._cpu_before
        self.cpu_us = spent_ns / 1000 / max(1, self.chunks)
        if delays:
            self.delay_p50_us = delays[len(delays) // 2] / 1000
            self.delay_p99_us = delays[len(delays) * 99 // 100] / 1000


async def paced_turn(target: Target, seconds: float) -> StreamTurn:
    """Paced streams through a target, looked at between two moments in their middle."""
    total_seconds = RAMP_SECONDS + seconds + TAIL_SECONDS
    plan = loads.StreamPlan(chunks=int(total_seconds * 1000 / PAUSE_MS), pause_ms=PAUSE_MS)
    request = target.call(loads.completion_request(BODY_BYTES, stream=plan)).raw()
    clock = ChunkClock()
    connections = [Connection(target.port) for _ in range(target.paced_streams)]

    def job(connection: Connection):
        return lambda: run_stream(connection, request, plan, clock)

    async with asyncio.TaskGroup() as group:
        _ = group.create_task(spread([job(each) for each in connections], RAMP_SECONDS / 2))
        await asyncio.sleep(RAMP_SECONDS)
        turn = StreamTurn(target, clock)
        await asyncio.sleep(seconds)
        turn.end()
    for connection in connections:
        connection.close()
    target.answered += clock.answers
    return turn


def _measure_burst(bench: Bench, targets: Sequence[Target]) -> None:
    """Long and short bursts: their difference is what a chunk costs, the request taken away."""
    collected = Collected()
    faults: dict[str, list[str]] = {target.name: [] for target in targets}
    for number in range(bench.settings.turns + 1):
        is_warm_up = number == 0
        seconds = bench.settings.warm_seconds if is_warm_up else bench.settings.seconds
        for target in targets:
            long_us = _burst_cpu_us(target, LONG_BURST, seconds, faults[target.name])
            short_us = _burst_cpu_us(target, SHORT_BURST, seconds, faults[target.name])
            if is_warm_up or target.running is None:
                continue
            chunk_us = (long_us - short_us) / (LONG_BURST.events - SHORT_BURST.events)
            collected.take(target.name, report.CPU_CHUNK_US, chunk_us)
            collected.take(target.name, f"CPU µs/stream of {LONG_BURST.events}", long_us)
            collected.take(target.name, f"CPU µs/stream of {SHORT_BURST.events}", short_us)
    collected.hand_over(bench, report.BURST)
    for name, found in faults.items():
        bench.add_wrong(report.BURST, name, found)


def _burst_cpu_us(target: Target, plan: loads.StreamPlan, seconds: float, faults: list[str]) -> float:
    """CPU of one stream, what is put off until after the load counted too."""
    call = target.call(loads.completion_request(BODY_BYTES, stream=plan))
    before_ns = target.cpu_now().total_ns
    clock = uvloop.run(burst_turn(call, plan, seconds))
    target.settle()
    spent_us = (target.cpu_now().total_ns - before_ns) / 1000
    target.answered += clock.answers
    faults += clock.wrong
    return spent_us * plan.chunks / max(1, clock.chunks)


async def burst_turn(call: Call, plan: loads.StreamPlan, seconds: float) -> ChunkClock:
    """Burst streams, one after the other on each of some connections."""
    clock = ChunkClock()
    request = call.raw()
    deadline = time.monotonic() + seconds

    async def one_after_the_other() -> None:
        connection = Connection(call.port)
        while time.monotonic() < deadline:
            if await run_stream(connection, request, plan, clock) is None:
                break  # noted; a target that answers wrongly is not asked again and again
        connection.close()

    async with asyncio.TaskGroup() as group:
        for _ in range(BURST_CONNECTIONS):
            _ = group.create_task(one_after_the_other())
    return clock


def measure_crowd(bench: Bench) -> None:
    """Two thousand streams at once through nginx and Tollway: all complete, and at what memory."""
    upstream = StreamUpstream(bench.new_folder("upstream"))
    try:
        targets = [target for target in bench.rotation() if _takes_a_crowd(bench, target)]
        with bench.running(targets, upstream.port):
            for target in targets:
                _measure_crowd_of(bench, target)
    finally:
        upstream.stop()


def _takes_a_crowd(bench: Bench, target: Target) -> bool:
    return target.name in {"nginx", report.TOLLWAY, *bench.settings.also}


def _measure_crowd_of(bench: Bench, target: Target) -> None:
    idle_mb = target.memory_now().total_bytes / MEGABYTE
    complete, peak_mb, at_once, wrong, seconds = uvloop.run(_crowd(target))
    load = report.CROWD
    bench.add(load, target.name, report.COMPLETE_SHARE, [complete / CROWD_STREAMS])
    bench.add(load, target.name, "open at once", [float(at_once)])
    bench.add(load, target.name, "idle RSS MB", [idle_mb])
    bench.add(load, target.name, "peak RSS MB", [peak_mb])
    bench.add(load, target.name, "KB a stream", [(peak_mb - idle_mb) * 1000 / CROWD_STREAMS])
    bench.add(load, target.name, "took s", [seconds])
    bench.add_wrong(load, target.name, wrong)


async def _crowd(target: Target) -> tuple[int, float, int, list[str], float]:
    request = target.call(loads.completion_request(BODY_BYTES, stream=CROWD_PLAN)).raw()
    clock = ChunkClock()
    open_now = 0
    most_open = 0
    complete = 0
    peak_mb = 0.0

    async def one() -> None:
        nonlocal open_now, most_open, complete
        connection = Connection(target.port)
        open_now += 1
        most_open = max(most_open, open_now)
        answer = await run_stream(connection, request, CROWD_PLAN, clock)
        open_now -= 1
        complete += answer is not None
        connection.close()

    started = time.monotonic()
    crowd = asyncio.ensure_future(spread([one] * CROWD_STREAMS, CROWD_RAMP_SECONDS))
    while not crowd.done():
        peak_mb = max(peak_mb, target.memory_now().total_bytes / MEGABYTE)
        _ = await asyncio.wait([crowd], timeout=0.5)
    await crowd
    target.answered += clock.answers
    return complete, peak_mb, most_open, clock.wrong, time.monotonic() - started
