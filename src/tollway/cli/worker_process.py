"""The process of one worker: composes the data plane with its stores, and obeys the supervisor.

Run as `python -m tollway.cli.worker_process CHANNEL_FD DATA_DIR NUMBER`.
"""

import asyncio
import base64
import gc
import os
import signal
import socket
import sys
from pathlib import Path

import uvloop

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
from tollway.cli.sockets import AddressTaken, bind
from tollway.config.vault import MASTER_KEY_VARIABLES, RESPONSE_STATE_KEY, Vault, VaultError
from tollway.core.errors import TollwayError
from tollway.dialects.registry import all_dialects
from tollway.gateway.clock import SystemClock
from tollway.gateway.log import Log
from tollway.gateway.metrics import Metrics
from tollway.gateway.spool import Spool
from tollway.gateway.worker import Plugins, Worker
from tollway.interfaces.response_state import StateUnavailable
from tollway.interfaces.secrets import Secret
from tollway.snapshot.codec import SnapshotRefused, decode, policy_config
from tollway.snapshot.document import Snapshot
from tollway.snapshot.plugins import policy_type, provider
from tollway.stores.counters_lmdb import LmdbCounters
from tollway.stores.ownership_sqlite import OWNERSHIP_FILE, SqliteOwnership
from tollway.stores.response_state_sqlite import STATE_FILE, SqliteResponseStore
from tollway.wire.spool_format import SPOOL_DIRECTORY

_DRAIN_AFTER_SUPERVISOR_SECONDS = 25.0
_SYNC_SECONDS = 1.0
_KEY_BYTES = 32


class WorkerProcess:
    """One worker and its talk with the supervisor."""

    def __init__(self, channel: Channel, data_dir: Path, number: int) -> None:
        """Compose the worker."""
        clock = SystemClock()
        self.channel = channel
        self._data_dir = data_dir
        self.log = Log(clock, fields={"worker": number, "pid": os.getpid()})
        self.metrics = Metrics(clock, provider_name=_otel_name)
        # The supervisor syncs it far more often; see `metering/spool_sync.py`.
        self.spool = Spool(data_dir / SPOOL_DIRECTORY, clock.new_id(), sync_seconds=_SYNC_SECONDS)
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._token = 0
        self.worker = Worker(
            asyncio.get_running_loop(),
            plugins=Plugins(provider, policy_type, all_dialects(), policy_config),
            counters=LmdbCounters(data_dir / "counters"),
            spool=self.spool,
            ownership=SqliteOwnership(data_dir / OWNERSHIP_FILE),
            metrics=self.metrics,
            log=self.log,
            merged_metrics=self._merged_metrics,
        )

    async def obey(self) -> None:
        """Do what the supervisor says until it says no more."""
        while True:
            message = await self.channel.receive()
            if isinstance(message, ServeSnapshot):
                await self._serve(message.snapshot)
            elif isinstance(message, AskMetrics):
                self.channel.send(MetricsDump(token=message.token, dump=self.metrics.dump()))
            elif isinstance(message, MergedMetrics):
                waiting = self._waiting.pop(message.token, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(message.text)
            elif isinstance(message, Drain):
                await self.worker.drain(message.seconds)
                break
            elif message is None:
                # The supervisor is gone: let callers have their answers, then go too.
                await self.worker.drain(_DRAIN_AFTER_SUPERVISOR_SECONDS)
                break
        if self.worker.response_store is not None:
            await self.worker.response_store.close()
        self.spool.close()
        self.channel.send(MetricsDump(token=LAST_DUMP, dump=self.metrics.dump()))
        await self.channel.flush()

    async def _serve(self, data: bytes) -> None:
        version = ""
        try:
            snapshot = decode(data)
            version = snapshot.version
            sockets = {
                listener.name: [bind(listener.host, listener.port)]
                for listener in snapshot.listeners
                if not self.worker.serves(listener)
            }
            self.log.level = snapshot.log_level
            self._open_response_store(snapshot)
            await self.worker.serve_snapshot(snapshot, sockets)
        except (
            TollwayError, SnapshotRefused, ValueError, OSError, LookupError, AddressTaken, StateUnavailable,
        ) as error:  # fmt: skip
            self.channel.send(Refused(version=version, reason=str(error)))
            return
        gc.collect()
        gc.freeze()
        # Calls free what they use by reference counts; looking for cycles less often saves 5 % of a call.
        gc.set_threshold(20_000, 20, 50)
        self.channel.send(Serving(version=version))

    def _open_response_store(self, snapshot: Snapshot) -> None:
        """Open the store of kept responses, where one is wanted, or where one is left whose content must still end."""
        file = self._data_dir / STATE_FILE
        wanted = any(one.response_state is not None for one in snapshot.proxies)
        if self.worker.response_store is not None or not (wanted or file.exists()):
            return
        try:
            self.worker.response_store = SqliteResponseStore(file, _state_key(self._data_dir))
        except (StateUnavailable, VaultError) as error:
            if wanted:
                raise
            self.log.error(  # noqa: TRY400 - our own log; the reason says it all
                "kept responses cannot be opened, and so not deleted in time", reason=str(error)
            )

    async def _merged_metrics(self) -> bytes:
        self._token += 1
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[self._token] = future
        self.channel.send(WantMetrics(token=self._token))
        async with asyncio.timeout(5.0):
            return await future


async def _main(descriptor: int, data_dir: Path, number: int) -> None:
    loop = asyncio.get_running_loop()
    # The supervisor alone decides when to stop; a Ctrl-C in the terminal reaches the whole group.
    for signal_number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(signal_number, _ignore)
    channel = await Channel.open(socket.socket(fileno=descriptor))
    await WorkerProcess(channel, data_dir, number).obey()


def _state_key(data_dir: Path) -> bytes:
    """Give the key of kept responses, from the vault of the data folder."""
    master_keys = [os.environ[name] for name in MASTER_KEY_VARIABLES if os.environ.get(name)]
    vault = Vault(data_dir, master_keys=master_keys)
    key = vault.obtain(RESPONSE_STATE_KEY, lambda: Secret(base64.b64encode(os.urandom(_KEY_BYTES)).decode()))
    return base64.b64decode(key.reveal(), validate=True)


def _otel_name(name: str) -> str:
    """Give OpenTelemetry's name of a provider."""
    return provider(name).otel_name or name if name else ""


def _ignore() -> None:
    """Leave it to the supervisor."""


def main(arguments: list[str]) -> None:
    """Run the worker."""
    uvloop.run(_main(int(arguments[0]), Path(arguments[1]), int(arguments[2])))


if __name__ == "__main__":
    main(sys.argv[1:])
