"""Responses' token counts, both directions: input includes cached, output includes reasoning.

Some servers count reasoning beside the output; they are told by arithmetic, as in Chat's own counts.
"""

from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects.caller_fields import as_count, as_object
from tollway.dialects.searches import searches


def parse_usage(value: JsonObject) -> Usage | None:
    """Read a `usage` object; None where it holds no counts."""
    if "input_tokens" not in value and "output_tokens" not in value:
        return None
    inputs, outputs = as_object(value.get("input_tokens_details")), as_object(value.get("output_tokens_details"))
    input_total, output_total = as_count(value.get("input_tokens")), as_count(value.get("output_tokens"))
    total = as_count(value["total_tokens"]) if value.get("total_tokens") is not None else None
    reasoning = as_count(outputs.get("reasoning_tokens"))
    if reasoning and total == input_total + output_total + reasoning:
        output_total += reasoning
    return usage_from_totals(
        input_total,
        output_total,
        cache_read=as_count(inputs.get("cached_tokens")) or as_count(inputs.get("cache_read_input_tokens")),
        cache_write=as_count(inputs.get("cache_write_tokens")) or as_count(inputs.get("cache_creation_input_tokens")),
        input_audio=as_count(inputs.get("audio_tokens")),
        input_image=as_count(inputs.get("image_tokens")),
        reasoning=reasoning,
        output_audio=as_count(outputs.get("audio_tokens")),
        output_image=as_count(outputs.get("image_tokens")),
        web_searches=searches(value),
        provider_total=total,
    )


def usage_rest(value: JsonObject) -> JsonObject:
    """What a `usage` object says beyond the counts this API names."""
    known = {"input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"}
    return {name: one for name, one in value.items() if name not in known}


def usage_object(usage: Usage) -> JsonObject:
    """Write a `usage` object with every detail this API names."""
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_tokens,
    }
