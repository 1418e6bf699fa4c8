"""The type of a decoded JSON value."""

from typing import Any, TypeAlias

Json: TypeAlias = Any
"""Any JSON value. `Any`, because msgspec has no recursive alias; narrow it with `isinstance`."""

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object."""
