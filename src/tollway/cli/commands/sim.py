"""`tollway sim`: a local upstream that speaks every provider's own wire format, without a key or a bill."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollway.cli.subparsers import Subparsers


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command."""
    parser = subparsers.add_parser(
        "sim",
        help="run a local upstream that speaks the providers' wire formats",
        description="Run a local upstream that answers as OpenAI, Azure OpenAI, Anthropic, Gemini, Ollama and vLLM "
        "would: streams, tools, usage and errors, made up but well-formed. Nothing leaves this machine.",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8090, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--pace-ms", type=float, default=10.0, help="pause between the events of a stream, milliseconds"
    )
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Serve until interrupted; 1 when the address cannot be had."""
    from tollway.testing.sim.app import main  # noqa: PLC0415 - heavy, and not needed for --help

    try:
        return main(["--host", arguments.host, "--port", str(arguments.port), "--pace-ms", str(arguments.pace_ms)])
    except OSError as error:
        address = f"{arguments.host}:{arguments.port}"
        print(f"tollway sim: {address} cannot be listened on: {error.strerror}", file=sys.stderr)
        return 1
