"""Reads a generateContent request into the neutral conversation."""

from typing import Final, cast

from tollway.core.conversation import (
    Conversation,
    Message,
    Opaque,
    OutputFormat,
    Part,
    Tool,
    ToolChoice,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, decode_request
from tollway.dialects.gemini.content import MINTED, NAME, part_of
from tollway.dialects.gemini.schema import json_schema
from tollway.dialects.gemini.thinking import read_thinking
from tollway.dialects.json_forms import camel_members

SPECIFIC: Final = frozenset({"safetySettings", "cachedContent", "labels", "modelArmorConfig"})
"""Fields of this API alone. Any other dialect drops them, and says so."""

_ESSENTIAL: Final = frozenset({"cachedContent"})
"""A cached content holds the beginning of the conversation."""

_JSON: Final = "application/json"
_TIERS: Final = {"standard": "default", "flex": "flex", "priority": "priority"}


def parse_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    """Read a caller's request. The model of the path counts; one in the body is ignored, as by Google.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(camel_members(decode_request(body)))
    fields.take("model")
    specific = fields.take_present(SPECIFIC)
    config = _config(fields, "generationConfig")
    output = _output(config)
    thinking = config.take("thinkingConfig")
    choice = _tool_choice(fields, specific)
    tier = fields.text("serviceTier")
    conversation = Conversation(
        dialect=NAME,
        model=model,
        messages=_system(fields) + _messages(fields),
        tools=_tools(fields),
        tool_choice=choice,
        max_output_tokens=config.integer("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.integer("topK"),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        seed=config.integer("seed"),
        stop=_texts(config, "stopSequences"),
        count=config.integer("candidateCount"),
        output=output,
        reasoning=None
        if thinking is None
        else read_thinking(Fields(camel_members(thinking), config.param("thinkingConfig"))),
        modalities=tuple(modality.lower() for modality in _texts(config, "responseModalities")),
        logprobs=config.flag("responseLogprobs"),
        top_logprobs=config.integer("logprobs"),
        service_tier=None if tier is None else _TIERS.get(tier.lower(), tier),
        store=fields.flag("store"),
        stream=stream,
        stream_usage=True,
        specific=_with_config(specific, config.rest()),
        essential=tuple(sorted(_ESSENTIAL & specific.keys())),
        rest=fields.rest(),
    )
    if not conversation.messages:
        raise BadRequest("contents: required", code="missing_required_parameter", param="contents")
    return conversation


def _config(fields: Fields, name: str) -> Fields:
    value = fields.take(name)
    return Fields({} if value is None else camel_members(value), name)


def _with_config(specific: JsonObject, left: JsonObject) -> JsonObject:
    return specific | {f"generationConfig.{name}": value for name, value in left.items() if value is not None}


def _texts(fields: Fields, name: str) -> tuple[str, ...]:
    found: list[str] = []
    for position, value in enumerate(fields.list(name) or ()):
        if not isinstance(value, str):
            param = f"{fields.param(name)}[{position}]"
            raise BadRequest(f"{param}: expected a string", code="invalid_type", param=param)
        found.append(value)
    return tuple(found)


def _output(config: Fields) -> OutputFormat | None:
    media_type = config.text("responseMimeType")
    plain, own = config.take("responseJsonSchema"), config.take("responseSchema")
    if media_type is not None and media_type not in {_JSON, "text/plain"}:
        config.put_back("responseMimeType", media_type)  # text/x.enum and the like: this API alone has them
        for name, schema in (("responseJsonSchema", plain), ("responseSchema", own)):
            if schema is not None:
                config.put_back(name, schema)
        return None
    schema: JsonObject | None = plain if plain is not None else None if own is None else json_schema(own)
    if schema is not None:
        return OutputFormat(kind="schema", schema=schema, strict=True)
    if media_type is None:
        return None
    return OutputFormat(kind="json" if media_type == _JSON else "text")


# --- messages


def _system(fields: Fields) -> tuple[Message, ...]:
    value = fields.take("systemInstruction")
    if value is None:
        return ()
    if isinstance(value, str):
        value = {"parts": [{"text": value}]}
    content = Fields(camel_members(value), "systemInstruction")
    content.take("role")
    parts = tuple(part_of(item, f"systemInstruction.parts[{i}]", "") for i, item in enumerate(_parts(content)))
    return (Message(role="system", parts=parts, rest=content.rest()),) if parts else ()


def _parts(content: Fields) -> list[Json]:
    """One part may stand without its list."""
    value = content.take("parts")
    if value is None:
        return []
    return cast("list[Json]", value) if isinstance(value, list) else [value]


def _messages(fields: Fields) -> tuple[Message, ...]:
    value = fields.take("contents")
    if value is None:
        raise BadRequest("contents: required", code="missing_required_parameter", param="contents")
    items = cast("list[Json]", value) if isinstance(value, list) else [value]
    found: list[Message] = []
    minter = _CallIds()
    for position, item in enumerate(items):
        found.extend(_turn(item, f"contents[{position}]", minter))
    return tuple(found)


class _CallIds:
    """Makes ids for calls that have none, and finds them again for their results, by name."""

    def __init__(self) -> None:
        self._count = 0
        self._waiting: dict[str, list[str]] = {}

    def call(self, name: str) -> str:
        """Make the id of the next call of `name`."""
        self._count += 1
        made = f"{MINTED}{self._count}"
        self._waiting.setdefault(name, []).append(made)
        return made

    def result(self, name: str) -> str:
        """Give the id of the oldest call of `name` that has no result yet."""
        waiting = self._waiting.get(name)
        return waiting.pop(0) if waiting else self.call(name)


def _turn(item: Json, path: str, minter: _CallIds) -> list[Message]:
    if isinstance(item, str):
        item = {"parts": [{"text": item}]}
    content = Fields(camel_members(item), path)
    role = content.text("role") or "user"
    if role not in {"user", "model", "function", "tool"}:
        raise BadRequest(f"{path}.role: expected user or model", param=f"{path}.role")
    parts = [_part(value, f"{path}.parts[{i}]", minter) for i, value in enumerate(_parts(content))]
    rest = content.rest()
    if role == "model":
        return [Message(role="assistant", parts=tuple(parts), rest=rest)]
    found: list[Message] = []
    run: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResult):
            if run:
                found.append(Message(role="user", parts=tuple(run), rest=rest))
                run = []
            found.append(Message(role="tool", parts=(part,)))
        else:
            run.append(part)
    if run or not found:
        found.append(Message(role="user", parts=tuple(run), rest=rest))
    return found


def _part(value: Json, path: str, minter: _CallIds) -> Part:
    members = cast("JsonObject", camel_members(value)) if isinstance(value, dict) else {}
    made = ""
    for kind, make in (("functionCall", minter.call), ("functionResponse", minter.result)):
        inner = members.get(kind)
        if isinstance(inner, dict):
            told = cast("JsonObject", camel_members(inner))
            if not told.get("id"):
                made = make(str(told.get("name", "")))
    return part_of(value, path, made)


# --- tools


def _tools(fields: Fields) -> tuple[Tool, ...]:
    value = fields.take("tools")
    items = cast("list[Json]", value) if isinstance(value, list) else [] if value is None else [value]
    found: list[Tool] = []
    for position, item in enumerate(items):
        tool = Fields(camel_members(item), f"tools[{position}]")
        for index, declaration in enumerate(tool.list("functionDeclarations") or ()):
            found.append(_function(declaration, f"{tool.param('functionDeclarations')}[{index}]"))
        for name, settings in tool.rest().items():
            if settings is not None:
                found.append(Tool(name=name, builtin=Opaque(NAME, {name: settings})))
    return tuple(found)


def _function(value: Json, path: str) -> Tool:
    fields = Fields(camel_members(value), path)
    own, plain = fields.object("parameters"), fields.object("parametersJsonSchema")
    return Tool(
        name=fields.required_text("name"),
        description=fields.text("description"),
        parameters=plain if plain is not None or own is None else json_schema(own),
        rest=fields.rest(),
    )


def _tool_choice(fields: Fields, specific: JsonObject) -> ToolChoice | None:
    tool_config = _config(fields, "toolConfig")
    value = tool_config.take("functionCallingConfig")
    config = Fields({} if value is None else camel_members(value), tool_config.param("functionCallingConfig"))
    mode, names = (config.text("mode") or "").upper(), _texts(config, "allowedFunctionNames")
    left = tool_config.rest()
    specific.update({f"toolConfig.{name}": one for name, one in left.items() if one is not None})
    specific.update({f"toolConfig.functionCallingConfig.{name}": one for name, one in config.rest().items()})
    match mode:
        case "AUTO":
            return ToolChoice("auto")
        case "NONE":
            return ToolChoice("none")
        case "ANY" if len(names) == 1:
            return ToolChoice("named", names=names)
        case "ANY":
            return ToolChoice("allowed", names=names, required=True) if names else ToolChoice("required")
        case "VALIDATED" if names:
            return ToolChoice("allowed", names=names)
        case "VALIDATED":
            # Auto, with calls held to their schemas: other APIs say the second on each tool.
            return ToolChoice("auto", opaque=Opaque(NAME, {"mode": mode}))
        case _:
            return None
