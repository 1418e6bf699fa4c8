"""Undoing the content coding of an upstream that compresses although it was asked not to."""

import zlib
from typing import Final

from tollway.core.errors import UpstreamGarbled

_MAX_RATIO_BYTES: Final = 268_435_456


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
        self._coder = zlib.decompressobj(wbits=47)  # 47: zlib or gzip, told apart by the header
        self._produced = 0

    def feed(self, data: bytes) -> bytes:
        """Decode more.

        Raises:
            UpstreamGarbled: the data is damaged, or blows up beyond all measure.
        """
        try:
            out = self._coder.decompress(data, 16_777_216)
            while self._coder.unconsumed_tail:
                out += self._coder.decompress(self._coder.unconsumed_tail, 16_777_216)
                if len(out) > _MAX_RATIO_BYTES:
                    break
        except zlib.error as error:
            msg = "the upstream's compressed answer is damaged"
            raise UpstreamGarbled(msg) from error
        self._produced += len(out)
        if self._produced > _MAX_RATIO_BYTES:
            msg = "the upstream's compressed answer is too large"
            raise UpstreamGarbled(msg)
        return out
