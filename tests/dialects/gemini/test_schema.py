from typing import Any

import pytest

from tollway.dialects.gemini.schema import json_schema


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"type": "STRING"}, {"type": "string"}),
        ({"type": "TYPE_UNSPECIFIED"}, {}),
        ({"type": "INTEGER", "nullable": True}, {"type": ["integer", "null"]}),
        ({"type": "STRING", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {"anyOf": [{"type": "STRING"}], "nullable": True},
            {"anyOf": [{"anyOf": [{"type": "string"}]}, {"type": "null"}]},
        ),
        ({"any_of": [{"type": "NUMBER"}, {"type": "NULL"}]}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        (
            {"type": "ARRAY", "items": {"type": "BOOLEAN"}, "max_items": "5"},
            {"type": "array", "items": {"type": "boolean"}, "maxItems": 5},
        ),
        (
            {"type": "STRING", "minLength": 2, "format": "date-time", "example": "x"},
            {"type": "string", "minLength": 2, "format": "date-time", "examples": ["x"]},
        ),
        (
            {"ref": "#/$defs/a", "defs": {"a": {"type": "OBJECT"}}},
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "object"}}},
        ),
        (
            {"type": "OBJECT", "additionalProperties": {"type": "STRING"}},
            {"type": "object", "additionalProperties": {"type": "string"}},
        ),
        ({"type": "OBJECT", "additionalProperties": False}, {"type": "object", "additionalProperties": False}),
        ({"type": "object", "title": "plain already"}, {"type": "object", "title": "plain already"}),
    ],
)
def test_geminis_schema_is_read_as_json_schema(own: dict[str, Any], expected: dict[str, Any]) -> None:
    assert json_schema(own) == expected


def test_the_order_of_properties_is_what_the_ordering_says() -> None:
    own = {"type": "OBJECT", "properties": {"b": {}, "c": {}, "a_a": {}}, "propertyOrdering": ["a_a", "nope", "b"]}
    assert list(json_schema(own)["properties"]) == ["a_a", "b", "c"]
