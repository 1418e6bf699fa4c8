import pytest

from tollway.core.usage import Usage
from tollway.dialects.gemini.usage import count_searches, neutral_tier, read_usage, render_usage, usage_rest


def test_thoughts_are_output_beside_the_candidates() -> None:
    usage = read_usage(
        {"promptTokenCount": 8, "candidatesTokenCount": 433, "thoughtsTokenCount": 1477, "totalTokenCount": 1918}
    )
    assert usage == Usage(input_fresh=8, output_text=433, reasoning=1477)


def test_the_prompt_includes_what_came_from_the_cache() -> None:
    usage = read_usage({"promptTokenCount": 262_960, "cachedContentTokenCount": 257_955, "candidatesTokenCount": 1_744})
    assert (usage.input_fresh, usage.cache_read, usage.input_tokens) == (5_005, 257_955, 262_960)


def test_sound_and_pictures_are_apart_and_film_is_not() -> None:
    usage = read_usage(
        {
            "promptTokenCount": 17_713,
            "cachedContentTokenCount": 17_379,
            "cacheTokensDetails": [
                {"modality": "AUDIO", "tokenCount": 1_881},
                {"modality": "TEXT", "tokenCount": 15},
                {"modality": "VIDEO", "tokenCount": 15_483},
            ],
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 16},
                {"modality": "VIDEO", "tokenCount": 15_780},
                {"modality": "AUDIO", "tokenCount": 1_917},
            ],
        }
    )
    assert usage == Usage(input_fresh=298, input_audio=36, cache_read=15_498, cache_read_audio=1_881)


@pytest.mark.parametrize(
    ("cached", "expected"),
    [
        (3_000, (1_000, 6_000, 3_000, 0)),
        (5_000, (0, 5_000, 4_000, 1_000)),
    ],
    ids=["within the text", "beyond the text"],
)
def test_a_cache_without_a_breakdown_is_text_first(cached: int, expected: tuple[int, ...]) -> None:
    usage = read_usage(
        {
            "promptTokenCount": 10_000,
            "cachedContentTokenCount": cached,
            "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 6_000}],
        }
    )
    assert (usage.input_fresh, usage.input_audio, usage.cache_read, usage.cache_read_audio) == expected
    assert usage.anomaly == ""


def test_what_the_providers_tools_read_is_input() -> None:
    usage = read_usage(
        {"promptTokenCount": 32, "toolUsePromptTokenCount": 4_610, "candidatesTokenCount": 20, "totalTokenCount": 4_662}
    )
    assert (usage.input_tokens, usage.provider_total) == (4_642, None)


def test_a_total_that_is_not_the_sum_is_kept() -> None:
    assert read_usage({"promptTokenCount": 1, "candidatesTokenCount": 1, "totalTokenCount": 9}).provider_total == 9


def test_pictures_made_are_output_of_their_own() -> None:
    details = [{"modality": "IMAGE", "tokenCount": 1_290}, {"modality": "IMAGE", "tokenCount": 10}]
    assert read_usage({"candidatesTokenCount": 1_305, "candidatesTokensDetails": details}) == Usage(
        output_text=5, output_image=1_300
    )


def test_a_breakdown_beyond_its_total_is_an_anomaly() -> None:
    usage = read_usage({"promptTokenCount": 5, "promptTokensDetails": [{"modality": "AUDIO", "tokenCount": 50}]})
    assert usage.input_tokens == 5
    assert usage.anomaly


@pytest.mark.parametrize(("model", "expected"), [("gemini-2.5-flash", 1), ("gemini-3-flash-preview", 3), ("", 3)])
def test_searches_are_counted_as_they_are_billed(model: str, expected: int) -> None:
    groundings = [{"webSearchQueries": ["a", "b"]}, {}, {"webSearchQueries": ["c"]}]
    assert count_searches(model, groundings) == expected
    assert count_searches(model, [{}]) == 0


@pytest.mark.parametrize(("word", "expected"), [("standard", "default"), ("FLEX", "flex"), ("new", None), (None, None)])
def test_tiers_have_neutral_names(word: str | None, expected: str | None) -> None:
    assert neutral_tier({"serviceTier": word}) == expected


def test_other_apis_usage_is_written_with_its_breakdown() -> None:
    usage = Usage(
        input_fresh=10, input_audio=3, cache_read=4, cache_read_audio=2, output_text=5, output_audio=1, reasoning=6
    )
    assert render_usage(usage) == {
        "promptTokenCount": 19,
        "candidatesTokenCount": 6,
        "totalTokenCount": 31,
        "cachedContentTokenCount": 6,
        "thoughtsTokenCount": 6,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 14}, {"modality": "AUDIO", "tokenCount": 5}],
        "cacheTokensDetails": [{"modality": "TEXT", "tokenCount": 4}, {"modality": "AUDIO", "tokenCount": 2}],
        "candidatesTokensDetails": [{"modality": "TEXT", "tokenCount": 5}, {"modality": "AUDIO", "tokenCount": 1}],
    }
    assert read_usage(render_usage(usage)) == usage


def test_own_usage_comes_back_out_as_it_came_in() -> None:
    raw = {
        "promptTokenCount": 32,
        "toolUsePromptTokenCount": 10,
        "candidatesTokenCount": 20,
        "totalTokenCount": 62,
        "trafficType": "ON_DEMAND",
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 32}],
    }
    assert render_usage(read_usage(raw), usage_rest(raw)) == raw
