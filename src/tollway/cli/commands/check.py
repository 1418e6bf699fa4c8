"""`tollway check FILE…`: whether configurations are sound, with the place and mend of each error."""

import argparse
import sys
from pathlib import Path

from tollway.cli.subparsers import Subparsers


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command."""
    parser = subparsers.add_parser(
        "check",
        help="check configuration files",
        description="Check configuration files. Errors go to stderr, one a line, with file, line, column and mend.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a YAML file, or a folder of them")
    parser.add_argument(
        "--without-secrets",
        action="store_true",
        help="do not read secrets: for machines that have none of them, such as a build server",
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Check every file; 1 when one of them is not sound."""
    from tollway.config.problems import ConfigErrors  # noqa: PLC0415 - heavy, and not needed for --help
    from tollway.snapshot.local import snapshot_from_files  # noqa: PLC0415

    files: list[Path] = arguments.files
    sound = True
    for file in files:

        def warn(message: str, file: Path = file) -> None:
            print(f"{file}: warning: {message}", file=sys.stderr)

        try:
            snapshot = snapshot_from_files(file, warn=warn, read_secrets=not arguments.without_secrets).snapshot
        except ConfigErrors as errors:
            print(errors, file=sys.stderr)
            sound = False
            continue
        routes = sum(len(proxy.routes) for proxy in snapshot.proxies)
        counts = [
            _count(len(snapshot.proxies), "LLM proxy", "LLM proxies"),
            _count(routes, "route", "routes"),
            _count(len(snapshot.clients), "client application", "client applications"),
            _count(len(snapshot.listeners), "listener", "listeners"),
        ]
        print(f"{file}: ok, {', '.join(counts)}")
    return 0 if sound else 1


def _count(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
