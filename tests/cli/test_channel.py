"""Talk between the supervisor and its workers, over a real pair of sockets."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

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


@asynccontextmanager
async def talking() -> AsyncIterator[tuple[Channel, Channel]]:
    ours, theirs = socket.socketpair()
    one, other = await Channel.open(ours), await Channel.open(theirs)
    try:
        yield one, other
    finally:
        one.close()
        other.close()
        await asyncio.sleep(0.01)


MESSAGES: list[Message] = [
    ServeSnapshot(snapshot=b"\x00\xff" * 10),
    Drain(seconds=2.5),
    AskMetrics(token=7),
    MergedMetrics(token=7, text=b"x 1\n"),
    Serving(version="abc"),
    Refused(version="abc", reason="the port is taken — really"),
    MetricsDump(token=LAST_DUMP, dump=b""),
    WantMetrics(token=1),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
async def test_a_message_arrives_as_it_was_sent(message: Message) -> None:
    async with talking() as (one, other):
        one.send(message)
        assert await other.receive() == message
        other.send(message)
        assert await one.receive() == message


async def test_messages_arrive_whole_and_in_order() -> None:
    async with talking() as (one, other):
        for message in MESSAGES:
            one.send(message)
        assert [await other.receive() for _ in MESSAGES] == MESSAGES


async def test_a_large_snapshot_arrives_whole() -> None:
    large = ServeSnapshot(snapshot=bytes(range(256)) * 40_000)
    async with talking() as (one, other):
        one.send(large)
        assert await other.receive() == large


async def test_a_partner_that_is_gone_says_nothing_more() -> None:
    async with talking() as (one, other):
        other.close()
        assert await one.receive() is None
        one.send(Drain(seconds=1.0))


async def test_what_was_sent_before_the_end_still_arrives() -> None:
    async with talking() as (one, other):
        one.send(MetricsDump(token=LAST_DUMP, dump=b"last words"))
        await one.flush()
        assert await other.receive() == MetricsDump(token=LAST_DUMP, dump=b"last words")
        assert await other.receive() is None


@pytest.mark.parametrize("sent", [b"\x05", struct.pack("<I", 50) + b"half"], ids=["half a length", "half a message"])
async def test_a_partner_that_dies_in_mid_message_is_gone(sent: bytes) -> None:
    ours, theirs = socket.socketpair()
    channel = await Channel.open(ours)
    theirs.sendall(sent)
    theirs.close()
    assert await channel.receive() is None
    channel.close()
    await asyncio.sleep(0.01)
