"""The frozen clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.testing.clock import START_WALL_US, FrozenClock


def test_time_stands_still_until_told():
    clock = FrozenClock()
    assert (clock.monotonic(), clock.wall_us()) == (clock.monotonic(), START_WALL_US)


def test_both_clocks_advance_together():
    clock = FrozenClock(wall_us=5, monotonic_seconds=10.0)
    clock.advance(1.5)
    assert (clock.monotonic(), clock.wall_us()) == (11.5, 1_500_005)


@given(st.lists(st.integers(0, 10_000_000), max_size=20))
def test_small_steps_and_one_large_step_agree_to_the_microsecond(steps_us):
    small, large = FrozenClock(), FrozenClock()
    for step in steps_us:
        small.advance(step / 1_000_000)
    large.advance(sum(steps_us) / 1_000_000)
    assert (small.wall_us(), small.monotonic()) == (large.wall_us(), large.monotonic())


def test_the_wall_clock_can_be_stepped_back_and_the_monotonic_one_does_not_notice():
    clock = FrozenClock()
    before = clock.monotonic()
    clock.set_wall_us(START_WALL_US - 3_600_000_000)
    assert (clock.wall_us(), clock.monotonic()) == (START_WALL_US - 3_600_000_000, before)
    clock.advance(1)
    assert clock.wall_us() == START_WALL_US - 3_599_000_000


def test_time_does_not_go_back():
    with pytest.raises(ValueError, match="-1"):
        FrozenClock().advance(-1)


def test_ids_are_the_same_in_every_run_and_sort_as_they_were_made():
    ids = [[clock.new_id() for _ in range(3)] for clock in (FrozenClock(), FrozenClock())]
    assert ids[0] == ids[1] == sorted(set(ids[0]))
    assert ids[0][0] == "01KDVDNA000000000000000001"
