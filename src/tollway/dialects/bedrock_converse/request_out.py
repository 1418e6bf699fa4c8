"""Writes the neutral conversation as a Converse request.

Rules of this file:
- Leading and later system and developer messages are `system`, in their order. A conversation of
  system messages alone: the last one is the user's turn.
- Turns alternate and begin with the user; tool results lie in the user turn.
- The API has no `none` among its tool choices: tools that must not be called are not sent. Where the
  history holds calls they must be declared, so then they stay, and the choice is reported as lost.
- A history with calls whose tools were not sent gets declarations of them: the API demands it.
- `temperature` above 1 becomes 1, and is reported.
"""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses, OutputFormat, Tool, ToolCall, ToolResult
from tollway.core.json_value import JsonObject
from tollway.dialects.bedrock_converse.content import NAME, cache_point
from tollway.dialects.bedrock_converse.content_out import BlockWriter
from tollway.dialects.bedrock_converse.model_fields import own_reasoning, write_reasoning, write_top_k
from tollway.dialects.carrying import (
    carried_modalities,
    carried_specific,
    carried_tools,
    drop_set_fields,
    refuse_field,
)
from tollway.dialects.closed_schema import closed_schema
from tollway.dialects.custom_tools import without_custom_tools
from tollway.dialects.field_names import field_name
from tollway.dialects.json_forms import json_text, members_under
from tollway.interfaces.provider import Provider

_UNSPOKEN: Final = (
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "verbosity",
    "logit_bias",
    "top_logprobs",
    "user",
    "safety_identifier",
    "store",
    "prompt_cache_key",
)
_TIERS: Final = frozenset({"default", "flex", "priority", "reserved"})


def render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Write a request; the model and whether to stream go into the path.

    Raises:
        BadRequest: the request needs what this API cannot express.
    """
    own = request.dialect == NAME
    specific = carried_specific(request, NAME, losses)
    tools = carried_tools(request, NAME, losses)
    if not own:
        _report(request, losses)
        request = without_custom_tools(request)
        tools = carried_tools(request, NAME, Losses())
    writer = BlockWriter(request)
    body = _turns(request, writer, own=own)
    for lost in writer.lost:
        losses.drop(field_name(request.dialect, lost))
    inference = _inference(request, losses, own=own) | members_under(specific, "inferenceConfig")
    if inference:
        body["inferenceConfig"] = inference
    tool_config = _tool_config(request, tools, losses, own=own) | members_under(specific, "toolConfig")
    if tool_config:
        body["toolConfig"] = tool_config
    _model_fields(request, specific, body, losses, own=own)
    _settings(request, body, losses, own=own)
    body.update({name: value for name, value in specific.items() if "." not in name})
    for name in provider.unsupported & body.keys():
        del body[name]
        losses.drop(name)
    return msgspec.json.encode(body | request.rest)


def _report(request: Conversation, losses: Losses) -> None:
    if request.count is not None and request.count > 1:
        refuse_field(request, "count", "Amazon Bedrock gives one answer; ask several times instead")
    carried_modalities(request, losses)
    drop_set_fields(request, _UNSPOKEN, losses)
    if request.logprobs:
        losses.drop(field_name(request.dialect, "logprobs"))
    if request.parallel_tool_calls is False:
        losses.drop(field_name(request.dialect, "parallel_tool_calls"))
    if any(message.name for message in request.messages):
        losses.drop("messages.name")


# --- turns


def _turns(request: Conversation, writer: BlockWriter, *, own: bool) -> JsonObject:
    system: list[JsonObject] = []
    turns: list[JsonObject] = []
    for position, message in enumerate(request.messages):
        blocks = writer.blocks(message.parts)
        rest = message.rest if own else {}
        leads = position == 0 or not own
        if message.role in {"system", "developer"} and leads:
            system.extend(blocks)
            continue
        role = message.role if message.role in {"assistant", "system"} else "user"
        if not blocks and not own:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1] = turns[-1] | rest | {"content": [*turns[-1]["content"], *blocks]}
        else:
            turns.append(rest | {"role": role, "content": blocks})
    if not own:
        if not turns and system:
            turns = [{"role": "user", "content": [system.pop()]}]
        elif turns and turns[0]["role"] == "assistant":
            turns.insert(0, {"role": "user", "content": [{"text": "Continue."}]})
    body: JsonObject = {"messages": turns}
    if system:
        body["system"] = system
    return body


# --- tools


def _tool_config(request: Conversation, tools: tuple[Tool, ...], losses: Losses, *, own: bool) -> JsonObject:
    choice = request.tool_choice
    if choice is not None and choice.mode == "allowed":
        tools = tuple(tool for tool in tools if tool.builtin is not None or tool.name in choice.names)
    if not own and choice is not None and choice.mode == "none" and tools:
        if not _called(request):
            return {}
        losses.drop(field_name(request.dialect, "tool_choice"))
    declared = [entry for tool in tools for entry in _tool(tool, own=own)]
    if not own:
        known = {tool.name for tool in tools}
        declared.extend(_unknown_tool(name) for name in _called(request) if name not in known)
    if not declared:
        if choice is not None and choice.mode in {"required", "named"} and not own:
            losses.drop(field_name(request.dialect, "tool_choice"))
        return {}
    found: JsonObject = {"tools": declared}
    written = _tool_choice(request)
    if written:
        found["toolChoice"] = written
    return found


def _called(request: Conversation) -> list[str]:
    """Name the tools that the history holds calls of; a call whose result alone is there has no name."""
    names = [part.name for message in request.messages for part in message.parts if isinstance(part, ToolCall)]
    orphans = any(isinstance(part, ToolResult) for message in request.messages for part in message.parts)
    return list(dict.fromkeys(names)) or (["unknown"] if orphans else [])


def _unknown_tool(name: str) -> JsonObject:
    return {"toolSpec": {"name": name, "inputSchema": {"json": {"type": "object"}}}}


def _tool(tool: Tool, *, own: bool) -> list[JsonObject]:
    if tool.builtin is not None:
        return [tool.builtin.value]
    spec: JsonObject = {"name": tool.name}
    if tool.description:
        spec["description"] = tool.description
    schema = tool.parameters or {}
    # The API insists on the type, other APIs do not.
    spec["inputSchema"] = {"json": schema if own or "type" in schema else {"type": "object"} | schema}
    if tool.strict is not None and (own or tool.strict):
        spec["strict"] = tool.strict
    entry: JsonObject = {"toolSpec": spec | tool.rest if own else spec}
    return [entry] if tool.cache is None else [entry, cache_point(tool.cache)]


def _tool_choice(request: Conversation) -> JsonObject:
    choice = request.tool_choice
    if choice is None:
        return {}
    nothing: JsonObject = {}
    match choice.mode:
        case "auto":
            return {"auto": nothing}
        case "required":
            return {"any": nothing}
        case "named":
            return {"tool": {"name": choice.names[0]}}
        case "allowed":
            return {"any" if choice.required else "auto": nothing}
        case "none":
            return {}
        case "opaque":
            return {} if choice.opaque is None else dict(choice.opaque.value)


# --- settings


def _inference(request: Conversation, losses: Losses, *, own: bool) -> JsonObject:
    found: JsonObject = {}
    if request.max_output_tokens is not None:
        found["maxTokens"] = request.max_output_tokens
    temperature = request.temperature
    if temperature is not None and temperature > 1 and not own:
        losses.drop(field_name(request.dialect, "temperature"))
        temperature = 1
    if temperature is not None:
        found["temperature"] = temperature
    if request.top_p is not None:
        found["topP"] = request.top_p
    stop = [one for one in request.stop if own or one.strip()]
    if len(stop) < len(request.stop):
        losses.drop(field_name(request.dialect, "stop"))
    if stop:
        found["stopSequences"] = stop
    return found


def _model_fields(request: Conversation, specific: JsonObject, body: JsonObject, losses: Losses, *, own: bool) -> None:
    members: JsonObject = {}
    if request.top_k is not None:
        top_k = write_top_k(request.model, request.top_k) or ({"top_k": request.top_k} if own else None)
        if top_k is None:
            losses.drop(field_name(request.dialect, "top_k"))
        else:
            members |= top_k
    effort: str | None = None
    if request.reasoning is not None:
        if own:
            thinking, effort = own_reasoning(request.reasoning)
        else:
            thinking = write_reasoning(request, request.reasoning)
        if thinking is None or (not own and "thinking" in thinking and _forced(request)):
            losses.drop(field_name(request.dialect, "reasoning"))
        else:
            members |= thinking
    members |= members_under(specific, "additionalModelRequestFields")
    if members:
        body["additionalModelRequestFields"] = members
    output = members_under(specific, "outputConfig")
    if effort is not None:
        output["effort"] = effort
    if request.output is not None:
        form = _output(request, request.output, losses, own=own)
        if form is not None:
            output["textFormat"] = form
    if output:
        body["outputConfig"] = output


def _forced(request: Conversation) -> bool:
    """Tell whether a tool must be called, which thinking excludes."""
    choice = request.tool_choice
    return choice is not None and (choice.mode in {"required", "named"} or choice.required)


def _output(request: Conversation, output: OutputFormat, losses: Losses, *, own: bool) -> JsonObject | None:
    if output.kind == "text":
        return None
    if output.schema is None:
        losses.drop(field_name(request.dialect, "output"))
        return None
    definition: JsonObject = {"schema": json_text(output.schema if own else closed_schema(output.schema))}
    if output.name is not None:
        definition["name"] = output.name
    if output.description is not None:
        definition["description"] = output.description
    return {"type": "json_schema", "structure": {"jsonSchema": definition}}


def _settings(request: Conversation, body: JsonObject, losses: Losses, *, own: bool) -> None:
    if request.metadata is not None:
        if own or all(isinstance(value, str) for value in request.metadata.values()):
            body["requestMetadata"] = request.metadata
        else:
            losses.drop(field_name(request.dialect, "metadata"))
    if request.service_tier is not None and request.service_tier != "auto":
        if own or request.service_tier in _TIERS:
            body["serviceTier"] = {"type": request.service_tier}
        else:
            losses.drop(field_name(request.dialect, "service_tier"))
