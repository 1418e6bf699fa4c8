"""Where other people's programs are installed for the proof, each version in a place of its own.

Everything lives under the folder `TOLLWAY_PROOF_CACHE` names (default `~/.cache/tollway-proof`) and is made when
it is first asked for; delete the folder and it is as if it had never been. Nothing is written to the project.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import venv
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

_INSTALL_SECONDS = 1200
_NICE = ["nice", "-n", "10"]


def cache() -> Path:
    """The folder everything is installed in."""
    named = os.environ.get("TOLLWAY_PROOF_CACHE")
    return Path(named) if named else Path.home() / ".cache" / "tollway-proof"


def python(*packages: str) -> Path:
    """The interpreter of an environment with exactly these packages and what they need."""
    home = installed("python", packages, lambda fresh: _make_python(fresh, packages))
    return home / "bin" / "python"


def node(*packages: str) -> Path:
    """A folder whose `node_modules` holds exactly these packages and what they need."""
    _need("npm")
    return installed("node", packages, lambda fresh: _make_node(fresh, packages))


def installed(kind: str, packages: Sequence[str], make: Callable[[Path], None]) -> Path:
    """Make a place once, whoever asks first, and give it; skip the test where it cannot be made."""
    name = f"{kind}-{hashlib.sha256(' '.join(packages).encode()).hexdigest()[:12]}"
    home = cache() / name
    with _alone(name):
        if not (home / "complete").exists():
            # A place is not movable (interpreters know their own path), so a half-made one is made anew.
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            (home / "packages.txt").write_text("\n".join(packages))
            make(home)
            (home / "complete").touch()
    return home


def run(command: Sequence[str], *, cwd: Path, seconds: float = _INSTALL_SECONDS) -> None:
    """Run one step of an installation; skip the test, saying why, when it cannot be done."""
    done = subprocess.run([*_NICE, *command], cwd=cwd, capture_output=True, text=True, timeout=seconds, check=False)
    if done.returncode != 0:
        pytest.skip(f"{' '.join(command[:6])} could not be installed here: {(done.stdout + done.stderr)[-400:]}")


@contextmanager
def _alone(name: str) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")


def _make_python(home: Path, packages: Sequence[str]) -> None:
    venv.create(home, with_pip=True)
    pip = [str(home / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet"]
    if packages:
        run([*pip, "install", *packages], cwd=home)


def _make_node(home: Path, packages: Sequence[str]) -> None:
    (home / "package.json").write_bytes(msgspec.json.encode({"name": "tollway-proof", "private": True}))
    run(["npm", "install", "--no-audit", "--no-fund", *packages], cwd=home)
