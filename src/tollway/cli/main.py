"""The command line's front door: finds the subcommand's file and hands over.

    tollway COMMAND …

Only the file of the command that was asked for is imported, and all of them for `--help`.
"""

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Callable, Sequence
from typing import cast

from tollway import __version__
from tollway.cli import commands
from tollway.cli.subparsers import Subparsers


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parsed = make_parser(given[0] if given else None).parse_args(given)
    run = cast("Callable[[argparse.Namespace], int]", parsed.run)
    try:
        status = run(parsed)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Who read our output has left; Python would complain once more when it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return status


def make_parser(command: str | None = None) -> argparse.ArgumentParser:
    """The parser of one command, or of all when there is none of that name."""
    parser = argparse.ArgumentParser(prog="tollway", description="A self-hosted enterprise AI gateway.")
    parser.add_argument("--version", action="version", version=f"tollway {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    names = command_names()
    for name in (command,) if command in names else names:
        module = importlib.import_module(f"{commands.__name__}.{name}")
        add_parser = cast("Callable[[Subparsers], argparse.ArgumentParser]", module.add_parser)
        add_parser(subparsers).set_defaults(run=module.run)
    return parser


def command_names() -> tuple[str, ...]:
    """All commands there are, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(commands.__path__)))


if __name__ == "__main__":
    sys.exit(main())
