"""Undoing the content coding of an upstream that compresses although it was asked not to."""

import zlib
from typing import Final

from tollway.core.errors import UpstreamGarbled

_MAX_BYTES: Final = 268_435_456
_PIECE_BYTES: Final = 16_777_216
_ANY_HEADER: Final = 47
"""Tells zlib from gzip by the header."""


class Inflater:
    """Decodes `gzip` or `deflate`, piece by piece, within a bound."""

    __slots__ = ("_coder", "_produced")

    def __init__(self, coding: bytes) -> None:
        """Begin.

        Raises:
            UpstreamGarbled: the coding is another one.
        """
        if coding not in (b"gzip", b"x-gzip", b"deflate"):
            shown = coding.decode("latin-1")
            msg = f"the upstream used the content coding '{shown}', which it was not offered"
            raise UpstreamGarbled(msg)
        self._coder = zlib.decompressobj(wbits=_ANY_HEADER)
        self._produced = 0

    @property
    def finished(self) -> bool:
        """Whether the data ended where it says it ends."""
        return self._coder.eof

    def feed(self, data: bytes) -> bytes:
        """Decode more.

        Raises:
            UpstreamGarbled: the data is damaged, or blows up beyond all measure.
        """
        pieces: list[bytes] = []
        try:
            while data or pieces:
                piece = self._coder.decompress(data, _PIECE_BYTES)
                self._produced += len(piece)
                if self._produced > _MAX_BYTES:
                    msg = "the upstream's compressed answer is too large"
                    raise UpstreamGarbled(msg)
                pieces.append(piece)
                if self._coder.eof and self._coder.unused_data:
                    # RFC 1952, section 2.2: members may follow one another.
                    data = self._coder.unused_data
                    self._coder = zlib.decompressobj(wbits=_ANY_HEADER)
                elif len(piece) < _PIECE_BYTES:
                    break
                else:
                    data = self._coder.unconsumed_tail  # maybe empty, with more to come all the same
        except zlib.error as error:
            msg = "the upstream's compressed answer is damaged"
            raise UpstreamGarbled(msg) from error
        return b"".join(pieces)
