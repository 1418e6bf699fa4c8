from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.routing.weighted import WeightedOrder


def test_turns_are_spread_and_not_bunched():
    order = WeightedOrder([5, 1, 1])
    assert [order.choose([0, 1, 2]) for _ in range(7)] == [0, 0, 1, 0, 2, 0, 0]


@given(weights=st.lists(st.integers(0, 20), min_size=1, max_size=6), rounds=st.integers(1, 3))
def test_every_round_gives_each_exactly_its_weight(weights: list[int], rounds: int):
    order = WeightedOrder(weights)
    allowed = range(len(weights))
    counts = Counter(order.choose(allowed) for _ in range(rounds * sum(weights)))
    assert counts == Counter({index: weight * rounds for index, weight in enumerate(weights) if weight})


@pytest.mark.parametrize("allowed", [[], [1]], ids=["nobody", "only one without weight"])
def test_nobody_with_a_weight_is_nobody(allowed: list[int]):
    assert WeightedOrder([3, 0]).choose(allowed) == -1


@given(data=st.data())
def test_only_the_allowed_are_chosen_whatever_was_allowed_before(data: st.DataObject):
    order = WeightedOrder([3, 1, 2, 7])
    for _ in range(20):
        allowed = data.draw(st.lists(st.integers(0, 3), min_size=1, unique=True))
        assert order.choose(allowed) in allowed
