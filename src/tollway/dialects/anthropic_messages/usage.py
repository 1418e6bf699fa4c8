"""Anthropic's token counts.

Rules of this file:
- `input_tokens` leaves out what was read from and written to the prompt cache; the neutral leaves
  hold all three.
- The top-level counts leave out the calls that compacted the context, though they are billed like
  any other of the same model; `iterations` lists them, and they are added here. `provider_total` then
  keeps the top-level sum. Iterations of another model (an advisor) are not added: they have another
  price; the anomaly names them.
- In a stream, `message_start` knows the input and has a placeholder for the output; the counts of
  `message_delta` are cumulative and replace what they name.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text

_COUNTED: Final = frozenset(
    {
        "input_tokens",
        "output_tokens",
        "cache_read_input_tokens",
        "cache_creation_input_tokens",
        "cache_creation",
        "output_tokens_details",
        "server_tool_use",
        "service_tier",
    }
)
_TIERS: Final = {"standard": "default", "priority": "priority"}


def read_usage(usage: Mapping[str, Json]) -> Usage:
    """Read a usage object."""
    found = _leaves(usage)
    compaction = [as_object(one) for one in as_list(usage.get("iterations"))]
    top_total = found.total_tokens
    advisors: list[str] = []
    for one in compaction:
        if one.get("type") == "compaction":
            found = _sum(found, _leaves(one))
        elif one.get("type") == "advisor_message":
            advisors.append(
                f"{as_text(one.get('model'))} {as_count(one.get('input_tokens'))} in "
                f"{as_count(one.get('output_tokens'))} out"
            )
    if found.total_tokens != top_total:
        found = msgspec.structs.replace(found, provider_total=top_total)
    if advisors and not found.anomaly:
        found = msgspec.structs.replace(found, anomaly=f"not counted, another model's: {'; '.join(advisors)}")
    return found


def usage_rest(usage: Mapping[str, Json]) -> JsonObject:
    """Keep the members that no count stands for."""
    rest: JsonObject = {name: value for name, value in usage.items() if name not in _COUNTED and value is not None}
    searches = as_object(usage.get("server_tool_use"))
    if as_count(searches.get("web_fetch_requests")):
        rest["web_fetch_requests"] = searches["web_fetch_requests"]
    return rest


def merge_usage(start: Mapping[str, Json], later: Mapping[str, Json]) -> JsonObject:
    """Put the counts of a later event over those of `message_start`."""
    merged: JsonObject = dict(start)
    merged.update({name: value for name, value in later.items() if value is not None})
    written = as_count(merged.get("cache_creation_input_tokens"))
    if _by_lifetime(as_object(merged.get("cache_creation"))) != written:
        merged.pop("cache_creation", None)  # message_start's breakdown, of a smaller sum
    return merged


def served_model(usage: Mapping[str, Json]) -> str:
    """Name the model that answered in the place of the one first asked; empty where none did."""
    fallbacks = [as_object(one) for one in as_list(usage.get("iterations"))]
    return next((as_text(one.get("model")) for one in fallbacks if one.get("type") == "fallback_message"), "")


def neutral_tier(usage: Mapping[str, Json]) -> str | None:
    """Read the tier that served the call, in the neutral words."""
    return _TIERS.get(as_text(usage.get("service_tier")))


def render_usage(usage: Usage | None, tier: str | None = None, rest: Mapping[str, Json] | None = None) -> JsonObject:
    """Write a whole usage object; the cache counts are always there."""
    top = _top_level(usage or Usage(), rest or {})
    found = _render_counts(top)
    found["cache_creation"] = {
        "ephemeral_5m_input_tokens": top.cache_write_5m + top.cache_write,
        "ephemeral_1h_input_tokens": top.cache_write_1h,
    }
    word = next((own for own, neutral in _TIERS.items() if neutral == tier), None)
    if word is not None:
        found["service_tier"] = word
    return _with_rest(found, usage, rest)


def render_delta_usage(usage: Usage | None, rest: Mapping[str, Json] | None = None) -> JsonObject:
    """Write the cumulative usage of `message_delta`."""
    return _with_rest(_render_counts(_top_level(usage or Usage(), rest or {})), usage, rest)


def _leaves(usage: Mapping[str, Json]) -> Usage:
    output = as_count(usage.get("output_tokens"))
    thinking = as_count(as_object(usage.get("output_tokens_details")).get("thinking_tokens"))
    written = as_count(usage.get("cache_creation_input_tokens"))
    lifetimes = as_object(usage.get("cache_creation"))
    five, hour = (
        as_count(lifetimes.get("ephemeral_5m_input_tokens")),
        as_count(lifetimes.get("ephemeral_1h_input_tokens")),
    )
    if five + hour > written and written:
        five = hour = 0
    elif five + hour > written:
        written = five + hour
    anomaly = ""
    if thinking > output:
        anomaly, thinking = f"output {output} < its thinking {thinking}", 0
    return Usage(
        input_fresh=as_count(usage.get("input_tokens")),
        cache_read=as_count(usage.get("cache_read_input_tokens")),
        cache_write=written - five - hour,
        cache_write_5m=five,
        cache_write_1h=hour,
        output_text=output - thinking,
        reasoning=thinking,
        web_searches=as_count(as_object(usage.get("server_tool_use")).get("web_search_requests")),
        anomaly=anomaly,
    )


def _by_lifetime(lifetimes: Mapping[str, Json]) -> int:
    return as_count(lifetimes.get("ephemeral_5m_input_tokens")) + as_count(lifetimes.get("ephemeral_1h_input_tokens"))


def _sum(first: Usage, second: Usage, sign: int = 1) -> Usage:
    return msgspec.structs.replace(
        first,
        input_fresh=first.input_fresh + sign * second.input_fresh,
        cache_read=first.cache_read + sign * second.cache_read,
        cache_write=first.cache_write + sign * second.cache_write,
        cache_write_5m=first.cache_write_5m + sign * second.cache_write_5m,
        cache_write_1h=first.cache_write_1h + sign * second.cache_write_1h,
        output_text=first.output_text + sign * second.output_text,
        reasoning=first.reasoning + sign * second.reasoning,
        web_searches=first.web_searches + sign * second.web_searches,
    )


def _top_level(usage: Usage, rest: Mapping[str, Json]) -> Usage:
    """Take out again what `read_usage` added."""
    for iteration in as_list(rest.get("iterations")):
        one = as_object(iteration)
        if one.get("type") == "compaction":
            usage = _sum(usage, _leaves(one), -1)
    return usage


def _render_counts(usage: Usage) -> JsonObject:
    found: JsonObject = {
        "input_tokens": usage.input_fresh + usage.input_audio + usage.input_image,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cached_tokens,
        "output_tokens": usage.output_tokens,
    }
    if usage.reasoning:
        found["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    return found


def _with_rest(found: JsonObject, usage: Usage | None, rest: Mapping[str, Json] | None) -> JsonObject:
    kept: JsonObject = dict(rest or {})
    fetches = as_count(kept.pop("web_fetch_requests", 0))
    searches = 0 if usage is None else usage.web_searches
    if searches or fetches:
        found["server_tool_use"] = {"web_search_requests": searches, "web_fetch_requests": fetches}
    return kept | found
