"""Full-speed load: runs wrk with `wrk.lua`, which checks every answer, and reads its result."""

import subprocess
import time
from pathlib import Path

import msgspec

from benchmarks.client import Call
from benchmarks.loads import MARK
from benchmarks.processes import StartError, find_program

SCRIPT = Path(__file__).with_name("wrk.lua")
ANSWER_TIMEOUT_SECONDS = 60
RESULT = "RESULT "


class WrkResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What wrk and its script counted."""

    requests: int
    duration_us: int
    connect: int
    read: int
    write: int
    status: int
    timeout: int
    p50_us: float
    p99_us: float
    wrong: int
    first_wrong: str

    @property
    def errors(self) -> int:
        """Connections that failed and answers that never came."""
        return self.connect + self.read + self.write + self.timeout

    @property
    def rps(self) -> float:
        """Answers a second over the whole run."""
        return self.requests / (self.duration_us / 1e6)


def parse_result(output: str) -> WrkResult:
    """The result line in what wrk printed.

    Raises:
        StartError: there is none, so wrk or its script failed.
    """
    for line in output.splitlines():
        if line.startswith(RESULT):
            return msgspec.json.decode(line[len(RESULT) :], type=WrkResult)
    message = f"wrk gave no result:\n{output}"
    raise StartError(message)


class Wrk:
    """One run of wrk, started at once."""

    def __init__(self, call: Call, folder: Path, *, connections: int, seconds: float, threads: int = 1) -> None:
        body = folder / "body.json"
        headers = folder / "headers.txt"
        _ = body.write_bytes(call.body)
        lines = [f"{name}: {value}\n" for name, value in call.headers.items()]
        _ = headers.write_text("".join(lines))
        # wrk takes whole seconds; it is asked for one more than the turn needs.
        command = [
            find_program("wrk"),
            f"--threads={threads}",
            f"--connections={connections}",
            f"--duration={int(seconds) + 1}s",
            f"--timeout={ANSWER_TIMEOUT_SECONDS}s",
            f"--script={SCRIPT}",
            f"http://127.0.0.1:{call.port}{call.path}",
            "--",
            *(str(body), str(headers), MARK),
        ]
        self.started_at = time.monotonic()
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    @property
    def pid(self) -> int:
        """The process id of wrk."""
        return self._process.pid

    def finish(self) -> WrkResult:
        """Wait for the end of the run and read its result."""
        output, _ = self._process.communicate()
        return parse_result(output)
