"""The type of a decoded JSON value, and what decoding raises for bytes that are none."""

from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = Any
"""Any JSON value. `Any`, because msgspec has no recursive alias; narrow it with `isinstance`."""

JsonObject: TypeAlias = dict[str, Any]
"""A decoded JSON object."""

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON: of wrong syntax or type, no UTF-8 in a string, or too deep."""
