"""Scanning of server-sent events that pass through unread.

Rules of this file:
- An ordinary event costs a few substring searches and no copy. Only a chunk in which a search finds
  something is split into events and decoded.
- What a caller gets is what came, except for events a subclass hides. Bytes are held back only while
  they may still turn out to be such an event.
"""

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

BOUNDARIES: Final = (b"\n\n", b"\r\n\r\n", b"\r\r")
_BOUNDARY: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE: Final = re.compile(rb"\r\n|\n|\r")
_LARGEST_EVENT: Final = 4 * 1024 * 1024
"""An event that is cut and larger than this is not looked into: its usage is lost to the meter,
which then counts for itself."""
_LARGEST_HIDDEN: Final = 16 * 1024
"""No hidden event is larger; a cut one that is goes to the caller at once."""


def events_in(data: bytes) -> list[bytes]:
    """Split a chunk into events, each with its closing blank line."""
    found: list[bytes] = []
    start = 0
    for match in _BOUNDARY.finditer(data):
        found.append(data[start : match.end()])
        start = match.end()
    if start < len(data):
        found.append(data[start:])
    return found


def data_in(data: bytes) -> Iterator[bytes]:
    """Give the data of each event of a chunk."""
    for event in events_in(data):
        lines = [line[5:].removeprefix(b" ") for line in _LINE.split(event) if line.startswith(b"data:")]
        if lines:
            yield b"\n".join(lines)


def last_events(data: bytes, position: int) -> bytes:
    """Give the last few events of a chunk: from two before the one at `position` to the end.

    Of many events that come together only the last can say why the model stopped, what was used and
    that it is over; the others are not worth splitting. Events that end in carriage returns are all given.
    """
    if b"\r" in data:
        return data
    start = min(position, len(data) - 2)
    for _ in range(3):
        start = data.rfind(b"\n\n", 0, start)
        if start < 0:
            return data
    return data[start + 2 :]


class Joined(NamedTuple):
    """What the next bytes of cut events complete."""

    seen: bytes
    """Whole events, to be looked into."""
    begun: bytes
    """The end of an event whose beginning the caller already has."""
    fresh: bytes
    """Whole events of which the caller has nothing yet."""


_NOTHING: Final = Joined(b"", b"", b"")


class CutEvents:
    """Joins events that the transport cut, so that a scanner sees whole ones."""

    __slots__ = ("_blind", "_held", "_hides", "_released")

    def __init__(self, *, hides: bool) -> None:
        """`hides`: whole events may be kept from the caller, so that a cut one must wait."""
        self._held = bytearray()
        self._hides = hides
        self._released = 0
        self._blind = False

    def holds(self) -> bool:
        """True while part of an event is held."""
        return bool(self._held)

    def add(self, data: bytes) -> Joined:
        """Take the next bytes; give what they complete."""
        searched = max(len(self._held) - 3, 0)
        self._held += data
        end = max(_end(self._held, boundary, searched) for boundary in BOUNDARIES)
        if end < 0:
            return self._forget() if len(self._held) > _LARGEST_EVENT else _NOTHING
        whole, released, blind = bytes(self._held[:end]), self._released, self._blind
        del self._held[:end]
        self._released, self._blind = 0, False
        if not released and not blind:
            return Joined(whole, b"", whole)
        first = len(events_in(whole)[0])
        return Joined(whole[first:] if blind else whole, whole[released:first], whole[first:])

    def _forget(self) -> Joined:
        """Stop looking at an event that is too large; only where it ends matters now."""
        begun = bytes(self._held[self._released :])
        del self._held[:-3]
        self._released = len(self._held)
        self._blind = True
        return Joined(b"", begun, b"")

    def release(self) -> bytes:
        """Give the caller what may leave of the part still held."""
        held = self._held
        if self._hides and len(held) <= _LARGEST_HIDDEN and self._released == 0:
            start = bytes(held[:7]).lstrip()
            if b"data: {".startswith(start) or start.startswith((b"data:{", b"data: {")) or b"data:{".startswith(start):
                return b""
        out = bytes(held[self._released :])
        self._released = len(held)
        return out


def _end(held: bytearray, boundary: bytes, start: int) -> int:
    found = held.rfind(boundary, start)
    return -1 if found < 0 else found + len(boundary)
