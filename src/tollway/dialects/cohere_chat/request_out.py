"""Writes the neutral conversation as a Cohere Chat request.

Rules of this file:
- A demand for one tool, or for one of several, is a demand for any of the tools that are then sent.
- Numbers outside the API's ranges are moved to the nearest end, and reported: `p` lies between 0.01
  and 0.99, `k` between 0 and 500, the penalties between 0 and 1.
- An effort of reasoning is a budget of thinking tokens.
- `strict_tools` is for all tools of a request; one that asks for it is enough.
"""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses, OutputFormat, ReasoningRequest, Tool
from tollway.core.json_value import JsonObject
from tollway.dialects.carrying import (
    carried_modalities,
    carried_specific,
    carried_tools,
    drop_set_fields,
    refuse_field,
)
from tollway.dialects.cohere_chat.content import NAME, merged
from tollway.dialects.cohere_chat.messages_out import MessageWriter
from tollway.dialects.custom_tools import without_custom_tools
from tollway.dialects.field_names import field_name
from tollway.interfaces.provider import Provider

_UNSPOKEN: Final = (
    "parallel_tool_calls",
    "verbosity",
    "logit_bias",
    "top_logprobs",
    "user",
    "metadata",
    "service_tier",
    "store",
    "prompt_cache_key",
    "safety_identifier",
)
_RANGES: Final = {
    "top_p": ("p", 0.01, 0.99),
    "top_k": ("k", 0, 500),
    "presence_penalty": ("presence_penalty", 0.0, 1.0),
    "frequency_penalty": ("frequency_penalty", 0.0, 1.0),
}
"""Neutral field → the API's, its least and its most."""

_BUDGETS: Final = {"minimal": 512, "low": 2_048, "medium": 10_240, "high": 32_768, "xhigh": 32_768, "max": 32_768}


def render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Write a request for `provider`.

    Raises:
        BadRequest: the request needs what this API cannot express.
    """
    own = request.dialect == NAME
    specific = carried_specific(request, NAME, losses)
    if not own:
        _report(request, losses)
        request = without_custom_tools(request)
    writer = MessageWriter(request, losses)
    body: JsonObject = {"model": request.model, "messages": writer.write()}
    if writer.documents:
        body["documents"] = writer.documents
    _tools(body, request, losses, own=own)
    _sampling(body, request, losses, own=own)
    if request.output is not None and (request.output.kind != "text" or own):
        body["response_format"] = _output(request.output)
    if request.reasoning is not None:
        thinking = _thinking(request, request.reasoning, losses, own=own)
        if thinking is not None:
            body["thinking"] = thinking
    if request.stream:
        body["stream"] = True
    for name, value in (*specific.items(), *request.rest.items()):
        body.setdefault(name, value)
    for name in sorted(provider.unsupported & body.keys()):
        del body[name]
        losses.drop(name)
    return msgspec.json.encode(body)


def _report(request: Conversation, losses: Losses) -> None:
    if request.count is not None and request.count > 1:
        refuse_field(request, "count", "a Cohere model gives one answer; ask several times instead")
    drop_set_fields(request, _UNSPOKEN, losses)
    carried_modalities(request, losses)


# --- tools


def _tools(body: JsonObject, request: Conversation, losses: Losses, *, own: bool) -> None:
    tools = carried_tools(request, NAME, losses)
    choice = request.tool_choice
    if choice is not None and choice.mode in {"named", "allowed"}:
        tools = tuple(tool for tool in tools if tool.builtin is not None or tool.name in choice.names)
    if not own and any(tool.cache is not None for tool in tools):
        losses.drop("cache_control")
    if tools:
        body["tools"] = [_tool(tool, own=own) for tool in tools]
    strict = [tool.strict for tool in tools if tool.strict is not None]
    if any(strict) or (strict and own):
        body["strict_tools"] = any(strict)
    if choice is None or not (tools or own):
        return
    if choice.mode == "none":
        body["tool_choice"] = "NONE"
    elif choice.mode in {"required", "named"} or choice.required:
        body["tool_choice"] = "REQUIRED"


def _tool(tool: Tool, *, own: bool) -> JsonObject:
    if tool.builtin is not None:
        return tool.builtin.value
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None or not own:  # the API demands them, others do not
        function["parameters"] = tool.parameters or {"type": "object", "properties": {}}
    found: JsonObject = {"type": "function", "function": function}
    return merged(found, tool.rest) if own else found


# --- settings


def _sampling(body: JsonObject, request: Conversation, losses: Losses, *, own: bool) -> None:
    if request.max_output_tokens is not None:
        body["max_tokens"] = request.max_output_tokens
    if request.temperature is not None:
        body["temperature"] = request.temperature
    for field, (name, least, most) in _RANGES.items():
        value: float | None = getattr(request, field)
        if value is None:
            continue
        kept = value if own else min(max(value, least), most)
        if abs(kept - value) > 0.01 + 1e-9:  # 1 as 0.99 changes nothing that anybody could tell
            losses.drop(field_name(request.dialect, field))
        body[name] = kept
    if request.seed is not None:
        body["seed"] = request.seed
    if request.stop:
        body["stop_sequences"] = request.stop
    if request.logprobs is not None and (own or request.logprobs):
        body["logprobs"] = request.logprobs


def _output(output: OutputFormat) -> JsonObject:
    if output.kind == "text":
        return {"type": "text"}
    if output.schema is None:
        return {"type": "json_object"}
    return {"type": "json_object", "json_schema": output.schema}


def _thinking(request: Conversation, reasoning: ReasoningRequest, losses: Losses, *, own: bool) -> JsonObject | None:
    if own:
        found: JsonObject = {}
        if reasoning.enabled is not None:
            found["type"] = "enabled" if reasoning.enabled else "disabled"
        if reasoning.budget_tokens is not None:
            found["token_budget"] = reasoning.budget_tokens
        return found | reasoning.rest
    name = field_name(request.dialect, "reasoning")
    if reasoning.summary is not None:
        losses.drop(f"{name}.summary")
    for member in reasoning.rest:
        losses.drop(f"{name}.{member}")
    if reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0:
        return {"type": "disabled"}
    budget = reasoning.budget_tokens
    if budget is None and reasoning.effort is not None:
        budget = _BUDGETS.get(reasoning.effort, _BUDGETS["medium"])
    if budget is not None and budget > 0:
        return {"type": "enabled", "token_budget": budget}
    # A budget below nothing leaves the amount to the model.
    return {"type": "enabled"} if reasoning.enabled or budget is not None or reasoning.adaptive else None
