"""A snapshot straight from files on this machine: what `tollway gateway --config` and `tollway check` do.

    snapshot_from_files(path) -> LocalSnapshot(snapshot, files)      raises ConfigErrors

`files` are the ones to watch for changes.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from tollway.config.loader import Document, read
from tollway.config.secret_sources import EnvironmentSource, FileSource, UnreadSource
from tollway.config.vault import MASTER_KEY_VARIABLES, Vault, VaultSource
from tollway.interfaces.secrets import SecretSource
from tollway.snapshot.compilation import Warn
from tollway.snapshot.compile import compile_snapshot
from tollway.snapshot.document import Snapshot


class LocalSnapshot(msgspec.Struct, frozen=True):
    """A snapshot and the files it came from."""

    snapshot: Snapshot
    files: tuple[Path, ...]
    """The configuration's own, then those its secrets were read from."""


def snapshot_from_files(
    path: Path,
    *,
    environ: Mapping[str, str] | None = None,
    warn: Warn = lambda _: None,
    read_secrets: bool = True,
) -> LocalSnapshot:
    """Read and compile a configuration file or folder.

    Args:
        path: a YAML file, or a folder of them.
        environ: where `${env:…}` is looked up; the process's environment by default.
        warn: takes sentences about what is allowed but hardly meant.
        read_secrets: False checks a configuration on a machine that has none of its secrets; the
            snapshot can then run nothing.

    Raises:
        ConfigErrors: everything that is wrong, with file, line and column.
    """
    document = read(path)
    found = os.environ if environ is None else environ
    sources = secret_sources(document, environ=found, warn=warn) if read_secrets else _unread_sources()
    snapshot = compile_snapshot(
        document.resources, secrets=sources, folder=document.folder, problems=document.problems, warn=warn
    )
    return LocalSnapshot(snapshot, (*document.files, *_asked(sources)))


def secret_sources(
    document: Document, *, environ: Mapping[str, str], warn: Warn = lambda _: None
) -> dict[str, SecretSource]:
    """The sources of this machine: its environment, its files, and the vault in the gateway's data folder."""
    data_dir = document.folder / document.resources.gateway.data_dir
    master_keys = [environ[name] for name in MASTER_KEY_VARIABLES if environ.get(name)]
    vault = Vault(data_dir, master_keys=master_keys)
    sources: list[SecretSource] = [
        EnvironmentSource(environ),
        FileSource(document.folder, warn=warn),
        VaultSource(vault),
    ]
    return {source.scheme: source for source in sources}


def _asked(sources: Mapping[str, SecretSource]) -> list[Path]:
    """List the files that secrets were read from, each once."""
    kept = [source for source in sources.values() if isinstance(source, FileSource | VaultSource)]
    return list(dict.fromkeys(path for source in kept for path in source.asked))


def _unread_sources() -> dict[str, SecretSource]:
    return {scheme: UnreadSource(scheme) for scheme in ("env", "file", "vault")}
