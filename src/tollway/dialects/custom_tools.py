"""Custom (free-text) tools for APIs that only have functions.

A custom tool takes plain text instead of JSON. For a provider that knows functions only, it becomes
a function with one string argument, `input`; the calls in the history become calls of that function,
and a call the model makes is unwrapped again for a caller who declared the tool as custom.
"""

from typing import Final

import msgspec

from tollway.core.conversation import Conversation, Message, Part, Tool, ToolCall, ToolResult
from tollway.core.json_value import NOT_JSON

_ARGUMENT: Final = "input"


class _Arguments(msgspec.Struct):
    input: str


_DECODER: Final = msgspec.json.Decoder(_Arguments)


def custom_tool_names(request: Conversation) -> frozenset[str]:
    """Names of the tools the caller declared as custom."""
    return frozenset(tool.name for tool in request.tools if tool.custom_format is not None)


def without_custom_tools(request: Conversation) -> Conversation:
    """Rewrite custom tools, their calls and their results as functions."""
    if not any(tool.custom_format is not None for tool in request.tools) and not any(
        isinstance(part, ToolCall | ToolResult) and part.custom
        for message in request.messages
        for part in message.parts
    ):
        return request
    return msgspec.structs.replace(
        request,
        tools=tuple(_as_function(tool) for tool in request.tools),
        messages=tuple(_without_custom_parts(message) for message in request.messages),
    )


def unwrapped(arguments: str) -> str:
    """Give the plain text inside a function call's arguments.

    Arguments that are not what was asked for come back as they are: the model's words must not be lost.
    """
    try:
        return _DECODER.decode(arguments).input
    except NOT_JSON:
        return arguments


def _as_function(tool: Tool) -> Tool:
    if tool.custom_format is None:
        return tool
    grammar = tool.custom_format.get("definition")
    hint = f"The input must match this grammar:\n{grammar}" if isinstance(grammar, str) else "The tool's whole input."
    return Tool(
        name=tool.name,
        description=tool.description,
        parameters={
            "type": "object",
            "properties": {_ARGUMENT: {"type": "string", "description": hint}},
            "required": [_ARGUMENT],
            "additionalProperties": False,
        },
        cache=tool.cache,
    )


def _without_custom_parts(message: Message) -> Message:
    if not any(isinstance(part, ToolCall | ToolResult) and part.custom for part in message.parts):
        return message
    return msgspec.structs.replace(message, parts=tuple(_as_function_part(part) for part in message.parts))


def _as_function_part(part: Part) -> Part:
    if isinstance(part, ToolCall) and part.custom:
        wrapped = msgspec.json.encode({_ARGUMENT: part.arguments}).decode()
        return msgspec.structs.replace(part, arguments=wrapped, custom=False)
    if isinstance(part, ToolResult) and part.custom:
        return msgspec.structs.replace(part, custom=False)
    return part
