from typing import Any

import pytest

from tollway.dialects.closed_schema import closed_schema


@pytest.mark.parametrize(
    ("schema", "closed"),
    [
        ({"type": "object"}, {"type": "object", "additionalProperties": False}),
        ({"type": "object", "additionalProperties": True}, {"type": "object", "additionalProperties": True}),
        ({"type": "string", "enum": [{"type": "object"}]}, {"type": "string", "enum": [{"type": "object"}]}),
        (
            {"properties": {"type": {"type": "object"}}},
            {"properties": {"type": {"type": "object", "additionalProperties": False}}, "additionalProperties": False},
        ),
        (
            {"anyOf": [{"type": "object"}, {"type": "null"}]},
            {"anyOf": [{"type": "object", "additionalProperties": False}, {"type": "null"}]},
        ),
        (
            {"$defs": {"a": {"type": "object"}}},
            {"$defs": {"a": {"type": "object", "additionalProperties": False}}},
        ),
        (True, True),
    ],
)
def test_every_object_is_closed_and_nothing_else_is_touched(schema: Any, closed: Any) -> None:
    assert closed_schema(schema) == closed
