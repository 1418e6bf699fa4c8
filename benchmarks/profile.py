"""Where a request's time goes, stage by stage: `python -m benchmarks.profile`.

Two looks at the gateway under load, each at a gateway of its own, one worker:

- by Python stage, with the sampling profiler in `sampler/` (nothing to install);
- by library and by kernel, with `perf`, where it is installed and allowed.

Shares are of the CPU of the busiest process, the worker; the microseconds are that share of its
CPU per request without any profiler.
"""

import argparse
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory

import msgspec
import uvloop

from benchmarks import loads, streams
from benchmarks.processes import Running, StartError
from benchmarks.run import RESULTS
from benchmarks.targets import JsonUpstream, StreamUpstream, Target, Tollway
from benchmarks.wrk import Wrk

SAMPLER = Path(__file__).with_name("sampler")
LOOP = "(event loop: waiting for, accepting, reading sockets)"
CONNECTIONS = 32
PERF_HERTZ = 997
STARTING_SECONDS = 1.0
TOP = 25
_PERF_LINE = re.compile(r"^\s*([0-9.]+)%\s+(.+?)\s*$")


class Stack(msgspec.Struct, frozen=True):
    """A stack, inside out, and how often it was seen."""

    stack: list[str]
    count: int


class Share(msgspec.Struct, frozen=True):
    """A part of the time."""

    name: str
    percent: float


class ProfiledTollway(Tollway):
    """Tollway with the sampler in every process."""

    samples: Path

    def environment(self) -> dict[str, str]:
        """The sampler comes in by the path Python looks for modules in."""
        return {
            **super().environment(),
            "PYTHONPATH": os.pathsep.join([str(SAMPLER), *filter(None, [os.environ.get("PYTHONPATH")])]),
            "TOLLWAY_BENCH_SAMPLES": str(self.samples),
        }


def owner(stack: Sequence[str]) -> str | None:
    """The innermost of Tollway's own functions in a stack, as `package/module.py:function`."""
    for place in stack:
        _, found, rest = place.rpartition("/tollway/")
        if found:
            return rest
    return None


def shares_by(stacks: Sequence[Stack], name: Callable[[str], str]) -> list[Share]:
    """How the samples divide; what no function of ours was in belongs to the loop.

    The frame that runs the loop is below every callback: a stack in which it is the innermost of
    ours is the loop's own time.
    """
    counts: Counter[str] = Counter()
    for seen in stacks:
        if any("importlib._bootstrap" in place for place in seen.stack):
            continue  # the start, not the load
        place = owner(seen.stack)
        is_loop = place is None or place.startswith("cli/")
        counts[LOOP if is_loop or place is None else name(place)] += seen.count
    total = counts.total()
    return [Share(name=key, percent=100 * count / total) for key, count in counts.most_common()]


def stage_of(place: str) -> str:
    """The module a function is in: stages are modules."""
    return place.rpartition(":")[0]


def parse_perf(text: str) -> list[Share]:
    """The lines of a `perf report --stdio`."""
    found = [_PERF_LINE.match(line) for line in text.splitlines() if not line.startswith("#")]
    return [Share(name=_one_spaced(match[2]), percent=float(match[1])) for match in found if match is not None]


def _one_spaced(columns: str) -> str:
    """Columns of a perf report as one name: their padding, and columns with nothing in them, left out."""
    return " ".join(word for word in columns.split() if word != "-")


def table(title: str, shares: Sequence[Share], cpu_us: float, unit: str) -> str:
    """Shares as a Markdown table."""
    lines = [f"## {title}", "", f"| where | % | µs/{unit} |", "| --- | --: | --: |"]
    lines += [f"| {share.name} | {share.percent:.1f} | {share.percent * cpu_us / 100:.2f} |" for share in shares[:TOP]]
    return "\n".join(lines) + "\n"


class Load(msgspec.Struct, frozen=True):
    """A load a profile is taken under."""

    unit: str
    run: Callable[[Target, Path, float], int]
    """Loads the target for some seconds and says how many units that were."""
    upstream: type[JsonUpstream | StreamUpstream]


def _whole_answers(body_bytes: int) -> Callable[[Target, Path, float], int]:
    def run(target: Target, folder: Path, seconds: float) -> int:
        call = target.call(loads.completion_request(body_bytes))
        return Wrk(call, folder, connections=CONNECTIONS, seconds=seconds).finish().requests

    return run


def _paced_chunks(target: Target, _folder: Path, seconds: float) -> int:
    return uvloop.run(streams.paced_turn(target, seconds)).all_chunks


def _burst_chunks(target: Target, _folder: Path, seconds: float) -> int:
    plan = streams.LONG_BURST
    call = target.call(loads.completion_request(streams.BODY_BYTES, stream=plan))
    return uvloop.run(streams.burst_turn(call, plan, seconds)).answers * plan.events


LOADS = {
    "json": Load("request", _whole_answers(2048), JsonUpstream),
    "json50": Load("request", _whole_answers(50 * 1024), JsonUpstream),
    "burst": Load("chunk", _burst_chunks, StreamUpstream),
    "paced": Load("chunk", _paced_chunks, StreamUpstream),
}


def busiest(before: Mapping[int, int], after: Mapping[int, int]) -> tuple[int, int]:
    """The process that spent most, and what it spent (nanoseconds)."""
    spent = {pid: now - before.get(pid, 0) for pid, now in after.items()}
    pid = max(spent, key=lambda each: spent[each])
    return pid, spent[pid]


def _load_and_account(load: Load, target: Target, folder: Path, seconds: float) -> tuple[int, float]:
    before = target.cpu_now().live_ns
    units = load.run(target, folder, seconds)
    pid, spent_ns = busiest(before, target.cpu_now().live_ns)
    return pid, spent_ns / 1000 / max(1, units)


def _plain_and_perf(load: Load, folder: Path, port: int, seconds: float) -> tuple[float, list[str]]:
    target = Tollway(folder)
    target.start(port)
    tables: list[str] = []
    try:
        _ = load.run(target, folder, 2.0)
        pid, cpu_us = _load_and_account(load, target, folder, seconds)
        perf = which("perf")
        if perf is None:
            tables.append("perf is not installed: no look into libraries and the kernel.\n")
            return cpu_us, tables
        data = folder / "perf.data"
        record = [perf, "record", "-q", "-F", str(PERF_HERTZ), "-o", str(data), "-p", str(pid)]
        recorder = Running([*record, "--", "sleep", str(seconds)], folder / "perf.log")
        time.sleep(STARTING_SECONDS)
        _ = load.run(target, folder, seconds)
        recorder.stop()
        for title, key in (("By library (perf)", "dso"), ("By function in C (perf)", "dso,symbol")):
            report = [perf, "report", "-i", str(data), "--stdio", "--sort", key]
            shown = subprocess.run(report, check=False, capture_output=True, text=True)
            shares = parse_perf(shown.stdout)
            tables.append(table(title, shares, cpu_us, load.unit) if shares else shown.stderr)
    finally:
        target.stop()
    return cpu_us, tables


def _sampled(load: Load, folder: Path, port: int, seconds: float, cpu_us: float) -> list[str]:
    target = ProfiledTollway(folder)
    target.samples = folder / "samples"
    target.samples.mkdir()
    target.start(port)
    try:
        pid, _ = _load_and_account(load, target, folder, seconds)
    finally:
        target.stop()
    written = target.samples / f"{pid}.json"
    if not written.exists():
        message = f"the worker, process {pid}, wrote no samples into {target.samples}"
        raise StartError(message)
    stacks = msgspec.json.decode(written.read_bytes(), type=list[Stack])
    count = sum(each.count for each in stacks)
    return [
        table(f"By stage ({count:,} samples)", shares_by(stacks, stage_of), cpu_us, load.unit),
        table("By function of Tollway", shares_by(stacks, str), cpu_us, load.unit),
    ]


@contextmanager
def _upstream(load: Load, folder: Path):
    upstream = load.upstream(folder)
    try:
        yield upstream.port
    finally:
        upstream.stop()


def main() -> int:
    """Profile one load and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    _ = parser.add_argument("--load", choices=list(LOADS), default="json")
    _ = parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    load = LOADS[options.load]
    with TemporaryDirectory(prefix="tollway-profile-") as name:
        folder = Path(name)
        plain, sampled = folder / "plain", folder / "sampled"
        plain.mkdir()
        sampled.mkdir()
        with _upstream(load, folder / "upstream") as port:
            cpu_us, by_library = _plain_and_perf(load, plain, port, options.seconds)
            by_stage = _sampled(load, sampled, port, options.seconds, cpu_us)
    head = f"# Profile: {options.load}\n\nWorker's CPU: {cpu_us:.1f} µs/{load.unit}\n"
    text = "\n".join([head, *by_stage, *by_library])
    RESULTS.mkdir(exist_ok=True)
    _ = (RESULTS / f"profile-{options.load}.md").write_text(text)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
