"""Undoing content codings nobody asked for."""

import contextlib
import gzip
import zlib
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import UpstreamGarbled
from tollway.gateway import content_coding
from tollway.gateway.content_coding import Inflater

CODINGS = {b"gzip": gzip.compress, b"x-gzip": gzip.compress, b"deflate": zlib.compress}


@given(st.sampled_from(sorted(CODINGS)), st.binary(max_size=2000), st.data())
def test_what_was_compressed_comes_out_however_it_is_cut(coding: bytes, plain: bytes, data: st.DataObject):
    packed = CODINGS[coding](plain)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(packed) - 1), max_size=8)))
    inflater = Inflater(coding)
    pieces = [packed[start:end] for start, end in zip([0, *cuts], [*cuts, len(packed)], strict=True)]
    assert b"".join(inflater.feed(piece) for piece in pieces) == plain


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=4))
def test_members_that_follow_one_another_are_one_body(parts: list[bytes]):
    packed = b"".join(gzip.compress(part) for part in parts)
    assert Inflater(b"gzip").feed(packed) == b"".join(parts)
    inflater = Inflater(b"gzip")
    assert b"".join(inflater.feed(packed[at : at + 1]) for at in range(len(packed))) == b"".join(parts)


def test_what_is_ready_comes_out_at_once():
    packer = zlib.compressobj(wbits=31)
    inflater = Inflater(b"gzip")
    for event in (b"data: 1\n\n", b"data: 2\n\n"):
        assert inflater.feed(packer.compress(event) + packer.flush(zlib.Z_SYNC_FLUSH)) == event


@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_nothing_stays_behind_when_a_piece_is_exactly_full(monkeypatch: pytest.MonkeyPatch, extra: int):
    monkeypatch.setattr(content_coding, "_PIECE_BYTES", 1000)
    plain = b"\0" * (3000 + extra)
    assert Inflater(b"gzip").feed(gzip.compress(plain)) == plain


def test_a_body_that_blows_up_beyond_all_measure_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(content_coding, "_MAX_BYTES", 1_000_000)
    monkeypatch.setattr(content_coding, "_PIECE_BYTES", 10_000)
    packed = gzip.compress(b"\0" * 1_000_001)
    with pytest.raises(UpstreamGarbled, match="too large"):
        Inflater(b"gzip").feed(packed)
    inflater = Inflater(b"gzip")
    with pytest.raises(UpstreamGarbled, match="too large"):
        deque((inflater.feed(packed[at : at + 50]) for at in range(0, len(packed), 50)), maxlen=0)


@pytest.mark.parametrize("coding", [b"br", b"zstd", b"gzip, gzip", b""])
def test_another_coding_is_refused(coding: bytes):
    with pytest.raises(UpstreamGarbled, match="not offered"):
        Inflater(coding)


@given(st.binary(min_size=3))
def test_no_bytes_whatever_raise_anything_but_the_upstreams_fault(junk: bytes):
    inflater = Inflater(b"gzip")
    with contextlib.suppress(UpstreamGarbled):
        inflater.feed(junk)
        inflater.feed(junk)


def test_plain_text_said_to_be_compressed_is_damaged():
    with pytest.raises(UpstreamGarbled, match="damaged"):
        Inflater(b"gzip").feed(b'{"id":"x"}')
