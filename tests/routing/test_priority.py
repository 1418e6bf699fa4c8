import pytest

from tollway.routing.priority import PriorityOrder


@pytest.mark.parametrize(
    ("allowed", "chosen"),
    [
        pytest.param([0, 1, 2], 1, id="the lowest number"),
        pytest.param([0, 2], 0, id="the next, when the first is not allowed"),
        pytest.param([2], 2, id="the last resort"),
        pytest.param([], -1, id="nobody"),
    ],
)
def test_the_lowest_priority_that_is_allowed_takes_the_call(allowed: list[int], chosen: int):
    assert PriorityOrder([5, 0, 9], [1, 1, 1]).choose(allowed) == chosen


def test_equals_share_by_weight():
    order = PriorityOrder([0, 0, 1], [2, 1, 1])
    assert sorted(order.choose([0, 1, 2]) for _ in range(6)) == [0, 0, 0, 0, 1, 1]


def test_a_route_without_weight_leaves_its_priority_to_the_next():
    assert PriorityOrder([0, 1], [0, 1]).choose([0, 1]) == 1
