from hypothesis import given
from hypothesis import strategies as st

from tollway.core.ids import ulid

times = st.integers(0, (1 << 48) - 1)
randoms = st.integers(0, (1 << 80) - 1)
_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def test_a_ulid_is_written_as_the_specification_does() -> None:
    # The specification's own example of a time.
    assert ulid(1_469_918_176_385, 0) == "01ARYZ6S41" + "0" * 16
    assert ulid((1 << 48) - 1, (1 << 80) - 1) == "7" + "Z" * 25


@given(times, randoms)
def test_time_and_randomness_can_be_read_back(milliseconds: int, randomness: int) -> None:
    value = 0
    for digit in ulid(milliseconds, randomness):
        value = value * 32 + _DIGITS.index(digit)
    assert (value >> 80, value & ((1 << 80) - 1)) == (milliseconds, randomness)


@given(st.tuples(times, randoms), st.tuples(times, randoms))
def test_ids_sort_by_time_then_randomness(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (ulid(*one) < ulid(*other)) == (one < other)


@given(times, st.integers(min_value=0))
def test_more_randomness_than_fits_changes_neither_length_nor_time(milliseconds: int, randomness: int) -> None:
    written = ulid(milliseconds, randomness)
    assert len(written) == 26
    assert written[:10] == ulid(milliseconds, 0)[:10]
