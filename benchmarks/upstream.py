"""The upstreams of the bench: nginx for whole answers, a small uvloop server for paced streams.

`python -m benchmarks.upstream PORT` runs the stream server in its own process.
"""

import asyncio
import sys
import time
from collections.abc import Callable
from typing import cast

import httptools
import uvloop

from benchmarks import loads

STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-cache\r\ntransfer-encoding: chunked\r\n\r\n"
)
WHOLE_BODY = loads.completion_answer().encode()
WHOLE_ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (
    len(WHOLE_BODY),
    WHOLE_BODY,
)
LAST_CHUNK = b"0\r\n\r\n"
BACKLOG = 4096


def http_chunk(data: bytes) -> bytes:
    """`data` framed as one chunk of a chunked body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CLOSING = http_chunk(loads.FINISH_EVENT) + http_chunk(loads.USAGE_EVENT) + http_chunk(loads.DONE_EVENT) + LAST_CHUNK


def burst_answer(chunks: int) -> bytes:
    """A whole stream, head to end, that leaves in one write."""
    events = b"".join(http_chunk(loads.content_event(number)) for number in range(chunks))
    return STREAM_HEAD + http_chunk(loads.OPENING_EVENT) + events + CLOSING


class StreamServer(asyncio.Protocol):
    """One connection: streams as the plan in the prompt says, or answers whole if there is none."""

    def __init__(self, bursts: dict[int, bytes]) -> None:
        self._bursts = bursts
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._body = bytearray()
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio names it
        self._transport = None
        if self._timer is not None:
            self._timer.cancel()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        """Collect the request body (httptools callback)."""
        self._body += body

    def on_message_complete(self) -> None:
        """Answer the request (httptools callback)."""
        plan = loads.read_plan(bytes(self._body))
        self._body.clear()
        if self._transport is None:
            return
        if plan is None:
            self._transport.write(WHOLE_ANSWER)
        elif plan.pause_ms == 0:
            self._transport.write(self._burst(plan.chunks))
        else:
            self._transport.write(STREAM_HEAD + http_chunk(loads.OPENING_EVENT))
            self._step(self._loop.time(), plan.pause_ms / 1000, plan.chunks)

    def _burst(self, chunks: int) -> bytes:
        answer = self._bursts.get(chunks)
        if answer is None:
            answer = self._bursts[chunks] = burst_answer(chunks)
        return answer

    def _step(self, due: float, pause_seconds: float, remaining: int) -> None:
        """Wait for the next chunk; the moments are fixed in advance, so lateness never adds up."""
        due += pause_seconds
        send: Callable[[float, float, int], None] = self._send if remaining else self._close
        self._timer = self._loop.call_at(due, send, due, pause_seconds, remaining)

    def _send(self, due: float, pause_seconds: float, remaining: int) -> None:
        if self._transport is not None:
            self._transport.write(http_chunk(loads.content_event(time.monotonic_ns())))
            self._step(due, pause_seconds, remaining - 1)

    def _close(self, _due: float, _pause_seconds: float, _remaining: int) -> None:
        if self._transport is not None:
            self._transport.write(CLOSING)


async def serve(port: int) -> None:
    """Serve streams on a loopback port until the process is told to end."""
    bursts: dict[int, bytes] = {}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: StreamServer(bursts), "127.0.0.1", port, backlog=BACKLOG)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
