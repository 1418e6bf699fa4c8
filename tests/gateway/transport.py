"""A transport without a socket: what asyncio's own does, step by step, with a peer the test plays."""

import asyncio

_HIGH = 65_536
_LOW = 16_384


class FakeTransport(asyncio.Transport):
    """Like a plain TCP transport. Its peer reads at once unless told not to."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__(extra={"peername": ("192.0.2.7", 50000)})
        self._protocol = protocol
        self._reading = True
        self._closing = False
        self._eof = False
        self._high = False
        self._buffer = bytearray()
        self._unread: list[bytes] = []
        self.peer_reads = True
        self.received = bytearray()
        self.eof_received = False
        self.aborted = False
        self.lost = False
        self.largest_buffer = 0
        protocol.connection_made(self)

    # The peer's side.

    def feed(self, data: bytes) -> None:
        """The peer sends."""
        self._unread.append(data)
        self._deliver()

    def read(self, size: int) -> None:
        """A peer that does not read by itself reads this much."""
        self.received += self._buffer[:size]
        del self._buffer[:size]
        self._drained()

    def hang_up(self, error: Exception | None = None) -> None:
        """The peer is gone."""
        if error is None and not self._protocol.eof_received():
            self.close()
        else:
            self._lose(error)

    # The protocol's side.

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._eof:
            msg = "Cannot call write() after write_eof()"
            raise RuntimeError(msg)
        if self.lost or self.aborted:
            return
        self._buffer += data
        if self.peer_reads:
            self.received += self._buffer
            self._buffer.clear()
        self.largest_buffer = max(self.largest_buffer, len(self._buffer))
        if len(self._buffer) > _HIGH and not self._high:
            self._high = True
            self._protocol.pause_writing()

    def write_eof(self) -> None:
        if not self._closing and not self._eof:
            self._eof = True
            self._drained()

    def can_write_eof(self) -> bool:
        return True

    def get_write_buffer_size(self) -> int:
        return len(self._buffer)

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        asyncio.get_running_loop().call_soon(self._deliver)

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def is_closing(self) -> bool:
        return self._closing

    def close(self) -> None:
        if not self._closing:
            self._closing = True
            self._drained()

    def abort(self) -> None:
        self.aborted = True
        self._buffer.clear()
        self._closing = True
        self._lose(None)

    def _deliver(self) -> None:
        while self._unread and self.is_reading():
            self._protocol.data_received(self._unread.pop(0))

    def _drained(self) -> None:
        if self._high and len(self._buffer) <= _LOW:
            self._high = False
            self._protocol.resume_writing()
        if not self._buffer:
            self.eof_received = self.eof_received or self._eof or self._closing
            if self._closing:
                self._lose(None)

    def _lose(self, error: Exception | None) -> None:
        if not self.lost:
            self.lost = True
            self._closing = True
            asyncio.get_running_loop().call_soon(self._protocol.connection_lost, error)
