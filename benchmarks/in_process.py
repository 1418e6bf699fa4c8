"""A worker driven without sockets: one caller's connection, and one upstream that answers at once.

What is left is the gateway's own work, the same at every run; what the kernel does for it is not in it.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from tollway.dialects.registry import all_dialects
from tollway.gateway.clock import SystemClock
from tollway.gateway.http1 import Http1Connection
from tollway.gateway.log import Log
from tollway.gateway.metrics import Metrics
from tollway.gateway.spool import Spool
from tollway.gateway.upstream import UpstreamConnection
from tollway.gateway.worker import Plugins, Worker
from tollway.interfaces.secrets import Secret
from tollway.snapshot.client_secrets import hash_client_secret
from tollway.snapshot.codec import policy_config
from tollway.snapshot.document import (
    Client,
    Contract,
    Listener,
    LlmProxy,
    PolicyUse,
    Route,
    SecretHash,
    Snapshot,
)
from tollway.snapshot.plugins import policy_type, provider
from tollway.stores.counters_lmdb import LmdbCounters
from tollway.stores.ownership_memory import MemoryOwnership

HEADERS = (
    b"Host: 127.0.0.1:8081\r\nContent-Type: application/json\r\n"
    b"client_id: fin-app\r\nclient_secret: fin-secret\r\nClientId: fin-app\r\n"
)
_MINUTE = {"timePeriodInMilliseconds": 60_000}
_POLICIES = (
    PolicyUse(name="identify", policy="client-id-enforcement"),
    PolicyUse(
        name="limit",
        policy="llm-token-rate-limit",
        config={
            "limits": [{"totalTokens": 10**12, **_MINUTE}, {"promptTokens": 10**12, **_MINUTE}],
            "keySelector": "#[attributes.headers['ClientId']]",
        },
    ),
)


class Wire(asyncio.Transport):
    """A transport that counts what is written, and may answer it."""

    def __init__(self, answer: Callable[[], None] | None = None) -> None:
        super().__init__(extra={"peername": ("127.0.0.1", 50_000)})
        self.writes = 0
        self.last = b""
        self.answer = answer

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes += 1
        self.last = bytes(data)
        if self.answer is not None:
            self.answer()

    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None:
        raise AssertionError("nothing here is slow")

    def resume_reading(self) -> None:
        raise AssertionError("nothing here is slow")

    def abort(self) -> None:
        raise AssertionError("nothing here fails")


class Bench:
    """One worker, with identification, a token limit of two windows, model routing, metering and spool."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.caller = Wire()
        self.upstream_answer = b""

    async def start(self) -> None:
        """Serve, with one connection on each side."""
        clock = SystemClock()
        worker = Worker(
            asyncio.get_running_loop(),
            plugins=Plugins(provider, policy_type, all_dialects(), policy_config),
            counters=LmdbCounters(self.directory / "counters"),
            ownership=MemoryOwnership(),
            spool=Spool(self.directory / "spool", clock.new_id()),
            metrics=Metrics(clock),
            log=Log(clock),
            merged_metrics=_no_metrics,
        )
        await worker.serve_snapshot(_snapshot(str(self.directory)), {})
        # The ways in that a socket would be.
        (pool,) = worker._pools.values()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        (listener,) = worker._listeners.values()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
        self.upstream = UpstreamConnection(pool)
        self.upstream.connection_made(Wire(lambda: self.upstream.data_received(self.upstream_answer)))
        pool.give_back(self.upstream)
        self.outbox = worker.outbox
        self.connection = Http1Connection(listener)
        self.connection.connection_made(self.caller)

    def call(self, data: bytes) -> None:
        """Let a request come in, and two turns of the loop end: the request leaves, then its answer."""
        self.connection.data_received(data)
        self.outbox.flush()
        self.outbox.flush()


async def _no_metrics() -> bytes:
    return b""


def _snapshot(directory: str) -> Snapshot:
    secret = SecretHash(salt="salt", sha256=hash_client_secret("fin-secret", "salt"))
    return Snapshot(
        version="bench",
        data_dir=directory,
        listeners=(Listener(name="main", host="127.0.0.1", port=1),),
        proxies=(
            LlmProxy(
                name="proxy",
                base_path="/llm-proxy",
                listeners=("main",),
                routes=(
                    Route(
                        name="openai",
                        provider="openai",
                        base_url="http://127.0.0.1:1/v1",
                        keys=(Secret("sk-bench"),),
                        allow_private=True,
                    ),
                ),
                policies=_POLICIES,
                contracts=(Contract(client_id="fin-app"),),
            ),
        ),
        clients=(Client(client_id="fin-app", name="Finance", business_group="Finance", secrets=(secret,)),),
    )


def request(body: bytes) -> bytes:
    """Write a chat call as a caller sends it."""
    head = b"POST /llm-proxy/v1/chat/completions HTTP/1.1\r\n" + HEADERS
    return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)


def chat(size: int, *, stream: bool = False) -> bytes:
    """Write a chat body of about `size` bytes."""
    flag = b',"stream":true,"stream_options":{"include_usage":true}' if stream else b""
    words = b"word " * (size // 5)
    return (
        b'{"model":"openai/gpt-5","messages":[{"role":"system","content":"You are a helpful assistant."},'
        b'{"role":"user","content":"%b"}],"temperature":0.7%b}' % (words, flag)
    )
