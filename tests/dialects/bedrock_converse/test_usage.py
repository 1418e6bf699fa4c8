from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import Usage
from tollway.dialects.bedrock_converse.usage import read_usage, render_usage, usage_rest

_counts = st.integers(0, 10_000)


@pytest.mark.parametrize(
    ("raw", "usage"),
    [
        ({"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}, Usage(input_fresh=5, output_text=2)),
        (
            {
                "inputTokens": 433,
                "outputTokens": 16,
                "totalTokens": 3201,
                "cacheReadInputTokens": 2752,
                "cacheReadInputTokenCount": 2752,
                "cacheWriteInputTokens": 0,
            },
            Usage(input_fresh=433, cache_read=2752, output_text=16),
        ),
        (
            {
                "inputTokens": 2,
                "outputTokens": 5,
                "totalTokens": 1329,
                "cacheWriteInputTokens": 1322,
                "cacheDetails": [{"ttl": "5m", "inputTokens": 322}, {"ttl": "1h", "inputTokens": 1000}],
            },
            Usage(input_fresh=2, output_text=5, cache_write_5m=322, cache_write_1h=1000),
        ),
        (
            {"inputTokens": 2, "cacheWriteInputTokens": 5, "cacheDetails": [{"ttl": "1h", "inputTokens": 9}]},
            Usage(input_fresh=2, cache_write=5),
        ),
        (
            {"inputTokens": 5, "outputTokens": 2, "totalTokens": 9},
            Usage(input_fresh=5, output_text=2, provider_total=9),
        ),
        (
            {"inputTokens": 5, "outputTokens": 10, "cacheReadInputTokenCount": 3, "cacheWriteInputTokenCount": 1},
            Usage(input_fresh=5, output_text=10, cache_read=3, cache_write=1),
        ),
        ({"inputTokens": "many", "outputTokens": -1}, Usage()),
    ],
    ids=["plain", "read", "written by lifetime", "too much by lifetime", "another total", "nova", "nonsense"],
)
def test_counts_are_disjoint_and_sum_to_the_total(raw: dict[str, Any], usage: Usage) -> None:
    assert read_usage(raw) == usage


@given(_counts, _counts, _counts, _counts, _counts, _counts)
def test_what_is_written_is_read_again(fresh: int, read: int, written: int, five: int, hour: int, out: int) -> None:
    usage = Usage(
        input_fresh=fresh,
        cache_read=read,
        cache_write=written,
        cache_write_5m=five,
        cache_write_1h=hour,
        output_text=out,
    )
    raw = render_usage(usage)
    assert read_usage(raw) == usage
    assert raw["totalTokens"] == usage.total_tokens


def test_counts_that_nobody_knows_survive_for_their_own_api() -> None:
    raw = {"inputTokens": 1, "serverToolUsage": {"a": 1}, "nothing": None}
    assert usage_rest(raw) == {"serverToolUsage": {"a": 1}}
    assert render_usage(None, usage_rest(raw))["serverToolUsage"] == {"a": 1}
