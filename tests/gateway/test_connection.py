"""What a connection and its owner share: watching for stalls, and closing with a reset."""

import asyncio
import socket
from typing import cast

import pytest

from tollway.gateway.connection import Stall, reset_on_close

EVERY_LOOP = True


def test_a_stall_lasts_from_when_nothing_more_was_read():
    stall = Stall()
    assert not stall
    stall.begin(10.0, 1000)
    assert stall
    assert [stall.lasts(now, unsent) for now, unsent in ((11.0, 1000), (12.0, 900), (13.0, 900), (14.0, 2000))] == [
        *(1.0, 0.0, 1.0, 2.0)
    ]
    assert stall.lasts(15.0, 1999) == 0.0
    stall.end()
    assert not stall


def test_a_stall_nobody_began_begins_when_it_is_first_asked_about():
    stall = Stall()
    assert [stall.lasts(now, 5) for now in (10.0, 11.0)] == [0.0, 1.0]


@pytest.mark.parametrize("reset", [True, False])
async def test_a_transport_closes_with_a_reset_when_told_to(reset: bool):
    loop = asyncio.get_running_loop()
    accepted: asyncio.Future[asyncio.Transport] = loop.create_future()

    class Accepting(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            accepted.set_result(cast("asyncio.Transport", transport))

    server = await loop.create_server(Accepting, "127.0.0.1", 0)
    with socket.socket() as caller:
        caller.setblocking(False)
        await loop.sock_connect(caller, server.sockets[0].getsockname())
        transport = await accepted
        if reset:
            reset_on_close(transport)
        transport.abort()
        if reset:
            with pytest.raises(ConnectionResetError):
                await loop.sock_recv(caller, 1)
        else:
            assert await loop.sock_recv(caller, 1) == b""
    server.close()
    reset_on_close(transport)  # of a closed one: harmless
