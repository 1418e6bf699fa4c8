"""Reads a Converse request into the neutral conversation."""

from typing import Final

import msgspec

from tollway.core.conversation import (
    Conversation,
    Message,
    Opaque,
    OutputFormat,
    Part,
    Role,
    Tool,
    ToolChoice,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.bedrock_converse.content import NAME, cache_mark, parts_of
from tollway.dialects.bedrock_converse.model_fields import read_reasoning, take_top_k
from tollway.dialects.caller_fields import Fields, as_object, decode_request
from tollway.dialects.json_forms import object_of

SPECIFIC: Final = frozenset(
    {
        "additionalModelResponseFieldPaths",
        "guardrailConfig",
        "performanceConfig",
        "projectIdentifier",
        "promptVariables",
    }
)
"""Fields of this API alone. Any other dialect drops them, and says so."""

_ESSENTIAL: Final = frozenset({"guardrailConfig", "promptVariables"})
"""Without a guardrail the answer is one that somebody forbade; without its variables a prompt is another."""

_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}


def parse_request(body: bytes, *, model: str, stream: bool) -> Conversation:
    """Read a caller's request; the path says the model and whether to stream.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(decode_request(body))
    specific = fields.take_present(SPECIFIC)
    inference = Fields(fields.object("inferenceConfig") or {}, "inferenceConfig")
    additional = dict(fields.object("additionalModelRequestFields") or {})
    top_k = take_top_k(additional)
    output, effort = _output(fields, specific)
    reasoning = read_reasoning(additional, effort)
    tools, choice = _tool_config(fields, specific)
    conversation = Conversation(
        dialect=NAME,
        model=model,
        messages=_system(fields) + _messages(fields),
        tools=tools,
        tool_choice=choice,
        max_output_tokens=inference.integer("maxTokens"),
        temperature=inference.number("temperature"),
        top_p=inference.number("topP"),
        top_k=top_k,
        stop=_stop(inference),
        output=output,
        reasoning=reasoning,
        metadata=fields.object("requestMetadata"),
        service_tier=_tier(fields),
        stream=stream,
        stream_usage=True,
    )
    specific.update({f"inferenceConfig.{name}": value for name, value in inference.rest().items()})
    specific.update({f"additionalModelRequestFields.{name}": value for name, value in additional.items()})
    essential = tuple(sorted(_ESSENTIAL & specific.keys()))
    return msgspec.structs.replace(conversation, specific=specific, essential=essential, rest=fields.rest())


def _stop(inference: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for position, value in enumerate(inference.list("stopSequences") or ()):
        if not isinstance(value, str):
            param = f"{inference.param('stopSequences')}[{position}]"
            raise BadRequest(f"{param}: expected a string", code="invalid_type", param=param)
        found.append(value)
    return tuple(found)


def _tier(fields: Fields) -> str | None:
    tier = fields.fields("serviceTier")
    return None if tier is None else tier.text("type")


def _output(fields: Fields, specific: JsonObject) -> tuple[OutputFormat | None, str | None]:
    config = fields.fields("outputConfig")
    if config is None:
        return None, None
    effort = config.text("effort")
    form = config.fields("textFormat")
    specific.update({f"outputConfig.{name}": value for name, value in config.rest().items()})
    if form is None:
        return None, effort
    kind = form.required_text("type")
    structure = form.fields("structure")
    definition = None if structure is None else structure.fields("jsonSchema")
    if kind != "json_schema" or definition is None:
        param = form.param("type")
        raise BadRequest(f"{param}: expected json_schema, with its schema in structure.jsonSchema", param=param)
    param = definition.param("schema")
    schema = object_of(definition.required_text("schema"))
    if schema is None:
        raise BadRequest(f"{param}: expected the text of a JSON object", code="invalid_type", param=param)
    found = OutputFormat(
        kind="schema",
        schema=schema,
        name=definition.text("name"),
        description=definition.text("description"),
        strict=True,
    )
    return found, effort


# --- messages


def _system(fields: Fields) -> tuple[Message, ...]:
    system = fields.take("system")
    if system is None or system == []:
        return ()
    return (Message(role="system", parts=parts_of(system, "system")),)


def _messages(fields: Fields) -> tuple[Message, ...]:
    found: list[Message] = []
    for position, item in enumerate(fields.list("messages") or ()):
        found.extend(_turn(item, f"messages[{position}]"))
    return tuple(found)


def _turn(item: Json, path: str) -> list[Message]:
    """Read one turn. Tool results inside a user turn are messages of their own in the neutral form."""
    fields = Fields(item, path)
    role = _ROLES.get(fields.required_text("role"))
    if role is None:
        raise BadRequest(f"{path}.role: expected user, assistant or system", param=f"{path}.role")
    content = fields.take("content")
    if content is None:
        param = f"{path}.content"
        raise BadRequest(f"{param}: required", code="missing_required_parameter", param=param)
    parts, rest = parts_of(content, f"{path}.content"), fields.rest()
    if role != "user":
        return [Message(role=role, parts=parts, rest=rest)]
    found: list[Message] = []
    run: list[Part] = []
    for part in parts:
        if isinstance(part, ToolResult):
            if run:
                found.append(Message(role="user", parts=tuple(run)))
                run = []
            found.append(Message(role="tool", parts=(part,)))
        else:
            run.append(part)
    if run or not found:
        found.append(Message(role="user", parts=tuple(run)))
    if rest:
        found[-1] = msgspec.structs.replace(found[-1], rest=rest)
    return found


# --- tools


def _tool_config(fields: Fields, specific: JsonObject) -> tuple[tuple[Tool, ...], ToolChoice | None]:
    config = fields.fields("toolConfig")
    if config is None:
        return (), None
    tools: list[Tool] = []
    for position, item in enumerate(config.list("tools") or ()):
        tool = _tool(item, f"toolConfig.tools[{position}]")
        point = None if tool.builtin is None else tool.builtin.value.get("cachePoint")
        if point is not None and tools and tools[-1].builtin is None and tools[-1].cache is None:
            tools[-1] = msgspec.structs.replace(tools[-1], cache=cache_mark(as_object(point)))
        else:
            tools.append(tool)
    choice = _tool_choice(config)
    specific.update({f"toolConfig.{name}": value for name, value in config.rest().items()})
    return tuple(tools), choice


def _tool(item: Json, path: str) -> Tool:
    fields = Fields(item, path)
    spec = fields.fields("toolSpec")
    if spec is None:
        whole: JsonObject = dict(item)
        return Tool(name=next(iter(whole), ""), builtin=Opaque(NAME, whole))
    schema = spec.fields("inputSchema")
    return Tool(
        name=spec.required_text("name"),
        description=spec.text("description"),
        parameters=None if schema is None else schema.object("json"),
        strict=spec.flag("strict"),
        rest=spec.rest(),
    )


def _tool_choice(config: Fields) -> ToolChoice | None:
    choice = config.fields("toolChoice")
    if choice is None:
        return None
    if choice.object("auto") is not None:
        return ToolChoice("auto")
    if choice.object("any") is not None:
        return ToolChoice("required")
    tool = choice.fields("tool")
    if tool is not None:
        return ToolChoice("named", names=(tool.required_text("name"),))
    return ToolChoice("opaque", opaque=Opaque(NAME, choice.rest()))
