"""What callers of each dialect call the neutral fields, for errors and the dropped-fields header."""

from tollway.core.conversation import Conversation, DialectName, Opaque, Tool
from tollway.dialects.registry import conversation_dialect


def field_name(dialect: DialectName, field: str) -> str:
    """Give the caller's own name of a neutral field."""
    return conversation_dialect(dialect).field_names.get(field, field)


def part_type(part: Opaque) -> str:
    """Name a part of one dialect for the dropped-fields header: `content[server_tool_use]`.

    Some dialects name a part by its `type`, others by its only member.
    """
    kind = part.value.get("type", next(iter(part.value), "unknown"))
    return f"content[{kind}]"


def tool_type(tool: Tool) -> str:
    """Name a built-in tool for the dropped-fields header: `tools[web_search]`."""
    if tool.builtin is None:
        return f"tools[{tool.name}]"
    kind = tool.builtin.value.get("type")
    return f"tools[{kind if isinstance(kind, str) else tool.name}]"


def unset(request: Conversation, field: str) -> bool:
    """Tell whether the caller left a neutral field out."""
    value: object = getattr(request, field)
    return value is None or value in ((), {})
