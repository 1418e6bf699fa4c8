"""The process of one worker, told what to do as its supervisor tells it."""

import asyncio
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
from tollway.snapshot.codec import content_version, encode
from tollway.snapshot.document import Listener, LlmProxy, Snapshot


def snapshot(folder: Path, port: int, *, metrics: bool = False) -> Snapshot:
    listeners = (Listener(name="main", host="127.0.0.1", port=port, metrics=metrics),)
    proxies = (LlmProxy(name="p", base_path="", listeners=("main",), routes=()),)
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
