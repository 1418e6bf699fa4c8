"""The forms one JSON value takes: text or object, `snake_case` or `camelCase`."""

import re
from typing import Final, cast

import msgspec

from tollway.core.json_value import NOT_JSON, Json, JsonObject

_SNAKE: Final = re.compile(r"_([a-z0-9])")


def camel(name: str) -> str:
    """Turn `snake_case` into `camelCase`, as protocol-buffer JSON does; other names stay."""
    return _SNAKE.sub(lambda match: match.group(1).upper(), name) if "_" in name else name


def camel_members(value: Json) -> Json:
    """Rename an object's own members to `camelCase`; what they hold stays, and so does a non-object."""
    if not isinstance(value, dict):
        return value
    members = cast("JsonObject", value)
    return {camel(name): item for name, item in members.items()}


def json_text(value: Json) -> str:
    """Write a JSON value as text."""
    return msgspec.json.encode(value).decode()


def object_of(text: str) -> JsonObject | None:
    """Read JSON text that should be an object; None where it is something else."""
    try:
        value: Json = msgspec.json.decode(text)
    except NOT_JSON:
        return None
    return cast("JsonObject", value) if isinstance(value, dict) else None


def arguments_object(text: str) -> JsonObject:
    """Read a tool call's arguments for an API that wants an object.

    Empty text is no arguments. Text that is not an object (a custom tool's words, or a call the
    model cut short) goes under the name `input`, so that nothing is lost.
    """
    if not text.strip():
        return {}
    found = object_of(text)
    return {"input": text} if found is None else found


def members_under(members: JsonObject, name: str) -> JsonObject:
    """Gather the members written `name.member`, by their last word.

    Fields that lie inside a known object are kept that way, so that each is reported by its full name.
    """
    prefix = f"{name}."
    return {
        full.removeprefix(prefix): value
        for full, value in members.items()
        if full.startswith(prefix) and "." not in full.removeprefix(prefix)
    }
