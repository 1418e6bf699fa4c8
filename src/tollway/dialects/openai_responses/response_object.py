"""The `response` object around the output items: what was asked, and what became of it.

Rules of this file:
- Every member that OpenAI's or the OpenResponses schema requires is there, also where a caller said
  nothing and the provider speaks another API; then it holds the API's own default.
- `store` is false for an answer that was translated, unless the gateway keeps it: nobody else does.
- Until usage is known it is written as zeros, since one schema demands an object and the other the
  member.
"""

import msgspec

from tollway.core.answer import FinishReason
from tollway.core.conversation import Conversation, KeptTurn
from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.caller_fields import as_object
from tollway.dialects.custom_tools import custom_tool_names
from tollway.dialects.openai_responses.request_out import first_instructions, text_format
from tollway.dialects.openai_responses.tools import NAME, echoed_tool, tool_choice_value
from tollway.dialects.openai_responses.usage import usage_object

_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a request so far."""

    id: str
    model: str
    created: int
    status: str
    output: list[JsonObject]
    usage: Usage | None = None
    usage_rest: JsonObject = {}
    completed: int | None = None
    incomplete: str | None = None
    """`max_output_tokens` or `content_filter`."""
    error: JsonObject | None = None
    service_tier: str | None = None
    rest: JsonObject = {}
    """What a provider of this API said at the top beyond all this."""


def response_id(identity: str, fallback: str, kept: KeptTurn | None = None) -> str:
    """Give the id of a response: the one it is kept under, or the provider's own, made recognisable."""
    identity = kept.id if kept is not None else identity or fallback
    return identity if identity.startswith("resp") else f"resp_{identity}"


def item_base(identity: str) -> str:
    """The part of a response's id that item ids share."""
    return "".join(letter for letter in identity.removeprefix("resp_") if letter.isalnum())


def outcome_of(finish: FinishReason | None) -> tuple[str, str | None]:
    """Give status and, where it is incomplete, the reason."""
    match finish:
        case "length":
            return "incomplete", "max_output_tokens"
        case "content_filter":
            return "incomplete", "content_filter"
        case _:
            return "completed", None


def response_object(request: Conversation, outcome: Outcome) -> JsonObject:
    """Write a `response`."""
    tier = outcome.service_tier or request.service_tier
    written = _echo(request)
    for name, value in outcome.rest.items():
        if isinstance(value, dict) and isinstance(written.get(name), dict):
            # A member that is null says nothing more than the default does.
            written[name] |= {inner: one for inner, one in as_object(value).items() if one is not None}
        elif value is not None:
            written[name] = value
    return (
        written
        | _kept(request)
        | {
            "id": outcome.id,
            "object": "response",
            "created_at": outcome.created,
            "completed_at": outcome.completed,
            "status": outcome.status,
            "model": outcome.model,
            "output": outcome.output,
            "error": outcome.error,
            "incomplete_details": None if outcome.incomplete is None else {"reason": outcome.incomplete},
            "service_tier": tier if tier in _TIERS else "default",
            "usage": usage_object(outcome.usage or NO_USAGE) | outcome.usage_rest,
        }
    )


def _echo(request: Conversation) -> JsonObject:
    specific = request.specific if request.dialect == NAME else {}
    choice = request.tool_choice
    reasoning = request.reasoning
    echo: JsonObject = {
        "background": False,
        "instructions": first_instructions(request) if request.dialect == NAME else None,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": specific.get("max_tool_calls"),
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "previous_response_id": specific.get("previous_response_id"),
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {
            "effort": reasoning.effort if reasoning else None,
            "summary": reasoning.summary if reasoning else None,
        },
        "safety_identifier": request.safety_identifier,
        "store": False,
        "temperature": _or(request.temperature, 1.0),
        "text": {"format": text_format(request)},
        "tool_choice": "auto" if choice is None else tool_choice_value(choice, custom_tool_names(request)),
        "tools": [echoed_tool(tool) for tool in request.tools],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": _or(request.top_p, 1.0),
        "presence_penalty": _or(request.presence_penalty, 0.0),
        "frequency_penalty": _or(request.frequency_penalty, 0.0),
        "truncation": specific.get("truncation", "disabled"),
        "metadata": request.metadata or {},
    }
    if request.verbosity is not None:
        echo["text"]["verbosity"] = request.verbosity
    if request.user is not None:
        echo["user"] = request.user
    return echo


def _kept(request: Conversation) -> JsonObject:
    """What a provider knows nothing of, where the gateway keeps the answer itself."""
    kept = request.kept
    if kept is None:
        return {}
    told: JsonObject = {"store": kept.stored, "previous_response_id": kept.previous or None}
    return told | {"conversation": {"id": kept.thread}} if kept.thread else told


def _or(value: float | None, default: float) -> Json:
    return default if value is None else value
