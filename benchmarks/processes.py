"""Starting and ending the processes of the bench: free ports, logs, readiness."""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks import cpu

POLL_SECONDS = 0.005
STOP_SECONDS = 15.0
BUSY_SHARE = 0.05


class StartError(Exception):
    """A process did not come up; the message holds the end of its log."""


def free_port() -> int:
    """A loopback port nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def find_program(name: str) -> str:
    """The path of a program.

    Raises:
        StartError: it is not installed.
    """
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        message = f"{name} is not installed (python -m benchmarks.peers installs what is missing)"
        raise StartError(message)
    return path


class Running:
    """A process the bench started, in its own process group, with its output in a log file."""

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self.log = log
        self.started_at = time.monotonic()
        with log.open("wb") as output:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                cwd=log.parent,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The id of the process: the root of its tree."""
        return self._process.pid

    def wait_until(self, is_ready: Callable[[], bool], limit_seconds: float) -> float:
        """Wait until the process is ready and say how many seconds that took since its start.

        Raises:
            StartError: it ended, or was not ready in time.
        """
        while not is_ready():
            waited = time.monotonic() - self.started_at
            if self._process.poll() is not None:
                raise StartError(self._story(f"ended with {self._process.returncode}"))
            if waited > limit_seconds:
                raise StartError(self._story(f"not ready after {limit_seconds:.0f} s"))
            time.sleep(POLL_SECONDS)
        return time.monotonic() - self.started_at

    def settle(self, limit_seconds: float = 60.0) -> None:
        """Wait until the process does nothing any more, so that the next turn is not disturbed.

        It must be idle for longer than the pause between two batches of any work it puts off.
        """
        deadline = time.monotonic() + limit_seconds
        span = 0.7
        while time.monotonic() < deadline:
            before = cpu.read_tree(self.pid).total_ns
            time.sleep(span)
            if cpu.read_tree(self.pid).total_ns - before < BUSY_SHARE * span * 1e9:
                return

    def stop(self) -> None:
        """Ask the process to end; after a while, end its whole group."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                _ = self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._end_group()
                _ = self._process.wait()
        self._end_group()

    def _end_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            return  # nobody of the group is left

    def _story(self, what: str) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-15:]
        return f"{what}; end of {self.log}:\n" + "\n".join(lines)
