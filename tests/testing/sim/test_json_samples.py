"""Values that satisfy a schema, judged by a validator where one is installed."""

import pytest

from tollway.testing.sim.json_samples import Hints, sample

NODE = {
    "type": "object",
    "properties": {"value": {"type": "integer"}, "next": {"$ref": "#/$defs/node"}},
    "required": ["value"],
}
SCHEMAS = {
    "empty": {},
    "constant": {"const": 7},
    "choice": {"enum": ["red", "green"]},
    "text": {"type": "string"},
    "long text": {"type": "string", "minLength": 40},
    "short text": {"type": "string", "maxLength": 3},
    "date": {"type": "string", "format": "date"},
    "pattern": {"type": "string", "pattern": "^[A-Z]{3}-\\d{4}$"},
    "integer in range": {"type": "integer", "minimum": 100, "maximum": 120},
    "open range": {"type": "integer", "exclusiveMinimum": 0, "exclusiveMaximum": 2},
    "multiple": {"type": "integer", "multipleOf": 5, "minimum": 43},
    "negative": {"type": "number", "maximum": -3.5},
    "truth": {"type": "boolean"},
    "null": {"type": "null"},
    "nullable": {"type": ["null", "string"]},
    "either": {"anyOf": [{"type": "null"}, {"type": "integer"}]},
    "one of": {"oneOf": [{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"]}, {"type": "string"}]},
    "all of": {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "string"}}, "required": ["b"]},
        ]
    },
    "list": {"type": "array", "items": {"type": "string"}, "minItems": 2},
    "different items": {"type": "array", "items": {"enum": ["a", "b", "c"]}, "minItems": 3, "uniqueItems": True},
    "different numbers": {"type": "array", "items": {"type": "integer"}, "minItems": 3, "uniqueItems": True},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False},
    "at most none": {"type": "array", "items": {"type": "string"}, "maxItems": 0},
    "required but unknown": {"type": "object", "required": ["x"]},
    "nested": {
        "type": "object",
        "properties": {"a": {"type": "object", "properties": {"b": {"type": "array", "items": {"type": "number"}}}}},
    },
    "recursive": {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    "recursive by itself": {
        "type": "object",
        "properties": {"children": {"type": "array", "items": {"$ref": "#"}}},
        "required": ["children"],
    },
    "no type": {"properties": {"a": {"type": "integer"}}, "required": ["a"]},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_sample_satisfies_its_schema(schema):
    jsonschema = pytest.importorskip("jsonschema", reason="no JSON Schema validator is installed")
    jsonschema.Draft202012Validator(schema).validate(sample(schema, Hints(prompt="hello")))


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_sample_is_the_same_each_time(schema):
    assert sample(schema, Hints()) == sample(schema, Hints())


def test_values_are_about_the_prompt():
    schema = {"properties": {"city": {}, "country": {}, "query": {}, "unit": {"enum": ["c", "f"]}}}
    hints = Hints(prompt="the weather", place="Oslo", country="Norway")
    assert sample(schema, hints) == {"city": "Oslo", "country": "Norway", "query": "the weather", "unit": "c"}


def test_geminis_dialect_of_schemas_is_read():
    schema = {"type": "OBJECT", "properties": {"n": {"type": "INTEGER"}, "b": {"type": "BOOLEAN"}}}
    assert sample(schema, Hints()) == {"n": 42, "b": True}
