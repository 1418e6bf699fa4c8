"""One end of a session: what it tells, and that it tells of its end once."""

import asyncio
import gc

import pytest

from tollway.core.errors import UpstreamGarbled, UpstreamUnreachable
from tollway.gateway.outbox import Outbox
from tollway.gateway.websocket import CallerSocket, ProviderSocket, SocketEnd
from tollway.wire.websocket import CUT, Closed, Message, WebSocketFraming

from .transport import FakeTransport

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nX-A: 1\r\nx-a: 2\r\n\r\n"


class Owner:
    """Writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[object] = []

    def received(self, end: SocketEnd, message: Message) -> None:
        del end
        self.heard.append(message)

    def closed(self, end: SocketEnd, closed: Closed) -> None:
        del end
        self.heard.append(closed)

    def paused(self, end: SocketEnd) -> None:
        self.heard.append(("paused", end.write_paused))

    def resumed(self, end: SocketEnd) -> None:
        self.heard.append(("resumed", end.write_paused))

    def sweep(self, now: float) -> None:
        self.heard.append(now)

    def drain(self) -> None:
        self.heard.append("drain")

    def abort(self) -> None:
        self.heard.append("abort")

    def gone(self) -> None:
        self.heard.append("gone")


def outbox() -> Outbox:
    return Outbox(asyncio.get_running_loop().call_soon)


def sent(*messages: bytes, server: bool = False) -> bytes:
    framing = WebSocketFraming(server=server, message_bytes=1000)
    for data in messages:
        framing.send(Message(data, text=True))
    return framing.take_output()


async def test_a_caller_is_heard_and_its_end_is_told_once() -> None:
    owner = Owner()
    end = CallerSocket(owner, outbox(), message_bytes=1000)
    transport = FakeTransport(end)
    end.data_received(sent(b"a", b"b"))
    end.pause_writing()
    end.resume_writing()
    end.sweep(1.0)
    end.drain()
    end.abort()
    end.connection_lost(None)
    messages = [Message(b"a", text=True), Message(b"b", text=True)]
    told = [("paused", True), ("resumed", False), 1.0, "drain", "abort", Closed(CUT, ""), "gone"]
    assert owner.heard == [*messages, *told]
    end.send(Message(b"too late", text=True))
    await asyncio.sleep(0)
    assert transport.received == b""


async def test_who_closes_is_not_told_of_it_and_waits_for_the_answer_only_so_long() -> None:
    owner = Owner()
    end = CallerSocket(owner, outbox(), message_bytes=1000)
    transport = FakeTransport(end)
    end.pause_reading()
    end.close(1001, "going")
    end.close(1000, "again")
    assert end.reading
    await asyncio.sleep(0)
    assert b"going" in transport.received
    assert b"again" not in transport.received
    end.data_received(sent(b"late"))
    end.connection_lost(None)
    assert owner.heard == ["gone"]


async def test_a_providers_messages_wait_until_there_is_somebody_to_hear_them() -> None:
    owner = Owner()
    end = ProviderSocket(outbox(), message_bytes=1000)
    FakeTransport(end)
    handshake = asyncio.ensure_future(end.handshake(b"GET"))
    await asyncio.sleep(0)
    end.data_received(ACCEPTED + sent(b"early", server=True))
    answer = await handshake
    assert (answer.status, answer.headers[b"x-a"]) == (101, b"1, 2")
    end.data_received(sent(b"soon", server=True))
    assert owner.heard == []
    end.begin(owner)
    end.data_received(sent(b"then", server=True))
    assert [message.data for message in owner.heard if isinstance(message, Message)] == [b"early", b"soon", b"then"]


async def test_a_refusal_is_read_to_its_end_or_to_that_of_the_connection() -> None:
    for head, close in ((b"content-length: 2\r\n", False), (b"", True)):
        end = ProviderSocket(outbox(), message_bytes=1000)
        FakeTransport(end)
        handshake = asyncio.ensure_future(end.handshake(b"GET"))
        await asyncio.sleep(0)
        end.data_received(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 403 No\r\n" + head + b"\r\nno")
        if close:
            end.connection_lost(None)
        answer = await handshake
        assert (answer.status, answer.body) == (403, b"no")


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", UpstreamUnreachable),
        (b"\x16\x03", UpstreamGarbled),
        (b"HTTP/1.1 101 A\r\nx: " + b"x" * 70_000, UpstreamGarbled),
    ],
    ids=["nothing", "no HTTP", "a head without end"],
)
async def test_what_is_no_answer_fails(data: bytes, error: type[Exception]) -> None:
    end = ProviderSocket(outbox(), message_bytes=1000)
    FakeTransport(end)
    handshake = asyncio.ensure_future(end.handshake(b"GET"))
    await asyncio.sleep(0)
    if data:
        end.data_received(data)
    else:
        end.connection_lost(None)
    with pytest.raises(error):
        await handshake


@pytest.mark.parametrize(
    ("data", "error"), [(b"", UpstreamUnreachable), (ACCEPTED, UpstreamGarbled)], ids=["lost", "too early"]
)
async def test_what_happens_before_the_handshake_is_told_to_whoever_begins_it_and_to_nobody_else(
    data: bytes, error: type[Exception]
) -> None:
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    end = ProviderSocket(outbox(), message_bytes=1000)
    FakeTransport(end)
    if data:
        end.data_received(data)
    else:
        end.connection_lost(None)
    with pytest.raises(error):
        await end.handshake(b"GET")
    del end
    gc.collect()
    assert complaints == []


async def test_a_provider_lost_before_anybody_hears_it_is_told_of_then() -> None:
    owner = Owner()
    end = ProviderSocket(outbox(), message_bytes=1000)
    FakeTransport(end)
    handshake = asyncio.ensure_future(end.handshake(b"GET"))
    await asyncio.sleep(0)
    end.data_received(ACCEPTED)
    await handshake
    end.connection_lost(None)
    end.begin(owner)
    assert owner.heard == [Closed(CUT, "")]
