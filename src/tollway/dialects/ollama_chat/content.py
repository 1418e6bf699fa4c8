"""Ollama's messages and the neutral parts they stand for.

Rules of this file:
- Tool calls need no ids here, but every other API needs them: a call without one is numbered in the
  order of the conversation, and a result without one answers the first call of its tool, else the
  first call at all, that has no result yet.
- Pictures are base64 without a media type, which is read from their first bytes.
"""

from typing import Final

from tollway.core.conversation import (
    DialectName,
    Image,
    Message,
    Part,
    Reasoning,
    Role,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import Fields
from tollway.dialects.json_forms import json_text

NAME: Final[DialectName] = "ollama-chat"

_ROLES: Final[dict[str, Role]] = {"system": "system", "user": "user", "assistant": "assistant", "tool": "tool"}
_BEGINNINGS: Final = (
    ("iVBORw0KGgo", "image/png"),
    ("/9j/", "image/jpeg"),
    ("R0lGOD", "image/gif"),
    ("UklGR", "image/webp"),
)
"""How the base64 of each kind of picture begins."""


def picture(data: str) -> Image:
    """Give a picture its media type."""
    media_type = next((kind for start, kind in _BEGINNINGS if data.startswith(start)), None)
    return Image(data=data, media_type=media_type)


def pictures(fields: Fields) -> list[Part]:
    """Read `images`."""
    found: list[Part] = []
    for position, data in enumerate(fields.list("images") or ()):
        if not isinstance(data, str):
            param = f"{fields.param('images')}[{position}]"
            raise BadRequest(f"{param}: expected a string of base64", code="invalid_type", param=param)
        found.append(picture(data))
    return found


class MessageReader:
    """Reads the messages of one request; remembers which calls wait for a result."""

    __slots__ = ("_calls", "_waiting")

    def __init__(self) -> None:
        """Start before the first message."""
        self._calls = 0
        self._waiting: list[ToolCall] = []

    def message(self, value: Json, path: str) -> Message:
        """Read one message.

        Raises:
            BadRequest: with `param` naming the field.
        """
        fields = Fields(value, path)
        role = _ROLES.get(fields.required_text("role"))
        if role is None:
            raise BadRequest(
                f"{path}.role: expected system, user, assistant or tool", code="invalid_value", param=f"{path}.role"
            )
        parts: list[Part] = []
        thinking, words = fields.text("thinking"), fields.text("content")
        if thinking:
            parts.append(Reasoning(thinking))
        if words:
            parts.append(Text(words))
        parts += pictures(fields)
        if role == "tool":
            return Message("tool", (self._result(fields, tuple(parts)),), rest=fields.rest())
        parts += [
            self._call(Fields(call, f"{path}.tool_calls[{position}]"))
            for position, call in enumerate(fields.list("tool_calls") or ())
        ]
        return Message(role, tuple(parts), rest=fields.rest())

    def _call(self, fields: Fields) -> ToolCall:
        fields.take("type")
        function = Fields(fields.take("function"), fields.param("function"))
        name, arguments = function.required_text("name"), function.object("arguments")
        call = ToolCall(
            id=fields.text("id") or f"call_{self._calls}",
            name=name,
            arguments=json_text(arguments or {}),
            rest=fields.rest() | ({"function": function.rest()} if function.rest() else {}),
        )
        self._calls += 1
        self._waiting.append(call)
        return call

    def _result(self, fields: Fields, parts: tuple[Part, ...]) -> ToolResult:
        name, given = fields.text("tool_name"), fields.text("tool_call_id")
        answered = next(
            (call for call in self._waiting if call.id == given),
            next((call for call in self._waiting if call.name == name), self._waiting[0] if self._waiting else None),
        )
        if answered is not None:
            self._waiting.remove(answered)
        call_id = given or (answered.id if answered is not None else name or "call")
        return ToolResult(call_id=call_id, parts=parts, name=name)


def call_object(call: ToolCall, arguments: JsonObject) -> JsonObject:
    """Write a tool call."""
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}
