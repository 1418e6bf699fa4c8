"""Where `${env:…}` and `${file:…}` references are resolved."""

import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from tollway.interfaces.secrets import Secret

MAX_SECRET_BYTES: Final = 65_536


class EnvironmentSource:
    """`${env:NAME}`: an environment variable."""

    scheme = "env"

    def __init__(self, environ: Mapping[str, str]) -> None:
        """Look variables up in `environ`."""
        self._environ = environ

    def resolve(self, name: str) -> Secret:
        """Return the variable's value.

        Raises:
            LookupError: it is not set, or empty.
        """
        value = self._environ.get(name)
        if not value:
            how = "empty" if value == "" else "not set"
            raise LookupError(f"the environment variable {name} is {how}: set it where the gateway is started")
        return Secret(value)


class FileSource:
    """`${file:PATH}`: a file's content, without one line break at its end."""

    scheme = "file"

    def __init__(self, folder: Path, *, warn: Callable[[str], None] = lambda _: None) -> None:
        """Take relative paths from `folder`; `warn` takes a sentence for each file that others can read or change."""
        self._folder = folder
        self._warn = warn
        self.asked: list[Path] = []
        """The files asked for so far."""

    def resolve(self, name: str) -> Secret:
        """Return the file's content.

        Raises:
            LookupError: it cannot be read, is empty, too large or not text.
        """
        path = self._folder / name
        self.asked.append(path)
        try:
            with path.open("rb") as opened:
                status = os.fstat(opened.fileno())
                data = opened.read(MAX_SECRET_BYTES + 1)
        except (OSError, ValueError) as error:
            why = (error.strerror if isinstance(error, OSError) else None) or "not a file name"
            raise LookupError(f"the secret file {path} cannot be read: {why}") from None
        self._check_access(path, status)
        if len(data) > MAX_SECRET_BYTES:
            raise LookupError(f"the secret file {path} is larger than {MAX_SECRET_BYTES} bytes: is it the right one?")
        try:
            text = data.decode()
        except UnicodeDecodeError:
            raise LookupError(f"the secret file {path} is not text in UTF-8") from None
        text = text.removesuffix("\n").removesuffix("\r")
        if not text:
            raise LookupError(f"the secret file {path} is empty")
        return Secret(text)

    def _check_access(self, path: Path, status: os.stat_result) -> None:
        # Group-readable is left alone: that is how orchestrators mount secrets.
        if status.st_mode & stat.S_IROTH:
            self._warn(f"the secret file {path} can be read by everyone on this machine: chmod 600 {path}")
        elif status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            self._warn(f"the secret file {path} can be changed by others: chmod 600 {path}")
        elif status.st_uid not in {0, os.geteuid()}:
            self._warn(f"the secret file {path} belongs to another user (uid {status.st_uid}): who may change it?")


class UnreadSecret(Secret):
    """Stands for a secret that was not read: what is said about its content would be said of nothing."""


class UnreadSource:
    """Stands for a source on a machine that has none of the secrets: every name has the same made-up one."""

    def __init__(self, scheme: str) -> None:
        """Stand for the source of `scheme`."""
        self.scheme = scheme

    def resolve(self, name: str) -> Secret:
        """Return a secret that is none."""
        del name
        return UnreadSecret("not-read")
