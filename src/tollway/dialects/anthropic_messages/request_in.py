"""Reads a Messages request into the neutral conversation."""

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
from tollway.dialects.anthropic_messages.content import NAME, parts_of
from tollway.dialects.anthropic_messages.thinking import read_thinking
from tollway.dialects.caller_fields import Fields, decode_request

SPECIFIC: Final = frozenset(
    {
        "anthropic_beta",
        "billing_policy",
        "cache_control",
        "compaction",
        "container",
        "context_management",
        "diagnostics",
        "fallback_credit_token",
        "fallbacks",
        "inference_geo",
        "mcp_servers",
        "prefill",
        "speed",
        "thread",
        "user_profile_id",
        "workspace_id",
    }
)
"""Fields of this API alone. Any other dialect drops them, and says so."""

_ESSENTIAL: Final = frozenset({"prefill", "thread"})
"""Without these the request would mean something else: they hold part of the conversation."""

_ROLES: Final[dict[str, Role]] = {"user": "user", "assistant": "assistant", "system": "system"}
_TIERS: Final = {"standard_only": "default"}


def parse_request(body: bytes) -> Conversation:
    """Read a caller's request.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(decode_request(body))
    specific = fields.take_present(SPECIFIC)
    model = fields.required_text("model")
    max_tokens = fields.integer("max_tokens")
    if max_tokens is None:
        raise _missing("max_tokens")
    choice, parallel = _tool_choice(fields)
    output_config = fields.fields("output_config")
    effort = None if output_config is None else output_config.text("effort")
    output = _output(fields, output_config)
    if output_config is not None:
        specific.update({f"output_config.{name}": value for name, value in output_config.rest().items()})
    user = _user(fields, specific)
    tier = fields.text("service_tier")
    return Conversation(
        dialect=NAME,
        model=model,
        messages=_system(fields) + _messages(fields),
        tools=_tools(fields),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        max_output_tokens=max_tokens,
        temperature=fields.number("temperature"),
        top_p=fields.number("top_p"),
        top_k=fields.integer("top_k"),
        stop=_stop(fields),
        output=output,
        reasoning=read_thinking(fields.object("thinking"), effort),
        user=user,
        service_tier=None if tier is None else _TIERS.get(tier, tier),
        stream=fields.flag("stream") or False,
        stream_usage=True,
        specific=specific,
        essential=tuple(sorted(_ESSENTIAL & specific.keys())),
        rest=fields.rest(),
    )


def _missing(param: str) -> BadRequest:
    return BadRequest(f"{param}: required", code="missing_required_parameter", param=param)


def _stop(fields: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for position, value in enumerate(fields.list("stop_sequences") or ()):
        if not isinstance(value, str):
            param = f"stop_sequences[{position}]"
            raise BadRequest(f"{param}: expected a string", code="invalid_type", param=param)
        found.append(value)
    return tuple(found)


def _user(fields: Fields, specific: JsonObject) -> str | None:
    metadata = fields.fields("metadata")
    if metadata is None:
        return None
    user = metadata.text("user_id")
    specific.update({f"metadata.{name}": value for name, value in metadata.rest().items()})
    return user


def _output(fields: Fields, output_config: Fields | None) -> OutputFormat | None:
    """`output_config.format`, or `output_format` as the API first called it."""
    found = (None if output_config is None else output_config.fields("format")) or fields.fields("output_format")
    if found is None:
        return None
    kind = found.required_text("type")
    if kind != "json_schema":
        raise BadRequest(
            f"{found.param('type')}: {kind} is not known; the API takes json_schema", param=found.param("type")
        )
    schema = found.object("schema")
    if schema is None:
        raise _missing(found.param("schema"))
    return OutputFormat(kind="schema", schema=schema, name=found.text("name"), strict=True)


# --- messages


def _system(fields: Fields) -> tuple[Message, ...]:
    system = fields.take("system")
    if system is None or system in ("", []):
        return ()
    return (Message(role="system", parts=parts_of(system, "system")),)


def _messages(fields: Fields) -> tuple[Message, ...]:
    items = fields.list("messages")
    if items is None:
        raise _missing("messages")
    found: list[Message] = []
    for position, item in enumerate(items):
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
        raise _missing(f"{path}.content")
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


def _tools(fields: Fields) -> tuple[Tool, ...]:
    return tuple(_tool(item, f"tools[{position}]") for position, item in enumerate(fields.list("tools") or ()))


def _tool(item: Json, path: str) -> Tool:
    fields = Fields(item, path)
    kind = fields.text("type")
    if kind is not None and kind != "custom":
        whole: JsonObject = dict(item)
        return Tool(name=fields.text("name") or kind, builtin=Opaque(NAME, whole))
    schema = fields.object("input_schema")
    if schema is None:
        raise _missing(f"{path}.input_schema")
    return Tool(
        name=fields.required_text("name"),
        description=fields.text("description"),
        parameters=schema,
        strict=fields.flag("strict"),
        cache=fields.object("cache_control"),
        rest=fields.rest(),
    )


def _tool_choice(fields: Fields) -> tuple[ToolChoice | None, bool | None]:
    choice = fields.fields("tool_choice")
    if choice is None:
        return None, None
    kind, disabled = choice.required_text("type"), choice.flag("disable_parallel_tool_use")
    parallel = None if disabled is None else not disabled
    match kind:
        case "auto":
            return ToolChoice("auto"), parallel
        case "any":
            return ToolChoice("required"), parallel
        case "none":
            return ToolChoice("none"), parallel
        case "tool":
            return ToolChoice("named", names=(choice.required_text("name"),)), parallel
        case _:
            return ToolChoice("opaque", opaque=Opaque(NAME, {"type": kind} | choice.rest())), parallel
