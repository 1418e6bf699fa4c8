"""Chat's token counts, both directions.

Rules of this file:
- `prompt_tokens` includes cached tokens, `completion_tokens` includes reasoning: OpenAI's rule.
- Some servers count reasoning beside `completion_tokens`. They are told by arithmetic: when the
  total is prompt + completion + reasoning exactly, reasoning stood beside; and what is said at the top
  and exceeds the completion cannot be inside it.
- Beyond OpenAI's names: `prompt_cache_hit_tokens` and `num_cached_tokens` are cached input said at the
  top; for searches see `dialects/searches.py`.
"""

import msgspec

from tollway.core.json_value import JsonObject
from tollway.core.usage import NO_USAGE, Usage, usage_from_totals
from tollway.dialects.caller_fields import as_count, as_object
from tollway.dialects.searches import searches


class _InputDetails(msgspec.Struct, gc=False):
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class _OutputDetails(msgspec.Struct, gc=False):
    reasoning_tokens: int = 0
    audio_tokens: int = 0
    image_tokens: int = 0


class PlainUsage(msgspec.Struct, gc=False):
    """A `usage` object as OpenAI itself writes it, for answers that pass through and must cost little.

    One that is not so (a null count, a count at the top) does not decode, and is read by `parse_usage`.
    """

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    prompt_cache_hit_tokens: int = 0
    num_cached_tokens: int = 0
    reasoning_tokens: int = 0
    num_search_queries: int = 0
    server_tool_use: JsonObject | None = None
    server_tool_use_details: JsonObject | None = None
    server_side_tool_usage_details: JsonObject | None = None

    def counted(self) -> Usage:
        """Count it."""
        prompt, completion = self.prompt_tokens, self.completion_tokens
        cached, reasoning = self.prompt_cache_hit_tokens or self.num_cached_tokens, 0
        plain = self.total_tokens == prompt + completion and not (self.reasoning_tokens or self._searched())
        inputs = self.prompt_tokens_details
        if inputs is not None:
            cached = inputs.cached_tokens or cached
            plain = plain and not (inputs.cache_write_tokens or inputs.audio_tokens or inputs.image_tokens)
        outputs = self.completion_tokens_details
        if outputs is not None:
            reasoning = outputs.reasoning_tokens
            plain = plain and not (outputs.audio_tokens or outputs.image_tokens)
        if plain and 0 <= cached <= prompt and 0 <= reasoning <= completion:
            return Usage(
                input_fresh=prompt - cached, cache_read=cached, output_text=completion - reasoning, reasoning=reasoning
            )
        return parse_usage(msgspec.to_builtins(self)) or NO_USAGE

    def _searched(self) -> bool:
        """Whether it may count searches."""
        return bool(
            self.num_search_queries
            or self.server_tool_use
            or self.server_tool_use_details
            or self.server_side_tool_usage_details
        )


def parse_usage(value: JsonObject) -> Usage | None:
    """Read a `usage` object; None where it holds no counts."""
    if "prompt_tokens" not in value and "completion_tokens" not in value:
        return None
    prompt, completion = as_count(value.get("prompt_tokens")), as_count(value.get("completion_tokens"))
    total = as_count(value["total_tokens"]) if value.get("total_tokens") is not None else None
    inputs, outputs = as_object(value.get("prompt_tokens_details")), as_object(value.get("completion_tokens_details"))
    inner, outer = as_count(outputs.get("reasoning_tokens")), as_count(value.get("reasoning_tokens"))
    reasoning = inner or outer
    if reasoning and (total == prompt + completion + reasoning or (not inner and outer > completion)):
        completion += reasoning
    at_the_top = as_count(value.get("prompt_cache_hit_tokens")) or as_count(value.get("num_cached_tokens"))
    cached = as_count(inputs.get("cached_tokens")) or at_the_top
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
        web_searches=searches(value),
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
