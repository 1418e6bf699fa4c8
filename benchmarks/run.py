"""The bench: `python -m benchmarks.run`; see README.md for what each phase measures.

Ends with 1 if any answer was wrong, and with `--gate` also if a goal was missed.
"""

import argparse
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from benchmarks import latency, life, peers, streams, throughput
from benchmarks.bench import Bench, Settings
from benchmarks.processes import StartError
from benchmarks.report import Report, judge, markdown, number, word
from benchmarks.targets import PEERS, ROOT

PHASES: dict[str, Callable[[Bench], None]] = {
    "json": throughput.measure,
    "streams": streams.measure,
    "latency": latency.measure,
    "life": life.measure,
    "workers": throughput.measure_workers,
    "crowd": streams.measure_crowd,
    "soak": life.soak,
}
RESULTS = Path(__file__).with_name("results")
OPEN_FILES = 16384


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the phases asked for, write the report, say the verdicts."""
    options = _parser().parse_args(arguments)
    phases = _names(options.only, PHASES)
    settings = _settings(options)
    try:
        peers.ensure(settings.peers)
        _allow_many_files()
        report = _run(phases, settings, keep=options.keep)
    except StartError as error:
        sys.stderr.write(f"bench: {error}\n")
        return 2
    _write(report)
    if report.wrong:
        return 1
    is_gate_shut = options.gate and not all(verdict.met for verdict in report.verdicts)
    return 1 if is_gate_shut else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Measure Tollway beside its peers.")
    _ = parser.add_argument("--quick", action="store_true", help="short turns: for a first look")
    _ = parser.add_argument("--only", help=f"phases, of: {','.join(PHASES)}")
    _ = parser.add_argument("--peers", help=f"of: {','.join(PEERS)}; 'none' for none")
    _ = parser.add_argument("--turns", type=int, help="turns each target takes")
    _ = parser.add_argument("--seconds", type=float, help="length of a turn")
    _ = parser.add_argument("--soak-minutes", type=float, help="length of the soak (10)")
    _ = parser.add_argument(
        "--also",
        action="append",
        default=[],
        metavar="NAME=COMMAND",
        help="another tollway command to take turns with this one: another commit's",
    )
    _ = parser.add_argument("--without-tollway", action="store_true", help="only the peers")
    _ = parser.add_argument("--gate", action="store_true", help="end with 1 if a goal is missed")
    _ = parser.add_argument("--keep", action="store_true", help="keep configurations and logs")
    return parser


def _names(text: str | None, known: Sequence[str] | dict[str, Callable[[Bench], None]]) -> list[str]:
    if text is None:
        return list(known)
    if text == "none":
        return []
    chosen = text.split(",")
    for name in chosen:
        if name not in known:
            message = f"bench: no {name!r}; there are {', '.join(known)}"
            raise SystemExit(message)
    return chosen


def _settings(options: argparse.Namespace) -> Settings:
    also: dict[str, str] = {}
    for entry in options.also:
        name, equals, command = str(entry).partition("=")
        if not equals:
            message = f"bench: --also {entry!r} is not NAME=COMMAND"
            raise SystemExit(message)
        also[name] = command
    quick = bool(options.quick)
    return Settings(
        peers=_names(options.peers, list(PEERS)),
        also=also,
        with_tollway=not options.without_tollway,
        turns=options.turns or (2 if quick else 5),
        seconds=options.seconds or (2.0 if quick else 4.0),
        warm_seconds=1.0 if quick else 2.0,
        soak_minutes=options.soak_minutes or (3.0 if quick else 10.0),
    )


def _run(phases: Sequence[str], settings: Settings, *, keep: bool) -> Report:
    report = Report(
        started=time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        commit=_commit(),
        machine=_machine(),
        settings=_shown(settings),
    )
    folder = Path(tempfile.mkdtemp(prefix="tollway-bench-"))
    bench = Bench(settings, report, folder)
    try:
        for phase in phases:
            started = time.monotonic()
            PHASES[phase](bench)
            sys.stderr.write(f"bench: {phase} took {time.monotonic() - started:.0f} s\n")
    finally:
        if keep:
            sys.stderr.write(f"bench: configurations and logs are in {folder}\n")
        else:
            _remove(folder)
    report.verdicts = judge(report.figures)
    return report


def _write(report: Report) -> None:
    RESULTS.mkdir(exist_ok=True)
    _ = (RESULTS / ".gitignore").write_text("*\n")  # figures of one machine on one day
    stem = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    text = markdown(report)
    _ = (RESULTS / f"{stem}.md").write_text(text)
    _ = (RESULTS / f"{stem}.json").write_bytes(msgspec.json.format(msgspec.json.encode(report), indent=2))
    sys.stdout.write(text)
    for verdict in report.verdicts:
        measured = f"{number(verdict.measured)} (goal {verdict.limit})"
        sys.stdout.write(f"{word(verdict):>6}  {verdict.goal}: {measured}\n")
    sys.stdout.write(f"written to {RESULTS / stem}.md and .json\n")


def _shown(settings: Settings) -> dict[str, str]:
    return {
        "turns": f"{settings.turns}",
        "of": f"{settings.seconds:g} s",
        "warm-up": f"{settings.warm_seconds:g} s",
        "peers": ", ".join(settings.peers) or "none",
    }


def _machine() -> str:
    cores = len(os.sched_getaffinity(0))
    load = os.getloadavg()[0]
    return (
        f"{cores} cores, {platform.machine()}, Linux {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f} at the start"
    )


def _commit() -> str:
    command = ["git", "-C", str(ROOT), "describe", "--always", "--dirty"]
    found = subprocess.run(command, check=False, capture_output=True, text=True)
    return found.stdout.strip() or "unknown"


def _allow_many_files() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _remove(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    folder.rmdir()


if __name__ == "__main__":
    sys.exit(main())
