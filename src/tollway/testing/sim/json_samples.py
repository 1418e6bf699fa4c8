"""A plausible value that satisfies a JSON schema: tool arguments and structured answers.

Reads the JSON Schema that the vendors accept, and Gemini's dialect of it (upper-case type
names, `nullable`). The same schema and hints always give the same value.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias, cast

import msgspec

from tollway.testing.sim import patterns

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"

DEPTH_LIMIT: Final = 8
"""Below this depth only required members are filled, so recursive schemas come to an end."""

FORMATS: Final = {
    "date": "2026-01-15",
    "date-time": "2026-01-15T09:30:00Z",
    "time": "09:30:00Z",
    "duration": "PT30M",
    "email": "ada@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.7",
    "ipv6": "2001:db8::7",
    "uri": "https://example.com/item",
    "url": "https://example.com/item",
    "uuid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
}
BY_NAME: Final = {
    "city": "Paris",
    "location": "Paris",
    "place": "Paris",
    "country": "France",
    "currency": "EUR",
    "date": "2026-01-15",
    "email": "ada@example.com",
    "language": "en",
    "name": "Ada Lovelace",
    "title": "A short title",
    "unit": "celsius",
    "url": "https://example.com/item",
}
PLACE_NAMES: Final = frozenset({"city", "location", "place", "destination", "town"})
ASKING_NAMES: Final = frozenset({"query", "q", "question", "text", "prompt", "input", "search"})


class Hints(msgspec.Struct, frozen=True):
    """What the value should be about."""

    prompt: str = ""
    place: str = ""
    country: str = ""


def decode(data: bytes | msgspec.Raw) -> Json:
    """JSON bytes as a value."""
    return cast("Json", msgspec.json.decode(data))


def sample(schema: Json, hints: Hints) -> Json:
    """A value that satisfies `schema`."""
    return _Sampler(schema, hints).value(schema, "", 0)


class _Sampler:
    def __init__(self, root: Json, hints: Hints) -> None:
        self._root = root
        self._hints = hints

    def value(self, schema: Json, name: str, depth: int) -> Json:
        if not isinstance(schema, dict):
            return "anything"
        schema = self._resolved(schema)
        for fixed in ("const", "default", "example"):
            if fixed in schema:
                return schema[fixed]
        choices = schema.get("enum")
        if isinstance(choices, list) and choices:
            return choices[0]
        for union in ("anyOf", "oneOf"):
            options = schema.get(union)
            if isinstance(options, list) and options:
                rest = {key: member for key, member in schema.items() if key != union}
                return self.value(_merged(rest, self._easiest(options, depth)), name, depth)
        parts = schema.get("allOf")
        if isinstance(parts, list):
            whole = {key: member for key, member in schema.items() if key != "allOf"}
            for part in parts:
                whole = _merged(whole, part)
            return self.value(whole, name, depth)
        return self._of_type(_type_of(schema), schema, name, depth)

    def _of_type(self, kind: str, schema: dict[str, Json], name: str, depth: int) -> Json:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, name, depth)
            case "integer":
                return int(_number(schema, whole=True))
            case "number":
                return _number(schema, whole=False)
            case "boolean":
                return True
            case "null":
                return None
            case _:
                return self._string(schema, name)

    def _resolved(self, schema: dict[str, Json]) -> dict[str, Json]:
        for _ in range(DEPTH_LIMIT):
            reference = schema.get("$ref")
            if not isinstance(reference, str) or not reference.startswith("#"):
                break
            target: Json = self._root
            for step in reference.lstrip("#/").split("/") if reference != "#" else []:
                target = target.get(step) if isinstance(target, dict) else None
            if not isinstance(target, dict):
                break
            schema = _merged({key: v for key, v in schema.items() if key != "$ref"}, target)
        return schema

    def _easiest(self, options: list[Json], depth: int) -> Json:
        """The first option that is not null; null when the schema has gone deep."""
        empty = [option for option in options if _is_null(option)]
        if empty and depth >= DEPTH_LIMIT:
            return empty[0]
        return next((option for option in options if not _is_null(option)), options[0])

    def _object(self, schema: dict[str, Json], depth: int) -> Json:
        properties = schema.get("properties")
        required = schema.get("required")
        names = set(required) if isinstance(required, list) else set[Json]()
        made: dict[str, Json] = {}
        if isinstance(properties, dict):
            for name, member in properties.items():
                if name in names or depth < DEPTH_LIMIT:
                    made[name] = self.value(member, name, depth + 1)
        for name in names:
            if isinstance(name, str) and name not in made:
                made[name] = "anything"
        return made

    def _array(self, schema: dict[str, Json], name: str, depth: int) -> Json:
        prefix = schema.get("prefixItems")
        items: list[Json] = []
        if isinstance(prefix, list):
            items = [self.value(member, name, depth + 1) for member in prefix]
        smallest = _int(schema.get("minItems"), 0 if depth >= DEPTH_LIMIT else 1)
        largest = _int(schema.get("maxItems"), max(smallest, len(items)))
        member = schema.get("items")
        wanted = min(max(smallest, len(items)), largest)
        while len(items) < wanted and member is not False:
            item = self.value(member, name, depth + 1)
            if schema.get("uniqueItems") is True and item in items:
                item = _another(item, member, items)
            items.append(item)
        return items

    def _string(self, schema: dict[str, Json], name: str) -> str:
        form = schema.get("format")
        pattern = schema.get("pattern")
        text = FORMATS.get(form, "") if isinstance(form, str) else ""
        text = text or self._by_name(name.lower())
        if isinstance(pattern, str) and not _fits(pattern, text):
            text = patterns.match_for(pattern, candidates=[*FORMATS.values(), *BY_NAME.values()])
        shortest = _int(schema.get("minLength"), 0)
        longest = _int(schema.get("maxLength"), max(len(text), shortest))
        return (text + "x" * (shortest - len(text)))[:longest]

    def _by_name(self, name: str) -> str:
        last = name.rpartition("_")[2]
        if self._hints.place and (name in PLACE_NAMES or last in PLACE_NAMES):
            return self._hints.place
        if self._hints.country and (name == "country" or last == "country"):
            return self._hints.country
        if name in BY_NAME or last in BY_NAME:
            return BY_NAME.get(name) or BY_NAME[last]
        if self._hints.prompt and (name in ASKING_NAMES or last in ASKING_NAMES):
            return self._hints.prompt[:120]
        return f"sample {name.replace('_', ' ')}".strip()


def _type_of(schema: dict[str, Json]) -> str:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    if isinstance(kind, str):
        return kind.lower()
    if "properties" in schema or "required" in schema:
        return "object"
    return "array" if "items" in schema or "prefixItems" in schema else "string"


def _is_null(option: Json) -> bool:
    return isinstance(option, dict) and str(option.get("type")).lower() == "null"


def _merged(left: dict[str, Json], right: Json) -> dict[str, Json]:
    if not isinstance(right, dict):
        return left
    merged = {**left, **right}
    for key in ("properties", "$defs"):
        one, other = left.get(key), right.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            merged[key] = {**one, **other}
    one, other = left.get("required"), right.get("required")
    if isinstance(one, list) and isinstance(other, list):
        merged["required"] = [*one, *[name for name in other if name not in one]]
    return merged


def _int(value: Json, otherwise: int) -> int:
    return int(value) if isinstance(value, int | float | str) and str(value) else otherwise


def _number(schema: dict[str, Json], *, whole: bool) -> float:
    low = _bound(schema, "minimum", "exclusiveMinimum", 1 if whole else 0.5)
    high = _bound(schema, "maximum", "exclusiveMaximum", -1 if whole else -0.5)
    number: float = 42 if whole else 20.5
    if low is not None:
        number = max(number, low)
    if high is not None:
        number = min(number, high)
    step = schema.get("multipleOf")
    if isinstance(step, int | float) and step > 0:
        floor = number // step * step
        number = floor if low is None or floor >= low else floor + step
    return number


def _bound(schema: dict[str, Json], closed: str, opened: str, margin: float) -> float | None:
    value = schema.get(closed)
    if isinstance(value, int | float) and not isinstance(value, bool):
        # JSON Schema draft 4 says `exclusiveMinimum: true` beside `minimum`.
        return value + margin if schema.get(opened) is True else value
    value = schema.get(opened)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value + margin
    return None


def _another(item: Json, member: Json, taken: list[Json]) -> Json:
    """Another value like `item` that is not taken yet."""
    choices = member.get("enum") if isinstance(member, dict) else None
    if isinstance(choices, list):
        return next((choice for choice in choices if choice not in taken), item)
    count = len(taken) + 1
    if isinstance(item, bool) or item is None:
        return not item
    return item + count if isinstance(item, int | float) else f"{item} {count}"


def _fits(pattern: str, text: str) -> bool:
    try:
        return re.search(pattern, text) is not None
    except re.error:
        # A dialect that Python does not read: nothing can be promised about it here.
        return True
