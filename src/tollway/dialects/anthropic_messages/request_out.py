"""Writes the neutral conversation as a Messages request.

Rules of this file:
- Leading system and developer messages are the `system` field. A later one stays at its place where
  the model takes it there (families from 4.8 on, right after a user turn); for other models it
  moves to the end of `system`, so that it keeps its authority.
- Turns alternate: neighbours of one role are one turn, tool results lie in the user turn, and a
  conversation that does not begin with the user gets a user turn in front.
- A conversation of system messages alone: the last one is the user's turn.
- `allowed` tools: only those are sent. A custom (free-text) tool becomes a function with one string
  `input`. JSON mode without a schema has no counterpart; it is dropped and reported.
- `temperature` above 1 becomes 1. Families from 4.1 on refuse `temperature` beside `top_p`, those
  from 4.7 on any sampling parameter, thinking all but its default: what cannot be sent is reported.
"""

from typing import Final, Literal

import msgspec

from tollway.core.conversation import Conversation, Losses, Message, OutputFormat, Tool
from tollway.core.json_value import JsonObject
from tollway.dialects.anthropic_messages.content import NAME, BlockWriter, text_or_blocks
from tollway.dialects.anthropic_messages.thinking import ThinkingPlan, model_version, own_thinking, plan_thinking
from tollway.dialects.caller_fields import as_text
from tollway.dialects.carrying import carried_specific, carried_tools, drop_set_fields, refuse_field
from tollway.dialects.closed_schema import closed_schema
from tollway.dialects.custom_tools import without_custom_tools
from tollway.dialects.field_names import field_name
from tollway.dialects.json_forms import members_under
from tollway.interfaces.provider import Provider

DEFAULT_MAX_TOKENS: Final = 8192
"""Where neither the caller nor the provider's file says: every current model can write so much."""

_UNSPOKEN: Final = (
    "presence_penalty",
    "frequency_penalty",
    "seed",
    "verbosity",
    "logit_bias",
    "top_logprobs",
    "metadata",
    "store",
    "prompt_cache_key",
)
_TIERS: Final = {"default": "standard_only", "standard_only": "standard_only", "auto": "auto", "priority": "auto"}

TurnRole = Literal["user", "assistant", "system"]


class Turn(msgspec.Struct):
    """A turn as it will be sent."""

    role: TurnRole
    blocks: list[JsonObject]
    rest: JsonObject = {}


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
    writer = BlockWriter(own=own)
    system, turns = _turns(request, writer, own=own)
    tools = [_tool(tool, own=own) for tool in _offered(request, losses)]
    choice = _tool_choice(request, tools, losses)
    plan = _thinking(request, choice, turns, losses, own=own)
    for lost in writer.lost:
        losses.drop(field_name(request.dialect, lost))
    body: JsonObject = {"model": request.model, "max_tokens": _max_tokens(request, provider, plan)}
    if system:
        body["system"] = text_or_blocks(system)
    body["messages"] = [{"role": turn.role, "content": text_or_blocks(turn.blocks)} | turn.rest for turn in turns]
    if tools:
        body["tools"] = tools
    if choice is not None:
        body["tool_choice"] = choice
    stop = [one for one in request.stop if own or one.strip()]
    if len(stop) < len(request.stop):  # the API refuses stop sequences of white space alone
        losses.drop(field_name(request.dialect, "stop"))
    if stop:
        body["stop_sequences"] = stop
    _sampling(request, plan, body, losses, own=own)
    _settings(request, plan, specific, body, losses)
    for name in provider.unsupported & body.keys():
        del body[name]
        losses.drop(name)
    return msgspec.json.encode(body | request.rest)


# --- what cannot be said


def _report(request: Conversation, losses: Losses) -> None:
    if request.count is not None and request.count > 1:
        refuse_field(request, "count", "an Anthropic model gives one answer; ask several times instead")
    drop_set_fields(request, _UNSPOKEN, losses)
    if request.logprobs:
        losses.drop(field_name(request.dialect, "logprobs"))
    if any(modality.lower() != "text" for modality in request.modalities):
        losses.drop(field_name(request.dialect, "modalities"))
    if any(message.name for message in request.messages):
        losses.drop("messages.name")


# --- turns


def _turns(request: Conversation, writer: BlockWriter, *, own: bool) -> tuple[list[JsonObject], list[Turn]]:
    system: list[JsonObject] = []
    turns: list[Turn] = []
    messages = request.messages
    in_place = own or model_version(request.model) >= (4, 8)
    for position, message in enumerate(messages):
        blocks = writer.blocks(message.parts)
        if not blocks and not own:
            continue
        if message.role in {"system", "developer"}:
            last = messages[position + 1] if position + 1 < len(messages) else None
            if turns and in_place and (own or (turns[-1].role == "user" and _ends_turn(last))):
                _add(turns, "system", blocks, message.rest if own else {})
            else:
                system.extend(blocks)
        else:
            role: TurnRole = "assistant" if message.role == "assistant" else "user"
            _add(turns, role, blocks, message.rest if own else {})
    if own:
        return system, turns
    if not turns and system:
        turns = [Turn("user", [system.pop()])]
    elif turns and turns[0].role == "assistant":
        turns.insert(0, Turn("user", [{"type": "text", "text": "Continue."}]))
    _trim_prefill(turns)
    return system, turns


def _ends_turn(following: Message | None) -> bool:
    return following is None or following.role == "assistant"


def _add(turns: list[Turn], role: TurnRole, blocks: list[JsonObject], rest: JsonObject) -> None:
    if turns and turns[-1].role == role:
        turns[-1].blocks.extend(blocks)
        turns[-1].rest = turns[-1].rest | rest
    else:
        turns.append(Turn(role, blocks, rest))


def _trim_prefill(turns: list[Turn]) -> None:
    """Refused by the API: final assistant content that ends with white space."""
    if turns and turns[-1].role == "assistant" and turns[-1].blocks[-1].get("type") == "text":
        last = turns[-1].blocks[-1]
        turns[-1].blocks[-1] = last | {"text": str(last["text"]).rstrip()}


# --- tools


def _offered(request: Conversation, losses: Losses) -> list[Tool]:
    tools = carried_tools(request, NAME, losses)
    choice = request.tool_choice
    if choice is None or choice.mode != "allowed":
        return list(tools)
    return [tool for tool in tools if tool.builtin is not None or tool.name in choice.names]


def _tool(tool: Tool, *, own: bool) -> JsonObject:
    if tool.builtin is not None:
        return tool.builtin.value
    found: JsonObject = {"name": tool.name}
    if tool.description is not None:
        found["description"] = tool.description
    schema = tool.parameters or {}
    # The API insists on the type, other APIs do not.
    found["input_schema"] = schema if own or "type" in schema else {"type": "object"} | schema
    if not own and "properties" not in found["input_schema"]:
        found["input_schema"] = found["input_schema"] | {"properties": {}}
    if tool.strict is not None and (own or tool.strict):
        found["strict"] = tool.strict
    if tool.cache is not None:
        found["cache_control"] = tool.cache
    return found | tool.rest if own else found


def _tool_choice(request: Conversation, tools: list[JsonObject], losses: Losses) -> JsonObject | None:
    choice = request.tool_choice
    found: JsonObject | None = None
    if choice is not None:
        match choice.mode:
            case "auto" | "none":
                found = {"type": choice.mode}
            case "required":
                found = {"type": "any"}
            case "named":
                found = {"type": "tool", "name": choice.names[0]}
            case "allowed":
                found = {"type": "any" if choice.required else "auto"}
            case "opaque":
                found = None if choice.opaque is None else dict(choice.opaque.value)
    if request.parallel_tool_calls is not None:
        disabled = not request.parallel_tool_calls
        if found is None and disabled and tools:
            found = {"type": "auto"}
        if found is not None and found["type"] != "none" and (disabled or request.dialect == NAME):
            found["disable_parallel_tool_use"] = disabled
    if found is not None and not tools and request.dialect != NAME:
        # Refused by the API: a tool choice without tools.
        if as_text(found["type"]) not in {"auto", "none"}:
            losses.drop(field_name(request.dialect, "tool_choice"))
        return None
    return found


# --- thinking and sampling


def _thinking(
    request: Conversation, choice: JsonObject | None, turns: list[Turn], losses: Losses, *, own: bool
) -> ThinkingPlan:
    if request.reasoning is None:
        return ThinkingPlan()
    if own:
        return own_thinking(request.reasoning)
    plan = plan_thinking(request.reasoning, request.model, request.max_output_tokens)
    forced = choice is not None and as_text(choice["type"]) in {"any", "tool"}
    if plan.lost or (plan.thinking is not None and (forced or _unsigned_loop(turns, plan))):
        losses.drop(field_name(request.dialect, "reasoning"))
        return ThinkingPlan(effort=plan.effort)
    return plan


def _unsigned_loop(turns: list[Turn], plan: ThinkingPlan) -> bool:
    """Tell whether the turn being continued called tools without the thinking the API signed.

    Refused by the API with a budget of thinking: "Expected `thinking` or `redacted_thinking`, but
    found `tool_use`". Where the model chooses the amount, it takes such a turn.
    """
    if not plan.budget or len(turns) < 2 or turns[-1].role != "user":
        return False
    if not any(block.get("type") == "tool_result" for block in turns[-1].blocks):
        return False
    first = turns[-2].blocks[0] if turns[-2].blocks else {}
    return as_text(first.get("type")) not in {"thinking", "redacted_thinking"}


def _max_tokens(request: Conversation, provider: Provider, plan: ThinkingPlan) -> int:
    if request.max_output_tokens is not None:
        return request.max_output_tokens
    return (provider.default_max_output_tokens or DEFAULT_MAX_TOKENS) + plan.budget


def _sampling(request: Conversation, plan: ThinkingPlan, body: JsonObject, losses: Losses, *, own: bool) -> None:
    values: JsonObject = {"temperature": request.temperature, "top_p": request.top_p, "top_k": request.top_k}
    given = {name: value for name, value in values.items() if value is not None}
    if not own and given:
        version = model_version(request.model)
        dropped: set[str] = set()
        if version >= (4, 7) or plan.thinking is not None:
            dropped = {name for name, value in given.items() if value != 1 or name == "top_k"}
            given = {}
        elif version >= (4, 1) and "temperature" in given and "top_p" in given:
            dropped = {"top_p"} if given["top_p"] != 1 else set()
            del given["top_p"]
        if given.get("temperature", 0) > 1:
            dropped.add("temperature")
            given["temperature"] = 1
        for name in sorted(dropped):
            losses.drop(field_name(request.dialect, name))
    body.update(given)


def _settings(
    request: Conversation, plan: ThinkingPlan, specific: JsonObject, body: JsonObject, losses: Losses
) -> None:
    own = request.dialect == NAME
    if plan.thinking is not None:
        body["thinking"] = plan.thinking
    output_config = members_under(specific, "output_config")
    if plan.effort is not None:
        output_config["effort"] = plan.effort
    if request.output is not None:
        schema = _output(request, request.output, losses, own=own)
        if schema is not None:
            output_config["format"] = {"type": "json_schema", "schema": schema}
    if output_config:
        body["output_config"] = output_config
    metadata = members_under(specific, "metadata")
    user = request.user if request.user is not None else request.safety_identifier
    if user is not None:
        metadata["user_id"] = user
    if metadata:
        body["metadata"] = metadata
    if request.service_tier is not None:
        tier = _TIERS.get(request.service_tier, request.service_tier if own else None)
        if tier is None:
            losses.drop(field_name(request.dialect, "service_tier"))
        else:
            body["service_tier"] = tier
    if request.stream:
        body["stream"] = True
    body.update({name: value for name, value in specific.items() if "." not in name})


def _output(request: Conversation, output: OutputFormat, losses: Losses, *, own: bool) -> JsonObject | None:
    if output.kind == "text":
        return None
    if output.schema is None:
        losses.drop(field_name(request.dialect, "output"))
        return None
    closed: JsonObject = output.schema if own else closed_schema(output.schema)
    return closed
