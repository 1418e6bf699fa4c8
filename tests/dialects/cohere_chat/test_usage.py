import pytest

from tollway.core.usage import Usage
from tollway.dialects.cohere_chat.usage import read_usage, render_usage, usage_rest

_RECORDED = {
    "billed_units": {"input_tokens": 12, "output_tokens": 49},
    "tokens": {"input_tokens": 212, "output_tokens": 49},
    "cached_tokens": 208,
}


def test_the_leaves_are_what_the_model_saw_and_the_bill_stands_beside_them() -> None:
    usage = read_usage(_RECORDED)
    assert usage == Usage(input_fresh=4, cache_read=208, output_text=49, billed_input=12)
    assert usage.input_tokens == 212


def test_counts_come_as_floats() -> None:
    assert read_usage({"tokens": {"input_tokens": 3.0, "output_tokens": 2.0}}) == Usage(input_fresh=3, output_text=2)


def test_where_only_the_bill_is_known_it_counts() -> None:
    assert read_usage({"billed_units": {"input_tokens": 5}}) == Usage(input_fresh=5)


def test_pictures_are_counted_beside_the_words() -> None:
    usage = read_usage({"tokens": {"input_tokens": 5, "image_tokens": 7}})
    assert usage == Usage(input_fresh=5, input_image=7)


@pytest.mark.parametrize("value", [{}, {"cached_tokens": 4}, {"tokens": 7}])
def test_nothing_counted_is_no_usage(value: dict[str, object]) -> None:
    assert read_usage(value) is None


def test_a_cache_larger_than_the_prompt_is_not_believed() -> None:
    usage = read_usage({"tokens": {"input_tokens": 5, "output_tokens": 1}, "cached_tokens": 9})
    assert usage is not None
    assert (usage.input_tokens, usage.cached_tokens, bool(usage.anomaly)) == (5, 0, True)


def test_what_was_read_is_written_again() -> None:
    usage = read_usage(_RECORDED)
    assert usage is not None
    assert render_usage(usage) == _RECORDED


def test_other_billed_units_ride_beside_the_counts() -> None:
    value = {"billed_units": {"input_tokens": 1, "output_tokens": 2, "search_units": 3}}
    usage = read_usage(value)
    assert usage is not None
    assert render_usage(usage, usage_rest(value))["billed_units"] == value["billed_units"]
