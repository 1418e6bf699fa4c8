from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import Usage
from tollway.dialects.openai_responses.usage import parse_usage, usage_object, usage_rest


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        ({"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}, Usage(input_fresh=10, output_text=5)),
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 6, "cache_write_tokens": 1},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 4},
                "total_tokens": 15,
            },
            Usage(input_fresh=3, cache_read=6, cache_write=1, output_text=1, reasoning=4),
        ),
        ({"input_tokens": 1, "output_tokens": 2, "input_tokens_details": None}, Usage(input_fresh=1, output_text=2)),
        (
            {"input_tokens": 1, "output_tokens": 2, "total_tokens": 9},
            Usage(input_fresh=1, output_text=2, provider_total=9),
        ),
        (
            {
                "input_tokens": 32,
                "output_tokens": 9,
                "output_tokens_details": {"reasoning_tokens": 110},
                "total_tokens": 151,
            },
            Usage(input_fresh=32, output_text=9, reasoning=110),
        ),
        (
            {
                "input_tokens": 9,
                "output_tokens": 1,
                "total_tokens": 10,
                "input_tokens_details": {"cache_read_input_tokens": 4, "cache_creation_input_tokens": 2},
                "tool_calls_details": {"search_web": {"invocation": 3}},
            },
            Usage(input_fresh=3, cache_read=4, cache_write=2, output_text=1, web_searches=3),
        ),
        ({}, None),
        ({"total_tokens": 1}, None),
    ],
    ids=["plain", "details", "null-details", "odd-total", "reasoning-beside", "other-names", "empty", "only-total"],
)
def test_usage_is_read_into_disjoint_counts(said: dict[str, Any], counted: Usage | None) -> None:
    assert parse_usage(said) == counted


_COUNT = st.integers(0, 99)


@given(
    st.builds(Usage, input_fresh=_COUNT, cache_read=_COUNT, cache_write=_COUNT, output_text=_COUNT, reasoning=_COUNT)
)
def test_what_is_written_reads_back_the_same(usage: Usage) -> None:
    assert parse_usage(usage_object(usage)) == usage


def test_what_no_count_stands_for_is_kept() -> None:
    assert usage_rest({"input_tokens": 1, "output_tokens": 1, "cost": 3}) == {"cost": 3}
