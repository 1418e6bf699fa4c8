"""Server-sent events, sans I/O: bytes in, events out, whatever the cuts.

Rules of this file:
- Only framing lives here. What an event's data means belongs to a dialect.
- Any split of the same bytes gives the same events; a test holds it.

Source: the WHATWG HTML standard, section 9.2 (server-sent events).
"""

from typing import NamedTuple


class SseEvent(NamedTuple):
    """One dispatched event. `event` is empty when the stream did not name it."""

    event: str
    data: str


class SseDecoder:
    """Turns a byte stream into events. Feed it bytes as they come; call `close` at the end."""

    __slots__ = ("_buffer", "_data", "_event", "_limit", "_started")

    def __init__(self, *, max_event_bytes: int = 16 * 1024 * 1024) -> None:
        """Bound one event to `max_event_bytes`, so that a peer cannot fill the memory."""
        self._buffer = bytearray()
        self._data: list[str] = []
        self._event = ""
        self._limit = max_event_bytes
        self._started = False

    def feed(self, data: bytes) -> list[SseEvent]:
        """Take the next bytes and return the events they complete.

        Raises:
            ValueError: an event is larger than the limit.
        """
        buffer = self._buffer
        if self._started and not buffer and data.endswith(b"\n\n") and b"\r" not in data:
            return self._whole_events(data)
        buffer += data
        if not self._started:
            if len(buffer) < 3 and b"\xef\xbb\xbf".startswith(buffer):
                return []
            if buffer.startswith(b"\xef\xbb\xbf"):
                del buffer[:3]
            self._started = True
        events: list[SseEvent] = []
        start = 0
        while True:
            end, following = _line_end(buffer, start)
            if end < 0:
                break
            self._line(buffer[start:end].decode("utf-8", "replace"), events)
            start = following
        del buffer[:start]
        if len(buffer) + sum(map(len, self._data)) > self._limit:
            msg = f"a server-sent event is larger than {self._limit} bytes"
            raise ValueError(msg)
        return events

    def _whole_events(self, data: bytes) -> list[SseEvent]:
        """Take bytes that end with an event, as nearly all reads do, and spare them the look for each line's end."""
        events: list[SseEvent] = []
        fresh = not self._data and not self._event
        for block in data[:-2].split(b"\n\n"):
            name, found, rest = b"", block.startswith(b"data: "), block
            if not found and block.startswith(b"event: "):
                name, _, rest = block[7:].partition(b"\n")
                found = rest.startswith(b"data: ")
            if fresh and found and b"\n" not in rest:
                events.append(SseEvent(name.decode("utf-8", "replace"), rest[6:].decode("utf-8", "replace")))
                continue
            for line in block.split(b"\n"):
                self._line(line.decode("utf-8", "replace"), events)
            self._line("", events)
            fresh = True
        return events

    def close(self) -> list[SseEvent]:
        """End the stream. A last event whose blank line never came is returned too.

        The standard discards it; providers that close right after their last `data:` line are
        common enough that discarding would lose the usage they reported.
        """
        events: list[SseEvent] = []
        if self._buffer:
            self._line(self._buffer.rstrip(b"\r").decode("utf-8", "replace"), events)
            self._buffer.clear()
        self._line("", events)
        return events

    def _line(self, line: str, events: list[SseEvent]) -> None:
        if not line:
            if self._data:
                events.append(SseEvent(self._event, "\n".join(self._data)))
                self._data = []
            self._event = ""
            return
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value


def _line_end(buffer: bytearray, start: int) -> tuple[int, int]:
    """Find the end of the line at `start`: its end and the start of the next, or (-1, -1)."""
    newline = buffer.find(b"\n", start)
    carriage = buffer.find(b"\r", start, newline if newline >= 0 else len(buffer))
    if carriage < 0:
        return newline, newline + 1
    if carriage + 1 == len(buffer):
        return -1, -1  # CR at the very end: a LF may follow, so wait for it
    return carriage, carriage + (2 if buffer[carriage + 1] == 0x0A else 1)


def sse_event(data: bytes, event: bytes = b"") -> bytes:
    """Write one event whose data is a single line, as JSON is."""
    if event:
        return b"event: " + event + b"\ndata: " + data + b"\n\n"
    return b"data: " + data + b"\n\n"
