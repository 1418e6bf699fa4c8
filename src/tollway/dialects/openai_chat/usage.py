"""Chat's token counts, both directions.

Rules of this file:
- `prompt_tokens` includes cached tokens, `completion_tokens` includes reasoning: OpenAI's rule.
- Some servers count reasoning beside `completion_tokens`. They are told by arithmetic: when the
  total is prompt + completion + reasoning exactly, reasoning stood beside.
"""

from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects.caller_fields import as_count, as_object


def parse_usage(value: JsonObject) -> Usage | None:
    """Read a `usage` object; None where it holds no counts."""
    if "prompt_tokens" not in value and "completion_tokens" not in value:
        return None
    prompt, completion = as_count(value.get("prompt_tokens")), as_count(value.get("completion_tokens"))
    total = as_count(value["total_tokens"]) if value.get("total_tokens") is not None else None
    inputs, outputs = as_object(value.get("prompt_tokens_details")), as_object(value.get("completion_tokens_details"))
    reasoning = as_count(outputs.get("reasoning_tokens")) or as_count(value.get("reasoning_tokens"))
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning
    # DeepSeek says its cache hits at the top as well.
    cached = as_count(inputs.get("cached_tokens")) or as_count(value.get("prompt_cache_hit_tokens"))
    return usage_from_totals(
        prompt,
        completion,
        cache_read=cached,
        cache_write=as_count(inputs.get("cache_write_tokens")),
        input_audio=as_count(inputs.get("audio_tokens")),
        input_image=as_count(inputs.get("image_tokens")),
        reasoning=reasoning,
        output_audio=as_count(outputs.get("audio_tokens")),
        output_image=as_count(outputs.get("image_tokens")),
        provider_total=total,
    )


def usage_object(usage: Usage) -> JsonObject:
    """Write a `usage` object with every detail this API names."""
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_write_tokens": usage.cache_write_tokens,
            "audio_tokens": usage.input_audio + usage.cache_read_audio,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": usage.output_audio,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
