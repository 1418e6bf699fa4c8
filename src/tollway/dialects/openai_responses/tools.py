"""Tools and tool choice as Responses writes them."""

from collections.abc import Iterable
from typing import Final

from tollway.core.conversation import DialectName, Opaque, Tool, ToolChoice
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, wrong_type

NAME: Final[DialectName] = "openai-responses"


def parse_tools(values: Iterable[Json]) -> tuple[Tool, ...]:
    """Read `tools`; a type that is no function and no custom tool is built in, whatever it is."""
    return tuple(_tool(one, f"tools[{index}]") for index, one in enumerate(values))


def _tool(value: Json, where: str) -> Tool:
    fields = Fields(value, where)
    kind = fields.required_text("type")
    if kind == "function":
        return Tool(
            name=fields.required_text("name"),
            description=fields.text("description"),
            parameters=fields.object("parameters"),
            strict=fields.flag("strict"),
            rest=fields.rest(),
        )
    if kind == "custom":
        return Tool(
            name=fields.required_text("name"),
            description=fields.text("description"),
            custom_format=fields.object("format") or {},
            rest=fields.rest(),
        )
    return Tool(builtin=Opaque(NAME, dict(value)))


def parse_tool_choice(value: Json) -> ToolChoice | None:
    """Read `tool_choice`."""
    if value is None:
        return None
    if isinstance(value, str):
        match value:
            case "auto" | "none" | "required":
                return ToolChoice(value)
            case _:
                raise BadRequest(
                    f"tool_choice: {value!r} is none of auto, none, required; to demand one tool, name it in an object",
                    code="invalid_value",
                    param="tool_choice",
                )
    if not isinstance(value, dict):
        wrong_type("tool_choice", "a string or an object", value)
    choice = as_object(value)
    name = as_text(choice.get("name"))
    if as_text(choice.get("type")) in {"function", "custom"} and name:
        return ToolChoice("named", names=(name,))
    if choice.get("type") == "allowed_tools":
        listed = [as_object(one) for one in as_list(choice.get("tools"))]
        if all(as_text(one.get("type")) in {"function", "custom"} for one in listed):
            names = tuple(as_text(one.get("name")) for one in listed)
            return ToolChoice("allowed", names=names, required=choice.get("mode") == "required")
    return ToolChoice("opaque", opaque=Opaque(NAME, choice))


def tool_object(tool: Tool, *, own: bool) -> JsonObject:
    """Write one tool for a provider. `own`: the caller speaks Responses, so its extra members stay."""
    if tool.builtin is not None:
        return tool.builtin.value
    written: JsonObject = {"name": tool.name}
    if tool.description is not None:
        written["description"] = tool.description
    if tool.custom_format is not None:
        written = {"type": "custom", **written}
        if tool.custom_format:
            written["format"] = tool.custom_format
    else:
        written = {"type": "function", **written, "parameters": tool.parameters or {"type": "object", "properties": {}}}
        if tool.strict is not None:
            written["strict"] = tool.strict
        elif not own:
            # This API takes a tool without the field for a strict one; the others do not.
            written["strict"] = False
    return written | tool.rest if own else written


def echoed_tool(tool: Tool) -> JsonObject:
    """Write one tool as an answer repeats it: every member of a function is there."""
    if tool.builtin is not None or tool.custom_format is not None:
        return tool_object(tool, own=True)
    return {
        "type": "function",
        "name": tool.name,
        "description": tool.description,
        "parameters": tool.parameters,
        "strict": tool.strict,
        **tool.rest,
    }


def tool_choice_value(choice: ToolChoice, custom_names: frozenset[str]) -> Json:
    """Write a tool choice."""
    match choice.mode:
        case "named":
            return _named(choice.names[0], custom_names)
        case "allowed":
            return {
                "type": "allowed_tools",
                "mode": "required" if choice.required else "auto",
                "tools": [_named(name, custom_names) for name in choice.names],
            }
        case "opaque":
            return choice.opaque.value if choice.opaque else "auto"
        case _:
            return choice.mode


def _named(name: str, custom_names: frozenset[str]) -> JsonObject:
    return {"type": "custom" if name in custom_names else "function", "name": name}
