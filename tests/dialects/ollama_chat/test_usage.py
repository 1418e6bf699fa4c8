from tollway.core.usage import Usage
from tollway.dialects.ollama_chat.usage import read_usage, render_usage, usage_rest


def test_the_counts_are_totals() -> None:
    assert read_usage({"prompt_eval_count": 17, "eval_count": 50}) == Usage(input_fresh=17, output_text=50)


def test_a_prompt_that_was_not_counted_is_an_anomaly() -> None:
    usage = read_usage({"eval_count": 38})
    assert usage == Usage(output_text=38, anomaly="the provider did not count the prompt")


def test_nothing_counted_is_no_usage() -> None:
    assert read_usage({"done": True}) is None
    assert render_usage(None) == {}


def test_what_is_cached_or_thought_is_part_of_the_totals() -> None:
    usage = Usage(input_fresh=1, cache_read=2, output_text=3, reasoning=4)
    assert render_usage(usage) == {"prompt_eval_count": 3, "eval_count": 7}


def test_durations_ride_beside_the_counts() -> None:
    assert usage_rest({"total_duration": 1, "eval_duration": 2, "load_duration": None, "x": 3}) == {
        "total_duration": 1,
        "eval_duration": 2,
    }
