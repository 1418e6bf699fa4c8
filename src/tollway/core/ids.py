"""Identifiers: distinct types for distinct things, and the textual form of record ids."""

from typing import NewType

ClientId = NewType("ClientId", str)
"""The public identifier of a client application."""

RequestedModel = NewType("RequestedModel", str)
"""The model name exactly as the caller wrote it."""

TargetModel = NewType("TargetModel", str)
"""The model name sent to the provider."""

ServedModel = NewType("ServedModel", str)
"""The model name the provider says it answered with; billing uses this one."""

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def ulid(milliseconds: int, randomness: int) -> str:
    """Write a ULID: 48 bits of time, 80 of randomness, in Crockford's base 32.

    Args:
        milliseconds: since the epoch, UTC.
        randomness: at least 80 random bits; higher bits are ignored.

    Source: the ULID specification; 26 characters, sortable by time.
    """
    value = ((milliseconds & 0xFFFFFFFFFFFF) << 80) | (randomness & ((1 << 80) - 1))
    digits: list[str] = []
    for _ in range(26):
        digits.append(_ALPHABET[value & 31])
        value >>= 5
    digits.reverse()
    return "".join(digits)
