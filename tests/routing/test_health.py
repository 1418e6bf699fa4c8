import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.routing.health import UpstreamHealth
from tollway.snapshot.document import Health

SETTINGS = Health(window_seconds=10.0, minimum_calls=4, error_rate=0.5, open_seconds=5.0, max_concurrent=100)


def call(health: UpstreamHealth, verdict, now: float) -> None:
    assert health.admits(now)
    health.end(verdict, now, probe=health.begin())


def broken(now: float = 100.0) -> UpstreamHealth:
    health = UpstreamHealth(SETTINGS)
    for _ in range(4):
        call(health, "fault", now)
    assert health.state == "open"
    return health


def test_too_few_failures_prove_nothing():
    health = UpstreamHealth(SETTINGS)
    for _ in range(3):
        call(health, "fault", 100.0)
    assert health.admits(100.0)


def test_the_error_rate_opens_it_and_a_good_probe_closes_it():
    health = broken(100.0)
    assert not health.admits(104.9)
    assert health.ready_in(102.0) == 3.0
    assert health.admits(105.0)
    probe = health.begin()
    assert probe
    assert not health.admits(105.0)
    health.end("ok", 106.0, probe=probe)
    assert health.state == "closed"
    assert health.ready_in(106.0) == 0.0


def test_a_bad_probe_opens_it_again():
    health = broken(100.0)
    call(health, "fault", 105.0)
    assert health.state == "open"
    assert not health.admits(109.9)
    assert health.admits(110.0)


def test_a_probe_that_says_nothing_leaves_room_for_the_next():
    health = broken(100.0)
    call(health, "neutral", 105.0)
    assert health.state == "half-open"
    assert health.admits(105.0)


def test_the_result_of_a_call_from_before_does_not_count_for_the_probe():
    health = UpstreamHealth(SETTINGS)
    early = health.begin()
    for _ in range(4):
        call(health, "fault", 100.0)
    assert health.admits(105.0)
    probe = health.begin()
    health.end("ok", 105.0, probe=early)
    assert health.state == "half-open"
    health.end("fault", 105.0, probe=probe)
    assert health.state == "open"


def test_good_calls_outweigh_failures_below_the_rate():
    health = UpstreamHealth(SETTINGS)
    for _ in range(20):
        call(health, "ok", 100.0)
    for _ in range(19):
        call(health, "fault", 100.0)
    assert health.state == "closed"
    call(health, "fault", 100.0)
    assert health.state == "open"


def test_failures_are_forgotten_after_the_window():
    health = UpstreamHealth(SETTINGS)
    for second in range(3):
        call(health, "fault", 100.0 + second)
    call(health, "fault", 112.5)
    assert health.state == "closed"


@pytest.mark.parametrize("gap", [9.0, 10.0, 11.0, 1000.0])
def test_a_quiet_time_is_forgotten_at_once(gap: float):
    health = UpstreamHealth(SETTINGS)
    for _ in range(3):
        call(health, "fault", 100.0)
    call(health, "fault", 100.0 + gap)
    assert (health.state == "closed") == (gap >= 10.0)


def test_what_a_caller_did_wrong_never_moves_it():
    health = UpstreamHealth(SETTINGS)
    for _ in range(1000):
        call(health, "neutral", 100.0)
    assert health.state == "closed"
    assert health.active == 0


def test_the_cap_holds_while_calls_are_in_flight():
    health = UpstreamHealth(Health(max_concurrent=2))
    health.begin()
    health.begin()
    assert not health.admits(0.0)
    assert health.ready_in(0.0) == 0.0
    health.end("ok", 0.0)
    assert health.admits(0.0)


def test_repeats_are_bounded_by_a_share_of_the_calls():
    health = UpstreamHealth(SETTINGS)
    while health.spend():
        pass
    for _ in range(100):
        health.earn(0.2)
    assert sum(health.spend() for _ in range(100)) == 10
    for _ in range(25):
        health.earn(0.2)
    assert sum(health.spend() for _ in range(100)) in {4, 5}


events = st.lists(st.tuples(st.sampled_from(["begin", "ok", "fault", "neutral"]), st.floats(0.0, 20.0)), max_size=80)


@given(events)
def test_in_any_order_nothing_is_counted_twice_and_one_probe_runs_at_a_time(steps: list[tuple[str, float]]):
    health = UpstreamHealth(
        Health(window_seconds=10.0, minimum_calls=2, error_rate=0.5, open_seconds=3.0, max_concurrent=5)
    )
    running: list[bool] = []
    now = 50.0
    for what, seconds in steps:
        now += seconds
        if what == "begin":
            if health.admits(now):
                running.append(health.begin())
        elif running:
            health.end(what, now, probe=running.pop(0))
        assert health.active == len(running) <= 5
        assert sum(running) <= 1
        assert health._calls == sum(health._recent_calls)
        assert health._calls + health._fresh_calls >= health._faults == sum(health._recent_faults) >= 0
        assert health.state != "half-open" or health.admits(now) == (not any(running) and len(running) < 5)
