"""What a call of InvokeModel used: told by the body of each model family, in headers, or at the end of a stream.

Rules of this file:
- Families that count their own tokens do so in the ways of other APIs, which their readers know.
- Bedrock's own counts (`x-amzn-bedrock-…-token-count`, `amazon-bedrock-invocationMetrics`) leave the
  tokens of the prompt cache out of the input, as Converse does.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import msgspec

from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects.anthropic_messages.watch import answer_facts as messages_facts
from tollway.dialects.bedrock_converse import usage as converse
from tollway.dialects.caller_fields import as_count, as_list, as_object, as_text
from tollway.interfaces.dialect import AnswerFacts

METRICS: Final = "amazon-bedrock-invocationMetrics"

_HEADER: Final = b"x-amzn-bedrock-%b-token-count"
_IN, _OUT, _READ, _WRITTEN = (
    _HEADER % what for what in (b"input", b"output", b"cache-read-input", b"cache-write-input")
)


def answer_facts(body: bytes) -> AnswerFacts:
    """Find usage in a whole answer of any family. Never raises."""
    try:
        value: Json = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return AnswerFacts()
    answer = as_object(value)
    usage = as_object(answer.get("usage"))
    if "input_tokens" in usage:
        return messages_facts(body)
    return AnswerFacts(
        usage=_usage(answer, usage),
        model=as_text(answer.get("model")),
        id=as_text(answer.get("id")),
        finish=_finish(answer),
    )


def header_usage(headers: Mapping[bytes, bytes]) -> Usage | None:
    """Find usage in an answer's headers."""
    if _IN not in headers and _OUT not in headers:
        return None
    return Usage(
        input_fresh=_number(headers.get(_IN)),
        output_text=_number(headers.get(_OUT)),
        cache_read=_number(headers.get(_READ)),
        cache_write=_number(headers.get(_WRITTEN)),
    )


def read_metrics(metrics: JsonObject) -> Usage:
    """Read what the last event of a stream says."""
    return Usage(
        input_fresh=as_count(metrics.get("inputTokenCount")),
        output_text=as_count(metrics.get("outputTokenCount")),
        cache_read=as_count(metrics.get("cacheReadInputTokenCount")),
        cache_write=as_count(metrics.get("cacheWriteInputTokenCount")),
    )


def render_metrics(usage: Usage | None) -> JsonObject:
    """Write what the last event of a stream says."""
    counts = usage or Usage()
    found: JsonObject = {
        "inputTokenCount": counts.input_fresh + counts.input_audio + counts.input_image,
        "outputTokenCount": counts.output_tokens,
    }
    if counts.cached_tokens or counts.cache_write_tokens:
        found["cacheReadInputTokenCount"] = counts.cached_tokens
        found["cacheWriteInputTokenCount"] = counts.cache_write_tokens
    return found


def stream_finish(events: Sequence[JsonObject]) -> str:
    """Find why a model of any family stopped, in its last events."""
    for event in reversed(events):
        reason = _finish(event) or as_text(as_object(event.get("messageStop")).get("stopReason"))
        if reason:
            return reason
    return ""


def _usage(answer: JsonObject, usage: JsonObject) -> Usage | None:
    if "inputTokens" in usage:  # Nova
        return converse.read_usage(usage)
    if "prompt_tokens" in usage:  # families with OpenAI's shapes
        cached = as_count(as_object(usage.get("prompt_tokens_details")).get("cached_tokens"))
        return usage_from_totals(
            as_count(usage["prompt_tokens"]), as_count(usage.get("completion_tokens")), cache_read=cached
        )
    if "prompt_token_count" in answer:  # Llama
        return Usage(
            input_fresh=as_count(answer["prompt_token_count"]),
            output_text=as_count(answer.get("generation_token_count")),
        )
    if "inputTextTokenCount" in answer:  # Titan
        results = [as_object(one) for one in as_list(answer.get("results"))]
        written = sum(as_count(one.get("tokenCount")) for one in results)
        return Usage(input_fresh=as_count(answer["inputTextTokenCount"]), output_text=written)
    return None


def _finish(answer: JsonObject) -> str:
    for name in ("stopReason", "stop_reason", "finish_reason", "completionReason"):
        if as_text(answer.get(name)):
            return as_text(answer[name])
    for name in ("results", "outputs", "generations", "choices"):
        inner = as_list(answer.get(name))
        if inner and isinstance(inner[0], dict):
            return _finish(as_object(inner[0]))
    return ""


def _number(raw: bytes | None) -> int:
    return int(raw) if raw is not None and raw.isdigit() and len(raw) < 16 else 0
