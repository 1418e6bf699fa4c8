"""Trace and span ids (W3C Trace Context) made from our own ids, so that one call has the same ids wherever it is told.

Whoever exports a call twice, or sends `traceparent` upstream while another process exports the spans, gets the same.
"""

from hashlib import blake2b

_DIGITS = {character: value for value, character in enumerate("0123456789ABCDEFGHJKMNPQRSTVWXYZ")}


def trace_id_of(call_id: str) -> int:
    """Give the trace id of a call that came without one: the 128 bits of its ULID."""
    value = 0
    for character in call_id:
        digit = _DIGITS.get(character)
        if digit is None:
            break
        value = value << 5 | digit
    else:
        if len(call_id) == 26 and 0 < value < 1 << 128:
            return value
    return _hashed(call_id, 16)


def span_id_of(record_or_call_id: str) -> int:
    """Give the span id of a call, or of an attempt by its record's id."""
    return _hashed(record_or_call_id, 8)


def _hashed(text: str, size: int) -> int:
    # All zeros is no id. The chance is that of guessing a key; the remedy costs nothing.
    return int.from_bytes(blake2b(text.encode(), digest_size=size).digest()) or 1
