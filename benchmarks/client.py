"""The bench's own client: raw protocols on uvloop, for latency, streams and a steady load.

Load at full speed is wrk's work (`wrk.py`); this client is for what wrk cannot see:
when each chunk came, whether a stream ended as it should, one request at a time.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

import httptools
import msgspec

from benchmarks import loads

ANSWER_TIMEOUT_SECONDS = 180.0


class Call(msgspec.Struct, frozen=True):
    """A request ready to be sent: where to, and its bytes."""

    port: int
    path: str
    headers: dict[str, str]
    body: bytes

    def raw(self) -> bytes:
        """The request on the wire."""
        lines = [f"POST {self.path} HTTP/1.1", f"host: 127.0.0.1:{self.port}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        lines += [f"content-length: {len(self.body)}", "", ""]
        return "\r\n".join(lines).encode() + self.body


class BrokenAnswerError(Exception):
    """The connection ended, or spoke nonsense, before an answer was whole."""


class Answer(msgspec.Struct):
    """One answer, with the moments that matter (monotonic nanoseconds)."""

    status: int = 0
    sent_ns: int = 0
    first_byte_ns: int = 0
    end_ns: int = 0
    body: bytearray = msgspec.field(default_factory=bytearray)

    @property
    def took_us(self) -> float:
        """From the request written to the answer whole."""
        return (self.end_ns - self.sent_ns) / 1000

    @property
    def first_byte_us(self) -> float:
        """From the request written to the first byte of the body."""
        return (self.first_byte_ns - self.sent_ns) / 1000


BodyReader = Callable[[bytes], None]


class Connection(asyncio.Protocol):
    """One keep-alive connection, one exchange at a time."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer()
        self._waiter: asyncio.Future[Answer] | None = None
        self._read_body: BodyReader | None = None
        self._ends_at_close = True

    async def exchange(self, request: bytes, read_body: BodyReader | None = None) -> Answer:
        """Send a request and wait for the whole answer.

        Args:
            request: the bytes to send.
            read_body: gets each piece of the body; without it the body is kept in the answer.

        Raises:
            BrokenAnswerError: the connection ended in the middle, or the answer was not HTTP.
        """
        if self._transport is None:
            await self._loop.create_connection(lambda: self, "127.0.0.1", self._port)
        transport = self._transport
        if transport is None:
            message = "the connection was closed as soon as it was made"
            raise BrokenAnswerError(message)
        self._parser = httptools.HttpResponseParser(self)
        self._read_body = read_body
        self._ends_at_close = True
        waiter = self._waiter = self._loop.create_future()
        self._answer = Answer(sent_ns=time.monotonic_ns())
        transport.write(request)
        return await waiter

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self._waiter is None:
            return
        if self._answer.status and self._ends_at_close and exc is None:
            self._finish()
        else:
            self._fail(f"connection lost before the answer was whole ({exc})")

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(f"not an HTTP answer: {error}")
            self.close()

    def on_header(self, name: bytes, _value: bytes) -> None:
        """Note whether the body has a length of its own (httptools callback)."""
        if name.lower() in {b"content-length", b"transfer-encoding"}:
            self._ends_at_close = False

    def on_headers_complete(self) -> None:
        """Take the status (httptools callback)."""
        self._answer.status = self._parser.get_status_code()

    def on_body(self, body: bytes) -> None:
        """Pass on or keep a piece of the body (httptools callback)."""
        if not self._answer.first_byte_ns:
            self._answer.first_byte_ns = time.monotonic_ns()
        if self._read_body is not None:
            self._read_body(body)
        else:
            self._answer.body += body

    def on_message_complete(self) -> None:
        """Hand over the answer (httptools callback)."""
        if not self._parser.should_keep_alive():
            self.close()
        self._finish()

    def _finish(self) -> None:
        self._answer.end_ns = time.monotonic_ns()
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(self._answer)

    def _fail(self, message: str) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_exception(BrokenAnswerError(message))


class ChunkClock:
    """Counts the chunks of any number of streams and how late each of them came."""

    def __init__(self) -> None:
        self.chunks = 0
        self.answers = 0
        self.delays_ns: list[int] = []
        self.wrong: list[str] = []

    def stream(self) -> "StreamReader":
        """A reader for one more stream."""
        return StreamReader(self)


class StreamReader:
    """Reads the body of one stream: its chunks, and that it ended as it should."""

    def __init__(self, clock: ChunkClock) -> None:
        self._clock = clock
        self._rest = b""
        self.chunks = 0
        self.has_usage = False
        self.is_done = False

    def feed(self, piece: bytes) -> None:
        """Take a piece of the body as it came."""
        now = time.monotonic_ns()
        text = self._rest + piece if self._rest else piece
        end = text.rfind(b"\n\n") + 2
        if end == 1:
            self._rest = text
            return
        whole, self._rest = text[:end], text[end:]
        stamps = loads.read_stamps(whole)
        self.chunks += len(stamps)
        self._clock.chunks += len(stamps)
        self._clock.delays_ns.extend([now - stamp for stamp in stamps])
        if b'"total_tokens"' in whole:
            self.has_usage = True
        if b"data: [DONE]" in whole:
            self.is_done = True

    def fault(self, answer: Answer, plan: loads.StreamPlan) -> str | None:
        """What was wrong with the stream, if anything."""
        if answer.status != 200:
            return f"status {answer.status}"
        if self.chunks != plan.chunks:
            return f"{self.chunks} chunks of {plan.chunks}"
        if not self.is_done:
            return "no [DONE]"
        return None if self.has_usage else "no usage"


async def run_stream(
    connection: Connection, request: bytes, plan: loads.StreamPlan, clock: ChunkClock
) -> Answer | None:
    """One stream from request to end; a wrong one is noted in the clock and gives nothing."""
    reader = clock.stream()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            answer = await connection.exchange(request, reader.feed)
    except (BrokenAnswerError, TimeoutError, OSError) as error:
        clock.wrong.append(f"{type(error).__name__}: {error}")
        connection.close()
        return None
    fault = reader.fault(answer, plan)
    if fault is not None:
        clock.wrong.append(fault)
        return None
    clock.answers += 1
    return answer


async def run_call(connection: Connection, request: bytes, wrong: list[str]) -> Answer | None:
    """One whole answer; a wrong one is noted and gives nothing."""
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT_SECONDS):
            answer = await connection.exchange(request)
    except (BrokenAnswerError, TimeoutError, OSError) as error:
        wrong.append(f"{type(error).__name__}: {error}")
        connection.close()
        return None
    if answer.status != 200 or loads.MARK.encode() not in answer.body:
        wrong.append(f"status {answer.status}: {bytes(answer.body[:300])!r}")
        return None
    return answer


async def spread(jobs: Sequence[Callable[[], Awaitable[object]]], over_seconds: float) -> None:
    """Run jobs side by side, their starts spread evenly over a time."""
    pause = over_seconds / max(1, len(jobs))

    async def later(number: int, job: Callable[[], Awaitable[object]]) -> None:
        await asyncio.sleep(number * pause)
        _ = await job()

    async with asyncio.TaskGroup() as group:
        for number, job in enumerate(jobs):
            _ = group.create_task(later(number, job))
