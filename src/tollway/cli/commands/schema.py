"""`tollway schema`: the JSON Schema of configuration files, for editors and checks in other tools."""

import argparse
import sys

from tollway.cli.subparsers import Subparsers


def add_parser(subparsers: Subparsers) -> argparse.ArgumentParser:
    """Add the command."""
    return subparsers.add_parser(
        "schema",
        help="print the JSON Schema of configuration files",
        description="Print the JSON Schema of configuration files, with the settings of every policy installed here.",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print it."""
    from tollway.snapshot.json_schema import configuration_schema_text  # noqa: PLC0415 - heavy, not needed for --help

    del arguments
    sys.stdout.write(configuration_schema_text())
    return 0
