"""Writes the neutral conversation as an Ollama Chat request.

Rules of this file:
- `stream` is always said, because it is true unless it is false.
- The API has no `tool_choice`. A tool that must not be called is not shown; of tools among which one is
  chosen, only those are shown; that one must be called cannot be said, and is reported.
"""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses, Tool
from tollway.core.json_value import JsonObject
from tollway.dialects.carrying import (
    carried_modalities,
    carried_specific,
    carried_tools,
    drop_set_fields,
    refuse_field,
)
from tollway.dialects.custom_tools import without_custom_tools
from tollway.dialects.field_names import field_name
from tollway.dialects.ollama_chat.content import NAME
from tollway.dialects.ollama_chat.messages_out import MessageWriter
from tollway.dialects.ollama_chat.settings import write_settings
from tollway.interfaces.provider import Provider

UNSPOKEN: Final = (
    "parallel_tool_calls",
    "verbosity",
    "logit_bias",
    "user",
    "metadata",
    "service_tier",
    "store",
    "prompt_cache_key",
    "safety_identifier",
)
"""Neutral fields that this API has no word for."""


def render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Write a request for `provider`.

    Raises:
        BadRequest: the request needs what this API cannot express.
    """
    own = request.dialect == NAME
    specific = carried_specific(request, NAME, losses)
    if not own:
        report(request, losses)
        request = without_custom_tools(request)
    body: JsonObject = {"model": request.model, "messages": MessageWriter(request, losses).write()}
    tools = [_tool(tool, own=own) for tool in _offered(request, losses)]
    if tools:
        body["tools"] = tools
    write_settings(body, request, specific, losses, own=own)
    body["stream"] = request.stream
    return finished(body, request, provider, losses)


def report(request: Conversation, losses: Losses) -> None:
    """Report, or refuse, what this API cannot say."""
    if request.count is not None and request.count > 1:
        refuse_field(request, "count", "an Ollama model gives one answer; ask several times instead")
    drop_set_fields(request, UNSPOKEN, losses)
    carried_modalities(request, losses)


def finished(body: JsonObject, request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Add the caller's unknown fields, leave out what the provider refuses, and write it all."""
    for name, value in request.rest.items():
        body.setdefault(name, value)
    for name in sorted(provider.unsupported & body.keys()):
        del body[name]
        losses.drop(name)
    return msgspec.json.encode(body)


def _offered(request: Conversation, losses: Losses) -> tuple[Tool, ...]:
    tools = carried_tools(request, NAME, losses)
    choice = request.tool_choice
    if request.dialect != NAME and any(tool.strict for tool in tools):
        losses.drop(field_name(request.dialect, "tool_strict"))
    if request.dialect != NAME and any(tool.cache is not None for tool in tools):
        losses.drop("cache_control")
    if choice is None or choice.mode == "auto":
        return tools
    if choice.mode == "none":
        return ()
    if choice.mode in {"named", "allowed"}:
        tools = tuple(tool for tool in tools if tool.builtin is not None or tool.name in choice.names)
    if choice.mode != "allowed" or choice.required:
        losses.drop(field_name(request.dialect, "tool_choice"))
    return tools


def _tool(tool: Tool, *, own: bool) -> JsonObject:
    if tool.builtin is not None:
        return tool.builtin.value
    function: JsonObject = {"name": tool.name}
    if tool.description is not None:
        function["description"] = tool.description
    if tool.parameters is not None:
        function["parameters"] = tool.parameters
    if not own:
        return {"type": "function", "function": function}
    function |= tool.rest.get("function", {})
    return {"type": "function", "function": function} | {
        name: value for name, value in tool.rest.items() if name != "function"
    }
