"""Converse's token counts.

Rules of this file:
- `inputTokens` leaves out what was read from and written to the prompt cache; `totalTokens` holds all
  (recorded: 433 in, 2,752 read, 16 out, 3,201 in total). The neutral leaves hold all three.
- Nova's own answers, which InvokeModel gives, have the same names with `Count` behind those of the cache.
"""

from collections.abc import Mapping
from typing import Final

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text

_COUNTED: Final = frozenset(
    {
        "inputTokens",
        "outputTokens",
        "totalTokens",
        "cacheReadInputTokens",
        "cacheReadInputTokenCount",
        "cacheWriteInputTokens",
        "cacheWriteInputTokenCount",
        "cacheDetails",
    }
)
_LIFETIMES: Final = ("5m", "1h")


def read_usage(usage: Mapping[str, Json]) -> Usage:
    """Read a usage object."""
    read = as_count(usage.get("cacheReadInputTokens", usage.get("cacheReadInputTokenCount")))
    written = as_count(usage.get("cacheWriteInputTokens", usage.get("cacheWriteInputTokenCount")))
    five, hour = (_written_for(usage, lifetime) for lifetime in _LIFETIMES)
    if five + hour > written:
        five = hour = 0
    found = Usage(
        input_fresh=as_count(usage.get("inputTokens")),
        cache_read=read,
        cache_write=written - five - hour,
        cache_write_5m=five,
        cache_write_1h=hour,
        output_text=as_count(usage.get("outputTokens")),
    )
    total = as_count(usage.get("totalTokens"))
    if total and total != found.total_tokens:
        return Usage(
            input_fresh=found.input_fresh,
            cache_read=read,
            cache_write=found.cache_write,
            cache_write_5m=five,
            cache_write_1h=hour,
            output_text=found.output_text,
            provider_total=total,
        )
    return found


def usage_rest(usage: Mapping[str, Json]) -> JsonObject:
    """Keep the members that no count stands for."""
    return {name: value for name, value in usage.items() if name not in _COUNTED and value is not None}


def render_usage(usage: Usage | None, rest: Mapping[str, Json] | None = None) -> JsonObject:
    """Write a usage object. The counts of the cache are there where the cache was used."""
    counts = usage or Usage()
    found: JsonObject = {
        "inputTokens": counts.input_fresh + counts.input_audio + counts.input_image,
        "outputTokens": counts.output_tokens,
        "totalTokens": counts.total_tokens if counts.provider_total is None else counts.provider_total,
    }
    if counts.cached_tokens or counts.cache_write_tokens:
        found["cacheReadInputTokens"] = counts.cached_tokens
        found["cacheWriteInputTokens"] = counts.cache_write_tokens
    by_lifetime = zip(_LIFETIMES, (counts.cache_write_5m, counts.cache_write_1h), strict=True)
    details = [{"ttl": lifetime, "inputTokens": count} for lifetime, count in by_lifetime if count]
    if details:
        found["cacheDetails"] = details
    return found | dict(rest or {})


def _written_for(usage: Mapping[str, Json], lifetime: str) -> int:
    details = [as_object(one) for one in as_list(usage.get("cacheDetails"))]
    return sum(as_count(one.get("inputTokens")) for one in details if as_text(one.get("ttl")) == lifetime)
