"""Installs what the bench compares with, each in a throw-away place of its own.

`python -m benchmarks.peers nginx litellm portkey` installs what is missing and nothing twice.
Everything but nginx and wrk lives under the folder `TOLLWAY_BENCH_CACHE` names
(default `~/.cache/tollway-bench`); delete the folder and it is as if it had never been.
"""

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks.processes import StartError, find_program

LITELLM_VERSION = "1.106.2"
PORTKEY_VERSION = "1.15.2"
# With later versions this Portkey answers 500 to every stream (its issue 1389): measured as it works.
HONO_NODE_SERVER_VERSION = "1.14.1"
DEBIAN_PACKAGES = {"nginx": "nginx-light", "wrk": "wrk"}


def cache() -> Path:
    """The folder the peers live in."""
    named = os.environ.get("TOLLWAY_BENCH_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "tollway-bench"


def litellm_home() -> Path:
    """LiteLLM's own virtual environment."""
    return cache() / f"litellm-{LITELLM_VERSION}"


def portkey_home() -> Path:
    """The folder Portkey is installed in."""
    return cache() / f"portkey-{PORTKEY_VERSION}"


def ensure(names: Sequence[str]) -> None:
    """Install those of the named peers that are missing, and wrk.

    Raises:
        StartError: a peer cannot be installed here; the message says what is missing.
    """
    for name in ["wrk", *names]:
        if name in DEBIAN_PACKAGES:
            _ensure_program(name)
        elif name == "litellm":
            _ensure_litellm()
        elif name == "portkey":
            _ensure_portkey()
        else:
            message = f"unknown peer {name}: there are nginx, litellm and portkey"
            raise StartError(message)


def _ensure_program(name: str) -> None:
    try:
        _ = find_program(name)
    except StartError:
        package = DEBIAN_PACKAGES[name]
        if os.geteuid() != 0 or shutil.which("apt-get") is None:
            message = f"{name} is missing: install the package {package}, or leave {name} out"
            raise StartError(message) from None
        _run(["apt-get", "install", "--yes", "--no-install-recommends", package])


def _ensure_litellm() -> None:
    home = litellm_home()
    if _is_complete(home):
        return
    venv.create(home, clear=True, with_pip=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    _run([*pip, "install", f"litellm[proxy]=={LITELLM_VERSION}"])
    _mark_complete(home)


def _ensure_portkey() -> None:
    home = portkey_home()
    if _is_complete(home):
        return
    _ = find_program("node")
    home.mkdir(parents=True, exist_ok=True)
    package = {
        "name": "tollway-bench-portkey",
        "private": True,
        "dependencies": {"@portkey-ai/gateway": PORTKEY_VERSION},
        "overrides": {"@hono/node-server": HONO_NODE_SERVER_VERSION},
    }
    _ = (home / "package.json").write_text(msgspec.json.encode(package).decode())
    npm = [find_program("npm"), "--prefix", str(home), "install"]
    _run([*npm, "--no-audit", "--no-fund", "--ignore-scripts"])
    _mark_complete(home)


def _is_complete(home: Path) -> bool:
    return (home / "complete").exists()


def _mark_complete(home: Path) -> None:
    (home / "complete").touch()


def _run(command: Sequence[str]) -> None:
    sys.stderr.write(f"bench: {' '.join(command)}\n")
    finished = subprocess.run(command, check=False, capture_output=True, text=True)
    if finished.returncode != 0:
        ending = (finished.stdout + finished.stderr)[-2000:]
        message = f"{command[0]} ended with {finished.returncode}:\n{ending}"
        raise StartError(message)


if __name__ == "__main__":
    ensure(sys.argv[1:] or ["nginx", "litellm", "portkey"])
