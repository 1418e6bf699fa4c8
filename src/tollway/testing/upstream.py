"""The scripted upstream: a real HTTP server on loopback that does exactly what a test says.

In a test, `async with ScriptedUpstream() as up:` serves on the running event loop, and
`with ScriptedUpstream() as up:` on a thread of its own. As a process,
`python -m tollway.testing.upstream --port P --script FILE.json` serves a script.

Every request is recorded the moment its head has arrived, so a test can also see requests
that were never completed, and whether and when their client left.
"""

import argparse
import asyncio
import ssl
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Literal, Self, assert_never

import msgspec

from tollway.testing import script
from tollway.testing.http_messages import LAST_CHUNK, Request, chunk, head
from tollway.testing.http_server import Connection, HttpServer
from tollway.testing.script import Act, Answer, Cut, Hang, Pause, Rule, Script, Send, SendRaw
from tollway.testing.serving import InThread
from tollway.testing.upstream_records import Recorded, Signal

__all__ = ["Greeting", "Recorded", "ScriptedUpstream", "Signal", "main"]

Greeting = Literal["answer", "hold", "close", "reset"]
"""What a new connection meets: answers; silence, with nothing ever read; or an end at once."""


class ScriptedUpstream:
    """The server; see the module's own words. Scripting is allowed at any time."""

    def __init__(
        self,
        script: Script | None = None,
        *,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        receive_buffer_bytes: int | None = None,
    ) -> None:
        self._host = host
        self._wanted_port = port
        self._tls = tls
        self._receive_buffer_bytes = receive_buffer_bytes
        self._rules: list[Rule] = list(script.rules) if script is not None else []
        self._used: dict[int, int] = {}
        self._arrivals: dict[int, Signal] = {}
        self._lock = threading.Lock()
        self._server = HttpServer(self._connect)
        self._thread: InThread | None = None
        self.port = 0
        self.requests: list[Recorded] = []
        self.greeting: Greeting = "answer"
        """What connections accepted from now on meet."""
        self.read_bytes_per_second: float | None = None
        """How fast requests are read; as fast as they come when not set."""
        self.continues = True
        """Whether `Expect: 100-continue` is met with 100 Continue."""

    @property
    def url(self) -> str:
        """The base URL."""
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{self._host}:{self.port}"

    @property
    def connections_accepted(self) -> int:
        """How many connections were accepted so far."""
        return self._server.connections_accepted

    @property
    def connections_open(self) -> int:
        """How many connections are open now."""
        return self._server.connections_open

    def on(
        self,
        *answers: Answer,
        method: str | None = None,
        path: str | None = None,
        model: str | None = None,
        when_used_up: Literal["repeat_last", "cycle", "pass"] = "repeat_last",
    ) -> None:
        """Answer matching requests with these, one after another; earlier rules go first."""
        rule = Rule(answers=list(answers), method=method, path=path, model=model, when_used_up=when_used_up)
        with self._lock:
            self._rules.append(rule)

    def enqueue(self, *answers: Answer) -> None:
        """Answer the next requests with these, whatever they are, before any rule."""
        rule = Rule(answers=list(answers), when_used_up="pass")
        with self._lock:
            self._rules.insert(sum(1 for known in self._rules if _is_queue(known)), rule)

    def arrival(self, count: int) -> Signal:
        """Set once the heads of `count` requests have arrived."""
        with self._lock:
            signal = self._arrivals.setdefault(count, Signal())
            if len(self.requests) >= count:
                signal.set()
        return signal

    def forget(self) -> None:
        """Drop all rules and records."""
        with self._lock:
            self._rules.clear()
            self._used.clear()
            self.requests.clear()
            self._arrivals.clear()

    def answer_for(self, request: Request) -> Answer:
        """The answer that the script has for a request; counts as given."""
        with self._lock:
            for rule in self._rules:
                if _matches(rule, request):
                    answer = self._next(rule)
                    if answer is not None:
                        return answer
        return script.NO_RULE

    def record(self, request: Request) -> Recorded:
        """Take note of a request whose head has arrived."""
        with self._lock:
            number = len(self.requests) + 1
            recorded = Recorded(number=number, request=request, head_at=time.monotonic())
            self.requests.append(recorded)
            arrived = self._arrivals.get(number)
        if arrived is not None:
            arrived.set()
        return recorded

    async def start(self) -> None:
        """Serve on the running event loop."""
        self.port = await self._server.start(
            self._host,
            self._wanted_port,
            tls=self._tls,
            receive_buffer_bytes=self._receive_buffer_bytes,
        )

    async def stop(self) -> None:
        """Stop, and drop every connection."""
        await self._server.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def __enter__(self) -> Self:
        self._thread = InThread("scripted-upstream", self.start, self.stop)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is not None:
            self._thread.stop()

    def _connect(self, number: int, registry: set[Connection]) -> Connection:
        return _ScriptedConnection(number, registry, self)

    def _next(self, rule: Rule) -> Answer | None:
        used = self._used.get(id(rule), 0)
        self._used[id(rule)] = used + 1
        if used < len(rule.answers):
            return rule.answers[used]
        match rule.when_used_up:
            case "repeat_last":
                return rule.answers[-1]
            case "cycle":
                return rule.answers[used % len(rule.answers)]
            case "pass":
                return None


def _is_queue(rule: Rule) -> bool:
    return rule.when_used_up == "pass" and (rule.method, rule.path, rule.model) == (None, None, None)


class _ModelMember(msgspec.Struct):
    model: str | None = None


def _matches(rule: Rule, request: Request) -> bool:
    if rule.method is not None and rule.method != request.method:
        return False
    if rule.path is not None:
        stem = rule.path.removesuffix("*")
        if not (request.path.startswith(stem) if stem != rule.path else request.path == stem):
            return False
    if rule.model is None:
        return True
    try:
        return msgspec.json.decode(request.body, type=_ModelMember).model == rule.model
    except msgspec.DecodeError:
        return False


class _ScriptedConnection(Connection):
    """Plays the answers of one connection, one task for each."""

    def __init__(self, number: int, registry: set[Connection], upstream: ScriptedUpstream) -> None:
        super().__init__(number, registry)
        self._upstream = upstream
        self._records: list[Recorded] = []
        self._playing: asyncio.Task[None] | None = None
        self._drop_on_next: Literal["close", "reset"] | None = None
        self._held = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if self.transport is None:
            return
        match self._upstream.greeting:
            case "answer":
                pass
            case "hold":
                # Soon, not now: the loop starts to read only after this call.
                self._held = True
                asyncio.get_running_loop().call_soon(self._read_no_more)
            case "close":
                self.abort()
            case "reset":
                self.reset()

    def data_received(self, data: bytes) -> None:
        if self._held:
            return
        if self._drop_on_next is not None:
            self._own_end(reset=self._drop_on_next == "reset")
            return
        super().data_received(data)
        speed = self._upstream.read_bytes_per_second
        if speed is not None and self.transport is not None and not self.lost:
            self.transport.pause_reading()
            asyncio.get_running_loop().call_later(len(data) / speed, self._read_on)

    def head_received(self, request: Request) -> None:
        self._records.append(self._upstream.record(request))
        if self._upstream.continues and (request.header("expect") or "").lower() == "100-continue":
            self.write(head(100, []))

    def request_received(self, request: Request) -> None:
        recorded = next(one for one in self._records if one.request is request)
        recorded.complete.set()
        answer = self._upstream.answer_for(request)
        self._playing = asyncio.get_running_loop().create_task(self._play(recorded, answer))

    def client_left(self) -> None:
        for recorded in self._records:
            if not recorded.answered.is_set():
                recorded.client_left.set()
        if self._playing is not None:
            self._playing.cancel()

    def _read_no_more(self) -> None:
        if self.transport is not None and not self.lost:
            self.transport.pause_reading()

    def _read_on(self) -> None:
        if self.transport is not None and not self.lost:
            self.transport.resume_reading()

    def _own_end(self, *, reset: bool) -> None:
        # Ended by the script: that is not the client's leaving.
        self._records.clear()
        if reset:
            self.reset()
        else:
            self.close()

    async def _play(self, recorded: Recorded, answer: Answer) -> None:
        for act in answer.before:
            if await self._act(act, chunked=False):
                return
        for interim in answer.interim:
            self.write(head(interim.status, interim.headers))
        if answer.gzipped:
            answer = script.compressed(answer)
        if answer.framing != "raw":
            self.write(_head_of(answer))
        chunked = answer.framing == "chunked"
        silent = recorded.method == "HEAD" and answer.framing != "raw"
        for act in [] if silent else answer.acts:
            if await self._act(act, chunked=chunked):
                return
        if chunked and not silent:
            self.write(LAST_CHUNK)
        await self.room()
        recorded.answered.set()
        self._records.remove(recorded)
        self._end(recorded.request, answer)

    async def _act(self, act: Act, *, chunked: bool) -> bool:
        """Do one act; whether it ended the answer."""
        match act:
            case Send():
                self.write(chunk(act.payload) if chunked else act.payload)
                await self.room()
            case SendRaw():
                self.write(act.payload)
                await self.room()
            case Pause():
                await asyncio.sleep(act.seconds)
            case Hang():
                await asyncio.get_running_loop().create_future()
            case Cut():
                self._own_end(reset=act.reset)
                return True
            case _:
                assert_never(act)
        return False

    def _end(self, request: Request, answer: Answer) -> None:
        match answer.after:
            case "keep":
                self.finished(keep_alive=request.keep_alive and answer.framing != "close")
            case "close":
                self.finished(keep_alive=False)
            case "reset":
                self.reset()
            case "close_on_next" | "reset_on_next":
                self._drop_on_next = "reset" if answer.after == "reset_on_next" else "close"
                self.finished(keep_alive=True)


def _head_of(answer: Answer) -> bytes:
    headers = list(answer.headers)
    if answer.framing == "length":
        length = len(answer.body) if answer.content_length is None else answer.content_length
        if answer.status >= 200 and answer.status not in {204, 304}:
            headers.append(("content-length", str(length)))
    elif answer.framing == "chunked":
        headers.append(("transfer-encoding", "chunked"))
    if answer.after == "close" or answer.framing == "close":
        headers.append(("connection", "close"))
    return head(answer.status, headers, reason=answer.reason)


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m tollway.testing.upstream`."""
    parser = argparse.ArgumentParser(description="An upstream that does what its script says.")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0 lets the system choose")
    parser.add_argument("--script", type=Path, required=True, help="a JSON file with rules")
    options = parser.parse_args(argv)
    try:
        rules = script.load(options.script.read_bytes())
    except (OSError, msgspec.DecodeError) as error:
        sys.stderr.write(f"{options.script}: {error}\n")
        return 2
    asyncio.run(_serve(ScriptedUpstream(rules, host=options.host, port=options.port)))
    return 0


async def _serve(upstream: ScriptedUpstream) -> None:
    async with upstream:
        sys.stdout.write(f"scripted upstream listens on {upstream.url}\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    sys.exit(main())
