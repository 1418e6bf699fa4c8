import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.routing.keys import KeyRing


def test_keys_take_turns():
    ring = KeyRing(3)
    assert [ring.take(0.0) for _ in range(6)] == [0, 1, 2, 0, 1, 2]


def test_a_resting_key_is_passed_over_until_its_rest_is_over():
    ring = KeyRing(2)
    ring.rest(0, 10.0, now=0.0)
    assert [ring.take(9.9), ring.take(9.9)] == [1, 1]
    assert ring.take(10.0) == 0


def test_a_call_does_not_get_the_same_key_twice():
    ring = KeyRing(2)
    first = ring.take(0.0)
    second = ring.take(0.0, 1 << first)
    assert {first, second} == {0, 1}
    assert ring.take(0.0, 0b11) == -1


def test_when_all_rest_the_one_ready_first_is_used():
    ring = KeyRing(3)
    for index, until in enumerate([30.0, 10.0, 20.0]):
        ring.rest(index, until, now=0.0)
    assert ring.resting(0.0)
    assert ring.take(0.0) == -1
    assert ring.ready_in(4.0) == 6.0
    assert ring.take_soonest() == 1


def test_a_rest_is_never_cut_short_and_never_longer_than_ten_minutes():
    ring = KeyRing(2)
    ring.rest(0, 1e9, now=0.0)
    ring.rest(0, 5.0, now=0.0)
    assert ring.take(599.0) == 1
    assert ring.take(600.0) == 0


@pytest.mark.parametrize("count", [0, 1])
def test_a_lone_key_never_rests(count: int):
    ring = KeyRing(count)
    if count:
        ring.rest(0, 100.0, now=0.0)
    assert not ring.resting(0.0)
    assert ring.take(0.0) == 0
    assert ring.take(0.0, 1) == -1
    assert ring.take_soonest() == 0
    assert ring.ready_in(0.0) == 0.0


@given(
    st.integers(2, 5),
    st.lists(st.tuples(st.sampled_from(["take", "rest", "soonest"]), st.integers(0, 4), st.floats(0, 50)), max_size=30),
)
def test_no_key_is_lost_and_none_is_taken_while_it_rests(count: int, steps: list[tuple[str, int, float]]):
    ring = KeyRing(count)
    rests = [0.0] * count
    now = 0.0
    for what, index, seconds in steps:
        now += 1.0
        if what == "take":
            taken = ring.take(now)
            assert taken == -1 or rests[taken] <= now
            assert (taken == -1) == all(until > now for until in rests)
        elif what == "soonest":
            assert rests[ring.take_soonest()] == min(rests)
        else:
            ring.rest(index % count, now + seconds, now=now)
            rests[index % count] = max(rests[index % count], now + seconds)
    assert sorted(ring._order) == list(range(count))
