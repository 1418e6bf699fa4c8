"""Added time at low rate: one request, or one stream, in flight."""

import asyncio
import statistics
import time
from collections.abc import Sequence

import uvloop

from benchmarks import loads, report
from benchmarks.bench import Bench, Collected
from benchmarks.client import Answer, ChunkClock, Connection, run_call, run_stream
from benchmarks.targets import JsonUpstream, StreamUpstream, Target

BODY_BYTES = 2048
# A low rate: between two requests everything goes to sleep, so waking up is part of what is added.
PAUSE_SECONDS = 0.005
STREAM_PLAN = loads.StreamPlan(chunks=2, pause_ms=2)


def measure(bench: Bench) -> None:
    """Whole answers, then the starts of streams."""
    whole = JsonUpstream(bench.new_folder("upstream"))
    try:
        _measure_load(bench, whole.port, report.ONE_AT_A_TIME, stream=None)
    finally:
        whole.stop()
    streams = StreamUpstream(bench.new_folder("upstream"))
    try:
        _measure_load(bench, streams.port, report.STREAM_START, stream=STREAM_PLAN)
    finally:
        streams.stop()


def _measure_load(bench: Bench, upstream_port: int, load: str, *, stream: loads.StreamPlan | None) -> None:
    targets = bench.rotation()
    metric = report.ADDED_FIRST_BYTE_US if stream else report.ADDED_P50_US
    shown = "first byte" if stream else "answer"
    collected = Collected()
    faults: dict[str, list[str]] = {target.name: [] for target in targets}
    with bench.running(targets, upstream_port):
        # Short turns, many of them: what is added is small beside what the machine's mood adds.
        for number in range(bench.settings.turns * 2 + 1):
            direct_us = 0.0
            for target in targets:
                seconds = bench.settings.seconds / 2
                times = uvloop.run(_turn(target, stream, seconds, faults[target.name]))
                if number == 0 or not times:
                    continue
                p50 = statistics.median(times)
                if target.name == "direct":
                    direct_us = p50
                else:
                    collected.take(target.name, metric, p50 - direct_us)
                collected.take(target.name, f"{shown} p50 µs", p50)
                collected.take(target.name, f"{shown} p99 µs", times[len(times) * 99 // 100])
    collected.hand_over(bench, load)
    for name, found in faults.items():
        bench.add_wrong(load, name, found)


async def _turn(target: Target, stream: loads.StreamPlan | None, seconds: float, wrong: list[str]) -> Sequence[float]:
    """Times of one request after the other, sorted, in microseconds."""
    request = target.call(loads.completion_request(BODY_BYTES, stream=stream)).raw()
    connection = Connection(target.port)
    clock = ChunkClock()
    times: list[float] = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer: Answer | None
        if stream is None:
            answer = await run_call(connection, request, wrong)
        else:
            answer = await run_stream(connection, request, stream, clock)
        if answer is None:
            break
        times.append(answer.took_us if stream is None else answer.first_byte_us)
        await asyncio.sleep(PAUSE_SECONDS)
    connection.close()
    target.answered += len(times)
    wrong += clock.wrong
    return sorted(times)
