from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest, NoHealthyRoute
from tollway.routing.health import UpstreamHealth
from tollway.routing.keys import KeyRing
from tollway.routing.outcomes import Failure
from tollway.routing.plan import Go, Planner
from tollway.snapshot.document import Fallback, Health, Retries, Route

NOW = 1000.0
BAD_GATEWAY = Failure(kind="status", status=502, elapsed_seconds=0.1)
THROTTLED = Failure(kind="status", status=429, elapsed_seconds=0.1)
UNREACHABLE = Failure(kind="connect_error", elapsed_seconds=0.1)


def route(name: str, provider: str = "openai", **settings) -> Route:
    return Route(name=name, provider=provider, base_url="https://example.test", **settings)


def planner(*routes: Route, keys: int | tuple[int, ...] = 1, health: Health | None = None, **settings) -> Planner:
    counts = keys if isinstance(keys, tuple) else (keys,) * len(routes)
    return Planner(
        routes,
        strategy=settings.pop("strategy", "model-based"),
        retries=settings.pop("retries", Retries()),
        healths=[UpstreamHealth(health or Health()) for _ in routes],
        rings=[KeyRing(count) for count in counts],
        known_models={},
        jitter=lambda: 1.0,
        **settings,
    )


def no_header(name: str) -> str | None:
    del name
    return None


def begin(plans: Planner, model: str = "openai/gpt-5", header: Callable[[str], str | None] = no_header):
    plan = plans.plan(model, header)
    return plan, plan.first(NOW)


def open_breaker(health: UpstreamHealth) -> None:
    for _ in range(10):
        health.end("fault", NOW, probe=health.begin())


def test_the_first_choice_is_the_route_of_the_model():
    plan, go = begin(planner(route("a"), route("b", "gemini")), "gemini/flash")
    assert go == Go(1, "flash", 1)
    assert not plan.fell_back
    assert not plan.repeated


def test_an_unknown_model_is_an_error():
    _, error = begin(planner(route("a"), route("b", "gemini")), "unheard")
    assert isinstance(error, BadRequest)
    assert error.openai_body is not None


def test_an_unknown_model_goes_to_the_fallback():
    plans = planner(route("a"), route("b", "gemini", target_model="flash"), fallback=Fallback(route="b"))
    plan, go = begin(plans, "unheard")
    assert go == Go(1, "flash", 1)
    assert plan.fell_back


def test_the_fallbacks_model_goes_before_its_routes_own():
    plans = planner(route("a"), route("b", "gemini", target_model="x"), fallback=Fallback(route="b", model="y"))
    assert begin(plans, "unheard")[1] == Go(1, "y", 1)


def test_a_fallback_that_names_no_route_is_refused_when_compiled():
    with pytest.raises(ValueError, match="no route 'c'; the routes are a, b"):
        planner(route("a"), route("b"), fallback=Fallback(route="c"))


def test_a_failure_is_repeated_once_and_then_the_callers():
    plan, _ = begin(planner(route("a")))
    again = plan.after(BAD_GATEWAY, NOW)
    assert again == Go(0, "gpt-5", 2, 0, 0.1)
    assert plan.repeated
    assert plan.after(BAD_GATEWAY, NOW) is None


def test_waits_double_up_to_the_longest():
    plan, _ = begin(planner(route("a"), retries=Retries(attempts=6, backoff_seconds=0.1, max_backoff_seconds=1.0)))
    waits = [go.delay_seconds for go in (plan.after(BAD_GATEWAY, NOW) for _ in range(6)) if go]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


@pytest.mark.parametrize(
    ("retry_after", "delay"),
    [
        pytest.param(0.05, 0.1, id="shorter than the back-off"),
        pytest.param(1.5, 1.5, id="longer"),
        pytest.param(2.1, None, id="longer than we wait"),
    ],
)
def test_a_providers_retry_after_is_kept(retry_after: float, delay: float | None):
    plan, _ = begin(planner(route("a")))
    failure = Failure(kind="status", status=429, elapsed_seconds=0.1, retry_after_seconds=retry_after)
    go = plan.after(failure, NOW)
    assert (go.delay_seconds if go else None) == delay


@pytest.mark.parametrize(
    "failure",
    [
        pytest.param(Failure(kind="status", status=400), id="the caller's own mistake"),
        pytest.param(Failure(kind="status", status=401), id="a refused key without another"),
        pytest.param(Failure(kind="status", status=502, elapsed_seconds=2.1), id="a slow failure"),
        pytest.param(Failure(kind="first_byte_timeout", elapsed_seconds=0.5), id="a trigger not asked for"),
        pytest.param(Failure(kind="timeout"), id="a timeout in the middle"),
        pytest.param(Failure(kind="garbled"), id="garbage"),
        pytest.param(Failure(kind="internal"), id="our own fault"),
        pytest.param(
            Failure(kind="status", status=502, answer_begun=True), id="anything once the caller has had a byte"
        ),
    ],
)
def test_what_is_not_repeated(failure: Failure):
    plan, _ = begin(planner(route("a")))
    assert plan.after(failure, NOW) is None


def test_nothing_goes_to_the_fallback_once_the_caller_has_had_a_byte():
    plan, _ = begin(planner(route("a"), route("b", "gemini"), fallback=Fallback(route="b")))
    assert plan.after(Failure(kind="connect_error", answer_begun=True), NOW) is None


def test_after_its_repeats_a_call_falls_back_and_a_slow_failure_does_so_at_once():
    plans = planner(route("a"), route("b", "gemini"), fallback=Fallback(route="b", model="flash"))
    plan, _ = begin(plans)
    assert plan.after(UNREACHABLE, NOW) == Go(0, "gpt-5", 2, 0, 0.1)
    assert plan.after(UNREACHABLE, NOW) == Go(1, "flash", 3)
    assert plan.fell_back
    assert plan.after(UNREACHABLE, NOW) is None

    slow, _ = begin(plans)
    assert slow.after(Failure(kind="first_byte_timeout", elapsed_seconds=120.0), NOW) == Go(1, "flash", 2)


def test_only_the_triggers_named_fall_back():
    plans = planner(route("a"), route("b", "gemini"), fallback=Fallback(route="b", on=frozenset({"connect_error"})))
    plan, _ = begin(plans)
    plan.after(BAD_GATEWAY, NOW)
    assert plan.after(BAD_GATEWAY, NOW) is None


def test_an_exhausted_budget_falls_back_when_asked_to():
    plans = planner(route("a"), route("b", "gemini"), fallback=Fallback(route="b", on=frozenset({"budget"})))
    assert plans.plan("openai/gpt-5", no_header).divert("budget", NOW) == Go(1, "gpt-5", 1)
    assert plans.plan("openai/gpt-5", no_header).divert("unhealthy", NOW) is None


def test_a_fallback_to_the_same_route_needs_another_model():
    same = planner(route("a"), fallback=Fallback(route="a"), retries=Retries(attempts=0))
    plan, _ = begin(same)
    assert plan.after(BAD_GATEWAY, NOW) is None
    other = planner(route("a"), fallback=Fallback(route="a", model="gpt-5-mini"), retries=Retries(attempts=0))
    plan, _ = begin(other)
    assert plan.after(BAD_GATEWAY, NOW) == Go(0, "gpt-5-mini", 2)


def test_an_unhealthy_route_falls_back_and_without_fallback_is_an_error_that_says_when():
    plans = planner(route("a"), route("b", "gemini"), fallback=Fallback(route="b"))
    open_breaker(plans.healths[0])
    plan, go = begin(plans)
    assert go == Go(1, "gpt-5", 1)
    assert plan.fell_back

    alone = planner(route("a"))
    open_breaker(alone.healths[0])
    _, error = begin(alone)
    assert isinstance(error, NoHealthyRoute)
    assert error.status == 503
    assert error.retry_after_seconds == 10.0


def test_an_unhealthy_fallback_is_not_used():
    plans = planner(route("a"), route("b", "gemini"), fallback=Fallback(route="b"), retries=Retries(attempts=0))
    open_breaker(plans.healths[1])
    plan, _ = begin(plans)
    assert plan.after(BAD_GATEWAY, NOW) is None
    assert not plan.fell_back


def test_a_full_upstream_is_passed_over():
    plans = planner(route("a"), route("b"), health=Health(max_concurrent=1))
    _, first = begin(plans)
    plan, second = begin(plans)
    _, third = begin(plans)
    assert [first, second] == [Go(0, "gpt-5", 1), Go(1, "gpt-5", 1)]
    assert isinstance(third, NoHealthyRoute)
    assert third.retry_after_seconds == 1.0
    plan.succeeded(NOW)
    assert begin(plans)[1] == Go(1, "gpt-5", 1)


def test_priorities_are_tried_in_order_each_once():
    plans = planner(
        route("low", priority=2),
        route("high", "gemini", priority=0, target_model="flash"),
        route("mid", priority=1),
        strategy="priority",
        retries=Retries(attempts=0),
    )
    plan, go = begin(plans)
    assert go == Go(1, "flash", 1)
    assert plan.after(BAD_GATEWAY, NOW) == Go(2, "gpt-5", 2)
    assert plan.after(BAD_GATEWAY, NOW) == Go(0, "gpt-5", 3)
    assert plan.after(BAD_GATEWAY, NOW) is None


def test_a_failure_nobody_can_name_stays_where_it_is():
    plans = planner(route("a"), route("b"), strategy="priority")
    plan, _ = begin(plans)
    assert plan.after(Failure(kind="status", status=404), NOW) is None


def test_a_token_that_is_replaced_is_worth_one_repeat_at_once_whatever_the_budget():
    refused = Failure(kind="status", status=401, token_renewed=True)
    plan, go = begin(planner(route("a"), retries=Retries(attempts=0, budget_ratio=0)))
    assert go == Go(0, "gpt-5", 1)
    assert plan.after(refused, NOW) == Go(0, "gpt-5", 2)
    assert plan.after(refused, NOW) is None
    other, _ = begin(planner(route("a")))
    assert other.after(Failure(kind="status", status=401), NOW) is None


def test_weights_share_the_calls_and_a_weight_of_zero_gets_none():
    plans = planner(route("a", weight=3), route("b", weight=1), route("off", weight=0), strategy="weighted")
    chosen: list[int] = []
    for _ in range(8):
        plan, go = begin(plans)
        assert isinstance(go, Go)
        chosen.append(go.route_index)
        plan.succeeded(NOW)
    assert sorted(chosen) == [0] * 6 + [1] * 2
    alone = planner(route("off", weight=0), strategy="weighted", keys=2)
    for index in range(2):
        alone.rings[0].rest(index, NOW + 5, now=NOW)
    assert isinstance(begin(alone)[1], NoHealthyRoute)


def test_headers_decide_which_routes_may_take_a_call():
    plans = planner(route("eu", match_headers={"x-region": "eu"}), route("any", "gemini"), route("us", "openai"))
    assert begin(plans, header={"x-region": "eu"}.get)[1] == Go(0, "gpt-5", 1)
    assert begin(plans)[1] == Go(2, "gpt-5", 1)
    only = planner(route("eu", match_headers={"x-region": "eu"}))
    _, error = begin(only, header={"x-region": "us"}.get)
    assert isinstance(error, BadRequest)
    assert error.code == "no_matching_route"


def test_a_throttled_key_gives_way_to_another_at_once_and_rests():
    plans = planner(route("a"), keys=2)
    plan, go = begin(plans)
    assert go == Go(0, "gpt-5", 1, 0)
    throttled = Failure(kind="status", status=429, elapsed_seconds=0.1, retry_after_seconds=30.0)
    assert plan.after(throttled, NOW) == Go(0, "gpt-5", 2, 1, 0.0)
    plan.succeeded(NOW)
    assert [begin(plans)[1].key_index for _ in range(3)] == [1, 1, 1]
    assert plans.rings[0].take(NOW + 30.0) == 0


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_key_rests_and_the_upstream_stays_healthy(status: int):
    plans = planner(route("a"), keys=2)
    for _ in range(20):
        plan, go = begin(plans)
        assert isinstance(go, Go)
        if go.key_index == 0:
            following = plan.after(Failure(kind="status", status=status), NOW)
            assert following is not None
            assert following.key_index == 1
        plan.succeeded(NOW)
    assert plans.healths[0].state == "closed"


def test_each_key_is_used_once_in_a_call():
    plans = planner(route("a"), keys=3, retries=Retries(attempts=0))
    plan, _ = begin(plans)
    refused = Failure(kind="status", status=401)
    keys = [go.key_index for go in (plan.after(refused, NOW) for _ in range(4)) if go]
    assert keys == [1, 2]


def test_when_all_keys_rest_the_next_route_is_used_and_with_no_other_the_key_ready_first():
    plans = planner(route("a"), route("b"), keys=(2, 1))
    for index, until in enumerate([20.0, 10.0]):
        plans.rings[0].rest(index, NOW + until, now=NOW)
    assert begin(plans)[1] == Go(1, "gpt-5", 1)
    alone = planner(route("a"), keys=2)
    for index, until in enumerate([20.0, 10.0]):
        alone.rings[0].rest(index, NOW + until, now=NOW)
    assert begin(alone)[1] == Go(0, "gpt-5", 1, 1)


def test_repeats_stop_when_the_upstreams_budget_is_spent():
    plans = planner(route("a"), health=Health(minimum_calls=10_000), retries=Retries(budget_ratio=0.1))
    repeated = 0
    for _ in range(300):
        plan, _ = begin(plans)
        if plan.after(BAD_GATEWAY, NOW) is not None:
            repeated += 1
            plan.after(BAD_GATEWAY, NOW)
    assert 10 + 28 <= repeated <= 10 + 31


def test_a_caller_that_leaves_frees_the_place_and_says_nothing_about_the_upstream():
    plans = planner(route("a"), health=Health(max_concurrent=1))
    plan, _ = begin(plans)
    plan.cancelled(NOW)
    plan.cancelled(NOW)
    assert plans.healths[0].active == 0
    assert plans.healths[0].state == "closed"


def test_streams_that_break_count_against_the_upstream():
    plans = planner(route("a"))
    for _ in range(10):
        plan, _ = begin(plans)
        plan.broke(NOW)
    assert plans.healths[0].state == "open"


failures = st.builds(
    Failure,
    kind=st.sampled_from(["status", "connect_error", "first_byte_timeout", "timeout", "cut", "garbled", "internal"]),
    status=st.sampled_from([400, 401, 403, 404, 408, 429, 500, 503]),
    elapsed_seconds=st.sampled_from([0.0, 1.0, 5.0]),
    retry_after_seconds=st.none() | st.floats(0, 10),
    answer_begun=st.booleans(),
)


@given(
    strategy=st.sampled_from(["model-based", "weighted", "priority"]),
    attempts=st.integers(0, 3),
    keys=st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)),
    fallback=st.booleans(),
    script=st.lists(failures, min_size=1, max_size=30),
)
def test_one_call_is_a_bounded_number_of_attempts_and_every_place_taken_is_given_back(
    strategy, attempts: int, keys: tuple[int, int, int], fallback: bool, script: list[Failure]
):
    plans = planner(
        route("a"),
        route("b", priority=1),
        route("c", "gemini", priority=2),
        strategy=strategy,
        keys=keys,
        retries=Retries(attempts=attempts),
        fallback=Fallback(route="c", model="spare") if fallback else None,
    )
    now = NOW
    plan, go = begin(plans)
    made: list[Go] = []
    for failure in script:
        if not isinstance(go, Go):
            break
        made.append(go)
        assert go.number == len(made)
        assert 0 <= go.delay_seconds <= 2.0
        assert sum(health.active for health in plans.healths) == 1
        now += failure.elapsed_seconds + go.delay_seconds
        go = plan.after(failure, now)
        assert not (failure.answer_begun and go)
    if isinstance(go, Go):
        plan.succeeded(now)
    assert sum(health.active for health in plans.healths) == 0
    assert len(made) <= 1 + attempts + 2 + fallback + sum(max(0, count - 1) for count in keys) + max(0, keys[2] - 1)
