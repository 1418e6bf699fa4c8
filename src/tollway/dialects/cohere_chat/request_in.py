"""Reads a Cohere Chat request into the neutral conversation."""

from typing import Final

import msgspec

from tollway.core.conversation import (
    Conversation,
    File,
    Message,
    Opaque,
    OutputFormat,
    Part,
    ReasoningRequest,
    Role,
    Text,
    Tool,
    ToolChoice,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields, as_object, decode_request
from tollway.dialects.cohere_chat.content import (
    NAME,
    PLAN,
    parts_of,
    read_call,
    read_document,
    with_citations,
)

SPECIFIC: Final = frozenset({"citation_options", "priority", "raw_prompting", "safety_mode"})
"""Fields of this API alone. Any other dialect drops them, and says so."""

_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_CHOICES: Final[dict[str, ToolChoice]] = {"REQUIRED": ToolChoice("required"), "NONE": ToolChoice("none")}


def parse_request(body: bytes) -> Conversation:
    """Read a caller's request.

    Raises:
        BadRequest: with `param` naming the field.
    """
    fields = Fields(decode_request(body))
    specific = fields.take_present(SPECIFIC)
    model = fields.required_text("model")
    documents = tuple(
        read_document(item, f"documents[{position}]") for position, item in enumerate(fields.list("documents") or ())
    )
    return Conversation(
        dialect=NAME,
        model=model,
        messages=_with_documents(_messages(fields), documents),
        tools=_tools(fields, specific),
        tool_choice=_tool_choice(fields),
        max_output_tokens=fields.integer("max_tokens"),
        temperature=fields.number("temperature"),
        top_p=fields.number("p"),
        top_k=fields.integer("k"),
        presence_penalty=fields.number("presence_penalty"),
        frequency_penalty=fields.number("frequency_penalty"),
        seed=fields.integer("seed"),
        stop=_stop(fields),
        output=_output(fields),
        reasoning=_thinking(fields),
        logprobs=fields.flag("logprobs"),
        stream=fields.flag("stream") or False,
        stream_usage=True,
        specific=specific,
        rest=fields.rest(),
    )


def _missing(param: str) -> BadRequest:
    return BadRequest(f"{param}: required", code="missing_required_parameter", param=param)


# --- messages


def _messages(fields: Fields) -> tuple[Message, ...]:
    items = fields.list("messages")
    if not items:
        raise _missing("messages")
    return tuple(_message(item, f"messages[{position}]") for position, item in enumerate(items))


def _message(item: Json, path: str) -> Message:
    fields = Fields(item, path)
    role = _ROLES.get(fields.required_text("role").lower())
    if role is None:
        raise BadRequest(
            f"{path}.role: expected system, user, assistant or tool", code="invalid_value", param=f"{path}.role"
        )
    content = fields.take("content")
    if role == "assistant":
        return _assistant(content, fields, path)
    if content is None:
        raise _missing(f"{path}.content")
    parts = parts_of(content, f"{path}.content")
    if role == "tool":
        parts = (ToolResult(call_id=fields.required_text("tool_call_id"), parts=parts),)
    return Message(role, parts, rest=fields.rest())


def _assistant(content: Json, fields: Fields, path: str) -> Message:
    parts: list[Part] = list(parts_of(content, f"{path}.content"))
    plan = fields.text("tool_plan")
    if plan:
        parts.append(Text(plan, origin={PLAN: True}))
    parts = with_citations(parts, fields.list("citations") or ())
    calls = fields.list("tool_calls") or ()
    parts += [read_call(call, f"{path}.tool_calls[{position}]") for position, call in enumerate(calls)]
    return Message("assistant", tuple(parts), rest=fields.rest())


def _with_documents(messages: tuple[Message, ...], documents: tuple[File, ...]) -> tuple[Message, ...]:
    """Show the documents where the question is: at the beginning of the last user message."""
    if not documents:
        return messages
    found = list(messages)
    for position in range(len(found) - 1, -1, -1):
        message = found[position]
        if message.role == "user":
            found[position] = msgspec.structs.replace(message, parts=(*documents, *message.parts))
            return tuple(found)
    return (*found, Message("user", documents))


# --- tools and settings


def _tools(fields: Fields, specific: JsonObject) -> tuple[Tool, ...]:
    strict = fields.flag("strict_tools")
    tools = tuple(_tool(item, f"tools[{position}]", strict) for position, item in enumerate(fields.list("tools") or ()))
    if strict is not None and not tools:
        specific["strict_tools"] = strict
    return tools


def _tool(item: Json, path: str, strict: bool | None) -> Tool:  # noqa: FBT001 - as the API has it: unsaid, on, or off
    fields = Fields(item, path)
    kind = fields.text("type")
    if kind is not None and kind != "function":
        return Tool(name=kind, builtin=Opaque(NAME, as_object(item)))
    function = Fields(fields.take("function"), f"{path}.function")
    return Tool(
        name=function.required_text("name"),
        description=function.text("description"),
        parameters=function.object("parameters"),
        strict=strict,
        rest=fields.rest() | ({"function": function.rest()} if function.rest() else {}),
    )


def _tool_choice(fields: Fields) -> ToolChoice | None:
    word = fields.text("tool_choice")
    if word is None:
        return None
    found = _CHOICES.get(word.upper())
    if found is None:
        raise BadRequest(
            f"tool_choice: {word!r} is none of REQUIRED, NONE; leave it out to let the model choose",
            code="invalid_value",
            param="tool_choice",
        )
    return found


def _stop(fields: Fields) -> tuple[str, ...]:
    found: list[str] = []
    for position, value in enumerate(fields.list("stop_sequences") or ()):
        if not isinstance(value, str):
            param = f"stop_sequences[{position}]"
            raise BadRequest(f"{param}: expected a string", code="invalid_type", param=param)
        found.append(value)
    return tuple(found)


def _output(fields: Fields) -> OutputFormat | None:
    found = fields.fields("response_format")
    if found is None:
        return None
    match found.required_text("type"):
        case "text":
            return OutputFormat("text")
        case "json_object":
            # `schema` is what the field was first called; the API takes both.
            schema = found.object("json_schema") or found.object("schema")
            return OutputFormat("json") if schema is None else OutputFormat("schema", schema=schema)
        case word:
            raise BadRequest(
                f"response_format.type: {word!r} is none of text, json_object",
                code="invalid_value",
                param="response_format.type",
            )


def _thinking(fields: Fields) -> ReasoningRequest | None:
    found = fields.fields("thinking")
    if found is None:
        return None
    kind = found.text("type")
    return ReasoningRequest(
        enabled=None if kind is None else kind != "disabled",
        budget_tokens=found.integer("token_budget"),
        show=None if kind == "disabled" else True,
        rest=found.rest(),
    )
