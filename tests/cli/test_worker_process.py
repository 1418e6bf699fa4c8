"""The process of one worker, told what to do as its supervisor tells it."""

import asyncio
import base64
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from tests.support.running import environment, free_port

from tollway.cli.channel import (
    LAST_DUMP,
    AskMetrics,
    Channel,
    Drain,
    MergedMetrics,
    Message,
    MetricsDump,
    Refused,
    ServeSnapshot,
    Serving,
    WantMetrics,
)
from tollway.config.vault import RESPONSE_STATE_KEY, Vault
from tollway.interfaces.response_state import Kept
from tollway.snapshot.codec import content_version, encode
from tollway.snapshot.document import Listener, LlmProxy, ResponseState, Snapshot
from tollway.stores.response_state_sqlite import SqliteResponseStore


def snapshot(folder: Path, port: int, *, metrics: bool = False, state: ResponseState | None = None) -> Snapshot:
    listeners = (Listener(name="main", host="127.0.0.1", port=port, metrics=metrics),)
    proxies = (LlmProxy(name="p", base_path="", listeners=("main",), routes=(), response_state=state),)
    made = Snapshot(version="", data_dir=str(folder), listeners=listeners, proxies=proxies)
    return msgspec.structs.replace(made, version=content_version(made))


@asynccontextmanager
async def worker(folder: Path) -> AsyncIterator[tuple["subprocess.Popen[bytes]", Channel]]:
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tollway.cli.worker_process", str(theirs.fileno()), str(folder), "0"]
    process = subprocess.Popen(command, pass_fds=(theirs.fileno(),), env=environment())  # noqa: ASYNC220 - it returns at once
    theirs.close()
    channel = await Channel.open(ours)
    try:
        yield process, channel
    finally:
        process.kill()
        process.wait()
        channel.close()
        await asyncio.sleep(0.01)


async def heard(channel: Channel) -> Message | None:
    return await asyncio.wait_for(channel.receive(), 20)


async def ask(port: int, path: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n".encode())
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    return answer


async def test_it_serves_what_it_is_told_and_refuses_what_it_cannot(tmp_path: Path) -> None:
    async with worker(tmp_path) as (process, channel):
        channel.send(ServeSnapshot(snapshot=b"nonsense"))
        refused = await heard(channel)
        assert isinstance(refused, Refused)
        assert "damaged" in refused.reason

        port = free_port()
        first = snapshot(tmp_path, port, metrics=True)
        channel.send(ServeSnapshot(snapshot=encode(first)))
        assert await heard(channel) == Serving(version=first.version)
        assert b" 200 OK" in await ask(port, "/probes/readiness")

        # A caller's question for metrics goes to the supervisor, who alone knows those of all workers.
        asking = asyncio.ensure_future(ask(port, "/metrics"))
        wanted = await heard(channel)
        assert isinstance(wanted, WantMetrics)
        channel.send(MergedMetrics(token=wanted.token, text=b"of_all 1\n"))
        assert (await asking).endswith(b"\r\n\r\nof_all 1\n")

        channel.send(AskMetrics(token=7))
        dump = await heard(channel)
        assert isinstance(dump, MetricsDump)
        assert (dump.token, bool(dump.dump)) == (7, True)

        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            taken = snapshot(tmp_path, other.getsockname()[1])
            channel.send(ServeSnapshot(snapshot=encode(taken)))
            refused = await heard(channel)
            assert isinstance(refused, Refused)
            assert (refused.version, "is in use" in refused.reason) == (taken.version, True)
        assert b" 200 OK" in await ask(port, "/probes/readiness")

        channel.send(Drain(seconds=1.0))
        last = await heard(channel)
        assert isinstance(last, MetricsDump)
        assert last.token == LAST_DUMP
        assert await heard(channel) is None
        assert await asyncio.to_thread(process.wait, 10) == 0
        assert list((tmp_path / "spool").iterdir()) == []


async def test_it_goes_when_its_supervisor_is_gone(tmp_path: Path) -> None:
    async with worker(tmp_path) as (process, channel):
        port = free_port()
        first = snapshot(tmp_path, port)
        channel.send(ServeSnapshot(snapshot=encode(first)))
        assert await heard(channel) == Serving(version=first.version)
        process.terminate()  # a signal to the whole group of processes is not its own to obey
        assert b" 200 OK" in await ask(port, "/probes/readiness")
        channel.close()
        assert await asyncio.to_thread(process.wait, 10) == 0


async def test_it_opens_the_store_of_kept_responses_when_one_is_wanted_or_left(tmp_path: Path) -> None:
    file = tmp_path / "response-state.sqlite3"
    async with worker(tmp_path) as (_, channel):
        port = free_port()
        plain = snapshot(tmp_path, port)
        channel.send(ServeSnapshot(snapshot=encode(plain)))
        assert await heard(channel) == Serving(version=plain.version)
        assert not file.exists()
        keeping = snapshot(tmp_path, port, state=ResponseState())
        channel.send(ServeSnapshot(snapshot=encode(keeping)))
        assert await heard(channel) == Serving(version=keeping.version)
        assert file.exists()
    kept = Kept(id="resp_1", owner="p", created_us=1, expires_us=2, content=b"long ago")
    key = base64.b64decode(Vault(tmp_path).get(RESPONSE_STATE_KEY).reveal())
    store = SqliteResponseStore(file, key)
    await store.put([kept], owner_bytes=100)
    async with worker(tmp_path) as (_, channel):  # keeping is switched off: what is left must end all the same
        plain = snapshot(tmp_path, free_port())
        channel.send(ServeSnapshot(snapshot=encode(plain)))
        assert await heard(channel) == Serving(version=plain.version)
        async with asyncio.timeout(20):
            while await store.get("p", "resp_1", 1) is not None:  # noqa: ASYNC110 - another process does it
                await asyncio.sleep(0.02)
    await store.close()


async def test_it_refuses_to_keep_responses_where_it_cannot(tmp_path: Path) -> None:
    (tmp_path / "response-state.sqlite3").write_bytes(b"not a database, but long enough to be looked at" * 100)
    async with worker(tmp_path) as (_, channel):
        port = free_port()
        keeping = snapshot(tmp_path, port, state=ResponseState())
        channel.send(ServeSnapshot(snapshot=encode(keeping)))
        refused = await heard(channel)
        assert isinstance(refused, Refused)
        assert "not a database" in refused.reason
        plain = snapshot(tmp_path, port)
        channel.send(ServeSnapshot(snapshot=encode(plain)))
        assert await heard(channel) == Serving(version=plain.version)
