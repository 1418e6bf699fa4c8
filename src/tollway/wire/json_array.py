"""Re-frames server-sent events as one streamed JSON array, sans I/O, whatever the cuts.

Google's streams come in either form; callers who do not ask for events get the array. The data of
each event becomes one element, unread.
"""

from tollway.wire.sse import SseDecoder, SseEvent


class JsonArrayFramer:
    """Turns one stream of events into one array. Feed it bytes as they come; call `close` at the end."""

    __slots__ = ("_any", "_closed", "_sse")

    def __init__(self) -> None:
        """Start before the first byte."""
        self._sse = SseDecoder()
        self._any = False
        self._closed = False

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; return the elements they complete.

        Raises:
            ValueError: an event is larger than the decoder's limit.
        """
        return self._elements(self._sse.feed(data))

    def close(self) -> bytes:
        """End the array; an array of nothing is `[]`."""
        out = self._elements(self._sse.close())
        if self._closed:
            return b""
        self._closed = True
        return out + (b"\n]" if self._any else b"[]")

    def fail(self, error: bytes) -> bytes:
        """End the array with an error as its last element, in place of whatever is incomplete."""
        if self._closed:
            return b""
        self._closed = True
        return (b",\r\n" if self._any else b"[") + error + b"\n]"

    def _elements(self, events: list[SseEvent]) -> bytes:
        out = bytearray()
        for event in events:
            if event.data == "[DONE]" or self._closed:
                continue
            out += b",\r\n" if self._any else b"["
            out += event.data.encode()
            self._any = True
        return bytes(out)
