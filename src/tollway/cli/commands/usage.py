"""`tollway usage`: what was used, by business group, client application, model and more."""

import argparse
import csv
import re
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from tollway.gateway.clock import SystemClock
from tollway.metering.ingest import Ingest, ingest_lock
from tollway.metering.ledger import Ledger, LedgerUnavailable
from tollway.metering.reports import DIMENSIONS, Dimension, Line, report
from tollway.metering.rollups import HOUR_US, Rollup
from tollway.stores.ledger_sqlite import LEDGER_FILE, SqliteLedger
from tollway.wire.spool_format import QUARANTINE_DIRECTORY, SPOOL_DIRECTORY

if TYPE_CHECKING:
    from tollway.cli.subparsers import Subparsers

_DEFAULT_TABLES: Final[tuple[Dimension, ...]] = ("business-group", "client", "model")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_LAST_HOUR: Final = 1 << 40
_CATCH_UP_SECONDS: Final = 5.0
_NOTHING: Final = "-"


class Range(msgspec.Struct, frozen=True):
    """Whole hours since the epoch: `since <= hour < until`."""

    since: int
    until: int

    def __str__(self) -> str:
        since = "the beginning" if self.since == 0 else _hour(self.since)
        until = "now" if self.until == _LAST_HOUR else _hour(self.until)
        return f"{since} to {until}"


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command."""
    parser = subparsers.add_parser(
        "usage",
        help="show what was used, and by whom",
        description=(
            "Show calls, tokens and latencies from the ledger, after ingesting what is still in the spool. Without "
            "--by: one table each by business group, client application and model. Ranges are whole hours, UTC."
        ),
    )
    parser.add_argument("--data", type=Path, default=Path("tollway-data"), metavar="DIR", help="the data directory")
    parser.add_argument(
        "--by",
        action="append",
        choices=DIMENSIONS,
        metavar="DIMENSION",
        help=f"one table by these, in this order; repeat for more: {', '.join(DIMENSIONS)}",
    )
    parser.add_argument("--since", metavar="TIME", help="24h, 7d, 2026-11-01 or 2026-11-01T15:00, UTC")
    parser.add_argument("--until", metavar="TIME", help="likewise; not included")
    shape = parser.add_mutually_exclusive_group()
    shape.add_argument("--json", action="store_true", help="one JSON object, for programs")
    shape.add_argument("--csv", action="store_true", help="comma-separated values, one table")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Ingest, sum, print."""
    data: Path = arguments.data
    if not (data / LEDGER_FILE).exists() and not (data / SPOOL_DIRECTORY).is_dir():
        print(
            f"{data} holds no usage: neither a spool nor a ledger. Name the data directory with --data.",
            file=sys.stderr,
        )
        return 1
    try:
        asked = read_range(arguments.since, arguments.until, now_us=SystemClock().wall_us())
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        ledger = SqliteLedger(data / LEDGER_FILE)
        try:
            ingest_pending(data / SPOOL_DIRECTORY, ledger)
            rollups = list(ledger.rollups(asked.since, asked.until))
            quarantined = len(ledger.quarantined())
        finally:
            ledger.close()
    except (LedgerUnavailable, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    if quarantined:
        place = data / SPOOL_DIRECTORY / QUARANTINE_DIRECTORY
        print(f"warning: {quarantined} lines of the spool could not be read and are in {place}", file=sys.stderr)
    _print(arguments, asked, rollups)
    return 0


def read_range(since: str | None, until: str | None, *, now_us: int) -> Range:
    """Read what was given for `--since` and `--until`, widened to whole hours.

    Raises:
        ValueError: one is no time, or the range is empty.
    """
    first = 0 if since is None else _time_us(since, "--since", now_us) // HOUR_US
    last = _LAST_HOUR if until is None else -(-_time_us(until, "--until", now_us) // HOUR_US)
    if first >= last:
        raise ValueError(f"the range from {since} to {until or 'now'} is empty: --since must be before --until")
    return Range(first, last)


def ingest_pending(spool: Path, ledger: Ledger) -> None:
    """Ingest what the spool holds; where a gateway's own ingester is at it, wait until it has caught up.

    Raises:
        LedgerUnavailable: the ledger does not take records now.
        OSError: a spool file cannot be read.
    """
    if not spool.is_dir():
        return
    ingest = Ingest(spool, ledger)
    with ingest_lock(spool) as mine:
        if mine:
            ingest.run_once()
            return
    asked_for = ingest.sizes()
    deadline = time.monotonic() + _CATCH_UP_SECONDS
    while not ingest.has_ingested(asked_for):
        if time.monotonic() > deadline:
            print("warning: calls of the last seconds may be missing: the gateway is still ingesting", file=sys.stderr)
            return
        time.sleep(0.05)


def _time_us(text: str, option: str, now_us: int) -> int:
    relative = re.fullmatch(r"(\d+)([mhdw])", text)
    if relative:
        return now_us - int(relative[1]) * (_UNITS[relative[2]] // timedelta(microseconds=1))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{option}: {text!r} is no time; write 24h, 7d, 2026-11-01 or 2026-11-01T15:00") from None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _hour(hour: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(hours=hour)).strftime("%Y-%m-%d %H:%M UTC")


# ── printing


def _print(arguments: argparse.Namespace, asked: Range, rollups: Sequence[Rollup]) -> None:
    by: list[Dimension] | None = arguments.by
    tables: list[tuple[Dimension, ...]] = (
        [tuple(dict.fromkeys(by))] if by else [(dimension,) for dimension in _DEFAULT_TABLES]
    )
    if arguments.json:
        _print_json(asked, rollups, tables)
    elif arguments.csv:
        _print_csv(rollups, tables[0] if by else _DEFAULT_TABLES)
    elif not rollups:
        print(f"No calls from {asked}.")
    else:
        print(f"Usage from {asked}.")
        for dimensions in tables:
            print()
            _print_table(report(rollups, dimensions), report(rollups, ()), dimensions)


def _print_json(asked: Range, rollups: Sequence[Rollup], tables: Sequence[Sequence[Dimension]]) -> None:
    document = {
        "since": None if asked.since == 0 else _hour(asked.since),
        "until": None if asked.until == _LAST_HOUR else _hour(asked.until),
        "tables": [{"by": table, "lines": report(rollups, table)} for table in tables],
        "total": next(iter(report(rollups, ())), None),
    }
    print(msgspec.json.format(msgspec.json.encode(document)).decode())


def _print_csv(rollups: Sequence[Rollup], by: Sequence[Dimension]) -> None:
    names = [name for name in Line.__struct_fields__ if name != "group" and (name != "client_name" or "client" in by)]
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow([*by, *names])
    for line in report(rollups, by):
        writer.writerow([*line.group.values(), *(getattr(line, name) for name in names)])


def _print_table(lines: Sequence[Line], total: Sequence[Line], by: Sequence[Dimension]) -> None:
    head = [*map(_title, by), *_columns(total[0])]
    rows = [[*_labels(line), *_columns(line).values()] for line in lines]
    if len(lines) > 1:
        rows.append(["total", *[""] * (len(by) - 1), *_columns(total[0]).values()])
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    for row in (head, ["-" * width for width in widths], *rows):
        left = [cell.ljust(width) for cell, width in zip(row[: len(by)], widths, strict=False)]
        right = [cell.rjust(width) for cell, width in zip(row[len(by) :], widths[len(by) :], strict=True)]
        print("  ".join([*left, *right]).rstrip())


def _labels(line: Line) -> list[str]:
    labels: list[str] = []
    for dimension, value in line.group.items():
        named = line.client_name if dimension == "client" and line.client_name else value
        labels.append(_printable(named) or _NOTHING)
    return labels


def _printable(text: str) -> str:
    # A name may come from far away; a terminal obeys control characters.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _title(dimension: Dimension) -> str:
    return {"client": "client application"}.get(dimension, dimension.replace("-", " "))


def _count(value: int) -> str:
    return f"{value:,}"


def _milliseconds(value: float) -> str:
    if value == 0:
        return _NOTHING
    return f"{value:,.0f}" if value >= 10 else f"{value:.2f}"


def _columns(line: Line) -> dict[str, str]:
    return {
        "calls": _count(line.calls),
        "errors": _count(line.errors),
        "input": _count(line.input_tokens),
        "cached": _count(line.cached_tokens),
        "output": _count(line.output_tokens),
        "reasoning": _count(line.reasoning_tokens),
        "total tokens": _count(line.total_tokens),
        "p50 ms": _milliseconds(line.upstream_p50_ms),
        "p95 ms": _milliseconds(line.upstream_p95_ms),
    }
