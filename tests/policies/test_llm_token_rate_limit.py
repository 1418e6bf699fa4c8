from typing import ClassVar

from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import NO_USAGE, usage_from_totals
from tollway.interfaces.usage_record import UsageRecord
from tollway.policies.llm_token_rate_limit import Config, Limit, LlmTokenRateLimit
from tollway.testing.clock import START_WALL_US
from tollway.testing.contracts.policy import PolicyContract
from tollway.testing.exchange import FakeExchange, policy_context

MINUTE_US = 60_000_000


class TestLlmTokenRateLimit(PolicyContract):
    policy = LlmTokenRateLimit
    config: ClassVar = {
        "keySelector": "#[attributes.headers['client_id']]",
        "maximumTokens": 1_000_000,
        "timePeriodInMilliseconds": 60_000,
        "limits": [{"promptTokens": 500_000, "timePeriodInMilliseconds": 1000}],
    }


def record(usage=NO_USAGE, outcome="ok") -> UsageRecord:
    return UsageRecord(id="r", call_id="c", started_us=0, usage=usage, outcome=outcome)


calls = st.lists(
    st.one_of(
        st.tuples(st.just("begin"), st.integers(0, 300), st.integers(0, 400)),
        st.tuples(st.just("finish"), st.integers(0, 10), st.integers(0, 100)),
        st.tuples(st.just("fail"), st.integers(0, 10), st.just(0)),
        st.tuples(st.just("wait"), st.integers(0, 40), st.just(0)),
    ),
    max_size=60,
)


@given(steps=calls, stream=st.booleans())
def test_with_the_worst_case_reserved_many_calls_at_once_pass_the_limit_by_one_call_at_most(steps, stream: bool):
    """Used tokens never exceed the limit by more than what one call may use, whatever overlaps with what."""
    limit = 1000
    policy = LlmTokenRateLimit(
        Config(
            key_selector="one",
            limits=(Limit(total_tokens=limit, time_period_in_milliseconds=60_000),),
            reservation="worst-case",
        ),
        policy_context(),
    )
    now_us = START_WALL_US
    running: list[FakeExchange] = []
    window_start, used = now_us - MINUTE_US, 0
    for what, first, second in steps:
        if what == "wait":
            now_us += first * 1_000_000
        elif what == "begin":
            exchange = FakeExchange(body=b"x" * first, output_limit=second, now_us=now_us, stream=stream)
            if policy.request(exchange) is None:
                if now_us >= window_start + MINUTE_US:
                    window_start, used = now_us, 0
                exchange.note("started in", window_start)
                running.append(exchange)
            else:
                assert now_us < window_start + MINUTE_US
        elif running:
            exchange = running.pop(first % len(running))
            exchange.now_us = now_us
            most = len(exchange.body) + (exchange.output_limit or 0)
            actual = most * second // 100
            usage = usage_from_totals(min(actual, len(exchange.body)), max(0, actual - len(exchange.body)))
            if what == "fail":
                policy.end(exchange, record(outcome="error"))
                continue
            if not stream:
                exchange.usage = usage
            policy.response(exchange, 200)
            policy.end(exchange, record(usage))
            if exchange.recall("started in") == window_start and now_us < window_start + MINUTE_US:
                used += usage.total_tokens
            assert used < limit + 300 + 400


def test_a_response_that_is_refused_by_another_policy_still_counts_once():
    policy = LlmTokenRateLimit(
        Config(key_selector="one", limits=(Limit(total_tokens=1000),), reservation="none"), policy_context()
    )
    exchange = FakeExchange()
    policy.request(exchange)
    exchange.usage = usage_from_totals(100, 100)
    policy.response(exchange, 200)
    policy.response(exchange, 200)
    policy.end(exchange, record(exchange.usage))
    again = FakeExchange()
    policy.request(again)
    policy.response(again, 200)
    assert again.response_headers_sent["x-token-remaining"] == ["800"]


def test_two_uses_of_the_policy_count_apart_and_a_new_snapshot_counts_on():
    context = policy_context(name="first")
    config = Config(key_selector="one", limits=(Limit(total_tokens=1000),), reservation="none")
    other = policy_context(name="second", counters=context.counters)
    for policy in (LlmTokenRateLimit(config, context), LlmTokenRateLimit(config, other)):
        exchange = FakeExchange()
        policy.request(exchange)
        policy.response(exchange, 200)
        assert exchange.response_headers_sent["x-token-remaining"] == ["1000"]
        policy.end(exchange, record(usage_from_totals(100, 0)))
    exchange = FakeExchange()
    policy = LlmTokenRateLimit(Config(key_selector="one", limits=(Limit(total_tokens=2000),)), context)
    policy.request(exchange)
    policy.response(exchange, 200)
    assert exchange.response_headers_sent["x-token-remaining"] == [str(2000 - 100 - 10 - 512)]


def test_a_stream_that_ended_before_its_head_was_sent_shows_what_it_used():
    policy = LlmTokenRateLimit(Config(key_selector="one", limits=(Limit(total_tokens=1000),)), policy_context())
    exchange = FakeExchange(stream=True)
    policy.request(exchange)
    policy.end(exchange, record(usage_from_totals(100, 0)))
    policy.response(exchange, 200)
    assert exchange.response_headers_sent["x-token-remaining"] == ["900"]
