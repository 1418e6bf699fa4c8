"""A gateway as an operator runs it: a configuration file, a process, and what it leaves on disk."""

import contextlib
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

import msgspec
import yaml

from tollway.interfaces.usage_record import UsageRecord
from tollway.wire.spool_format import decode_line

START_SECONDS = 60.0
_KEYS = re.compile(r".*_API_KEY|(HTTPS?|ALL|NO)_PROXY", re.IGNORECASE)

ValueT = TypeVar("ValueT")


def until(probe: Callable[[], ValueT], what: str, *, seconds: float = 20.0, pause_seconds: float = 0.02) -> ValueT:
    """Ask `probe` now and then until it gives something true; fail, naming `what`, when it never does."""
    deadline = time.monotonic() + seconds
    while not (found := probe()):
        assert time.monotonic() < deadline, f"{what} did not come within {seconds:g} s"
        time.sleep(pause_seconds)
    return found


def free_port() -> int:
    """Find a port that nothing listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(**extra: str) -> dict[str, str]:
    """Give the environment of a program under test: this one's, without provider keys and proxies."""
    clean = {name: value for name, value in os.environ.items() if not _KEYS.fullmatch(name)}
    return {**clean, "PYTHONUNBUFFERED": "1", **extra}


class Program:
    """One `tollway` command as a process; its output is kept in files."""

    def __init__(self, folder: Path, arguments: Sequence[str], environ: dict[str, str] | None = None) -> None:
        """Prepare; `start` runs it."""
        self.folder = folder
        self._arguments = list(arguments)
        self._environ = environ or environment()
        self._process: subprocess.Popen[bytes] | None = None
        self._starts = 0

    def start(self) -> None:
        """Run it, without waiting for anything."""
        assert self._process is None or self._process.poll() is not None, "it runs already"
        self._starts += 1
        command = [sys.executable, "-m", "tollway.cli.main", *self._arguments]
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(command, stdout=out, stderr=err, env=self._environ)

    @property
    def _out(self) -> Path:
        return self.folder / f"stdout.{self._starts}"

    @property
    def _err(self) -> Path:
        return self.folder / f"stderr.{self._starts}"

    @property
    def pid(self) -> int:
        """Of the process started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def stdout(self) -> str:
        """What the process started last has printed."""
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        """What the process started last has complained of and logged."""
        return self._err.read_text()

    def wait_for(self, pattern: str, *, seconds: float = START_SECONDS) -> "re.Match[str]":
        """Wait until a pattern is on standard output."""

        def look() -> "re.Match[str] | None":
            found = re.search(pattern, self.stdout)
            if found is None and self._process is not None and self._process.poll() is not None:
                raise AssertionError(f"it ended with {self._process.returncode} before it was ready:\n{self.stderr}")
            return found

        found = until(look, f"{pattern!r} on standard output", seconds=seconds)
        assert found is not None
        return found

    def wait(self, seconds: float = 30.0) -> int:
        """Wait for its end; give its exit status."""
        assert self._process is not None
        return self._process.wait(seconds)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        os.kill(self.pid, number)

    def stop(self, seconds: float = 30.0) -> int:
        """Ask it to stop, and wait until it has."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.terminate()
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """SIGKILL: it can do nothing more."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def children(self) -> list[int]:
        """Give the process ids of its children."""
        return children_of(self.pid)


class Gateway(Program):
    """`tollway gateway --config FILE`: on a port that the system chooses, with its files in one folder."""

    def __init__(self, folder: Path, resources: dict[str, Any], environ: dict[str, str] | None = None) -> None:
        """Write the configuration."""
        self.config = folder / "tollway.yaml"
        self.data_dir = folder / "data"
        super().__init__(folder, ["gateway", "--config", str(self.config)], environ)
        folder.mkdir(parents=True, exist_ok=True)
        self.urls: list[str] = []
        self.resources = resources
        self.write(resources)
        self._records = Records(self.data_dir)

    def write(self, resources: dict[str, Any]) -> None:
        """Write another configuration, whole at once, as an editor does."""
        text = yaml.safe_dump(_complete(resources, self.data_dir), sort_keys=False)
        self.write_text(text)
        self.resources = resources

    def write_text(self, text: str) -> None:
        """Write a configuration word for word."""
        fresh = self.config.with_suffix(".fresh")
        fresh.write_text(text)
        fresh.replace(self.config)

    def start(self) -> None:
        """Run it and wait until it says where it answers."""
        super().start()
        announced = self.wait_for(r"tollway: gateway on (\S.*)\n")
        self.urls = announced[1].split(", ")

    @property
    def url(self) -> str:
        """Base URL of the first listener."""
        return self.urls[0]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def workers(self) -> list[int]:
        """Give the process ids of its workers."""
        return [pid for pid in self.children() if "worker_process" in command_of(pid)]

    def records(self, correlation_id: str, count: int = 1) -> list[UsageRecord]:
        """Give the usage records of one call, first attempt first, once there are as many as expected."""
        return self._records.of(correlation_id, count)

    def record(self, correlation_id: str) -> UsageRecord:
        """Give the only usage record of one call."""
        (found,) = self.records(correlation_id)
        return found

    def ledger(self) -> list[dict[str, Any]]:
        """Give every row of the ledger by now."""
        return self._records.ledger()

    def settled_ledger(self, known: Iterable[str]) -> list[dict[str, Any]]:
        """Give the ledger once it holds every one of these correlation ids and its spool is empty of news."""
        wanted = set(known)

        def complete() -> list[dict[str, Any]]:
            rows = self.ledger()
            return rows if wanted <= {row["correlation_id"] for row in rows} else []

        until(complete, "every known call in the ledger")
        return self.ledger()


class Records:
    """The usage records a gateway has written: in its spool at once, in its ledger soon after."""

    def __init__(self, data_dir: Path) -> None:
        """Read those under `data_dir`."""
        self._data_dir = data_dir
        self._read: dict[str, int] = {}
        self._by_correlation: dict[str, dict[str, UsageRecord]] = {}

    def of(self, correlation_id: str, count: int = 1) -> list[UsageRecord]:
        """Wait for the records of one call."""

        def enough() -> dict[str, UsageRecord] | None:
            self._follow()
            found = self._by_correlation.get(correlation_id, {})
            return found if len(found) >= count else None

        try:
            found = until(enough, f"{count} usage record(s) of {correlation_id}", seconds=5.0)
        except AssertionError:
            # Its spool file may have been rotated and read to its end between two looks.
            rows = [row for row in self.ledger() if row["correlation_id"] == correlation_id]
            assert len(rows) >= count, f"{correlation_id} has {len(rows)} of {count} usage records"
            raise
        assert found is not None
        return sorted(found.values(), key=lambda record: record.attempt)

    def _follow(self) -> None:
        for file in sorted((self._data_dir / "spool").glob("*.jsonl")):
            start = self._read.get(file.name, 0)
            with contextlib.suppress(FileNotFoundError), file.open("rb") as lines:
                lines.seek(start)
                data = lines.read()
                whole = data.rfind(b"\n") + 1
                self._read[file.name] = start + whole
                for line in data[:whole].splitlines():
                    record = decode_line(line)
                    self._by_correlation.setdefault(record.correlation_id, {})[record.id] = record

    def ledger(self) -> list[dict[str, Any]]:
        """Read the ledger's rows."""
        file = self._data_dir / "ledger.sqlite3"
        if not file.exists():
            return []
        with contextlib.closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute("SELECT * FROM usage_record").fetchall()
        return [{**dict(row), "usage": msgspec.json.decode(row["usage"])} for row in rows]


def children_of(pid: int) -> list[int]:
    """Give the process ids of a process's children."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            found += [int(child) for child in (task / "children").read_text().split()]
    return found


def command_of(pid: int) -> str:
    """Give a process's command line; empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def alive(pid: int) -> bool:
    """Tell whether a process runs."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except (FileNotFoundError, ProcessLookupError):
        return False


def _complete(resources: dict[str, Any], data_dir: Path) -> dict[str, Any]:
    gateway = {"data_dir": str(data_dir), "name": "e2e", "drain": "10s", **resources.get("gateway", {})}
    listeners = resources.get("listeners", [{"name": "default", "address": "127.0.0.1:0"}])
    return {**resources, "gateway": gateway, "listeners": listeners}


def routes_to(upstreams: dict[str, str], **settings: Any) -> list[dict[str, Any]]:
    """Write routes, each named as its provider, to these base URLs."""
    return [
        {"name": provider, "provider": provider, "credential": "key", "url": url, **settings}
        for provider, url in upstreams.items()
    ]


def key_file(folder: Path, name: str = "key", value: str = "sk-upstream-secret-7261") -> str:
    """Write a provider key; give the reference to it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.key"
    file.write_text(value)
    file.chmod(0o600)
    return f"${{file:{file}}}"


def lines(text: str) -> Iterator[dict[str, Any]]:
    """Read the JSON lines among a log's lines."""
    for line in text.splitlines():
        if line.startswith("{"):
            yield msgspec.json.decode(line)
