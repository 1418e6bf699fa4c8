"""The results of a batch on their way to the caller: each line is metered as if it had been a call of its own.

Rules of this file:
- The bytes pass as they come. A line that is larger than is held is not metered, and said so in the log.
- A line's record is the same however often it is downloaded: its id comes from the batch and the line's
  own name, and nothing in it from the download. The ledger holds each id once.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Final

from tollway.core.usage import NO_USAGE
from tollway.gateway.relay import FileRelay
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import BatchLine

_LARGEST_LINE: Final = 16 * 1024 * 1024


class ResultsRelay(FileRelay):
    """Passes a file of results, and shows each of its lines."""

    __slots__ = ("_done", "_held", "_read", "_skipping", "skipped")

    def __init__(self, read: Callable[[bytes], None], done: Callable[[int], None]) -> None:
        """Show whole lines to `read`; tell `done` at the end how many were too large to be shown."""
        super().__init__(AnswerFacts(usage=NO_USAGE))
        self._read = read
        self._done = done
        self._held = bytearray()
        self._skipping = False
        self.skipped = 0

    def feed(self, data: bytes) -> bytes:
        """Pass them."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            if self._skipping:
                self._skipping = False
            else:
                self._show(bytes(self._held) + line)
            self._held.clear()
        if not self._skipping:
            self._held += rest
            if len(self._held) > _LARGEST_LINE:
                self._held.clear()
                self._skipping = True
                self.skipped += 1
        return data

    def close(self) -> bytes:
        """The file is whole; its last line may have no end."""
        self._show(bytes(self._held))
        self._held.clear()
        self._done(self.skipped)
        return super().close()

    def _show(self, line: bytes) -> None:
        if line.strip():
            self._read(line)


def line_id(place: str, batch: str, line: BatchLine) -> str:
    """Give the id of a line's record."""
    digest = hashlib.sha256(f"{place}\0{batch}\0{line.custom_id}".encode("utf-8", "surrogatepass")).digest()
    return "batch-" + base64.b32encode(digest[:20]).decode("ascii").lower()
