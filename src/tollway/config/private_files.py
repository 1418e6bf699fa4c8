"""Writes files that hold secrets: readable by their owner alone, replaced whole, on disk when it returns."""

import os
from pathlib import Path


def write_private_file(path: Path, data: bytes) -> None:
    """Replace a file whole, readable by its owner alone; a crash leaves the old one or the new one.

    Raises:
        OSError: it could not be written; the old one is untouched.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
