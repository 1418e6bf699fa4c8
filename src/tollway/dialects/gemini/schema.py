"""Gemini's own schema form, read as JSON Schema.

The API takes tools and answer formats either as its OpenAPI subset (`parameters`, `responseSchema`:
types in capitals, `nullable`, `propertyOrdering`) or as plain JSON Schema (`parametersJsonSchema`,
`responseJsonSchema`). The neutral form is JSON Schema, so the first is read into it, and only the
second is ever written.
"""

from typing import cast

from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object, as_text
from tollway.dialects.json_forms import camel_members


def json_schema(schema: Json) -> JsonObject:
    """Read a schema in Gemini's form as JSON Schema."""
    members = cast("JsonObject", camel_members(schema)) if isinstance(schema, dict) else {}
    found: JsonObject = {}
    for name, value in members.items():
        match name:
            case "type":
                kind = as_text(value).lower()
                if kind and kind != "type_unspecified":
                    found["type"] = kind
            case "properties":
                found["properties"] = {key: json_schema(item) for key, item in as_object(value).items()}
            case "items" | "additionalProperties":
                found[name] = json_schema(value) if isinstance(value, dict) else value
            case "anyOf":
                found["anyOf"] = [json_schema(item) for item in as_list(value)]
            case "defs":
                found["$defs"] = {key: json_schema(item) for key, item in as_object(value).items()}
            case "ref":
                found["$ref"] = value
            case "nullable" | "propertyOrdering":
                pass
            case "example":
                found["examples"] = [value]
            case "minItems" | "maxItems" | "minLength" | "maxLength" | "minProperties" | "maxProperties":
                # Written as strings: the API's 64-bit integers.
                found[name] = int(value) if isinstance(value, str) and value.isdecimal() else value
            case _:
                found[name] = value
    _order(found, as_list(members.get("propertyOrdering")))
    return _nullable(found) if members.get("nullable") is True else found


def _order(found: JsonObject, ordering: list[Json]) -> None:
    """JSON Schema has no ordering; the order of the members says the same to the API."""
    properties = as_object(found.get("properties"))
    first = [name for name in ordering if isinstance(name, str) and name in properties]
    if first:
        rest = [name for name in properties if name not in first]
        found["properties"] = {name: properties[name] for name in [*first, *rest]}


def _nullable(found: JsonObject) -> JsonObject:
    kind = found.get("type")
    if isinstance(kind, str):
        found["type"] = [kind, "null"]
        if "enum" in found and None not in as_list(found["enum"]):
            found["enum"] = [*as_list(found["enum"]), None]
        return found
    return {"anyOf": [found, {"type": "null"}]}
