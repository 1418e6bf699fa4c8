"""A worker on the test's own loop, between a caller and an upstream on loopback: only its records go to a list.

    async with serving(proxy(route(upstream))) as served:
        answer = await served.ask()

Leaving the block fails the test where a call is still counted as under way, where an error was logged that the
test did not take out of the log, and where a callback failed.
"""

import asyncio
import contextlib
import errno
import io
import itertools
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from tollway.dialects.registry import all_dialects
from tollway.gateway.clock import SystemClock
from tollway.gateway.log import Log
from tollway.gateway.metrics import Metrics
from tollway.gateway.worker import Plugins, Worker
from tollway.interfaces.policy import Policy
from tollway.interfaces.response_state import ResponseStore
from tollway.interfaces.secrets import Secret
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.codec import content_version, policy_config
from tollway.snapshot.document import Client, Listener, LlmProxy, PolicyCondition, PolicyUse, Route, Snapshot
from tollway.snapshot.plugins import policy_type, provider
from tollway.stores.counters_memory import MemoryCounters
from tollway.stores.ownership_memory import MemoryOwnership
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

from .calling import until
from .listener import Answer, read_answers

KEY = "sk-operator-7261"
CHAT_PATH = "/v1/chat/completions"
MESSAGES_PATH = "/v1/messages"
CHAT: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MESSAGES: dict[str, Any] = {**CHAT, "max_tokens": 9}
USED = {"prompt_tokens": 30, "completion_tokens": 20, "total_tokens": 50}
ANSWER: dict[str, Any] = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1,
    "model": "m-1",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": USED,
}
OK = script.reply(json=ANSWER)


def chunk(text: str = "", *, finish: str | None = None, usage: dict[str, int] | None = None) -> str:
    """One event of a Chat stream."""
    choices = [] if usage else [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]
    more = {"usage": usage} if usage else {}
    event = {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m-1", "choices": choices, **more}
    return f"data: {msgspec.json.encode(event).decode()}\n\n"


TEXTS = [chunk("one "), chunk("two "), chunk("three")]
DONE = "data: [DONE]\n\n"
EVENTS = [*TEXTS, chunk(finish="stop"), chunk(usage=USED), DONE]
SHOWN = "".join([*TEXTS, chunk(finish="stop"), DONE])
"""What a caller that did not ask for usage gets of `EVENTS`."""
STREAM = script.sse(EVENTS)


class NoSettings(msgspec.Struct, frozen=True):
    """Of policies written by tests."""


_numbers: Iterator[int] = itertools.count()
_written: dict[str, type[Policy[Any]]] = {}


def policy(
    *,
    name: str | None = None,
    shadow: bool = False,
    when: Sequence[PolicyCondition] = (),
    **phases: Callable[..., Any],
) -> PolicyUse:
    """Use a policy whose phases are these functions, each without `self`."""
    policy_id = f"written-{next(_numbers)}"
    methods = {phase: _method(function) for phase, function in phases.items()}
    _written[policy_id] = type("Written", (Policy,), {"id": policy_id, "config_type": NoSettings, **methods})
    return PolicyUse(name=name or policy_id, policy=policy_id, shadow=shadow, when=tuple(when))


def _method(function: Callable[..., Any]) -> Callable[..., Any]:
    if asyncio.iscoroutinefunction(function):

        async def awaits(_: object, *arguments: object) -> object:
            return await function(*arguments)

        return awaits
    return lambda _, *arguments: function(*arguments)


def _policy(name: str) -> type[Policy[Any]]:
    return _written.get(name) or policy_type(name)


def route(upstream: ScriptedUpstream | str, **settings: Any) -> Route:
    """A route to `upstream`, as OpenAI unless told otherwise."""
    url = upstream if isinstance(upstream, str) else f"{upstream.url}/v1"
    plain = {"name": "main", "provider": "openai", "keys": (Secret(KEY),), "credential": "ours"}
    return Route(**{**plain, "base_url": url, "allow_private": True, "target_model": "m", **settings})


def proxy(*routes: Route, **settings: Any) -> LlmProxy:
    """An LLM proxy at the root, in the OpenAI format unless told otherwise."""
    return LlmProxy(**{"name": "p", "base_path": "", "listeners": ("main",), "routes": routes, **settings})


class Sink:
    """A `UsageSink` in memory, on a disk that may be full."""

    def __init__(self) -> None:
        self.records: list[UsageRecord] = []
        self.full = False

    def append(self, *records: UsageRecord) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left on device")
        self.records.extend(records)


class Call:
    """One call on a connection of its own."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, heads_only: bool) -> None:
        self._reader = reader
        self._writer = writer
        self._heads_only = heads_only
        self.received = bytearray()
        self.broken = False

    async def until(self, marker: str) -> None:
        """Read until `marker` is among what came."""
        while marker.encode() not in self.received:
            piece = await self._reader.read(65_536)
            assert piece, bytes(self.received)
            self.received += piece

    async def rest(self) -> Answer:
        """Read to the end of the connection; `whole` is false where the answer is not."""
        try:
            while piece := await self._reader.read(65_536):
                self.received += piece
        except ConnectionError:
            self.broken = True
        self._writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self._writer.wait_closed()
        found = read_answers(bytes(self.received), heads_only=self._heads_only)
        return found[-1] if found else Answer(0, {}, b"", whole=False)

    async def leave(self) -> None:
        """Hang up."""
        self._writer.transport.abort()
        with contextlib.suppress(ConnectionError):
            await self._writer.wait_closed()

    @property
    def silent(self) -> bool:
        """Whether nothing has come."""
        return not self.received and not self._reader._buffer  # type: ignore[attr-defined]


class Served:
    """The worker, and what can be done with it and seen of it."""

    def __init__(
        self,
        listener: Listener,
        sink: Sink,
        log: io.StringIO,
        tls: ssl.SSLContext | None,
        store: ResponseStore | None = None,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.listener = listener
        self.sink = sink
        self.port = 0
        self._log = log
        self._tls = tls
        self._taken = 0
        self.ownership = MemoryOwnership()
        clock = SystemClock()
        self.metrics = Metrics(clock, provider_name=str)
        self.worker = Worker(
            self.loop,
            plugins=Plugins(provider, _policy, all_dialects(), policy_config),
            counters=MemoryCounters(),
            spool=sink,
            ownership=self.ownership,
            metrics=self.metrics,
            log=Log(clock, level="debug"),
            merged_metrics=self._merged_metrics,
        )
        self.worker.response_store = store

    @property
    def records(self) -> list[UsageRecord]:
        """The usage records kept."""
        return self.sink.records

    @property
    def record(self) -> UsageRecord:
        """The only one."""
        (found,) = self.records
        return found

    async def publish(self, *proxies: LlmProxy, clients: Sequence[Client] = (), **settings: Any) -> None:
        """Serve another snapshot."""
        snapshot = Snapshot(
            version="", data_dir="", listeners=(self.listener,), proxies=proxies, clients=tuple(clients), **settings
        )
        snapshot = msgspec.structs.replace(snapshot, version=content_version(snapshot))
        if self.worker.serves(self.listener):
            await self.worker.serve_snapshot(snapshot, {})
            return
        listening = socket.socket()
        listening.bind(("127.0.0.1", 0))
        try:
            await self.worker.serve_snapshot(snapshot, {self.listener.name: [listening]})
        except BaseException:
            listening.close()
            raise
        self.port = listening.getsockname()[1]

    async def send(
        self,
        path: str = CHAT_PATH,
        body: object = CHAT,
        *,
        method: str = "POST",
        headers: Mapping[str, str] | None = None,
        raw: bytes | None = None,
    ) -> Call:
        """Send a request, and read nothing yet."""
        content = raw if raw is not None else b"" if method in {"GET", "HEAD", "OPTIONS"} else msgspec.json.encode(body)
        lines = {"host": "gateway", "connection": "close", "content-length": str(len(content)), **(headers or {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self._tls)
        writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + content)
        return Call(reader, writer, heads_only=method == "HEAD")

    async def ask(self, path: str = CHAT_PATH, body: object = CHAT, **how: Any) -> Answer:
        """Send a request and read its answer."""
        return await (await self.send(path, body, **how)).rest()

    async def stream(self, **how: Any) -> Answer:
        """Ask for a stream and read it."""
        return await self.ask(body={**CHAT, "stream": True}, **how)

    def lines(self) -> list[dict[str, Any]]:
        """The log."""
        return [msgspec.json.decode(line) for line in self._log.getvalue().splitlines()]

    def complaints(self) -> list[dict[str, Any]]:
        """The errors in the log that were not taken yet."""
        found = [line for line in self.lines() if line["level"] == "error"]
        fresh, self._taken = found[self._taken :], len(found)
        return fresh

    def idle(self) -> bool:
        """Whether no call counts as under way."""
        gauges = self.worker.gauges()
        return not gauges.in_flight and not any(upstream.in_flight for upstream in gauges.upstreams)

    async def _merged_metrics(self) -> bytes:
        return self.metrics.dump()


@asynccontextmanager
async def serving(
    *proxies: LlmProxy,
    listener: Listener | None = None,
    tls: ssl.SSLContext | None = None,
    store: ResponseStore | None = None,
    **settings: Any,
) -> AsyncIterator[Served]:
    """Serve these proxies."""
    failures: list[Mapping[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    log = io.StringIO()
    with contextlib.redirect_stderr(log):
        served = Served(listener or Listener(name="main", host="127.0.0.1", port=8081), Sink(), log, tls, store)
        await served.publish(*proxies, **settings)
        try:
            yield served
            await soon(served.idle)
        finally:
            await served.worker.drain(0.0)
            await asyncio.sleep(0.01)
    assert served.complaints() == []
    assert failures == []


async def soon(condition: Callable[[], bool]) -> None:
    """Wait for what must come at once on a machine with nothing else to do."""
    async with asyncio.timeout(5):
        await until(condition)


async def in_time(work: Awaitable[Any]) -> Any:
    """Wait for what must not hang."""
    async with asyncio.timeout(5):
        return await work
