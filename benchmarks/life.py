"""The life of a process: start to ready, memory when idle, memory in a soak."""

import asyncio
import time

import uvloop

from benchmarks import loads, report
from benchmarks.bench import Bench
from benchmarks.client import ChunkClock, Connection, run_call, run_stream
from benchmarks.targets import StreamUpstream, Target, is_answering

STARTS = 3
IDLE_SECONDS = 2.0
MEGABYTE = 1e6
SOAK_CONNECTIONS = 16
SOAK_CALLS_PER_SECOND = 400
SOAK_STREAMS = 50
SOAK_PLAN = loads.StreamPlan(chunks=100, pause_ms=100)
SOAK_SAMPLE_SECONDS = 5.0
# Pools, caches and the allocator fill up first; only what comes after tells of a leak.
SOAK_SETTLED_SHARE = 0.5
BODY_BYTES = 2048
TEN_MINUTES = 600


def measure(bench: Bench) -> None:
    """Start each target a few times, alone, and look at it idle."""
    upstream = StreamUpstream(bench.new_folder("upstream"))
    try:
        for target in [*bench.peers(), *bench.tollways()]:
            _measure_starts(bench, target, upstream.port)
    finally:
        upstream.stop()


def _measure_starts(bench: Bench, target: Target, upstream_port: int) -> None:
    ready: list[float] = []
    total: list[float] = []
    largest: list[float] = []
    processes: list[float] = []
    for _ in range(STARTS):
        target.start(upstream_port)
        try:
            time.sleep(IDLE_SECONDS)
            memory = target.memory_now()
            bench.add_wrong(report.LIFE, target.name, is_answering(target))
        finally:
            target.stop()
        ready.append(target.ready_seconds)
        total.append(memory.total_bytes / MEGABYTE)
        largest.append(memory.largest_bytes / MEGABYTE)
        processes.append(float(memory.processes))
    bench.add(report.LIFE, target.name, report.READY_S, ready)
    bench.add(report.LIFE, target.name, "idle RSS MB", total)
    bench.add(report.LIFE, target.name, report.LARGEST_MB, largest)
    bench.add(report.LIFE, target.name, "processes", processes)


def soak(bench: Bench) -> None:
    """Tollway under a moderate mixed load for minutes, its memory looked at every few seconds."""
    upstream = StreamUpstream(bench.new_folder("upstream"))
    try:
        for target in bench.tollways():
            with bench.running([target], upstream.port):
                _soak_one(bench, target)
    finally:
        upstream.stop()


def _soak_one(bench: Bench, target: Target) -> None:
    seconds = bench.settings.soak_minutes * 60
    load = Soak(target, seconds)
    cpu_before = target.cpu_now().total_ns
    uvloop.run(load.run())
    cpu_seconds = (target.cpu_now().total_ns - cpu_before) / 1e9
    target.answered += load.calls + load.streams
    name = report.SOAK
    settled = load.memory_mb[int(len(load.memory_mb) * SOAK_SETTLED_SHARE) :]
    bench.add(name, target.name, report.GROWTH_MB, [report.slope(settled) * TEN_MINUTES])
    bench.add(name, target.name, "minutes", [bench.settings.soak_minutes])
    bench.add(name, target.name, "RSS MB, first to last", [size for _, size in load.memory_mb])
    bench.add(name, target.name, "calls", [float(load.calls)])
    bench.add(name, target.name, "streams", [float(load.streams)])
    bench.add(name, target.name, "cores busy", [cpu_seconds / seconds])
    bench.add_wrong(name, target.name, load.wrong)


class Soak:
    """Calls at a fixed rate and streams that follow one another, side by side."""

    def __init__(self, target: Target, seconds: float) -> None:
        self._target = target
        self._seconds = seconds
        self._deadline = 0.0
        self._clock = ChunkClock()
        self.wrong = self._clock.wrong
        self.memory_mb: list[tuple[float, float]] = []
        self.calls = 0
        self.streams = 0

    async def run(self) -> None:
        """Keep the load up until the time is over."""
        self._deadline = time.monotonic() + self._seconds
        async with asyncio.TaskGroup() as group:
            for number in range(SOAK_CONNECTIONS):
                _ = group.create_task(self._call_steadily(number))
            for number in range(SOAK_STREAMS):
                _ = group.create_task(self._stream_on(number))
            _ = group.create_task(self._watch_memory())

    async def _call_steadily(self, number: int) -> None:
        request = self._target.call(loads.completion_request(BODY_BYTES)).raw()
        connection = Connection(self._target.port)
        pause = SOAK_CONNECTIONS / SOAK_CALLS_PER_SECOND
        due = time.monotonic() + pause * number / SOAK_CONNECTIONS
        while due < self._deadline:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            answer = await run_call(connection, request, self.wrong)
            self.calls += answer is not None
            due += pause
        connection.close()

    async def _stream_on(self, number: int) -> None:
        body = loads.completion_request(BODY_BYTES, stream=SOAK_PLAN)
        request = self._target.call(body).raw()
        connection = Connection(self._target.port)
        await asyncio.sleep(number * SOAK_PLAN.pause_ms / 1000 / 2)
        while time.monotonic() < self._deadline:
            answer = await run_stream(connection, request, SOAK_PLAN, self._clock)
            self._clock.delays_ns.clear()
            self.streams += answer is not None
        connection.close()

    async def _watch_memory(self) -> None:
        started = time.monotonic()
        while (now := time.monotonic()) < self._deadline:
            size = self._target.memory_now().total_bytes / MEGABYTE
            self.memory_mb.append((now - started, size))
            await asyncio.sleep(SOAK_SAMPLE_SECONDS)
