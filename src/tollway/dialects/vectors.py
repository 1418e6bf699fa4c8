"""The forms a vector takes: numbers, or base64 of little-endian 32-bit floats."""

import base64
import binascii
import struct
from typing import TypeAlias

from tollway.core.errors import UpstreamGarbled
from tollway.core.json_value import Json
from tollway.dialects.caller_fields import as_list

Vector: TypeAlias = tuple[float, ...] | str


def read_vector(value: Json) -> Vector:
    """Read a vector as a provider sent it.

    Raises:
        UpstreamGarbled: it is neither numbers nor base64 of floats.
    """
    if isinstance(value, str):
        floats(value)
        return value
    numbers = as_list(value)
    if not numbers or not all(_is_float32(one) for one in numbers):
        raise UpstreamGarbled("the provider's answer holds a vector that is not a list of numbers")
    return tuple(float(one) for one in numbers)


def floats(vector: Vector) -> tuple[float, ...]:
    """Give a vector as numbers.

    Raises:
        UpstreamGarbled: its text is not base64 of floats.
    """
    if not isinstance(vector, str):
        return vector
    try:
        raw = base64.b64decode(vector, validate=True)
    except (binascii.Error, ValueError) as error:
        raise UpstreamGarbled("the provider's answer holds a vector that is not base64") from error
    if len(raw) % 4:
        raise UpstreamGarbled("the provider's answer holds a vector that is not float32")
    return struct.unpack(f"<{len(raw) // 4}f", raw)


def packed(vector: Vector) -> str:
    """Give a vector as base64."""
    if isinstance(vector, str):
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _is_float32(value: Json) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 3.4e38
