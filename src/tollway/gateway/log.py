"""Structured logs: one JSON object a line, no secrets, no prompts.

Only what is passed by name is written, and callers of this module pass neither bodies nor headers.
There is no line per call: the usage record is that.
"""

import os
import sys
import traceback
from typing import Final, Literal

import msgspec

from tollway.gateway.clock import SystemClock

Level = Literal["debug", "info", "warning", "error"]
_ORDER: Final = {"debug": 0, "info": 1, "warning": 2, "error": 3}


class Log:
    """Writes log lines of at least one level to standard error."""

    def __init__(self, clock: SystemClock, *, level: Level = "info", fields: dict[str, object] | None = None) -> None:
        """Write lines of `level` and above, each with `fields`."""
        self._clock = clock
        self._fields = fields or {}
        self.level: Level = level

    def debug(self, message: str, **fields: object) -> None:
        """Write what only a developer wants."""
        self._write("debug", message, fields)

    def info(self, message: str, **fields: object) -> None:
        """Write what an operator may want."""
        self._write("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        """Write what an operator should look at."""
        self._write("warning", message, fields)

    def error(self, message: str, **fields: object) -> None:
        """Write what an operator must look at."""
        self._write("error", message, fields)

    def defect(self, message: str, error: BaseException) -> None:
        """Write a defect with its stack: file, line and function, but no values."""
        frames = traceback.extract_tb(error.__traceback__)
        stack = [f"{os.path.basename(frame.filename)}:{frame.lineno} {frame.name}" for frame in frames[-12:]]  # noqa: PTH119 - a name out of a path that may not exist
        # The text of an unforeseen error may quote what a caller sent, so only its type is written.
        self._write("error", message, {"error": type(error).__name__, "stack": stack})

    def _write(self, level: Level, message: str, fields: dict[str, object]) -> None:
        if _ORDER[level] < _ORDER[self.level]:
            return
        line = {"time_us": self._clock.wall_us(), "level": level, "message": message, **self._fields, **fields}
        sys.stderr.write(msgspec.json.encode(line, enc_hook=str).decode() + "\n")
        sys.stderr.flush()
