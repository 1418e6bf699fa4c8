"""Writes the neutral conversation as a generateContent request.

Rules of this file:
- Leading and later system and developer messages are `systemInstruction`, in their order: the API
  has no other place for them. A conversation of system messages alone: the last is the user's turn.
- Neighbours of one role are one turn; tool results lie in user turns.
- Schemas are written as JSON Schema (`parametersJsonSchema`, `responseJsonSchema`), unchanged.
- Calls whose signature is not known get the word Google has for calls of another model, where the
  model demands one.
- Pictures in a tool's result lie beside it, which every model takes; read from this dialect they
  stay inside it.
"""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Losses, OutputFormat, Tool, ToolChoice
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.carrying import carried_specific, carried_tools, drop_set_fields
from tollway.dialects.custom_tools import without_custom_tools
from tollway.dialects.field_names import field_name
from tollway.dialects.gemini.content import NAME, PartWriter, named_calls
from tollway.dialects.gemini.thinking import demands_signature, own_thinking, plan_thinking
from tollway.dialects.json_forms import members_under
from tollway.interfaces.provider import Provider

_UNSPOKEN: Final = (
    "verbosity",
    "logit_bias",
    "user",
    "safety_identifier",
    "metadata",
    "prompt_cache_key",
)
_NUMBERS: Final = (
    ("temperature", "temperature"),
    ("top_p", "topP"),
    ("top_k", "topK"),
    ("presence_penalty", "presencePenalty"),
    ("frequency_penalty", "frequencyPenalty"),
    ("seed", "seed"),
    ("max_output_tokens", "maxOutputTokens"),
    ("count", "candidateCount"),
    ("logprobs", "responseLogprobs"),
    ("top_logprobs", "logprobs"),
)
_TIERS: Final = {"default": "standard", "flex": "flex", "priority": "priority"}


def render_request(request: Conversation, provider: Provider, losses: Losses) -> bytes:
    """Write a request; the model goes into the path.

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
    writer = PartWriter(
        own=own,
        sign=not own and demands_signature(request.model),
        names=named_calls([message.parts for message in request.messages]),
    )
    body = _contents(request, writer, own=own)
    for lost in writer.lost:
        losses.drop(field_name(request.dialect, lost))
    declared = [_function(tool, own=own) for tool in tools if tool.builtin is None]
    if any(tool.strict for tool in tools):
        losses.drop(field_name(request.dialect, "tool_strict"))
    groups: list[JsonObject] = [{"functionDeclarations": declared}] if declared else []
    groups.extend(tool.builtin.value for tool in tools if tool.builtin is not None)
    if groups:
        body["tools"] = groups
    tool_config = _tool_config(request, specific, has_tools=bool(groups), own=own)
    if tool_config:
        body["toolConfig"] = tool_config
    config = _generation_config(request, specific, losses, own=own)
    if config:
        body["generationConfig"] = config
    _settings(request, body, losses, own=own)
    body.update({name: value for name, value in specific.items() if "." not in name})
    for name in provider.unsupported & body.keys():
        del body[name]
        losses.drop(name)
    return msgspec.json.encode(body | request.rest)


def _report(request: Conversation, losses: Losses) -> None:
    drop_set_fields(request, _UNSPOKEN, losses)
    if request.parallel_tool_calls is False:
        losses.drop(field_name(request.dialect, "parallel_tool_calls"))
    if _has_cache_marks(request):
        losses.drop("cache_control")
    if any(message.name for message in request.messages):
        losses.drop("messages.name")


def _has_cache_marks(request: Conversation) -> bool:
    """The API caches by itself, or by name, never by marks in the request."""
    if any(tool.cache is not None for tool in request.tools):
        return True
    return any(getattr(part, "cache", None) is not None for message in request.messages for part in message.parts)


# --- contents


def _contents(request: Conversation, writer: PartWriter, *, own: bool) -> JsonObject:
    system: list[JsonObject] = []
    system_rest: JsonObject = {}
    turns: list[JsonObject] = []
    for message in request.messages:
        parts = writer.parts(message.parts)
        rest = message.rest if own else {}
        if message.role in {"system", "developer"}:
            system.extend(parts)
            system_rest |= rest
            continue
        role = "model" if message.role == "assistant" else "user"
        if not parts and not own:
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1] = turns[-1] | rest | {"parts": [*turns[-1]["parts"], *parts]}
        else:
            turns.append(rest | {"role": role, "parts": parts})
    if not turns and system:
        turns = [{"role": "user", "parts": [system.pop()]}]
    body: JsonObject = {"contents": turns}
    if system:
        body["systemInstruction"] = system_rest | {"parts": system}
    return body


# --- tools


def _function(tool: Tool, *, own: bool) -> JsonObject:
    found: JsonObject = {"name": tool.name}
    if tool.description is not None:
        found["description"] = tool.description
    if tool.parameters is not None:
        found["parametersJsonSchema"] = tool.parameters
    return found | tool.rest if own else found


def _tool_config(request: Conversation, specific: JsonObject, *, has_tools: bool, own: bool) -> JsonObject:
    found = members_under(specific, "toolConfig")
    calling = members_under(specific, "toolConfig.functionCallingConfig")
    # Streamed arguments come as paths and values, which no other form of this gateway has.
    calling.pop("streamFunctionCallArguments", None)
    if request.tool_choice is not None and (has_tools or own):
        calling |= _calling(request.tool_choice)
    return found | {"functionCallingConfig": calling} if calling else found


def _calling(choice: ToolChoice) -> JsonObject:
    match choice.mode:
        case "auto":
            return dict(choice.opaque.value) if choice.opaque is not None else {"mode": "AUTO"}
        case "none":
            return {"mode": "NONE"}
        case "required":
            return {"mode": "ANY"}
        case "named":
            return {"mode": "ANY", "allowedFunctionNames": list(choice.names)}
        case "allowed":
            # Auto takes no names; validated is auto with calls held to their schemas, and takes them.
            return {"mode": "ANY" if choice.required else "VALIDATED", "allowedFunctionNames": list(choice.names)}
        case "opaque":
            return {} if choice.opaque is None else dict(choice.opaque.value)


# --- settings


def _generation_config(request: Conversation, specific: JsonObject, losses: Losses, *, own: bool) -> JsonObject:
    found: JsonObject = {}
    for neutral, name in _NUMBERS:
        value: Json = getattr(request, neutral)
        if value is not None:
            found[name] = value
    if request.stop:
        found["stopSequences"] = list(request.stop)
    if request.modalities:
        found["responseModalities"] = [modality.upper() for modality in request.modalities]
    if request.output is not None:
        found |= _output(request.output)
    if request.reasoning is not None:
        thinking = own_thinking(request.reasoning) if own else plan_thinking(request.reasoning, request.model)
        if thinking is None:
            losses.drop(field_name(request.dialect, "reasoning"))
        elif thinking:
            found["thinkingConfig"] = thinking
    return found | members_under(specific, "generationConfig")


def _output(output: OutputFormat) -> JsonObject:
    match output.kind:
        case "text":
            return {"responseMimeType": "text/plain"}
        case "json":
            return {"responseMimeType": "application/json"}
        case "schema":
            return {"responseMimeType": "application/json", "responseJsonSchema": output.schema or {}}


def _settings(request: Conversation, body: JsonObject, losses: Losses, *, own: bool) -> None:
    if request.service_tier is not None and request.service_tier != "auto":
        tier = _TIERS.get(request.service_tier, request.service_tier if own else None)
        if tier is None:
            losses.drop(field_name(request.dialect, "service_tier"))
        else:
            body["serviceTier"] = tier
    if request.store is not None:
        if own:
            body["store"] = request.store
        else:
            losses.drop(field_name(request.dialect, "store"))
