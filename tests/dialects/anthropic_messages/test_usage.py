import pytest

from tollway.core.usage import Usage
from tollway.dialects.anthropic_messages.usage import (
    merge_usage,
    neutral_tier,
    read_usage,
    render_delta_usage,
    render_usage,
    served_model,
    usage_rest,
)

_COMPACTED = {
    "input_tokens": 200,
    "output_tokens": 10,
    "cache_read_input_tokens": 0,
    "cache_creation_input_tokens": 0,
    "iterations": [
        {
            "type": "compaction",
            "input_tokens": 100,
            "output_tokens": 50,
            "cache_read_input_tokens": 7,
            "cache_creation_input_tokens": 0,
        },
        {"type": "message", "input_tokens": 200, "output_tokens": 10},
    ],
}


def test_input_is_the_sum_of_fresh_read_and_written() -> None:
    usage = read_usage(
        {
            "input_tokens": 50,
            "cache_read_input_tokens": 100_000,
            "cache_creation_input_tokens": 5_000,
            "cache_creation": {"ephemeral_5m_input_tokens": 2_000, "ephemeral_1h_input_tokens": 3_000},
            "output_tokens": 500,
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 1},
        }
    )
    assert usage == Usage(
        input_fresh=50, cache_read=100_000, cache_write_5m=2_000, cache_write_1h=3_000, output_text=500, web_searches=2
    )
    assert usage.input_tokens == 105_050


def test_writes_without_a_lifetime_are_kept_apart() -> None:
    assert read_usage({"input_tokens": 1, "cache_creation_input_tokens": 9, "output_tokens": 1}).cache_write == 9


def test_a_lifetime_breakdown_larger_than_its_sum_is_not_believed() -> None:
    usage = read_usage({"cache_creation_input_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 9}})
    assert (usage.cache_write, usage.cache_write_5m) == (5, 0)


def test_a_lifetime_breakdown_without_its_sum_is_the_sum() -> None:
    assert read_usage({"cache_creation": {"ephemeral_1h_input_tokens": 9}}).cache_write_tokens == 9


def test_thinking_is_part_of_the_output() -> None:
    usage = read_usage({"input_tokens": 1, "output_tokens": 30, "output_tokens_details": {"thinking_tokens": 20}})
    assert (usage.output_text, usage.reasoning, usage.output_tokens) == (10, 20, 30)


def test_thinking_beyond_the_output_is_an_anomaly() -> None:
    usage = read_usage({"output_tokens": 3, "output_tokens_details": {"thinking_tokens": 20}})
    assert (usage.output_tokens, usage.reasoning) == (3, 0)
    assert usage.anomaly == "output 3 < its thinking 20"


def test_compacting_the_context_is_billed_too() -> None:
    usage = read_usage(_COMPACTED)
    assert (usage.input_tokens, usage.output_tokens, usage.cache_read) == (307, 60, 7)
    assert usage.provider_total == 210


def test_what_compacting_added_is_taken_out_again_for_the_caller() -> None:
    written = render_usage(read_usage(_COMPACTED), None, usage_rest(_COMPACTED))
    assert (written["input_tokens"], written["output_tokens"], written["cache_read_input_tokens"]) == (200, 10, 0)
    assert written["iterations"] == _COMPACTED["iterations"]
    assert read_usage(written) == read_usage(_COMPACTED)


def test_another_models_tokens_are_named_not_counted() -> None:
    iterations = [{"type": "advisor_message", "model": "claude-opus-4-7", "input_tokens": 5, "output_tokens": 6}]
    usage = read_usage({"input_tokens": 1, "output_tokens": 2, "iterations": iterations})
    assert usage.total_tokens == 3
    assert usage.anomaly == "not counted, another model's: claude-opus-4-7 5 in 6 out"


def test_the_model_that_answered_in_anothers_place_is_the_served_one() -> None:
    iterations = [{"type": "message", "model": "a"}, {"type": "fallback_message", "model": "b"}]
    assert served_model({"iterations": iterations}) == "b"
    assert served_model({}) == ""


def test_later_counts_replace_those_of_the_start() -> None:
    start = {
        "input_tokens": 5,
        "output_tokens": 1,
        "cache_creation_input_tokens": 4,
        "cache_creation": {"ephemeral_5m_input_tokens": 4},
    }
    merged = merge_usage(start, {"input_tokens": 9, "output_tokens": 70, "cache_read_input_tokens": None})
    assert read_usage(merged) == Usage(input_fresh=9, cache_write_5m=4, output_text=70)
    grown = merge_usage(start, {"output_tokens": 70, "cache_creation_input_tokens": 10})
    assert read_usage(grown) == Usage(input_fresh=5, cache_write=10, output_text=70)


@pytest.mark.parametrize(
    ("word", "expected"), [("standard", "default"), ("priority", "priority"), ("batch", None), (None, None)]
)
def test_tiers_have_neutral_names(word: str | None, expected: str | None) -> None:
    assert neutral_tier({"service_tier": word}) == expected


def test_callers_always_get_the_cache_counts() -> None:
    assert render_usage(None) == {
        "input_tokens": 0,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
    }
    usage = Usage(
        input_fresh=3, input_image=2, cache_read=7, cache_read_audio=1, output_text=4, reasoning=6, web_searches=1
    )
    assert render_delta_usage(usage) == {
        "input_tokens": 5,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 8,
        "output_tokens": 10,
        "output_tokens_details": {"thinking_tokens": 6},
        "server_tool_use": {"web_search_requests": 1, "web_fetch_requests": 0},
    }


def test_what_no_count_stands_for_is_kept() -> None:
    raw = {"input_tokens": 1, "inference_geo": "us", "speed": None, "server_tool_use": {"web_fetch_requests": 3}}
    assert usage_rest(raw) == {"inference_geo": "us", "web_fetch_requests": 3}
    assert render_usage(read_usage(raw), "priority", usage_rest(raw)) | {"cache_creation": None} == {
        "input_tokens": 1,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 0,
        "cache_creation": None,
        "service_tier": "priority",
        "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 3},
        "inference_geo": "us",
    }


@pytest.mark.parametrize("count", [-1, "7", True, None, 1.5e3])
def test_counts_that_are_no_counts_never_raise(count: object) -> None:
    assert read_usage({"input_tokens": count}).input_tokens in {0, 1500}
