"""The supervisor: starts workers, hands them snapshots, keeps the ledger fed, and stops them in order.

Rules of this file:
- It serves no calls. When it dies, workers finish their calls and go; when a worker dies, it is
  replaced and the others do not notice.
- A snapshot is served by all workers or, if any of them refuses it, by none that was not serving it.
"""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from tollway.cli.admin import Admin
from tollway.cli.channel import (
    LAST_DUMP,
    AskMetrics,
    Channel,
    Drain,
    MergedMetrics,
    MetricsDump,
    Refused,
    ServeSnapshot,
    Serving,
    WantMetrics,
)
from tollway.cli.metering_service import MeteringService
from tollway.cli.sockets import AddressTaken, reserve
from tollway.gateway.log import Log
from tollway.gateway.metrics import fold, merge
from tollway.snapshot.codec import content_version, encode
from tollway.snapshot.document import Listener, Snapshot, Telemetry
from tollway.wire.exposition import pack

_RESTART_SECONDS: Final = (0.1, 0.5, 1.0, 2.0, 5.0)
_METRICS_SECONDS: Final = 2.0
_POLL_SECONDS: Final = 0.5
_KILL_AFTER_SECONDS: Final = 5.0


ValueT = TypeVar("ValueT")


class StartRefused(Exception):
    """The gateway could not start; the message says why."""


class WorkerSlot:
    """One place for a worker, and the process that holds it now."""

    def __init__(self, number: int) -> None:
        """Begin empty."""
        self.number = number
        self.process: subprocess.Popen[bytes] | None = None
        self.channel: Channel | None = None
        self.serving = ""
        self.verdict: asyncio.Future[str] | None = None
        """Set while a snapshot is being taken: resolves to the reason of a refusal, or to nothing."""
        self.failures = 0
        self.dumps: dict[int, asyncio.Future[bytes]] = {}


class Supervisor:
    """Runs one gateway on this machine."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        reload: Callable[[], Snapshot | None] | None,
        changed: Callable[[], bool],
        log: Log,
    ) -> None:
        """Prepare.

        Args:
            snapshot: what to serve first.
            reload: reads the configuration again; None when it is refused (it has said why).
            changed: whether the configuration's files have changed since the last reading.
            log: where to tell.
        """
        self.snapshot = snapshot
        self.ready = asyncio.Event()
        self._reload = reload
        self._changed = changed
        self._log = log
        self._slots: list[WorkerSlot] = []
        self._holds: dict[tuple[str, int], socket.socket] = {}
        self._chosen: dict[tuple[str, str], int] = {}
        self._stopping = asyncio.Event()
        self._reload_now = asyncio.Event()
        self._token = 0
        self._gone = pack([])
        """What workers that are gone have counted."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._data_dir = Path(snapshot.data_dir)
        self._metering = MeteringService(self._data_dir, snapshot.telemetry, log)
        self._admin = Admin(self)

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT.

        Raises:
            StartRefused: it could not start.
        """
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._stopping.set)
        loop.add_signal_handler(signal.SIGINT, self._stopping.set)
        loop.add_signal_handler(signal.SIGHUP, self._reload_now.set)
        try:
            self.snapshot = self._reserve(self.snapshot)
            for number in range(self.snapshot.workers):
                self._slots.append(WorkerSlot(number))
            await asyncio.gather(*(self._start(slot) for slot in self._slots))
            await self._admin.start(self.snapshot.telemetry)
        except (AddressTaken, StartRefused) as error:
            await self._stop_workers(0.0)
            await self._close()
            raise StartRefused(str(error)) from error
        self._metering.start()
        self.ready.set()
        self._log.info("serving", version=self.snapshot.version[:12], workers=len(self._slots))
        with contextlib.suppress(asyncio.CancelledError):
            await self._watch()
        self._log.info("stopping", drain_seconds=self.snapshot.drain_seconds)
        await self._stop_workers(self.snapshot.drain_seconds)
        await self._close()

    async def _close(self) -> None:
        await self._admin.close()
        await asyncio.to_thread(self._metering.stop)
        for hold in self._holds.values():
            hold.close()

    @property
    def healthy(self) -> bool:
        """Whether every worker serves a snapshot."""
        return bool(self._slots) and all(slot.serving for slot in self._slots) and not self._stopping.is_set()

    async def metrics(self) -> bytes:
        """Merge the metrics of all workers, and the supervisor's own."""
        self._token += 1
        token = self._token
        waiting: list[asyncio.Future[bytes]] = []
        for slot in self._slots:
            if slot.channel is not None:
                future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
                slot.dumps[token] = future
                waiting.append(future)
                slot.channel.send(AskMetrics(token=token))
        if waiting:
            await asyncio.wait(waiting, timeout=_METRICS_SECONDS)
        for slot in self._slots:
            slot.dumps.pop(token, None)
        dumps = [future.result() for future in waiting if future.done()]
        return merge([*dumps, self._gone, pack(self._metering.families())]).encode()

    # --- workers

    async def _start(self, slot: WorkerSlot) -> None:
        """Start a worker and wait until it serves."""
        mine, theirs = socket.socketpair()
        command = [sys.executable, "-m", "tollway.cli.worker_process"]
        arguments = [str(theirs.fileno()), str(self._data_dir), str(slot.number)]
        slot.process = subprocess.Popen([*command, *arguments], pass_fds=(theirs.fileno(),))  # noqa: ASYNC220, S603 - our own program; it returns at once
        theirs.close()
        slot.channel = await Channel.open(mine)
        self._spawn(self._listen(slot, slot.process, slot.channel))
        reason = await self._offer(slot, self.snapshot)
        if reason:
            raise StartRefused(reason)

    async def _offer(self, slot: WorkerSlot, snapshot: Snapshot) -> str:
        """Hand a snapshot to a worker; return why it was refused, or nothing."""
        if slot.channel is None:
            return "the worker is not running"
        slot.verdict = asyncio.get_running_loop().create_future()
        slot.channel.send(ServeSnapshot(snapshot=encode(snapshot)))
        try:
            return await asyncio.wait_for(slot.verdict, 60.0)
        except TimeoutError:
            return "the worker did not answer within 60 s"
        finally:
            slot.verdict = None

    async def _listen(self, slot: WorkerSlot, process: "subprocess.Popen[bytes]", channel: Channel) -> None:
        """Hear one worker until it is gone; then put another in its place."""
        while (message := await channel.receive()) is not None:
            if isinstance(message, Serving):
                slot.serving = message.version
                slot.failures = 0
                _settle(slot.verdict, "")
            elif isinstance(message, Refused):
                _settle(slot.verdict, message.reason)
            elif isinstance(message, MetricsDump) and message.token == LAST_DUMP:
                self._gone = fold([self._gone, message.dump])
            elif isinstance(message, MetricsDump):
                _settle(slot.dumps.get(message.token), message.dump)
            elif isinstance(message, WantMetrics):
                self._spawn(self._answer_metrics(channel, message.token))
        channel.close()
        slot.serving = ""
        slot.channel = None
        code = await asyncio.to_thread(process.wait)
        _settle(slot.verdict, f"the worker ended with status {code} before it served")
        if self._stopping.is_set() or not self.ready.is_set() or slot not in self._slots:
            return
        pause = _RESTART_SECONDS[min(slot.failures, len(_RESTART_SECONDS) - 1)]
        slot.failures += 1
        self._log.error("a worker ended; starting another", worker=slot.number, status=code, pause_seconds=pause)
        await asyncio.sleep(pause)
        if not self._stopping.is_set():
            try:
                await self._start(slot)
            except StartRefused as error:
                self._log.error("a worker could not be started", worker=slot.number, reason=str(error))

    async def _answer_metrics(self, channel: Channel, token: int) -> None:
        channel.send(MergedMetrics(token=token, text=await self.metrics()))

    # --- snapshots

    async def _watch(self) -> None:
        """Reload on SIGHUP or when a file changed, until told to stop."""
        while not self._stopping.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(_first(self._stopping, self._reload_now), _POLL_SECONDS)
            if self._stopping.is_set():
                return
            asked = self._reload_now.is_set()
            if self._reload is not None and (asked or self._changed()):
                self._reload_now.clear()
                await self._apply(self._reload(), asked=asked)

    async def _apply(self, snapshot: Snapshot | None, *, asked: bool = False) -> None:
        """Serve another snapshot, whole or not at all.

        When asked for, an equal one is served anew: the certificate files it names may hold others now.
        """
        if snapshot is None:
            self._log.error("the changed configuration was refused; the old one keeps serving")
            return
        if snapshot.data_dir != self.snapshot.data_dir:
            reason = "gateway.data_dir cannot change while the gateway runs; restart it"
            self._log.error("the changed configuration was refused; the old one keeps serving", reason=reason)
            return
        try:
            snapshot = self._reserve(snapshot)
        except AddressTaken as error:
            self._log.error("the changed configuration was refused; the old one keeps serving", reason=str(error))
            return
        if snapshot.version == self.snapshot.version and not asked:
            return
        reasons = await asyncio.gather(
            *(self._offer(slot, snapshot) for slot in self._slots if slot.channel is not None)
        )
        refused = next((reason for reason in reasons if reason), "")
        if refused:
            self._log.error("the changed configuration was refused; the old one keeps serving", reason=refused)
            await asyncio.gather(
                *(self._offer(slot, self.snapshot) for slot in self._slots if slot.channel is not None)
            )
            return
        before, self.snapshot = self.snapshot, snapshot
        self._release()
        await self._retell(before.telemetry, snapshot.telemetry)
        await self._resize(snapshot.workers)
        self._log.info("serving a changed configuration", version=snapshot.version[:12])

    async def _retell(self, before: Telemetry, after: Telemetry) -> None:
        """Send telemetry, and serve probes and metrics, where the new snapshot says."""
        if before == after:
            return
        await asyncio.to_thread(self._metering.stop)
        self._metering = MeteringService(self._data_dir, after, self._log)
        self._metering.start()
        if (before.admin_host, before.admin_port) != (after.admin_host, after.admin_port):
            await self._admin.close()
            try:
                await self._admin.start(after)
            except AddressTaken as error:
                self._log.error("probes and metrics are not served at their new address", reason=str(error))

    async def _resize(self, workers: int) -> None:
        """Have as many workers as the snapshot says."""
        while len(self._slots) > workers:
            slot = self._slots.pop()
            if slot.channel is not None:
                slot.channel.send(Drain(seconds=self.snapshot.drain_seconds))
        added = [WorkerSlot(number) for number in range(len(self._slots), workers)]
        self._slots.extend(added)
        try:
            await asyncio.gather(*(self._start(slot) for slot in added))
        except StartRefused as error:
            self._log.error("a worker could not be started", reason=str(error))

    def _reserve(self, snapshot: Snapshot) -> Snapshot:
        """Hold every listener's address; ports given as 0 become the ports that were found free.

        Raises:
            AddressTaken: one cannot be had.
        """
        listeners: list[Listener] = []
        for listener in snapshot.listeners:
            port = listener.port or self._chosen.get((listener.name, listener.host), 0)
            if (listener.host, port) not in self._holds:
                hold, port = reserve(listener)
                self._holds[listener.host, port] = hold
            if listener.port == 0:
                self._chosen[listener.name, listener.host] = port
            listeners.append(msgspec.structs.replace(listener, port=port))
        if tuple(listeners) == snapshot.listeners:
            return snapshot
        reserved = msgspec.structs.replace(snapshot, listeners=tuple(listeners))
        return msgspec.structs.replace(reserved, version=content_version(reserved))

    def _release(self) -> None:
        """Let go of addresses that no listener has any more."""
        wanted = {(listener.host, listener.port) for listener in self.snapshot.listeners}
        for address in [address for address in self._holds if address not in wanted]:
            self._holds.pop(address).close()

    # --- ends

    async def _stop_workers(self, drain_seconds: float) -> None:
        """Let workers finish, then see to it that they are gone."""
        self._stopping.set()
        processes = [slot.process for slot in self._slots if slot.process is not None]
        for slot in self._slots:
            if slot.channel is not None:
                slot.channel.send(Drain(seconds=drain_seconds))
        try:
            async with asyncio.timeout(drain_seconds + _KILL_AFTER_SECONDS):
                await asyncio.gather(*(asyncio.to_thread(process.wait) for process in processes))
        except TimeoutError:
            for process in processes:
                if process.poll() is None:
                    self._log.error("a worker did not stop in time and is killed", pid=process.pid)
                    process.kill()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._task_over)

    def _task_over(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.defect("a task of the supervisor failed", error)


async def _first(*events: asyncio.Event) -> None:
    """Wait for the first of several events."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()


def _settle(future: "asyncio.Future[ValueT] | None", value: ValueT) -> None:
    if future is not None and not future.done():
        future.set_result(value)
