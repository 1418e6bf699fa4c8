"""The supervisor's own small HTTP address: probes and the metrics of all workers."""

import asyncio
from typing import TYPE_CHECKING

from tollway.cli.sockets import bind
from tollway.core.errors import MethodNotAllowed, NotFound, TollwayError
from tollway.gateway.answers import error_lines
from tollway.gateway.connection import Connection
from tollway.gateway.downstream import Downstream, DownstreamHandler
from tollway.gateway.http1 import Http1Connection
from tollway.gateway.known_heads import KnownHeads
from tollway.gateway.outbox import Outbox
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits, Telemetry

if TYPE_CHECKING:
    from tollway.cli.supervisor import Supervisor

_JSON = b"content-type: application/json\r\n"
_TEXT = b"content-type: text/plain; version=0.0.4; charset=utf-8\r\n"


class Admin:
    """Serves `/metrics`, `/probes/readiness` and `/probes/liveness`; the `ConnectionOwner` of its connections."""

    limits = Limits(connections=64, body_bytes=0)
    draining = False

    def __init__(self, supervisor: "Supervisor") -> None:
        """Speak for `supervisor`."""
        self._supervisor = supervisor
        self.known_heads = KnownHeads()
        self.outbox = Outbox(lambda leave: asyncio.get_running_loop().call_soon(leave))
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, telemetry: Telemetry) -> None:
        """Listen, if an address is set."""
        if telemetry.admin_port == 0:
            return
        sock = bind(telemetry.admin_host, telemetry.admin_port)
        self._server = await asyncio.get_running_loop().create_server(lambda: Http1Connection(self), sock=sock)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    @property
    def now(self) -> float:
        """The loop's clock."""
        return asyncio.get_running_loop().time()

    def opened(self, connection: Connection) -> bool:
        """Take a connection, within the limit."""
        if len(self._connections) >= self.limits.connections:
            return False
        self._connections.add(connection)
        return True

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        self._connections.discard(connection)

    def serve(self, request: Request, downstream: Downstream) -> DownstreamHandler | None:
        """Answer."""
        if request.method not in (b"GET", b"HEAD"):
            error = MethodNotAllowed("only GET is served here", headers=(("allow", "GET, HEAD"),))
            self.refuse(error, request, downstream)
        elif request.path == b"/metrics":
            task = asyncio.get_running_loop().create_task(self._metrics(downstream))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        elif request.path == b"/probes/liveness":
            downstream.send(200, [_JSON], b'{"status":"ok"}')
        elif request.path == b"/probes/readiness":
            ready = self._supervisor.healthy
            downstream.send(200 if ready else 503, [_JSON], b'{"status":"ok"}' if ready else b'{"status":"not ready"}')
        else:
            self.refuse(
                NotFound("there are /metrics, /probes/readiness and /probes/liveness here"), request, downstream
            )
        return None

    def refuse(self, error: TollwayError, request: Request | None, downstream: Downstream) -> None:
        """Answer what cannot be served."""
        del request
        lines = [b"content-type: text/plain; charset=utf-8\r\n", *error_lines(error)]
        downstream.send(error.status, lines, error.message.encode())

    async def _metrics(self, downstream: Downstream) -> None:
        downstream.send(200, [_TEXT], await self._supervisor.metrics())
