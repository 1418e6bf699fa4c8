"""Writes a neutral conversation as a Responses request for one provider."""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses, Message, Text
from tollway.core.json_value import JsonObject
from tollway.dialects.carrying import (
    carried_modalities,
    carried_specific,
    carried_tools,
    drop_set_fields,
    effort_for_budget,
    refuse_field,
)
from tollway.dialects.custom_tools import custom_tool_names
from tollway.dialects.field_names import field_name
from tollway.dialects.openai_responses.items_out import ItemWriter
from tollway.dialects.openai_responses.request_in import INSTRUCTIONS, LOGPROBS
from tollway.dialects.openai_responses.tools import NAME, tool_choice_value, tool_object
from tollway.interfaces.provider import Provider

_AS_THEY_ARE: Final = (
    "temperature",
    "top_p",
    "max_output_tokens",
    "top_logprobs",
    "user",
    "metadata",
    "prompt_cache_key",
    "safety_identifier",
)
"""Neutral fields whose name and meaning are this API's."""

_NO_WORD: Final = ("top_k", "seed", "stop", "logit_bias")
"""Neutral fields this API has no word for."""

_PENALTIES: Final = ("presence_penalty", "frequency_penalty")
"""OpenAI's own service has no word for these, other servers of this API do."""

_TEXT: Final = {"format": "output", "verbosity": "verbosity"}
"""The members of `text`, as neutral fields."""

_TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})


def render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Write a request.

    Raises:
        BadRequest: it needs what this API cannot express.
    """
    own = request.dialect == NAME
    specific = dict(carried_specific(request, NAME, losses))
    if request.count is not None and request.count > 1:
        refuse_field(request, "count", "this provider gives one answer a call")
    body: JsonObject = {"model": request.model}
    instructions, messages = _instructions(request)
    if instructions is not None:
        body["instructions"] = instructions
    items = ItemWriter(request, losses).write(messages)
    if items or not specific:
        body["input"] = items
    _tools(body, request, provider, losses)
    for name in _AS_THEY_ARE:
        value: object = getattr(request, name)
        if value is not None:
            body[name] = value
    drop_set_fields(request, _NO_WORD, losses)
    _penalties(body, request, losses, own=own)
    _text(body, request, specific.pop("text", {}))
    _reasoning(body, request, losses)
    _include(body, request, specific.pop("include", []))
    _account(body, request, losses, own=own)
    if request.stream:
        body["stream"] = True
    for name, value in (*specific.items(), *request.rest.items()):
        body.setdefault(name, value)
    _drop_unsupported(body, request, provider.unsupported, losses)
    return msgspec.json.encode(body)


def _drop_unsupported(body: JsonObject, request: Conversation, lacks: frozenset[str], losses: Losses) -> None:
    for name in [name for name in body if name in lacks]:
        value = body.pop(name)
        lost = _TEXT.keys() & value.keys() if name == "text" else {name}
        for one in sorted(lost):
            losses.drop(field_name(request.dialect, _TEXT.get(one, one)))


def first_instructions(request: Conversation) -> str | None:
    """What stands, or would stand, in `instructions`."""
    return _instructions(request)[0]


def _instructions(request: Conversation) -> tuple[str | None, tuple[Message, ...]]:
    """Take the first message, where it is plain system text (a caller of this API said so itself)."""
    first = request.messages[0] if request.messages else None
    if first is None or first.role != "system" or len(first.parts) != 1 or not isinstance(first.parts[0], Text):
        return None, request.messages
    if request.dialect == NAME and first.id != INSTRUCTIONS:
        return None, request.messages
    if first.parts[0].cache is not None or len(request.messages) == 1:
        return (first.parts[0].text, ()) if first.id == INSTRUCTIONS else (None, request.messages)
    return first.parts[0].text, request.messages[1:]


def _tools(body: JsonObject, request: Conversation, provider: Provider, losses: Losses) -> None:
    tools = carried_tools(request, NAME, losses)
    choice = request.tool_choice
    if choice is not None and "tool_choice" in provider.unsupported:
        # What must not be called is not shown; what need not be demanded needs no word.
        tools = () if choice.mode == "none" else tools
        choice = None if choice.mode in {"none", "auto"} else choice
    if not tools:
        return
    own = request.dialect == NAME
    if any(tool.cache is not None for tool in tools):
        losses.drop("cache_control")
    body["tools"] = [tool_object(tool, own=own) for tool in tools]
    if choice is not None:
        body["tool_choice"] = tool_choice_value(choice, custom_tool_names(request))
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _penalties(body: JsonObject, request: Conversation, losses: Losses, *, own: bool) -> None:
    if not own:
        drop_set_fields(request, _PENALTIES, losses)
        carried_modalities(request, losses)
        return
    for name in _PENALTIES:
        value: object = getattr(request, name)
        if value is not None:
            body[name] = value


def _text(body: JsonObject, request: Conversation, more: JsonObject) -> None:
    text: JsonObject = dict(more)
    if request.output is not None and (request.output.kind != "text" or request.dialect == NAME):
        text["format"] = text_format(request)
    if request.verbosity is not None:
        text["verbosity"] = request.verbosity
    if text:
        body["text"] = text


def text_format(request: Conversation) -> JsonObject:
    """Write the shape the answer's text must have."""
    output = request.output
    if output is None or output.kind == "text":
        return {"type": "text"}
    if output.kind == "json" and output.schema is None:
        return {"type": "json_object"}
    shape: JsonObject = {"type": "json_schema", "name": output.name or "answer", "schema": output.schema or {}}
    if output.description is not None:
        shape["description"] = output.description
    if output.strict is not None:
        shape["strict"] = output.strict
    return shape


def _reasoning(body: JsonObject, request: Conversation, losses: Losses) -> None:
    reasoning = request.reasoning
    if reasoning is None:
        return
    own = request.dialect == NAME
    written: JsonObject = dict(reasoning.rest) if own else {}
    effort = reasoning.effort
    if effort is None and reasoning.budget_tokens:
        effort = effort_for_budget(reasoning.budget_tokens)
    if effort is not None:
        written["effort"] = effort
    summary = reasoning.summary or ("auto" if reasoning.show and not own else None)
    if summary is not None:
        written["summary"] = summary
    if reasoning.enabled is False and effort is None:
        losses.drop(field_name(request.dialect, "reasoning"))
    if not own:
        for name in reasoning.rest:
            losses.drop(f"{field_name(request.dialect, 'reasoning')}.{name}")
    if written:
        body["reasoning"] = written


def _include(body: JsonObject, request: Conversation, include: list[str]) -> None:
    wanted = [*include, LOGPROBS] if request.logprobs else list(include)
    if wanted:
        body["include"] = wanted


def _account(body: JsonObject, request: Conversation, losses: Losses, *, own: bool) -> None:
    if own:
        if request.store is not None:
            body["store"] = request.store
    else:
        # This API keeps answers unless told not to; callers of the others never agreed to that.
        body["store"] = bool(request.store)
    tier = request.service_tier
    if tier is not None and not own:
        tier = "default" if tier in {"standard", "standard_only"} else tier.lower()
    if tier is not None and (own or tier in _TIERS):
        body["service_tier"] = tier
    elif tier is not None:
        losses.drop(field_name(request.dialect, "service_tier"))
