from itertools import pairwise
from math import ceil

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.metering.histogram import BOUNDS, Histogram, decode_histogram

VALUES = st.lists(st.integers(1, 3_600_000_000), max_size=60)


def histogram(values: list[int]) -> Histogram:
    made = Histogram()
    made.observe(values)
    return made


def test_buckets_are_at_most_two_percent_wide_and_leave_no_gap():
    assert BOUNDS[:100] == tuple(range(1, 101))
    assert all((high - low) * 50 <= low for low, high in pairwise(BOUNDS[50:]))
    assert BOUNDS[-1] > 24 * 3_600_000_000


def test_the_bounds_are_those_that_ledgers_were_written_with():
    assert (len(BOUNDS), BOUNDS[200], BOUNDS[700], BOUNDS[-1]) == (1275, 595, 11373684, 982649671604)


@given(VALUES, st.sampled_from([0.0, 0.01, 0.5, 0.9, 0.95, 0.99, 1.0]))
def test_a_percentile_is_that_of_the_values_within_one_percent(values: list[int], fraction: float):
    found = histogram(values).percentile(fraction)
    if not values:
        assert found == 0
        return
    exact = sorted(values)[max(1, ceil(fraction * len(values))) - 1]
    assert abs(found - exact) <= exact * 0.0101


@given(st.lists(VALUES, max_size=6))
def test_merging_is_counting_together(parts: list[list[int]]):
    merged = Histogram()
    for part in parts:
        merged.merge(histogram(part))
    together = histogram([value for part in parts for value in part])
    assert merged == together
    assert merged.count == sum(map(len, parts))
    assert merged.total == sum(map(sum, parts))


@given(VALUES)
def test_it_survives_storage(values: list[int]):
    made = histogram(values)
    assert decode_histogram(made.encode()) == made


def test_zero_is_not_a_duration():
    made = histogram([0, 0, 7])
    assert (made.count, made.total, made.percentile(0.5), made.mean) == (1, 7, 7, 7)


def test_nothing_counted_is_zero():
    assert (Histogram().count, Histogram().mean, Histogram().percentile(0.99)) == (0, 0, 0)


def test_what_lasts_for_ever_shares_the_last_bucket():
    made = histogram([10**15, 10**17])
    assert made.counts == {len(BOUNDS): 2}
    assert made.percentile(0.5) == BOUNDS[-1]


def test_what_is_no_histogram_is_refused():
    with pytest.raises(msgspec.DecodeError):
        decode_histogram(b"\x93\x01\x02\x03garbage")
