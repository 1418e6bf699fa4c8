"""Gemini's token counts.

Rules of this file:
- `promptTokenCount` includes what came from the cache; `candidatesTokenCount` leaves out the
  thoughts; what tools of the provider read (`toolUsePromptTokenCount`) is in neither, and is input.
- Sound and pictures are priced apart and have leaves; video is priced like text and has none.
- Where the cache is not broken down, cached tokens are text first.
- A grounded answer is one search for models before Gemini 3, which bill by the prompt, and as many
  as there were queries from then on.
"""

from collections.abc import Iterable, Mapping
from typing import Final

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text
from tollway.dialects.gemini.thinking import model_version

_TIERS: Final = {"standard": "default", "flex": "flex", "priority": "priority"}
_COUNTED: Final = frozenset(
    {
        "promptTokenCount",
        "candidatesTokenCount",
        "totalTokenCount",
        "cachedContentTokenCount",
        "thoughtsTokenCount",
        "serviceTier",
    }
)


def read_usage(usage: Mapping[str, Json], searches: int = 0) -> Usage:
    """Read `usageMetadata`."""
    prompt, read_by_tools = as_count(usage.get("promptTokenCount")), as_count(usage.get("toolUsePromptTokenCount"))
    candidates, thoughts = as_count(usage.get("candidatesTokenCount")), as_count(usage.get("thoughtsTokenCount"))
    cached = as_count(usage.get("cachedContentTokenCount"))
    given = _by_modality(usage.get("promptTokensDetails"))
    tools = _by_modality(usage.get("toolUsePromptTokensDetails"))
    from_cache = _by_modality(usage.get("cacheTokensDetails"))
    made = _by_modality(usage.get("candidatesTokensDetails"))
    audio, image = given.get("AUDIO", 0), given.get("IMAGE", 0)
    if from_cache:
        cached_audio, cached_image = from_cache.get("AUDIO", 0), from_cache.get("IMAGE", 0)
    else:
        beyond_text = max(0, cached - (prompt - audio - image))
        cached_image = min(image, beyond_text)
        cached_audio = min(audio, beyond_text - cached_image)
    return usage_from_totals(
        prompt + read_by_tools,
        candidates + thoughts,
        cache_read=max(0, cached - cached_audio),
        cache_read_audio=cached_audio,
        input_audio=max(0, audio - cached_audio) + tools.get("AUDIO", 0),
        input_image=max(0, image - cached_image) + tools.get("IMAGE", 0),
        reasoning=thoughts,
        output_audio=made.get("AUDIO", 0),
        output_image=made.get("IMAGE", 0),
        web_searches=searches,
        provider_total=as_count(usage.get("totalTokenCount")) or None,
    )


def _by_modality(details: Json) -> dict[str, int]:
    found: dict[str, int] = {}
    for item in as_list(details):
        one = as_object(item)
        name = as_text(one.get("modality"))
        found[name] = found.get(name, 0) + as_count(one.get("tokenCount"))
    return found


def usage_rest(usage: Mapping[str, Json]) -> JsonObject:
    """Keep the members that no count stands for."""
    return {name: value for name, value in usage.items() if name not in _COUNTED and value is not None}


def neutral_tier(usage: Mapping[str, Json]) -> str | None:
    """Read the tier that served the call, in the neutral words."""
    return _TIERS.get(as_text(usage.get("serviceTier")).lower())


def count_searches(model: str, groundings: Iterable[Mapping[str, Json]]) -> int:
    """Count the searches the provider bills for."""
    queries = sum(len(as_list(grounding.get("webSearchQueries"))) for grounding in groundings)
    return min(queries, 1) if (0, 0) < model_version(model) < (3, 0) else queries


def render_usage(usage: Usage, rest: Mapping[str, Json] | None = None) -> JsonObject:
    """Write `usageMetadata`."""
    kept: JsonObject = dict(rest or {})
    by_tools = as_count(kept.get("toolUsePromptTokenCount"))
    found: JsonObject = {
        "promptTokenCount": usage.input_tokens - by_tools,
        "candidatesTokenCount": usage.output_tokens - usage.reasoning,
        "totalTokenCount": usage.total_tokens,
    }
    if usage.cached_tokens:
        found["cachedContentTokenCount"] = usage.cached_tokens
    if usage.reasoning:
        found["thoughtsTokenCount"] = usage.reasoning
    if kept:
        return kept | found  # this API's own breakdown is among them
    if usage.input_audio or usage.input_image or usage.cache_read_audio:
        text = usage.input_tokens - usage.input_audio - usage.input_image - usage.cache_read_audio
        found["promptTokensDetails"] = _details(text, usage.input_audio + usage.cache_read_audio, usage.input_image)
    if usage.cache_read_audio:
        found["cacheTokensDetails"] = _details(usage.cached_tokens - usage.cache_read_audio, usage.cache_read_audio, 0)
    if usage.output_audio or usage.output_image:
        found["candidatesTokensDetails"] = _details(usage.output_text, usage.output_audio, usage.output_image)
    return found


def _details(text: int, audio: int, image: int) -> list[JsonObject]:
    counts = (("TEXT", text), ("AUDIO", audio), ("IMAGE", image))
    return [{"modality": modality, "tokenCount": count} for modality, count in counts if count > 0]
