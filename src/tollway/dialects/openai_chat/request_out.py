"""Writes a neutral conversation as a Chat request for one provider.

Words of `Provider.unsupported` beyond field names: `developer` (the role; written as `system`),
`custom_tools` (rewritten as functions), `allowed_tools` (the tools are narrowed instead),
`extra_content` (Gemini's signatures are left out), `refusal` (in an assistant message; written as its words).
"""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses, OutputFormat, ToolChoice
from tollway.core.json_value import JsonObject
from tollway.dialects.carrying import (
    carried_modalities,
    carried_specific,
    carried_tools,
    effort_for_budget,
    refuse_field,
)
from tollway.dialects.custom_tools import custom_tool_names, without_custom_tools
from tollway.dialects.field_names import field_name
from tollway.dialects.openai_chat.content import NAME
from tollway.dialects.openai_chat.messages_out import MessageWriter
from tollway.dialects.openai_chat.tools import tool_choice_value, tool_object, uses_legacy_functions
from tollway.interfaces.provider import Provider

_AS_THEY_ARE: Final = (
    "temperature",
    "top_p",
    "top_k",
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "verbosity",
    "logprobs",
    "top_logprobs",
    "logit_bias",
    "user",
    "prompt_cache_key",
    "safety_identifier",
    "store",
)
"""Neutral fields whose name and meaning are this API's."""

_NEUTRAL: Final = {
    "n": "count",
    "max_tokens": "max_output_tokens",
    "max_completion_tokens": "max_output_tokens",
    "response_format": "output",
    "reasoning_effort": "reasoning",
}
"""This API's field → the neutral one, where the names differ."""

_TIERS: Final = {
    "auto": "auto",
    "default": "default",
    "flex": "flex",
    "scale": "scale",
    "priority": "priority",
    "fast": "fast",
    "ultrafast": "priority",
    "standard": "default",
    "standard_only": "default",
}


def render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Write a request.

    Raises:
        BadRequest: it needs what this API, or this provider, cannot express.
    """
    lacks = provider.unsupported
    body: JsonObject = {"model": request.model}
    specific = carried_specific(request, NAME, losses)
    if "custom_tools" in lacks:
        request = without_custom_tools(request)
    body["messages"] = MessageWriter(request, losses, provider).write()
    _tools(body, request, provider, losses)
    _sampling(body, request, provider, losses)
    _output(body, request)
    _reasoning(body, request, provider, losses)
    _account(body, request, losses)
    if request.stream:
        body["stream"] = True
        body["stream_options"] = {**specific.get("stream_options", {}), "include_usage": True}
    for name, value in (*specific.items(), *request.rest.items()):
        body.setdefault(name, value)
    _drop_unsupported(body, request, lacks, losses)
    for name in provider.renamed.keys() & body.keys():
        body[provider.renamed[name]] = body.pop(name)
    return msgspec.json.encode(body)


def _drop_unsupported(body: JsonObject, request: Conversation, lacks: frozenset[str], losses: Losses) -> None:
    for name in [name for name in body if name in lacks]:
        value = body.pop(name)
        if name == "n" and value > 1:
            refuse_field(request, "count", "this provider gives one answer a call")
        asked_for_nothing = name == "stream_options" or value is False or (name == "n" and value == 1)
        if not asked_for_nothing:
            losses.drop(field_name(request.dialect, _NEUTRAL.get(name, name)))


def _tools(body: JsonObject, request: Conversation, provider: Provider, losses: Losses) -> None:
    tools = carried_tools(request, NAME, losses)
    choice = request.tool_choice
    if choice is not None and choice.mode == "allowed" and "allowed_tools" in provider.unsupported:
        tools = tuple(tool for tool in tools if tool.name in choice.names)
        choice = ToolChoice("required" if choice.required else "auto")
    if "tool_choice" in provider.unsupported and choice is not None:
        # What must not be called is not shown; what need not be demanded needs no word.
        tools = () if choice.mode == "none" else tools
        choice = None if choice.mode in {"none", "auto"} else choice
    if not tools:
        return
    own = request.dialect == NAME
    if not own and any(tool.cache is not None for tool in tools):
        losses.drop("cache_control")
    if own and uses_legacy_functions(request):
        body["functions"] = [tool_object(tool, own=True)["function"] for tool in tools]
        if choice is not None:
            body["function_call"] = {"name": choice.names[0]} if choice.mode == "named" else choice.mode
        return
    body["tools"] = [tool.builtin.value if tool.builtin else tool_object(tool, own=own) for tool in tools]
    if choice is not None:
        body["tool_choice"] = tool_choice_value(choice, custom_tool_names(request))
    if request.parallel_tool_calls is not None:
        body["parallel_tool_calls"] = request.parallel_tool_calls


def _sampling(body: JsonObject, request: Conversation, provider: Provider, losses: Losses) -> None:
    for name in _AS_THEY_ARE:
        value: object = getattr(request, name)
        if value is not None:
            body[name] = value
    if request.max_output_tokens is not None:
        body[provider.max_tokens_field or "max_tokens"] = request.max_output_tokens
    if request.stop:
        body["stop"] = list(request.stop)
    if request.count is not None:
        body["n"] = request.count
    if request.modalities:
        if request.dialect == NAME:
            body["modalities"] = list(request.modalities)
        else:
            carried_modalities(request, losses)


def _output(body: JsonObject, request: Conversation) -> None:
    output = request.output
    if output is None or (output.kind == "text" and request.dialect != NAME):
        return
    if output.kind == "json" and output.schema is not None and request.dialect != NAME:
        output = OutputFormat("schema", schema=output.schema)
    if output.kind == "schema":
        inner: JsonObject = {"name": output.name or "answer", "schema": output.schema or {"type": "object"}}
        if output.description is not None:
            inner["description"] = output.description
        if output.strict is not None:
            inner["strict"] = output.strict
        body["response_format"] = {"type": "json_schema", "json_schema": inner}
    elif output.kind == "json":
        body["response_format"] = {"type": "json_object"} | ({"schema": output.schema} if output.schema else {})
    else:
        body["response_format"] = {"type": "text"}


def _reasoning(body: JsonObject, request: Conversation, provider: Provider, losses: Losses) -> None:
    reasoning = request.reasoning
    if reasoning is None:
        return
    name = field_name(request.dialect, "reasoning")
    if provider.thinking_off and (reasoning.enabled is False or reasoning.effort == "none"):
        body |= provider.thinking_off
    elif reasoning.effort is not None:
        body["reasoning_effort"] = reasoning.effort
    elif reasoning.budget_tokens:
        body["reasoning_effort"] = effort_for_budget(reasoning.budget_tokens)
    elif reasoning.enabled is False:
        losses.drop(name)  # models that cannot think refuse the field, and no word switches all others off
    for member in reasoning.rest:
        losses.drop(f"{name}.{member}")
    if reasoning.summary is not None:
        losses.drop(f"{name}.summary")


def _account(body: JsonObject, request: Conversation, losses: Losses) -> None:
    """Write what concerns the caller's account rather than the answer."""
    if request.metadata is not None:
        # OpenAI: "The 'metadata' parameter is only allowed when 'store' is enabled."
        if request.dialect == NAME or request.store:
            body["metadata"] = request.metadata
        else:
            losses.drop(field_name(request.dialect, "metadata"))
    if request.service_tier is not None:
        tier = request.service_tier if request.dialect == NAME else _TIERS.get(request.service_tier.lower())
        if tier is None:
            losses.drop(field_name(request.dialect, "service_tier"))
        else:
            body["service_tier"] = tier
