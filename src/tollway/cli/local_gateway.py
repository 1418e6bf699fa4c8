"""A gateway in local mode: a configuration file, watched, and the supervisor that serves it."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

from tollway.cli.supervisor import StartRefused, Supervisor
from tollway.config.problems import ConfigErrors
from tollway.gateway.clock import SystemClock
from tollway.gateway.log import Log
from tollway.snapshot.document import Snapshot
from tollway.snapshot.local import snapshot_from_files


class LocalGateway:
    """Reads a configuration, serves it, and reads it again when it changes."""

    def __init__(self, config: Path) -> None:
        """Read the configuration.

        Raises:
            ConfigErrors: everything that is wrong with it.
        """
        self._config = config
        self._files: tuple[Path, ...] = ()
        self._seen: object = None
        self._log = Log(SystemClock(), fields={"worker": "supervisor"})
        self._snapshot = self._read()
        self._log.level = self._snapshot.log_level

    def run(self, *, on_ready: Callable[[list[str]], None]) -> None:
        """Serve until SIGTERM or SIGINT; `on_ready` hears the addresses once they answer.

        Raises:
            StartRefused: it could not start.
        """
        asyncio.run(self._run(on_ready))

    async def _run(self, on_ready: Callable[[list[str]], None]) -> None:
        supervisor = Supervisor(self._snapshot, reload=self._reload, changed=self._changed, log=self._log)
        refused: StartRefused | None = None
        async with asyncio.TaskGroup() as group:
            announcing = group.create_task(_announce(supervisor, on_ready))
            try:
                await supervisor.run()
            except StartRefused as error:
                refused = error  # out of the group it would come wrapped in an exception group
            finally:
                announcing.cancel()
        if refused is not None:
            raise refused

    def _read(self) -> Snapshot:
        # The stamp is taken first: what changes while it is read counts as changed afterwards.
        self._seen = self._stamp()
        local = snapshot_from_files(self._config, warn=self._warn)
        self._files = local.files
        self._seen = self._seen if self._seen is not None else self._stamp()
        return local.snapshot

    def _reload(self) -> Snapshot | None:
        try:
            return self._read()
        except ConfigErrors as errors:
            print(errors, file=sys.stderr, flush=True)
            return None

    def _changed(self) -> bool:
        return self._stamp() != self._seen

    def _stamp(self) -> object:
        """Tell one state of the files from another: their times, sizes and inodes, and which there are."""
        folder = sorted(self._config.glob("*.yaml")) if self._config.is_dir() else [self._config]
        stamps: list[tuple[str, int, int, int]] = []
        for file in dict.fromkeys((*folder, *self._files)):
            try:
                found = file.stat()
            except OSError:
                stamps.append((str(file), 0, 0, 0))
            else:
                stamps.append((str(file), found.st_mtime_ns, found.st_size, found.st_ino))
        return sorted(stamps)

    def _warn(self, message: str) -> None:
        self._log.warning(message, file=str(self._config))


async def _announce(supervisor: Supervisor, on_ready: Callable[[list[str]], None]) -> None:
    await supervisor.ready.wait()
    on_ready(
        [
            f"{'https' if listener.tls is not None else 'http'}://{_shown(listener.host)}:{listener.port}"
            for listener in supervisor.snapshot.listeners
        ]
    )


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
