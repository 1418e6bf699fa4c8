"""`tollway gateway --config FILE`: the data plane, from a configuration file, needing no control plane."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollway.cli.subparsers import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command."""
    parser = subparsers.add_parser(
        "gateway",
        help="run the gateway from a configuration file",
        description="Run the gateway from a configuration file (local mode). A changed file, or SIGHUP, is taken over "
        "whole or refused whole, without dropping a call; SIGTERM lets calls in flight finish.",
    )
    parser.add_argument("--config", required=True, type=Path, metavar="FILE", help="a YAML file, or a folder of them")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop; 1 when the configuration is refused or an address is taken."""
    from tollway.cli.local_gateway import LocalGateway  # noqa: PLC0415 - heavy, and not needed for --help
    from tollway.cli.supervisor import StartRefused  # noqa: PLC0415
    from tollway.config.problems import ConfigErrors  # noqa: PLC0415

    try:
        LocalGateway(arguments.config).run(on_ready=_announce)
    except (ConfigErrors, StartRefused) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _announce(urls: list[str]) -> None:
    print(f"tollway: gateway on {', '.join(urls)}", flush=True)
