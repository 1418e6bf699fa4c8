"""What leaves a worker: collected while one turn of the event loop lasts, then sent off together.

Rules of this file:
- Usage records are in the spool before any byte of the same turn leaves, so no caller has its last byte before
  its record is kept.
- Bytes for one transport leave in the order they were written; whoever closes a transport flushes first.
- A turn handles everything that had come in when it began. To write in between would wake the other side for each
  message anew, and the kernel's work to do so costs more than the message: written together, they wake it once.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from tollway.interfaces.usage_record import UsageRecord

_MOST_MESSAGES: Final = 1_024
"""What is collected in one turn at most. A message is what one read has made, so it is bounded itself."""


class Outbox:
    """Of one worker. Everything in it has left when the turn is over."""

    __slots__ = ("_call_soon", "_keep", "_messages", "_records", "_scheduled")

    def __init__(
        self,
        call_soon: Callable[[Callable[[], None]], object],
        keep: Callable[[Sequence[UsageRecord]], None] | None = None,
    ) -> None:
        """Begin empty.

        Args:
            call_soon: the event loop's; what it is given runs once everything that came in has been handled.
            keep: stores records durably, and does not raise; None where there are none to keep.
        """
        self._call_soon = call_soon
        self._keep = keep
        self._records: list[UsageRecord] = []
        self._messages: list[tuple[asyncio.Transport, bytes]] = []
        self._scheduled = False

    def write(self, transport: asyncio.Transport, data: bytes) -> None:
        """Send bytes at the end of this turn."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._turn_over)
        messages = self._messages
        messages.append((transport, data))
        if len(messages) > _MOST_MESSAGES:
            self.flush()  # now, so that a transport whose caller reads slowly can say so

    def keep(self, record: UsageRecord) -> None:
        """Store a record before the bytes of this turn leave."""
        if not self._scheduled:
            self._scheduled = True
            self._call_soon(self._turn_over)
        self._records.append(record)

    def flush(self) -> None:
        """Let everything leave now."""
        records = self._records
        if records and self._keep is not None:
            self._records = []
            self._keep(records)
        messages = self._messages
        if messages:
            self._messages = []
            for transport, data in messages:
                if not transport.is_closing():
                    transport.write(data)

    def _turn_over(self) -> None:
        self._scheduled = False
        self.flush()
