"""Talk between the supervisor and its workers: framed messages over a socket pair.

When either side dies the other reads the end of the stream, so neither outlives its partner unknowingly.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Final, TypeAlias

import msgspec

LAST_DUMP: Final = -1
"""Token of the dump a worker sends unasked before it goes, so that its counts are not lost."""

_LENGTH: Final = struct.Struct("<I")


class ServeSnapshot(msgspec.Struct, frozen=True, tag=True):
    """To a worker: serve this snapshot. Answered by `Serving` or `Refused`."""

    snapshot: bytes


class Drain(msgspec.Struct, frozen=True, tag=True):
    """To a worker: finish what is under way and exit."""

    seconds: float


class AskMetrics(msgspec.Struct, frozen=True, tag=True):
    """To a worker: dump your metrics. Answered by `MetricsDump`."""

    token: int


class MergedMetrics(msgspec.Struct, frozen=True, tag=True):
    """To a worker: the text it asked for."""

    token: int
    text: bytes


class Serving(msgspec.Struct, frozen=True, tag=True):
    """From a worker: the snapshot of this version is served."""

    version: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """From a worker: the snapshot could not be served; the old one still is."""

    version: str
    reason: str


class MetricsDump(msgspec.Struct, frozen=True, tag=True):
    """From a worker: its metrics."""

    token: int
    dump: bytes


class WantMetrics(msgspec.Struct, frozen=True, tag=True):
    """From a worker: a caller wants the metrics of all workers. Answered by `MergedMetrics`."""

    token: int


Message: TypeAlias = ServeSnapshot | Drain | AskMetrics | MergedMetrics | Serving | Refused | MetricsDump | WantMetrics

_decode: Final = msgspec.msgpack.Decoder(Message).decode
_encode: Final = msgspec.msgpack.Encoder().encode


class Channel:
    """One side of the talk."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Talk over an open pair."""
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, sock: socket.socket) -> "Channel":
        """Talk over a socket."""
        sock.setblocking(False)  # noqa: FBT003 - its only argument, by position in the C code
        reader, writer = await asyncio.open_connection(sock=sock, limit=1 << 26)
        return cls(reader, writer)

    def send(self, message: Message) -> None:
        """Send a message; to a partner that is gone, nothing happens."""
        if not self._writer.is_closing():
            data = _encode(message)
            self._writer.write(_LENGTH.pack(len(data)) + data)

    async def receive(self) -> Message | None:
        """Wait for the next message; None when the partner is gone."""
        try:
            length = _LENGTH.unpack(await self._reader.readexactly(_LENGTH.size))[0]
            return _decode(await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError):
            return None

    async def flush(self) -> None:
        """Wait until what was sent has left this process."""
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        self._writer.close()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    def close(self) -> None:
        """Stop talking."""
        self._writer.close()
