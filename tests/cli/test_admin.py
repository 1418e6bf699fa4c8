"""The supervisor's own address, on a real socket, with the supervisor played."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from tests.support.running import free_port

from tollway.cli.admin import Admin
from tollway.cli.sockets import AddressTaken
from tollway.snapshot.document import Telemetry


class Supervisor:
    """What the address speaks for."""

    healthy = True

    async def metrics(self) -> bytes:
        return b"tollway_up 1\n"


@asynccontextmanager
async def serving(supervisor: Supervisor) -> AsyncIterator[int]:
    port = free_port()
    admin = Admin(supervisor)  # type: ignore[arg-type]
    await admin.start(Telemetry(admin_port=port))
    try:
        yield port
    finally:
        await admin.close()


async def ask(port: int, path: str, method: str = "GET", body: bytes = b"") -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    length = f"content-length: {len(body)}\r\n" if body else ""
    head = f"{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{length}\r\n"
    writer.write(head.encode() + body)
    answer = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head_bytes, _, rest = answer.partition(b"\r\n\r\n")
    return int(head_bytes.split()[1]), rest


@pytest.mark.parametrize(
    ("path", "healthy", "status", "body"),
    [
        ("/metrics", True, 200, b"tollway_up 1\n"),
        ("/probes/liveness", True, 200, b'{"status":"ok"}'),
        ("/probes/liveness", False, 200, b'{"status":"ok"}'),
        ("/probes/readiness", True, 200, b'{"status":"ok"}'),
        ("/probes/readiness", False, 503, b'{"status":"not ready"}'),
        ("/", True, 404, b"there are /metrics, /probes/readiness and /probes/liveness here"),
    ],
)
async def test_it_answers_probes_and_metrics(path: str, healthy: bool, status: int, body: bytes) -> None:
    supervisor = Supervisor()
    supervisor.healthy = healthy
    async with serving(supervisor) as port:
        assert await ask(port, path) == (status, body)
        assert await ask(port, path, "HEAD") == (status, b"")


async def test_it_only_answers_questions() -> None:
    async with serving(Supervisor()) as port:
        assert (await ask(port, "/metrics", "POST"))[0] == 405
        assert (await ask(port, "/metrics", "POST", b"x"))[0] == 413


async def test_it_keeps_a_connection_open_and_lets_go_of_it_at_its_end() -> None:
    async with serving(Supervisor()) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(2):
            writer.write(b"GET /probes/liveness HTTP/1.1\r\nhost: a\r\n\r\n")
            assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 OK")
    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_where_no_port_is_set_nothing_listens() -> None:
    admin = Admin(Supervisor())  # type: ignore[arg-type]
    await admin.start(Telemetry())
    await admin.close()


async def test_an_address_that_is_taken_is_told() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(AddressTaken, match="is in use"):
            await Admin(Supervisor()).start(Telemetry(admin_port=other.getsockname()[1]))  # type: ignore[arg-type]


async def test_a_stranger_cannot_use_up_all_connections() -> None:
    async with serving(Supervisor()) as port:
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(80)]
        await asyncio.sleep(0.1)
        closed = sum(reader.at_eof() for reader, _ in held)
        for _, writer in held:
            writer.close()
        assert closed == 80 - Admin.limits.connections
