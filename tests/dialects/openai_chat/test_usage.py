from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import Usage
from tollway.dialects.openai_chat.usage import PlainUsage, parse_usage, usage_object


@pytest.mark.parametrize(
    ("said", "counted"),
    [
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
            Usage(input_fresh=10, output_text=5),
        ),
        (
            {
                "prompt_tokens": 100,
                "completion_tokens": 50,
                "total_tokens": 150,
                "prompt_tokens_details": {"cached_tokens": 60, "audio_tokens": 10, "cache_write_tokens": 5},
                "completion_tokens_details": {"reasoning_tokens": 30, "audio_tokens": 4},
            },
            Usage(
                input_fresh=25,
                cache_read=60,
                input_audio=10,
                cache_write=5,
                output_text=16,
                reasoning=30,
                output_audio=4,
            ),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "prompt_cache_hit_tokens": 4},
            Usage(input_fresh=6, cache_read=4, output_text=5),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 22,
                "completion_tokens_details": {"reasoning_tokens": 7},
            },
            Usage(input_fresh=10, output_text=5, reasoning=7),
        ),
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 18},
            Usage(input_fresh=10, output_text=5, provider_total=18),
        ),
        (
            {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": None, "total_tokens": None},
            Usage(input_fresh=1, output_text=2),
        ),
        (
            {"prompt_tokens": 1.0, "completion_tokens": 2, "total_tokens": 3},
            Usage(input_fresh=1, output_text=2),
        ),
        (
            {"prompt_tokens": 77, "completion_tokens": 12, "total_tokens": 89, "num_cached_tokens": 76},
            Usage(input_fresh=1, cache_read=76, output_text=12),
        ),
        (
            {
                "prompt_tokens": 33,
                "completion_tokens": 70,
                "total_tokens": 103,
                "reasoning_tokens": 900,
                "num_search_queries": 18,
            },
            Usage(input_fresh=33, output_text=70, reasoning=900, web_searches=18, provider_total=103),
        ),
        (
            {
                "prompt_tokens": 9,
                "completion_tokens": 3,
                "total_tokens": 12,
                "server_tool_use_details": {"web_search_requests": 1},
            },
            Usage(input_fresh=9, output_text=3, web_searches=1),
        ),
    ],
    ids=[
        "plain",
        "all-details",
        "cache-hits-at-the-top",
        "reasoning-beside",
        "odd-total",
        "nulls",
        "floats",
        "cached-at-the-top",
        "reasoning-at-the-top",
        "searches",
    ],
)
def test_usage_is_read_into_disjoint_counts(said: dict[str, Any], counted: Usage) -> None:
    assert parse_usage(said) == counted


@pytest.mark.parametrize("said", [{}, {"total_tokens": 3}, {"x": 1}])
def test_an_object_without_counts_is_no_usage(said: dict[str, Any]) -> None:
    assert parse_usage(said) is None


def test_a_breakdown_that_exceeds_its_total_is_not_believed() -> None:
    usage = parse_usage({"prompt_tokens": 5, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 9}})
    assert usage is not None
    assert usage.anomaly
    assert (usage.input_tokens, usage.cached_tokens, usage.output_tokens) == (5, 0, 1)


_COUNT = st.integers(0, 1000)


@given(
    st.fixed_dictionaries(
        {"prompt_tokens": _COUNT, "completion_tokens": _COUNT},
        optional={
            "total_tokens": _COUNT,
            "prompt_cache_hit_tokens": _COUNT,
            "num_cached_tokens": _COUNT,
            "reasoning_tokens": _COUNT,
            "num_search_queries": _COUNT,
            "server_tool_use_details": st.fixed_dictionaries({}, optional={"web_search_requests": _COUNT}),
            "server_side_tool_usage_details": st.fixed_dictionaries({}, optional={"x_search_calls": _COUNT}),
            "prompt_tokens_details": st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("cached_tokens", "cache_write_tokens", "audio_tokens"), _COUNT)
            ),
            "completion_tokens_details": st.fixed_dictionaries(
                {}, optional=dict.fromkeys(("reasoning_tokens", "audio_tokens", "image_tokens"), _COUNT)
            ),
        },
    )
)
def test_the_quick_reading_says_what_the_careful_one_says(said: dict[str, Any]) -> None:
    said.setdefault("total_tokens", said["prompt_tokens"] + said["completion_tokens"])
    assert msgspec.convert(said, PlainUsage).counted() == parse_usage(said)


@given(
    st.builds(Usage, input_fresh=_COUNT, cache_read=_COUNT, cache_write=_COUNT, output_text=_COUNT, reasoning=_COUNT)
)
def test_what_is_written_reads_back_the_same(usage: Usage) -> None:
    written = usage_object(usage)
    assert written["total_tokens"] == written["prompt_tokens"] + written["completion_tokens"]
    assert parse_usage(written) == usage
