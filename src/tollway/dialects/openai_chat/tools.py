"""Tools, tool choice and tool calls as Chat writes them."""

from tollway.core.conversation import Conversation, Opaque, Tool, ToolCall, ToolChoice
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_list, as_object, as_text, wrong_type
from tollway.dialects.openai_chat.content import NAME, extra_content, google_signature

LEGACY = "legacy_function"
"""Marks, in `rest`, what came as `functions` / `function_call`, the names used before `tools`."""


def parse_tools(fields: Fields) -> tuple[Tool, ...]:
    """Read `tools`, and the older `functions`."""
    tools = tuple(_tool(one, f"tools[{index}]") for index, one in enumerate(fields.list("tools") or ()))
    older = tuple(_legacy(one, f"functions[{index}]") for index, one in enumerate(fields.list("functions") or ()))
    return tools + older


def _tool(value: Json, where: str) -> Tool:
    fields = Fields(value, where)
    kind = fields.text("type")
    if kind == "function" or (kind is None and isinstance(as_object(value).get("function"), dict)):
        return _function(Fields(fields.take("function"), f"{where}.function"), fields)
    if kind == "custom":
        inner = Fields(fields.take("custom"), f"{where}.custom")
        return Tool(
            name=inner.required_text("name"),
            description=inner.text("description"),
            custom_format=_flat_format(inner.object("format")),
            cache=fields.object("cache_control"),
            rest=_both_rests(inner, fields),
        )
    if kind is None:
        raise BadRequest(f"{where}.type: required", code="missing_required_parameter", param=f"{where}.type")
    return Tool(builtin=Opaque(NAME, dict(value)))


def _function(inner: Fields, outer: Fields) -> Tool:
    return Tool(
        name=inner.required_text("name"),
        description=inner.text("description"),
        parameters=inner.object("parameters"),
        strict=inner.flag("strict"),
        cache=outer.object("cache_control"),
        rest=_both_rests(inner, outer),
    )


def _both_rests(inner: Fields, outer: Fields) -> JsonObject:
    return outer.rest() | ({"function": inner.rest()} if inner.rest() else {})


def _legacy(value: Json, where: str) -> Tool:
    fields = Fields(value, where)
    return Tool(
        name=fields.required_text("name"),
        description=fields.text("description"),
        parameters=fields.object("parameters"),
        rest={LEGACY: True},
    )


def _flat_format(value: JsonObject | None) -> JsonObject:
    """Chat nests a grammar; the neutral form, like Responses, does not."""
    if value is None:
        return {}
    grammar = as_object(value.get("grammar"))
    return {"type": value.get("type"), **grammar} if grammar else value


def _nested_format(value: JsonObject) -> JsonObject:
    if value.get("type") != "grammar":
        return value
    return {"type": "grammar", "grammar": {name: one for name, one in value.items() if name != "type"}}


def parse_tool_choice(fields: Fields) -> ToolChoice | None:
    """Read `tool_choice`, or the older `function_call`."""
    value = fields.take("tool_choice")
    if value is None:
        older = fields.take("function_call")
        if isinstance(older, dict):
            return ToolChoice("named", names=(Fields(older, "function_call").required_text("name"),))
        return None if older is None else _mode(older, "function_call")
    if not isinstance(value, dict):
        return _mode(value, "tool_choice")
    choice = Fields(value, "tool_choice")
    kind = choice.text("type")
    if kind in {"function", "custom"}:
        named = choice.fields(kind)
        return ToolChoice("named", names=(named.required_text("name") if named else choice.required_text("name"),))
    if kind == "allowed_tools":
        allowed = as_object(as_object(value).get("allowed_tools"))
        return ToolChoice(
            "allowed",
            names=tuple(filter(None, (_listed_name(as_object(one)) for one in as_list(allowed.get("tools"))))),
            required=allowed.get("mode") == "required",
        )
    return ToolChoice("opaque", opaque=Opaque(NAME, dict(as_object(value))))


def _mode(value: Json, param: str) -> ToolChoice:
    if not isinstance(value, str):
        wrong_type(param, "a string or an object", value)
    match value:
        case "auto" | "none" | "required":
            return ToolChoice(value)
        case "any":  # Mistral's word for required
            return ToolChoice("required")
        case _:
            raise BadRequest(
                f"{param}: {value!r} is none of auto, none, required; to demand one tool, name it in an object",
                code="invalid_value",
                param=param,
            )


def _listed_name(tool: JsonObject) -> str:
    return as_text(as_object(tool.get(as_text(tool.get("type")))).get("name"))


def tool_object(tool: Tool, *, own: bool) -> JsonObject:
    """Write one tool that is not built in; `own`: the caller speaks Chat, so its extra members stay."""
    inner: JsonObject = {"name": tool.name}
    if tool.description is not None:
        inner["description"] = tool.description
    kind = "function"
    if tool.custom_format is not None:
        kind = "custom"
        if tool.custom_format:
            inner["format"] = _nested_format(tool.custom_format)
    else:
        if tool.parameters is not None:
            inner["parameters"] = tool.parameters
        if tool.strict is not None:
            inner["strict"] = tool.strict
    if not own:
        return {"type": kind, kind: inner}
    outer = {name: value for name, value in tool.rest.items() if name not in {"function", LEGACY}}
    if tool.cache is not None:
        outer["cache_control"] = tool.cache
    return {"type": kind, kind: inner | as_object(tool.rest.get("function")), **outer}


def tool_choice_value(choice: ToolChoice, custom_names: frozenset[str]) -> Json:
    """Write a tool choice of any mode but `opaque`."""
    match choice.mode:
        case "named":
            return _named(choice.names[0], custom_names)
        case "allowed":
            return {
                "type": "allowed_tools",
                "allowed_tools": {
                    "mode": "required" if choice.required else "auto",
                    "tools": [_named(name, custom_names) for name in choice.names],
                },
            }
        case "opaque":
            return choice.opaque.value if choice.opaque else "auto"
        case _:
            return choice.mode


def _named(name: str, custom_names: frozenset[str]) -> JsonObject:
    kind = "custom" if name in custom_names else "function"
    return {"type": kind, kind: {"name": name}}


def parse_tool_call(value: Json, where: str) -> ToolCall:
    """Read a tool call of a caller's history."""
    fields = Fields(value, where)
    identity = fields.required_text("id")
    kind = fields.text("type") or "function"
    signature = google_signature(fields.rest())
    inner = Fields(fields.take(kind), f"{where}.{kind}")
    custom = kind == "custom"
    return ToolCall(
        id=identity,
        name=inner.required_text("name"),
        arguments=(inner.text("input") if custom else inner.text("arguments")) or "",
        custom=custom,
        signature=signature,
        rest=fields.rest() | inner.rest(),
    )


def tool_call_object(call: ToolCall) -> JsonObject:
    """Write a tool call, its signature in `extra_content`."""
    if call.custom:
        value: JsonObject = {"id": call.id, "type": "custom", "custom": {"name": call.name, "input": call.arguments}}
    else:
        # An empty string is not JSON; servers that parse arguments refuse it.
        function = {"name": call.name, "arguments": call.arguments or "{}"}
        value = {"id": call.id, "type": "function", "function": function}
    if call.signature is not None:
        value["extra_content"] = extra_content(call.signature)
    return value


def uses_legacy_functions(request: Conversation) -> bool:
    """True for a caller that knows only `functions` and `function_call`."""
    return any(LEGACY in tool.rest for tool in request.tools)
