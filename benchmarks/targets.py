"""What is measured: direct, nginx, Tollway, LiteLLM, Portkey; one class each.

A target listens on a loopback port, passes chat completions to one upstream, and knows how it
wants to be called. Configuration files are written here and nowhere else.
"""

import socket
import sqlite3
import sys
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from contextlib import closing
from pathlib import Path

import msgspec
import uvloop

from benchmarks import cpu, loads, peers
from benchmarks.client import Call, Connection, run_call
from benchmarks.processes import Running, StartError, find_program, free_port

CHAT_PATH = "/v1/chat/completions"
READY_SECONDS = 180.0
CLIENT_ID = "bench-client"
CLIENT_SECRET = "bench-secret-of-one-run"
MASTER_KEY = "sk-bench-master"
DATA_FOLDER = "tollway-data"
TOKENS_PER_MINUTE = 100_000_000_000
ROOT = Path(__file__).resolve().parent.parent


class JsonUpstream:
    """nginx answering a fixed completion: the cheapest right answer there is."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self._count_port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        answer = loads.completion_answer()
        config = nginx_config(
            f"""
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        default_type application/json;
        client_max_body_size 1m;
        location / {{ return 200 '{answer}'; }}
    }}
    server {{
        listen 127.0.0.1:{self._count_port};
        location / {{ stub_status; }}
    }}""",
            folder,
        )
        self._running = start_nginx(config, folder)
        _ = self._running.wait_until(self._answers, READY_SECONDS)

    def _answers(self) -> bool:
        try:
            _ = self.count()
        except OSError:
            return False
        return True

    def count(self) -> int:
        """Requests it was sent since its start."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._count_port}/") as page:
            text: str = page.read().decode()
        # "server accepts handled requests\n 7 7 9": the third figure counts requests, ours too.
        return int(text.splitlines()[2].split()[2])

    def stop(self) -> None:
        """End it."""
        self._running.stop()


class StreamUpstream:
    """The bench's own stream server in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "benchmarks.upstream", str(self.port)]
        self._running = Running(command, folder / "upstream.log", {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"})
        _ = self._running.wait_until(lambda: is_listening(self.port), READY_SECONDS)

    def stop(self) -> None:
        """End it."""
        self._running.stop()


class Target(ABC):
    """One thing that is measured."""

    name: str
    # A target that cannot carry the full stream load is measured with fewer streams at once.
    paced_streams: int = 100

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.ready_seconds = 0.0
        self.answered = 0
        """Right answers clients had from it since its start; phases count them."""
        self.running: Running | None = None

    def start(self, upstream_port: int) -> None:
        """Start it before an upstream and wait until it answers a call of its own with that answer.

        Raises:
            StartError: it did not come up.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.answered = 0
        running = self.running = self.launch(upstream_port)
        try:
            self.ready_seconds = running.wait_until(self.is_ready, READY_SECONDS)
        except StartError:
            running.stop()
            raise

    def stop(self) -> None:
        """End it."""
        if self.running is not None:
            self.running.stop()
            self.running = None

    def cpu_now(self) -> cpu.TreeReading:
        """CPU time of all its processes so far."""
        return cpu.read_tree(self.root_pid)

    def memory_now(self) -> cpu.Memory:
        """Memory of all its processes now."""
        return cpu.read_memory(self.root_pid)

    def settle(self) -> None:
        """Wait until it has finished what the last turn left behind."""
        if self.running is not None:
            self.running.settle()

    @property
    def root_pid(self) -> int:
        """The process all others of the target descend from; 0 has no descendants of ours."""
        return self.running.pid if self.running is not None else -1

    def call(self, body: bytes) -> Call:
        """A chat completion as this target wants it."""
        return Call(
            port=self.port,
            path=self.path(),
            headers={"content-type": "application/json", **self.headers()},
            body=body,
        )

    def is_ready(self) -> bool:
        """Whether it serves; a target without a readiness page is asked by its port."""
        return is_listening(self.port)

    def path(self) -> str:
        """Where chat completions are posted."""
        return CHAT_PATH

    @abstractmethod
    def launch(self, upstream_port: int) -> Running:
        """Write its configuration and start its processes."""

    @abstractmethod
    def headers(self) -> dict[str, str]:
        """The headers its callers send."""

    def faults(self) -> list[str]:
        """What is wrong with how it was measured, seen after a phase; nothing by default."""
        return []


class Direct(Target):
    """No gateway: the client calls the upstream."""

    name = "direct"

    def start(self, upstream_port: int) -> None:
        self.port = upstream_port

    def launch(self, upstream_port: int) -> Running:
        message = f"direct has no process of its own; port {upstream_port} is called as it is"
        raise StartError(message)

    def headers(self) -> dict[str, str]:
        return {"authorization": "Bearer sk-bench"}


class Nginx(Target):
    """nginx as a plain reverse proxy: the limit everything is compared with."""

    name = "nginx"

    def launch(self, upstream_port: int) -> Running:
        config = nginx_config(
            f"""
    upstream provider {{
        server 127.0.0.1:{upstream_port};
        keepalive 4096;
        keepalive_requests 10000000;
    }}
    server {{
        listen 127.0.0.1:{self.port} backlog=4096;
        client_body_buffer_size 64k;
        client_max_body_size 1m;
        location / {{
            proxy_pass http://provider;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_buffering off;
            proxy_read_timeout 600s;
        }}
    }}""",
            self.folder,
        )
        return start_nginx(config, self.folder)

    def headers(self) -> dict[str, str]:
        return {"authorization": "Bearer sk-bench"}


class Tollway(Target):
    """The gateway with identification, token limit, model routing, metering and spool on."""

    name = "tollway"

    def __init__(self, folder: Path, *, name: str = "tollway", command: str | None = None, workers: int = 1) -> None:
        super().__init__(folder)
        self.name = name
        self._command = command or str(Path(sys.executable).parent / "tollway")
        self._workers = workers

    def launch(self, upstream_port: int) -> Running:
        config = self.folder / "tollway.yaml"
        _ = config.write_text(tollway_config(self.port, upstream_port, workers=self._workers))
        command = [self._command, "gateway", "--config", str(config)]
        return Running(command, self.folder / "gateway.log", self.environment())

    def environment(self) -> dict[str, str]:
        """What the configuration's references to the environment need."""
        return {"BENCH_PROVIDER_KEY": "sk-bench", "BENCH_CLIENT_SECRET": CLIENT_SECRET}

    def is_ready(self) -> bool:
        return is_page_ok(f"http://127.0.0.1:{self.port}/probes/readiness")

    def path(self) -> str:
        return "/llm-proxy" + CHAT_PATH

    def headers(self) -> dict[str, str]:
        return {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "ClientId": CLIENT_ID}

    def faults(self) -> list[str]:
        """Prove that what should be on is on: a stranger is refused, every answer is in the ledger."""
        call = self.call(loads.completion_request(2048))
        stranger = Call(
            port=call.port, path=call.path, headers={**call.headers, "client_secret": "wrong"}, body=call.body
        )
        found: list[str] = []
        status = one_status(stranger)
        if status != 401:
            found.append(f"{self.name}: a wrong secret was answered {status}: identification is off")
        self.settle()
        recorded = ledger_records(self.folder / DATA_FOLDER)
        if recorded < self.answered:
            found.append(f"{self.name}: {self.answered} right answers, {recorded} usage records in the ledger")
        return found


class LiteLLM(Target):
    """LiteLLM's proxy with one worker, a master key and one model; no database, no limits."""

    name = "litellm"
    paced_streams = 10

    def launch(self, upstream_port: int) -> Running:
        config = self.folder / "litellm.yaml"
        _ = config.write_text(
            f"""model_list:
  - model_name: {loads.ROUTED_MODEL}
    litellm_params:
      model: {loads.ROUTED_MODEL}
      api_base: http://127.0.0.1:{upstream_port}/v1
      api_key: sk-bench
general_settings:
  master_key: {MASTER_KEY}
"""
        )
        command = [
            str(peers.litellm_home() / "bin" / "litellm"),
            *("--host", "127.0.0.1", "--port", str(self.port)),
            *("--config", str(config), "--num_workers", "1"),
        ]
        environment = {
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "LITELLM_LOG": "ERROR",
            "LITELLM_TELEMETRY": "False",
        }
        return Running(command, self.folder / "litellm.log", environment)

    def is_ready(self) -> bool:
        return is_page_ok(f"http://127.0.0.1:{self.port}/health/readiness")

    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {MASTER_KEY}"}


class Portkey(Target):
    """Portkey's open-source gateway: routing by headers, no identification, no limits."""

    name = "portkey"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._upstream_port = 0

    def launch(self, upstream_port: int) -> Running:
        self._upstream_port = upstream_port
        script = peers.portkey_home() / "node_modules/@portkey-ai/gateway/build/start-server.js"
        command = [find_program("node"), str(script), f"--port={self.port}", "--headless"]
        environment = {"NODE_ENV": "production", "TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost"}
        return Running(command, self.folder / "portkey.log", environment)

    def headers(self) -> dict[str, str]:
        return {
            "authorization": "Bearer sk-bench",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": f"http://127.0.0.1:{self._upstream_port}/v1",
        }


PEERS: dict[str, type[Nginx | LiteLLM | Portkey]] = {
    "nginx": Nginx,
    "litellm": LiteLLM,
    "portkey": Portkey,
}


def tollway_config(port: int, upstream_port: int, *, workers: int) -> str:
    """The configuration Tollway is measured with."""
    route = {
        "name": "openai",
        "provider": "openai",
        "url": f"http://127.0.0.1:{upstream_port}/v1",
        "credential": "bench",
    }
    limit = {
        "maximumTokens": TOKENS_PER_MINUTE,
        "timePeriodInMilliseconds": 60_000,
        "keySelector": "#[attributes.headers['ClientId']]",
    }
    document = {
        "gateway": {"workers": workers, "data_dir": DATA_FOLDER},
        "listeners": [{"name": "main", "address": f"127.0.0.1:{port}"}],
        "clients": [{"name": "bench", "client_id": CLIENT_ID, "secrets": ["${env:BENCH_CLIENT_SECRET}"]}],
        "credentials": [{"name": "bench", "provider": "openai", "values": "${env:BENCH_PROVIDER_KEY}"}],
        "llm_proxies": [
            {
                "name": "bench",
                "base_path": "/llm-proxy",
                "contracts": "all",
                "routes": [route],
                "policies": [
                    {"policy": "client-id-enforcement"},
                    {"policy": "llm-token-rate-limit", "config": limit},
                ],
            }
        ],
    }
    return msgspec.json.encode(document).decode()  # JSON is YAML


def ledger_records(data: Path) -> int:
    """How many usage records of answered calls the ledger in a data folder holds."""
    count = 0
    for path in data.rglob("*.sqlite3"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as ledger:
            row: tuple[int] = ledger.execute("SELECT count(*) FROM record").fetchone()
            count += row[0]
    return count


def nginx_config(servers: str, folder: Path) -> str:
    """A whole nginx configuration around some servers: one worker, no logs, no root needed."""
    return f"""worker_processes 1;
worker_rlimit_nofile 20000;
daemon off;
pid {folder}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 16384; }}
http {{
    access_log off;
    tcp_nodelay on;
    keepalive_requests 10000000;
    keepalive_timeout 600s;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
{servers}
}}
"""


def start_nginx(config: str, folder: Path) -> Running:
    """Start nginx on a configuration."""
    path = folder / "nginx.conf"
    _ = path.write_text(config)
    command = [find_program("nginx"), "-c", str(path), "-p", str(folder), "-e", "stderr"]
    return Running(command, folder / "nginx.log")


def is_listening(port: int) -> bool:
    """Whether somebody accepts connections on a loopback port."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def is_page_ok(url: str) -> bool:
    """Whether a page answers 200."""
    try:
        with urllib.request.urlopen(url, timeout=5) as page:
            return page.status == 200
    except (OSError, urllib.error.URLError):
        return False


def one_status(call: Call) -> int:
    """The status one call is answered with."""
    return uvloop.run(_status(call))


async def _status(call: Call) -> int:
    connection = Connection(call.port)
    answer = await connection.exchange(call.raw())
    connection.close()
    return answer.status


def is_answering(target: Target) -> list[str]:
    """What is wrong with one plain call to a target; empty when it is right."""
    wrong: list[str] = []

    async def once() -> None:
        connection = Connection(target.port)
        _ = await run_call(connection, target.call(loads.completion_request(2048)).raw(), wrong)
        connection.close()

    uvloop.run(once())
    return wrong
