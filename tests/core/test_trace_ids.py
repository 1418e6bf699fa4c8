import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.ids import ulid
from tollway.core.trace_ids import span_id_of, trace_id_of


@given(st.integers(1, 2**48 - 1), st.integers(0, 2**80 - 1))
def test_a_ulid_s_own_bits_are_the_trace_id(milliseconds: int, randomness: int):
    assert trace_id_of(ulid(milliseconds, randomness)) == milliseconds << 80 | randomness


@pytest.mark.parametrize("text", ["", "id-000001", "8" * 26, "0" * 26, "not a ulid at all, longer", "01KDVDNA00V3RS3D"])
def test_what_is_no_ulid_gives_an_id_too(text: str):
    assert 0 < trace_id_of(text) < 1 << 128
    assert trace_id_of(text) == trace_id_of(text)


@given(st.text())
def test_a_span_id_has_64_bits_and_is_never_none(text: str):
    assert 0 < span_id_of(text) < 1 << 64


def test_ids_differ():
    names = [ulid(1_767_225_600_000, number) for number in range(2_000)]
    assert len({span_id_of(name) for name in names}) == len(names)
