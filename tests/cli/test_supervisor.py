"""The supervisor with real workers: they come, go, and are counted as one."""

import asyncio
import os
import re
import signal
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.running import alive, children_of, command_of, free_port, lines

from tollway.cli.supervisor import StartRefused, Supervisor
from tollway.gateway.clock import SystemClock
from tollway.gateway.log import Log
from tollway.interfaces.secrets import Secret
from tollway.snapshot.codec import content_version
from tollway.snapshot.document import Listener, LlmProxy, PolicyUse, Route, Snapshot, Telemetry, TlsServer
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

CHAT = b'{"model":"m","messages":[{"role":"user","content":"hi"}]}'
OK = script.reply(json={"id": "1", "object": "chat.completion", "model": "m", "choices": []})


def snapshot(folder: Path, upstream: str, **settings: Any) -> Snapshot:
    route = Route(
        name="r", provider="openai", base_url=upstream, keys=(Secret("k"),), allow_private=True, target_model="m"
    )
    plain: dict[str, Any] = {
        "version": "",
        "data_dir": str(folder),
        "drain_seconds": 5.0,
        "listeners": (Listener(name="main", host="127.0.0.1", port=0),),
        "proxies": (LlmProxy(name="p", base_path="", listeners=("main",), routes=(route,)),),
        "telemetry": Telemetry(admin_port=free_port()),
    }
    made = Snapshot(**{**plain, **settings})
    return msgspec.structs.replace(made, version=content_version(made))


class Reloads:
    """What the supervisor is told when it looks whether the configuration has changed."""

    def __init__(self) -> None:
        self.next: Snapshot | None = None

    def changed(self) -> bool:
        return self.next is not None

    def reload(self) -> Snapshot | None:
        taken, self.next = self.next, None
        return taken


@asynccontextmanager
async def running(first: Snapshot, reloads: Reloads | None = None) -> AsyncIterator[Supervisor]:
    """Run a supervisor on this loop; it is told to stop as it always is, by SIGTERM."""
    reloads = reloads or Reloads()
    log = Log(SystemClock(), level="error")
    supervisor = Supervisor(first, reload=reloads.reload, changed=reloads.changed, log=log)
    work = asyncio.ensure_future(supervisor.run())
    ready = asyncio.ensure_future(supervisor.ready.wait())
    await asyncio.wait({work, ready}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        ready.cancel()
        work.result()
    try:
        yield supervisor
    finally:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.wait_for(work, 20)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - what other processes do sets no event here
            await asyncio.sleep(0.02)


def workers() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if "worker_process" in command_of(pid) and alive(pid)]


async def ask(port: int, path: str, body: bytes = b"") -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    method = "POST" if body else "GET"
    head = f"{method} {path} HTTP/1.1\r\nhost: g\r\nconnection: close\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = await asyncio.wait_for(reader.read(), 20)
    writer.close()
    head_bytes, _, rest = answer.partition(b"\r\n\r\n")
    return int(head_bytes.split()[1]), rest


async def call(supervisor: Supervisor) -> int:
    return (await ask(supervisor.snapshot.listeners[0].port, "/v1/chat/completions", CHAT))[0]


async def counted(supervisor: Supervisor) -> int:
    """Answered calls, as the admin address tells them."""
    status, text = await ask(supervisor.snapshot.telemetry.admin_port, "/metrics")
    assert status == 200
    found = re.findall(rb"^tollway_requests_total\{[^}]*\} (\d+)", text, re.MULTILINE)
    return sum(map(int, found))


async def ready(supervisor: Supervisor) -> bool:
    return (await ask(supervisor.snapshot.telemetry.admin_port, "/probes/readiness"))[0] == 200


async def test_workers_are_counted_as_one_and_replaced_when_they_die(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reloads = Reloads()
    async with ScriptedUpstream() as up:
        up.on(OK)
        first = snapshot(tmp_path, up.url, workers=2)
        async with running(first, reloads) as supervisor:
            assert len(workers()) == 2
            assert await ready(supervisor)
            assert (await ask(first.telemetry.admin_port, "/probes/liveness"))[0] == 200
            assert [await call(supervisor) for _ in range(12)] == [200] * 12
            assert await counted(supervisor) == 12

            # What a worker that goes in an orderly way has counted is kept.
            reloads.next = msgspec.structs.replace(first, workers=1)
            await until(lambda: len(workers()) == 1)
            await until(lambda: supervisor.snapshot.workers == 1)
            await asyncio.sleep(0.1)
            assert await counted(supervisor) == 12

            (killed,) = workers()
            os.kill(killed, signal.SIGKILL)
            await until(lambda: not supervisor.healthy)
            assert not await ready(supervisor)
            await until(lambda: supervisor.healthy)
            assert await ready(supervisor)
            (fresh,) = workers()
            assert fresh != killed
            assert await call(supervisor) == 200
        assert workers() == []
    (line,) = [line for line in lines(capfd.readouterr().err) if line["level"] == "error"]
    assert (line["message"], line["status"]) == ("a worker ended; starting another", -signal.SIGKILL)


async def test_a_snapshot_that_a_worker_refuses_is_served_by_none(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    reloads = Reloads()
    async with ScriptedUpstream() as up:
        up.on(OK)
        first = snapshot(tmp_path, up.url)
        async with running(first, reloads) as supervisor:
            before = supervisor.snapshot
            broken = PolicyUse(name="n", policy="llm-token-rate-limit", config={"limits": 3})
            proxies = (msgspec.structs.replace(first.proxies[0], policies=(broken,)),)
            reloads.next = snapshot(tmp_path, up.url, proxies=proxies, telemetry=first.telemetry)
            await until(lambda: reloads.next is None)
            await asyncio.sleep(0.3)
            assert supervisor.snapshot is before
            assert await call(supervisor) == 200
    refused = [line for line in lines(capfd.readouterr().err) if line["level"] == "error"]
    assert [line["message"] for line in refused] == ["the changed configuration was refused; the old one keeps serving"]
    assert "limits" in refused[0]["reason"]


async def test_a_configuration_that_cannot_be_served_is_not_started_with(tmp_path: Path) -> None:
    files = TlsServer(certificate_file=str(tmp_path / "none.pem"), key_file=str(tmp_path / "none.pem"))
    listener = Listener(name="main", host="127.0.0.1", port=0, tls=files)
    with pytest.raises(StartRefused, match="No such file"):
        async with running(snapshot(tmp_path, "http://127.0.0.1:9", listeners=(listener,))):
            pass
    assert workers() == []


@pytest.mark.parametrize("which", ["listener", "admin"])
async def test_an_address_that_is_taken_is_told(which: str, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        settings: dict[str, Any] = {"telemetry": Telemetry(admin_port=port)}
        if which == "listener":
            settings = {"listeners": (Listener(name="main", host="127.0.0.1", port=port),)}
        with pytest.raises(StartRefused, match=f"127.0.0.1:{port} is in use by another program"):
            async with running(snapshot(tmp_path, "http://127.0.0.1:9", **settings)):
                pass
    assert workers() == []
