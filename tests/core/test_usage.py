import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import NO_USAGE, Count, Usage, usage_from_totals

INPUT_PARTS = (
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "cache_read_audio",
)
OUTPUT_PARTS = ("reasoning", "output_audio", "output_image")
LEAVES = tuple(field.name for field in msgspec.structs.fields(Usage) if field.type == Count)

counts = st.integers(0, 1 << 40)


@given(counts, counts, st.fixed_dictionaries({}, optional=dict.fromkeys((*INPUT_PARTS, *OUTPUT_PARTS), counts)))
def test_totals_are_kept_whatever_the_parts(input_total: int, output_total: int, parts: dict[str, int]) -> None:
    usage = usage_from_totals(input_total, output_total, **parts)
    assert usage.input_tokens == input_total
    assert usage.output_tokens == output_total
    assert usage.total_tokens == input_total + output_total
    assert all(getattr(usage, leaf) >= 0 for leaf in LEAVES)


@given(st.fixed_dictionaries(dict.fromkeys((*INPUT_PARTS, *OUTPUT_PARTS), counts)), counts, counts)
def test_parts_that_fit_are_kept_and_never_overlap(parts: dict[str, int], fresh: int, text: int) -> None:
    input_total = fresh + sum(parts[name] for name in INPUT_PARTS)
    output_total = text + sum(parts[name] for name in OUTPUT_PARTS)
    usage = usage_from_totals(input_total, output_total, **parts)
    assert {name: getattr(usage, name) for name in parts} == parts
    assert (usage.input_fresh, usage.output_text, usage.anomaly) == (fresh, text, "")


@pytest.mark.parametrize(
    ("parts", "word"),
    [({"cache_read": 11}, "input 10 < its parts 11"), ({"reasoning": 6}, "output 5 < its parts 6")],
    ids=["input", "output"],
)
def test_a_breakdown_that_contradicts_its_total_is_dropped_and_said(parts: dict[str, int], word: str) -> None:
    usage = usage_from_totals(10, 5, web_searches=2, **parts)
    assert usage == Usage(input_fresh=10, output_text=5, web_searches=2, anomaly=word)


@pytest.mark.parametrize(("input_total", "output_total"), [(-1, 5), (5, -1)])
def test_negative_totals_are_no_usage_but_an_anomaly(input_total: int, output_total: int) -> None:
    usage = usage_from_totals(input_total, output_total, cache_read=1)
    assert usage.total_tokens == 0
    assert "negative" in usage.anomaly


@pytest.mark.parametrize(("given_total", "kept"), [(None, None), (15, None), (17, 17)])
def test_a_providers_own_total_is_kept_only_where_it_says_something_else(
    given_total: int | None, kept: int | None
) -> None:
    assert usage_from_totals(10, 5, provider_total=given_total).provider_total == kept


def test_cached_and_written_tokens_are_summed_over_modalities_and_times_to_live() -> None:
    usage = Usage(cache_read=1, cache_read_audio=2, cache_write=4, cache_write_5m=8, cache_write_1h=16)
    assert (usage.cached_tokens, usage.cache_write_tokens, usage.input_tokens) == (3, 28, 31)


@given(st.builds(Usage, **dict.fromkeys(LEAVES, counts)))
def test_a_usage_is_the_same_after_a_trip_through_json(usage: Usage) -> None:
    assert msgspec.json.decode(msgspec.json.encode(usage), type=Usage) == usage


@pytest.mark.parametrize("value", [-1, (1 << 53) + 1])
@pytest.mark.parametrize("leaf", LEAVES)
def test_a_reader_of_records_refuses_what_is_no_count(leaf: str, value: int) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode({leaf: value}), type=Usage)


def test_nothing_reported_is_told_from_nothing_used() -> None:
    assert NO_USAGE.source == "none"
    assert usage_from_totals(0, 0).source == "provider"


@given(st.builds(Usage, **dict.fromkeys(LEAVES, counts)))
def test_both_totals_at_once_are_the_two_totals(usage: Usage) -> None:
    assert usage.totals() == (usage.input_tokens, usage.output_tokens)
