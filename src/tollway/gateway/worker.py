"""One worker: an event loop, its connections, and the snapshot it serves.

It is told everything by its owner through plain calls (`serve_snapshot`, `drain`, `metrics`); how
those calls reach it across processes is `cli`'s business.
"""

import asyncio
import contextlib
import random
import socket
import ssl
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from email.utils import formatdate
from typing import Any, Final, cast
from urllib.parse import urlsplit

import msgspec

from tollway.core.errors import InternalError, TollwayError
from tollway.dialects.registry import AnyDialect
from tollway.gateway.addresses import Origin
from tollway.gateway.answer_headers import JSON, PassedHeaders
from tollway.gateway.answers import error_lines
from tollway.gateway.attempt import Attempt
from tollway.gateway.chain import AnyPolicy, Chain
from tollway.gateway.clock import SystemClock, new_correlation_id
from tollway.gateway.compiled import Paths, Proxy
from tollway.gateway.connection import Connection
from tollway.gateway.downstream import Downstream, DownstreamHandler
from tollway.gateway.exchange import Exchange
from tollway.gateway.identify import Registry
from tollway.gateway.kept_turns import Keeper
from tollway.gateway.known_heads import KnownHeads
from tollway.gateway.listening import protocol_factory
from tollway.gateway.log import Log
from tollway.gateway.metrics import Gauges, Metrics, UpstreamGauge
from tollway.gateway.outbox import Outbox
from tollway.gateway.realtime import Session
from tollway.gateway.request import Request
from tollway.gateway.route import DialectsByName, Planner
from tollway.gateway.target import Target
from tollway.gateway.tls import client_context, follow, server_context
from tollway.gateway.tokens import TokenKeeper
from tollway.gateway.upstream import Pool
from tollway.interfaces.counters import Counters
from tollway.interfaces.kept_turns import KeptTurns
from tollway.interfaces.ownership import Ownership
from tollway.interfaces.policy import PolicyContext
from tollway.interfaces.provider import Provider
from tollway.interfaces.response_state import ResponseStore, StateUnavailable
from tollway.interfaces.token_grant import TokenGrant
from tollway.interfaces.usage_record import UsageRecord, UsageSink
from tollway.routing.health import UpstreamHealth
from tollway.routing.keys import KeyRing
from tollway.snapshot.document import Health, Limits, Listener, LlmProxy, Route, Snapshot, TlsClient

_SWEEP_SECONDS: Final = 0.25
_EXPIRE_SWEEPS: Final = 240
_ABORT_SECONDS: Final = 2.0
_PROBE_READY: Final = b"/probes/readiness"
_PROBE_LIVE: Final = b"/probes/liveness"
_METRICS: Final = b"/metrics"


class Plugins:
    """What the composition root found by name, handed in so that the data plane looks up nothing."""

    def __init__(
        self,
        providers: Callable[[str], Provider],
        policies: Callable[[str], type[AnyPolicy]],
        dialects: Sequence[AnyDialect],
        decode_config: Callable[[type[Any], Mapping[str, Any]], Any],
    ) -> None:
        """Hold the lookups."""
        self.provider = providers
        self.policy = policies
        self.dialects = tuple(dialects)
        self.decode_config = decode_config


class Worker:
    """Serves one snapshot at a time on the sockets it is given."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        plugins: Plugins,
        counters: Counters,
        spool: UsageSink,
        ownership: Ownership,
        metrics: Metrics,
        log: Log,
        merged_metrics: Callable[[], Coroutine[Any, Any, bytes]],
    ) -> None:
        """Begin with nothing to serve."""
        self.response_store: ResponseStore | None = None
        """Set by whoever composes the worker. Without it no LLM proxy can keep answers."""
        self.loop = loop
        self.clock = SystemClock()
        self.plugins = plugins
        self.counters = counters
        self.spool = spool
        self.ownership = ownership
        self.spool_broken = False
        self.spool_failures = 0
        self._unsaved: deque[UsageRecord] = deque()
        self.outbox = Outbox(loop.call_soon, self._store)
        """Takes all that leaves; records, too, so that they are kept first."""
        self.metrics = metrics
        metrics.gauges = self.gauges
        self.log = log
        self.merged_metrics = merged_metrics
        self.passed_headers = PassedHeaders()
        self.now = loop.time()
        self._server_line = b""
        self.date_line = _date_line()
        """The lines of every answer: the date, and who serves, where that shall be told."""
        self.draining = False
        self.no_connections = asyncio.Event()
        """Set when the last connection is gone while draining."""
        self.snapshot: Snapshot | None = None
        self.attempts: set[Attempt] = set()
        self.connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._dialects = DialectsByName(plugins.dialects)
        self._healths: dict[tuple[str, str, str, Health], UpstreamHealth] = {}
        self._rings: dict[object, KeyRing] = {}
        self._pools: dict[tuple[Origin, TlsClient], Pool] = {}
        self._tokens: dict[tuple[str, TokenGrant, str | None], TokenKeeper] = {}
        self._renewed: tuple[TokenKeeper, ...] = ()
        """Those of the snapshot that is served; of others no token is fetched unless a call wants it."""
        self._listeners: dict[str, ListenerState] = {}
        self.states: weakref.WeakSet[ListenerState] = weakref.WeakSet()
        """Of these listeners, and of those closed since that still have connections."""
        self._sweeper: asyncio.TimerHandle | None = None
        self._dates = 0

    # --- what its owner calls

    async def serve_snapshot(self, snapshot: Snapshot, sockets: Mapping[str, Sequence[socket.socket]]) -> None:
        """Compile a snapshot whole, then serve it; calls in flight keep the one they began with.

        Args:
            snapshot: what to serve.
            sockets: bound sockets by listener name, for listeners that are not served yet.

        Raises:
            TollwayError: it does not compile; nothing has changed then.
            ValueError: the same, from a policy's own checks.
            OSError: a TLS file cannot be read; nothing has changed then.
        """
        proxies = {document.name: self._compile(document, snapshot) for document in snapshot.proxies}
        compiled: list[tuple[Listener, Paths, ssl.SSLContext | None]] = []
        for listener in snapshot.listeners:
            served = [proxies[document.name] for document in snapshot.proxies if listener.name in document.listeners]
            tls = server_context(listener.tls) if listener.tls is not None else None
            compiled.append((listener, Paths(served, self.plugins.dialects), tls))
        # Everything that can fail has been done; from here on the new snapshot is the one.
        self.snapshot = snapshot
        used = {target.tokens for proxy in proxies.values() for target in proxy.targets}
        self._tokens = {key: keeper for key, keeper in self._tokens.items() if keeper in used}
        self._renewed = tuple(self._tokens.values())
        self._server_line = b"server: tollway\r\n" if snapshot.server_header else b""
        self.date_line = self._server_line + _date_line()
        wanted = {listener.name for listener in snapshot.listeners}
        for name, state in tuple(self._listeners.items()):
            if name not in wanted or not any(state.same_address(one) for one in snapshot.listeners):
                self._listeners.pop(name).close()
        for listener, paths, tls in compiled:
            state = self._listeners.get(listener.name)
            if state is None:
                self._listeners[listener.name] = state = ListenerState(self, listener, paths, tls)
                await state.listen(sockets.get(listener.name, ()))
            else:
                state.replace(listener, paths, tls)
        if self._sweeper is None:
            self._sweep()

    def serves(self, listener: Listener) -> bool:
        """Whether this very address is listened on already."""
        state = self._listeners.get(listener.name)
        return state is not None and state.same_address(listener)

    def gauges(self) -> Gauges:
        """Tell what the worker is doing now, for its metrics."""
        attempts = self.attempts
        return Gauges(
            in_flight=len(attempts),
            streams=sum(1 for attempt in attempts if attempt.stream),
            connections=len(self.connections),
            spool_ready=not self.spool_broken,
            spool_failures=self.spool_failures,
            snapshot_version=self.snapshot.version[:12] if self.snapshot is not None else "",
            upstreams=tuple(
                UpstreamGauge(name=name, healthy=health.state == "closed", in_flight=health.active)
                for name, health in self._named_healths()
            ),
        )

    def _named_healths(self) -> Iterator[tuple[str, UpstreamHealth]]:
        """Give each upstream's health once, under its provider and address."""
        for (scheme, netloc, provider, _), health in self._healths.items():
            yield f"{provider} {scheme}://{netloc}", health

    async def drain(self, seconds: float) -> None:
        """Stop taking calls, let those in flight finish for at most `seconds`, then close all."""
        self.draining = True
        for state in self.states:
            state.draining = True
        adopting = [task for state in self._listeners.values() for task in state.close()]
        if adopting:
            await asyncio.wait(adopting, timeout=_ABORT_SECONDS)
        for connection in tuple(self.connections):
            connection.drain()
        self.no_connections.clear()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.no_connections.wait(), seconds)
        for connection in tuple(self.connections):
            connection.abort()
        for task in tuple(self._tasks):
            task.cancel()
        # What is aborted ends soon, not now; until it has, its usage record is not written.
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.no_connections.wait(), _ABORT_SECONDS)
        for attempt in tuple(self.attempts):
            attempt.give_up()
        self.outbox.flush()
        for pool in self._pools.values():
            pool.close()
        if self._sweeper is not None:
            self._sweeper.cancel()

    # --- what exchanges call

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Run something that waits; a failure in it is logged and never lost."""
        task = self.loop.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)
        return task

    def keep(self, record: UsageRecord) -> None:
        """Store a usage record before anything of this turn leaves."""
        self.outbox.keep(record)
        self.metrics.observe(record)

    def _store(self, records: Sequence[UsageRecord]) -> None:
        """Store usage records. While they cannot be stored, no more calls are taken, and it is tried again."""
        try:
            self.spool.append(*records)
        except OSError as error:
            self._unsaved.extend(records)
            self.spool_failures += len(records)
            self.spool_broken = True
            self.log.error(  # noqa: TRY400 - our own log; the disk's word says it all
                "a usage record could not be stored; no calls are taken until it is", error=error.strerror or ""
            )

    def _save_unsaved(self) -> None:
        """Try again to store what could not be stored."""
        try:
            while self._unsaved:
                self.spool.append(self._unsaved[0])
                self._unsaved.popleft()
        except OSError:
            return
        self.spool_broken = False
        self.log.info("usage records are stored again")

    def _task_over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.log.defect("a task failed", error)

    # --- compiling

    def _compile(self, document: LlmProxy, snapshot: Snapshot) -> Proxy:
        registry = Registry(
            document.contracts, {client.client_id: client for client in snapshot.clients}, wall_us=self.clock.wall_us
        )
        targets = [self._target(route) for route in document.routes]
        planner = Planner(
            document,
            targets,
            [self._health(route) for route in document.routes],
            [self._ring(route) for route in document.routes],
        )
        uses: list[tuple[Any, AnyPolicy]] = []
        for use in document.policies:
            kind = self.plugins.policy(use.policy)
            context = PolicyContext(
                proxy=document.name, name=use.name, counters=self.counters, clients=registry, clock=self.clock
            )
            uses.append((use, kind(self.plugins.decode_config(kind.config_type, use.config), context)))
        return Proxy(
            document,
            targets=targets,
            chain=Chain(uses, document.base_path),
            planner=planner,
            dialects=self._dialects,
            gateway_name=snapshot.gateway,
            keepers=self._keepers(document),
        )

    def _keepers(self, document: LlmProxy) -> dict[str, Keeper]:
        """Make what keeps turns, for each dialect that has any."""
        settings = document.response_state
        if settings is None:
            return {}
        if self.response_store is None:
            msg = f"the LLM proxy {document.name!r} has `response_state`, but there is no store for it"
            raise ValueError(msg)
        found: dict[str, KeptTurns | None] = {one.name: getattr(one, "turns", None) for one in self.plugins.dialects}
        return {
            name: Keeper(document.name, settings, self.response_store, turns, self.log)
            for name, turns in found.items()
            if turns is not None
        }

    def _target(self, route: Route) -> Target:
        return Target(
            route,
            self.plugins.provider(route.provider),
            self._pool(route),
            self.attempts,
            clock=self.clock.monotonic,
            tokens=self._keeper(route, route.token) if route.token is not None else None,
        )

    def _keeper(self, route: Route, grant: TokenGrant) -> TokenKeeper:
        """What fetches the token of the route's credential: one for all routes that ask for it in the same way."""
        proxy_url = None if grant.direct else route.proxy_url
        key = (route.credential, grant, proxy_url)
        keeper = self._tokens.get(key)
        if keeper is None:
            pool = self._pool_at(grant.url, TlsClient(ca_file=grant.ca_file), grant.allow_private, proxy_url)
            keeper = self._tokens[key] = TokenKeeper(
                grant,
                route.credential,
                pool,
                clock=self.clock,
                spawn=self.spawn,
                log=self.log,
                jitter=random.random,
            )
        return keeper

    def _pool(self, route: Route) -> Pool:
        return self._pool_at(route.base_url, route.tls, route.allow_private, route.proxy_url)

    def _pool_at(self, address: str, tls: TlsClient, allow_private: bool, proxy_url: str | None) -> Pool:  # noqa: FBT001 - two private callers
        url = urlsplit(address)
        port = url.port or (443 if url.scheme == "https" else 80)
        origin = Origin(url.scheme, url.hostname or "", port, allow_private, proxy_url)
        pool = self._pools.get((origin, tls))
        if pool is None:
            context = client_context(tls) if url.scheme == "https" else None
            pool = Pool(
                origin,
                context,
                server_name=tls.server_name,
                outbox=self.outbox,
                clock=self.loop.time,
                spawn=self.spawn,
            )
            self._pools[origin, tls] = pool
        return pool

    def _health(self, route: Route) -> UpstreamHealth:
        """The health of the route's upstream: one for all routes that watch it in the same way."""
        url = urlsplit(route.base_url)
        key = (url.scheme, url.netloc, route.provider, route.health)
        health = self._healths.get(key)
        if health is None:
            health = self._healths[key] = UpstreamHealth(route.health)
        return health

    def _ring(self, route: Route) -> KeyRing:
        """The keys of the route's credential: one rotation for all routes that use it."""
        key = (route.credential, len(route.keys)) if route.credential else (route.name, route.base_url, len(route.keys))
        ring = self._rings.get(key)
        if ring is None:
            ring = self._rings[key] = KeyRing(len(route.keys))
        return ring

    # --- time

    def _sweep(self) -> None:
        """Look at everything that waits, four times a second: cheaper than a timer for each."""
        self.now = now = self.loop.time()
        for state in self.states:
            state.now = now
        self._sweeper = self.loop.call_later(_SWEEP_SECONDS, self._sweep)
        self._dates += 1
        if self._dates % 4 == 0:
            self.date_line = self._server_line + _date_line()
        if self._unsaved:
            self._save_unsaved()
        if self.response_store is not None and self._dates % _EXPIRE_SWEEPS == 1:
            self.spawn(self._expire(self.response_store))
        precise = self.clock.monotonic()
        for attempt in tuple(self.attempts):
            attempt.check_time(precise, now)
        for connection in tuple(self.connections):
            connection.sweep(now)
        for pool in self._pools.values():
            pool.sweep(now)
        if not self.draining:  # calls in flight fetch theirs themselves
            for keeper in self._renewed:
                keeper.sweep(precise)

    async def _expire(self, store: ResponseStore) -> None:
        """Delete kept answers whose time is over."""
        try:
            await store.expire(self.clock.wall_us())
        except StateUnavailable as error:
            self.log.error(  # noqa: TRY400 - our own log; the reason says it all
                "kept responses could not be deleted in time; it is tried again", reason=str(error)
            )


class ListenerState:
    """One listener: the `ConnectionOwner` of its connections."""

    def __init__(self, worker: Worker, listener: Listener, paths: Paths, tls: ssl.SSLContext | None) -> None:
        """Serve `paths`."""
        self._worker = worker
        self.outbox = worker.outbox
        # Plain attributes that the worker keeps up to date: every request reads them several times.
        self.now = worker.now
        """The worker's coarse clock."""
        self.draining = worker.draining
        """Whether connections should close after their current answer."""
        worker.states.add(self)
        self._servers: list[asyncio.Server] = []
        self._queues: list[socket.socket] = []
        self.replace(listener, paths, tls)

    def replace(self, listener: Listener, paths: Paths, tls: ssl.SSLContext | None) -> None:
        """Serve another snapshot from the next request on. TLS files apply to new connections."""
        self.listener = listener
        self.limits: Limits = listener.limits
        self.known_heads = KnownHeads()
        self._paths = paths
        self.tls = tls

    def same_address(self, listener: Listener) -> bool:
        """Whether `listener` is this one, at the same address and with TLS just as this one."""
        mine = self.listener
        same = (mine.name, mine.host, mine.port) == (listener.name, listener.host, listener.port)
        return same and mine.tls == listener.tls

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Accept connections on the sockets."""
        patience = None
        if self.tls is not None:
            follow(self.tls, lambda: self.tls)
            patience = self.limits.header_seconds
        factory = protocol_factory(self, self.listener.tls)
        create = self._worker.loop.create_server
        for sock in sockets:
            server = await create(factory, sock=sock, backlog=1024, ssl=self.tls, ssl_handshake_timeout=patience)
            self._servers.append(server)
            self._queues.append(sock.dup())

    def close(self) -> "list[asyncio.Task[None]]":
        """Accept no more than those who wait to be accepted already; return the tasks that let them in.

        Each worker has a queue of its own on the shared port, and the kernel resets whoever waits in one that
        is closed. So the queue outlives its server by the moment it takes to empty it.
        """
        adopting: list[asyncio.Task[None]] = []
        for server in self._servers:
            server.close()
        self._servers = []
        for queue in self._queues:
            adopting.extend(self._worker.spawn(self._adopt(accepted)) for accepted in _accept_all(queue))
            queue.close()
        self._queues = []
        return adopting

    async def _adopt(self, accepted: socket.socket) -> None:
        factory = protocol_factory(self, self.listener.tls)
        try:
            await self._worker.loop.connect_accepted_socket(factory, accepted, ssl=self.tls)
        except OSError:  # it left meanwhile, or its TLS handshake failed
            accepted.close()

    def opened(self, connection: Connection) -> bool:
        """Take a connection, within the limit."""
        connections = self._worker.connections
        if len(connections) >= self.limits.connections:
            return False
        connections.add(connection)
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        connections = self._worker.connections
        connections.discard(connection)
        if not connections:
            self._worker.no_connections.set()

    def handed_over(self, connection: object, successor: Connection) -> None:
        """Know a connection by its new protocol."""
        connections = self._worker.connections
        connections.discard(cast("Connection", connection))
        connections.add(successor)

    def serve(self, request: Request, downstream: Downstream) -> DownstreamHandler | None:
        """Answer a request, or start the exchange that will."""
        found = self._paths.find(request)
        try:
            if isinstance(found, TollwayError):
                if not self._serve_own(request, downstream):
                    self.refuse(found, request, downstream)
                return None
            endpoint = found[0]
            exchange: Exchange | Session
            if endpoint.realtime is None:
                depth = self.limits.json_depth
                exchange = endpoint.exchange(self._worker, endpoint, found[1], request, downstream, depth)
            else:
                exchange = Session(self._worker, endpoint, endpoint.realtime, request, downstream, self)
        except Exception as error:  # noqa: BLE001 - the listener is where a defect becomes a 500 instead of a dead connection
            self._worker.log.defect("a request could not be served", error)
            self.refuse(InternalError("the gateway failed to handle this request"), request, downstream)
            return None
        try:
            exchange.run()
        except Exception as error:  # noqa: BLE001 - as above; the exchange knows what it has begun
            exchange.defect(error)
        return exchange

    def refuse(self, error: TollwayError, request: Request | None, downstream: Downstream) -> None:
        """Answer a request that could not be read, or that asks for nothing there is."""
        endpoint = self._paths.error_format(request.path) if request is not None else None
        body = endpoint.render_error(error) if endpoint is not None else _plain_error(error)
        correlation = request.headers.get(b"x-correlation-id") if request is not None else None
        if correlation is None or not 0 < len(correlation) <= 256 or not correlation.isascii():
            correlation = new_correlation_id()
        lines = [JSON, self._worker.date_line, b"x-correlation-id: %b\r\n" % correlation, *error_lines(error)]
        if endpoint is not None:
            lines.extend(endpoint.error_lines(error))
        downstream.send(error.status, lines, body)

    def _serve_own(self, request: Request, downstream: Downstream) -> bool:
        """Answer probes, metrics, OPTIONS and those who only look; False when the request is none of these."""
        path = request.path
        if request.method == b"OPTIONS":
            downstream.send(204, [b"allow: GET, HEAD, POST, DELETE, OPTIONS\r\n", self._worker.date_line], b"")
            return True
        if request.method not in (b"GET", b"HEAD"):
            return False
        if self.listener.probes and path in (_PROBE_READY, _PROBE_LIVE):
            ready = path == _PROBE_LIVE or (not self._worker.draining and not self._worker.spool_broken)
            body = b'{"status":"ok"}' if ready else b'{"status":"not ready"}'
            downstream.send(200 if ready else 503, [JSON, self._worker.date_line], body)
            return True
        if self.listener.metrics and path == _METRICS:
            self._worker.spawn(self._send_metrics(downstream))
            return True
        if self._paths.greets(request):  # some SDKs look whether anybody is here before they call
            downstream.send(200, [JSON, self._worker.date_line], b'{"status":"ok"}')
            return True
        return False

    async def _send_metrics(self, downstream: Downstream) -> None:
        body = await self._worker.merged_metrics()
        lines = [b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n", self._worker.date_line]
        downstream.send(200, lines, body)


def _accept_all(queue: socket.socket) -> list[socket.socket]:
    """Take everyone who waits."""
    queue.settimeout(0)
    accepted: list[socket.socket] = []
    with contextlib.suppress(OSError):
        while True:
            accepted.append(queue.accept()[0])
    return accepted


def _plain_error(error: TollwayError) -> bytes:
    return msgspec.json.encode(
        {"error": {"message": error.message, "type": "invalid_request_error", "code": error.code}}
    )


def _date_line() -> bytes:
    return f"date: {formatdate(usegmt=True)}\r\n".encode()
