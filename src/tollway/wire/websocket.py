"""WebSocket framing, sans I/O: bytes in, whole messages out, whatever the cuts. RFC 6455.

Rules of this file:
- Frames are read and written by `websockets` (ADR 18), which answers pings, echoes closes and refuses what the
  protocol forbids: frames of a caller without a mask, reserved bits, fragments out of order.
- A message is handed on whole, and is bounded: more than `message_bytes` fails the connection with 1009.
- No extension is ever negotiated. permessage-deflate would let a few bytes of a stranger become any number of
  ours, keep a window of memory for each connection, and make what is measured on the wire differ from what is read.
- Nothing is told after a `Closed`.
"""

import base64
import hashlib
from typing import Final, NamedTuple

from websockets.exceptions import ProtocolError
from websockets.frames import BINARY, CLOSE, CONT, TEXT, Close, Frame
from websockets.protocol import OPEN, Protocol, Side

# RFC 6455, section 1.3: the accept token is the key and this GUID, hashed.
_GUID: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_LONGEST_REASON: Final = 123
"""RFC 6455, section 5.5: a control frame holds 125 bytes, and two of a close are its code."""

NORMAL: Final = 1000
GOING_AWAY: Final = 1001
NO_CODE: Final = 1005
"""The peer closed without saying why. Never sent."""
CUT: Final = 1006
"""The connection broke without a close. Never sent."""
POLICY: Final = 1008
INTERNAL: Final = 1011
TRY_LATER: Final = 1013


class Message(NamedTuple):
    """One whole message."""

    data: bytes
    text: bool


class Closed(NamedTuple):
    """The peer closed, broke the protocol, or vanished."""

    code: int
    reason: str
    fault: bool = False
    """Whether the peer broke the protocol; the code is then the one it was closed with."""


class WebSocketFraming:
    """One end of one connection, after its handshake."""

    __slots__ = ("_over", "_partial", "_protocol", "_text")

    def __init__(self, *, server: bool, message_bytes: int) -> None:
        """Begin. A server's peer must mask its frames, a client's must not."""
        self._protocol = Protocol(Side.SERVER if server else Side.CLIENT, state=OPEN, max_size=message_bytes)
        self._partial: bytearray | None = None
        self._text = False
        self._over = False

    # --- receiving

    def feed(self, data: bytes) -> list[Message | Closed]:
        """Take the next bytes; return what they complete. What is to be answered is in `take_output`."""
        if self._over:
            return []
        self._protocol.receive_data(data)
        return self._received()

    def eof(self) -> list[Message | Closed]:
        """The connection ended; tells of it unless a close was told before."""
        if self._over:
            return []
        self._protocol.receive_eof()
        return self._received() or [self._closed(CUT, "")]

    def _received(self) -> list[Message | Closed]:
        found: list[Message | Closed] = []
        for frame in self._protocol.events_received():
            if not isinstance(frame, Frame):  # pragma: no cover - after a handshake there are only frames
                continue
            opcode = frame.opcode
            if opcode is CLOSE:
                close = self._protocol.close_rcvd or Close(NO_CODE, "")
                found.append(self._closed(close.code, close.reason))
            elif opcode in (TEXT, BINARY, CONT):
                self._take(found, frame)
            if self._over:
                return found
        if self._protocol.parser_exc is not None:
            sent = self._protocol.close_sent
            found.append(Closed(CUT, "") if sent is None else Closed(sent.code, sent.reason, fault=True))
            self._over = True
        return found

    def _take(self, found: list[Message | Closed], frame: Frame) -> None:
        partial = self._partial
        if frame.opcode is not CONT:
            self._text = frame.opcode is TEXT
            if frame.fin:
                self._complete(found, bytes(frame.data))
            else:
                self._partial = bytearray(frame.data)
        elif partial is not None:
            partial += frame.data
            if frame.fin:
                self._partial = None
                self._complete(found, bytes(partial))

    def _complete(self, found: list[Message | Closed], data: bytes) -> None:
        # RFC 6455, section 8.1: text that is not UTF-8 fails the connection.
        if self._text and not data.isascii():
            try:
                data.decode()
            except UnicodeDecodeError:
                self._protocol.fail(1007, "a text message is not UTF-8")
                found.append(self._closed(1007, "a text message is not UTF-8", fault=True))
                return
        found.append(Message(data, self._text))

    def _closed(self, code: int, reason: str, *, fault: bool = False) -> Closed:
        self._over = True
        return Closed(code, reason, fault)

    # --- sending

    def send(self, message: Message) -> None:
        """Put one message into one frame."""
        if self.is_open:
            (self._protocol.send_text if message.text else self._protocol.send_binary)(message.data)

    def ping(self) -> None:
        """Ask whether the peer is still there."""
        if self.is_open:
            self._protocol.send_ping(b"")

    def close(self, code: int, reason: str = "") -> None:
        """Begin to close. A code that may not be sent becomes none, or 1011 where there was no close at all."""
        if not self.is_open:
            return
        if code == NO_CODE:
            self._protocol.send_close()
            return
        try:
            self._protocol.send_close(INTERNAL if code == CUT else code, fitting_reason(reason))
        except ProtocolError:  # a code that nobody may send
            self._protocol.send_close(INTERNAL, fitting_reason(reason))

    @property
    def is_open(self) -> bool:
        """Whether messages may be sent."""
        return self._protocol.state is OPEN

    def take_output(self) -> bytes:
        """Give what is to be written, once."""
        return b"".join(self._protocol.data_to_send())


def accept_token(key: bytes) -> bytes:
    """Answer a handshake's `Sec-WebSocket-Key`. RFC 6455, section 4.2.2."""
    return base64.b64encode(hashlib.sha1(key + _GUID).digest())  # noqa: S324 - the protocol's own, and no secret


def is_key(key: bytes) -> bool:
    """Whether a `Sec-WebSocket-Key` is 16 bytes in base 64. RFC 6455, section 4.2.1."""
    try:
        return len(base64.b64decode(key, validate=True)) == 16
    except ValueError:
        return False


def fitting_reason(reason: str) -> str:
    """Shorten a close's reason to what its frame holds, never within a character."""
    return reason.encode()[:_LONGEST_REASON].decode("utf-8", "ignore")
