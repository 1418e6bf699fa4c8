"""Typed reads from decoded JSON: strict towards callers, lenient towards providers.

Rules of this file:
- `Fields` is for what a caller sent: a field of the wrong type is the caller's error and names the
  field; `null` means absent; what was not asked for stays in `rest`.
- The `as_*` functions are for what a provider sent: the wrong type counts as absent.
"""

from typing import NoReturn, cast

import msgspec

from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.core.json_value import NOT_JSON, Json, JsonObject

_KINDS: dict[object, str] = {
    dict: "an object",
    list: "an array",
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), "something else")


def wrong_type(param: str, wanted: str, value: Json) -> NoReturn:
    """Refuse a field for its type.

    Raises:
        BadRequest: always.
    """
    raise BadRequest(
        f"{param}: expected {wanted}, got {_kind(value)}",
        code="invalid_type",
        param=param,
    )


def decode_request(body: bytes) -> JsonObject:
    """Decode a caller's body, which must be a JSON object.

    Raises:
        BadRequest: it is not.
    """
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise BadRequest(
            f"the request body is not valid JSON: {reason}; send one JSON object", code="invalid_json"
        ) from error
    if not isinstance(value, dict):
        raise BadRequest(
            f"the request body must be a JSON object, got {_kind(value)}",
            code="invalid_type",
        )
    return cast("JsonObject", value)


def decode_answer(body: bytes, what: str) -> JsonObject:
    """Decode a provider's body, which must be a JSON object. `what` names it in the error.

    Raises:
        UpstreamGarbled: it is not.
    """
    try:
        value = msgspec.json.decode(body)
    except NOT_JSON as error:
        raise UpstreamGarbled(f"the provider's {what} is not valid JSON") from error
    if not isinstance(value, dict):
        raise UpstreamGarbled(f"the provider's {what} is not a JSON object")
    return cast("JsonObject", value)


class Fields:
    """An object of a caller's request, read field by field."""

    __slots__ = ("_left", "_where")

    def __init__(self, value: Json, where: str = "") -> None:
        """Read `value`, which stands at `where` in the request; raise `BadRequest` unless an object."""
        if not isinstance(value, dict):
            wrong_type(where, "an object", value)
        self._left: JsonObject = dict(cast("JsonObject", value))
        self._where = where

    def param(self, name: str) -> str:
        """The field's full name, as the caller would write it."""
        return f"{self._where}.{name}" if self._where else name

    def take(self, name: str) -> Json:
        """Any value; None when absent or null."""
        return self._left.pop(name, None)

    def text(self, name: str) -> str | None:
        """A string."""
        value = self._left.pop(name, None)
        if value is None or isinstance(value, str):
            return value
        wrong_type(self.param(name), "a string", value)

    def required_text(self, name: str) -> str:
        """A string that must be there."""
        value = self.text(name)
        if value is None:
            raise BadRequest(f"{self.param(name)}: required", code="missing_required_parameter", param=self.param(name))
        return value

    def number(self, name: str) -> float | None:
        """A number, whole ones kept whole."""
        value = self._left.pop(name, None)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        wrong_type(self.param(name), "a number", value)

    def integer(self, name: str) -> int | None:
        """A whole number; `10.0` counts as one."""
        value = self._left.pop(name, None)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        wrong_type(self.param(name), "an integer", value)

    def flag(self, name: str) -> bool | None:
        """A boolean."""
        value = self._left.pop(name, None)
        if value is None or isinstance(value, bool):
            return value
        wrong_type(self.param(name), "a boolean", value)

    def object(self, name: str) -> JsonObject | None:
        """An object."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, dict):
            return cast("JsonObject", value)
        wrong_type(self.param(name), "an object", value)

    def fields(self, name: str) -> "Fields | None":
        """An object, to be read field by field."""
        value = self.object(name)
        return None if value is None else Fields(value, self.param(name))

    def list(self, name: str) -> "list[Json] | None":
        """An array."""
        value = self._left.pop(name, None)
        if value is None:
            return None
        if isinstance(value, list):
            return cast("list[Json]", value)
        wrong_type(self.param(name), "an array", value)

    def take_present(self, names: frozenset[str]) -> JsonObject:
        """All of `names` that are there and not null, as written."""
        there = [name for name in self._left if name in names]
        return {name: value for name in there if (value := self._left.pop(name)) is not None}

    def put_back(self, name: str, value: Json) -> None:
        """Leave a value that turned out not to be understood in `rest`."""
        self._left[name] = value

    def rest(self) -> JsonObject:
        """What nobody asked for, nulls included."""
        return self._left


def as_object(value: Json) -> JsonObject:
    """The object, or an empty one."""
    return cast("JsonObject", value) if isinstance(value, dict) else {}


def as_list(value: Json) -> list[Json]:
    """The array, or an empty one."""
    return cast("list[Json]", value) if isinstance(value, list) else []


def as_text(value: Json) -> str:
    """The string, or an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: Json) -> int:
    """A count of tokens: a non-negative whole number, or 0."""
    if isinstance(value, bool):
        return 0
    if isinstance(value, int):
        return max(value, 0)
    return max(int(value), 0) if isinstance(value, float) and value == value and abs(value) < 2**53 else 0  # noqa: PLR0124  # not NaN


def as_seconds(value: Json) -> int:
    """A time in seconds, or 0."""
    return as_count(value)


def without(value: JsonObject, *names: str) -> JsonObject:
    """A copy without some members, and without null ones."""
    return {name: member for name, member in value.items() if name not in names and member is not None}
