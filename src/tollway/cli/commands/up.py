"""`tollway up`: everything on this machine, with nothing to configure and nothing else to install."""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollway.cli.quickstart import Quickstart
    from tollway.cli.subparsers import Subparsers

_TITLES = {"openai": "OpenAI", "gemini": "Google Gemini", "anthropic": "Anthropic"}


def add_parser(subparsers: "Subparsers") -> argparse.ArgumentParser:
    """Add the command."""
    parser = subparsers.add_parser(
        "up",
        help="start Tollway on this machine, ready to call",
        description="Start Tollway with an embedded default: a gateway with one LLM proxy and one client application. "
        "Providers whose key is in the environment are called; the others are simulated on this machine.",
    )
    parser.add_argument(
        "--data",
        type=Path,
        default=Path("tollway-data"),
        metavar="DIR",
        help="folder for all files (default: %(default)s)",
    )
    parser.add_argument("--port", type=int, default=8081, help="the gateway's port (default: %(default)s)")
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Serve until told to stop."""
    simulator, pipe = _start_simulator()  # first, so that it gets ready while the rest is imported

    from tollway.cli.local_gateway import LocalGateway  # noqa: PLC0415 - heavy, and not needed for --help
    from tollway.cli.quickstart import write_quickstart  # noqa: PLC0415
    from tollway.cli.supervisor import StartRefused  # noqa: PLC0415
    from tollway.config.problems import ConfigErrors  # noqa: PLC0415

    try:
        sim_port = _port_of(simulator)
        started = write_quickstart(arguments.data, environ=os.environ, sim_port=sim_port, port=arguments.port)
        LocalGateway(started.config_file).run(on_ready=lambda _: print(_welcome(started), flush=True))
    except (ConfigErrors, StartRefused, OSError) as error:
        print(f"tollway up: {error}", file=sys.stderr)
        return 1
    finally:
        os.close(pipe)
        simulator.wait()
        if simulator.stdout is not None:
            simulator.stdout.close()
    return 0


def _start_simulator() -> tuple["subprocess.Popen[str]", int]:
    """Start the simulator; it ends when the returned pipe end is closed, by us or by our death."""
    theirs, ours = os.pipe()
    command = [sys.executable, "-m", "tollway.cli.sim_process", str(theirs)]
    process = subprocess.Popen(command, pass_fds=(theirs,), stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own program
    os.close(theirs)
    return process, ours


def _port_of(simulator: "subprocess.Popen[str]") -> int:
    """Wait until the simulator has said where it listens.

    Raises:
        OSError: it ended instead.
    """
    line = simulator.stdout.readline() if simulator.stdout is not None else ""
    if not line.strip().isdigit():
        msg = "the simulator did not start"
        raise OSError(msg)
    return int(line)


def _welcome(started: "Quickstart") -> str:
    lines = ["", f"Tollway is running. LLM proxy: {started.gateway_url}{started.base_path}", ""]
    for name in (*started.real, *started.simulated):
        title = _TITLES.get(name, name)
        if name in started.real:
            lines.append(f"  {title:<14} called with the key of your environment")
        else:
            lines.append(f"  {title:<14} SIMULATED on this machine; set {started.simulated[name]} to call the real one")
    lines += [
        "",
        f"  client id      {started.client_id}",
        f"  client secret  {started.client_secret}",
        f"  (also in {started.env_file})",
        "",
        f"  metrics        {started.gateway_url}/metrics",
        f"  usage          {Path(sys.argv[0])} usage",
        "",
        "Try it:",
        "",
        f"  curl {started.gateway_url}{started.base_path}/v1/chat/completions \\",
        "    -H 'Content-Type: application/json' \\",
        f"    -H 'client_id: {started.client_id}' \\",
        f"    -H 'client_secret: {started.client_secret}' \\",
        f"    -H 'ClientId: {started.client_id}' \\",
        """    -d '{"model":"gemini/gemini-2.5-flash",""",
        """         "messages":[{"role":"user","content":"What is the capital of France?"}]}'""",
        "",
        f"The configuration it runs is in {started.config_file}. Ctrl-C stops it.",
        "",
    ]
    return "\n".join(lines)
