"""Closes the objects of a JSON Schema, as APIs with strict output demand it."""

from tollway.core.json_value import Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object


def closed_schema(schema: Json) -> Json:
    """Close every object of a JSON Schema: the API demands `additionalProperties: false`."""
    if isinstance(schema, list):
        return [closed_schema(item) for item in as_list(schema)]
    if not isinstance(schema, dict):
        return schema
    found: JsonObject = {}
    for name, value in as_object(schema).items():
        if name in {"properties", "$defs", "definitions"}:
            found[name] = {key: closed_schema(item) for key, item in as_object(value).items()}
        elif name in {"enum", "const", "default", "examples", "required"}:
            found[name] = value
        else:
            found[name] = closed_schema(value)
    if found.get("type") == "object" or "properties" in found:
        found.setdefault("additionalProperties", False)
    return found
