"""The values expressions work on: their types, texts and equality.

Numbers keep their kind: what came as an integer stays one. `1 == 1.0`, but `true` is not `1`.
"""

import re
from collections.abc import Hashable, Mapping
from typing import Final, TypeAlias, TypeGuard, cast

import msgspec

from tollway.expressions.errors import Unfit

# bytes live only between two functions, as in toString(fromBase64(x), 'UTF-8'); no result is bytes.
Value: TypeAlias = "bool | int | float | str | bytes | list[Value] | Mapping[str, Value] | None"

MAX_VALUE_DEPTH: Final = 100  # far above any real body, far below the interpreter's stack
_MAX_NUMERAL: Final = 400  # the longest finite 64-bit float written out has 309 digits
_EXACT_INTEGERS: Final = 2.0**53
_NUMERAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)


def type_name(value: object) -> str:
    """The DataWeave name of a value's type."""
    match value:
        case None:
            return "Null"
        case bool():
            return "Boolean"
        case int() | float():
            return "Number"
        case str():
            return "String"
        case bytes():
            return "Binary"
        case list():
            return "Array"
        case Mapping():
            return "Object"
        case _:
            return "value that JSON cannot carry"


def is_number(value: object) -> TypeGuard[int | float]:
    """Whether a value is a Number; in Python, unlike DataWeave, a boolean is an integer."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_number(text: str) -> int | float:
    """The number a text spells, in JSON's notation.

    Raises:
        Unfit: it spells none.
    """
    if len(text) > _MAX_NUMERAL or not _NUMERAL.fullmatch(text):
        raise Unfit("this String does not spell a Number")
    return float(text) if any(mark in text for mark in ".eE") else int(text)


def to_text(value: Value) -> str:
    """The text of a value, as keys and headers need it; equal numbers have the same text.

    Arrays and Objects become compact JSON.

    Raises:
        Unfit: Null, which has no text, or a value that JSON cannot carry.
    """
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer() and abs(value) < _EXACT_INTEGERS:
            return str(int(value))
        case int() | float():
            return _numeral(value)
        case bytes():
            return decoded(value, "utf-8")
        case None:
            raise Unfit("Null has no text; give a value with `default`")
        case _:
            return _json(value)


def decoded(content: bytes, encoding: str) -> str:
    """Bytes as text.

    Raises:
        Unfit: they are no text in that encoding.
    """
    try:
        return content.decode(encoding)
    except UnicodeError:
        raise Unfit(f"this Binary is not {encoding.upper()} text") from None


def equal(left: Value, right: Value) -> bool:
    """Equality by type and value: nothing is coerced, and Objects have no order.

    Raises:
        Unfit: nested too deep to compare.
    """
    if type(left) is str or type(right) is str:
        return left == right
    return fingerprint(left) == fingerprint(right)


def fingerprint(value: Value, depth: int = 0) -> Hashable:
    """A hashable stand-in: two values have equal ones exactly when they are equal.

    It lets `--` look up what to remove, where comparing each with each would let a caller's two
    long arrays cost their product.

    Raises:
        Unfit: nested too deep.
    """
    if depth > MAX_VALUE_DEPTH:
        raise Unfit(f"nested deeper than {MAX_VALUE_DEPTH} levels")
    match value:
        case bool():
            return ("Boolean", value)
        case list():
            return ("Array", *(fingerprint(item, depth + 1) for item in value))
        case Mapping():
            return ("Object", frozenset((key, fingerprint(item, depth + 1)) for key, item in value.items()))
        case _:
            return value


def _numeral(value: float) -> str:
    try:
        return repr(value)
    except ValueError:  # the interpreter refuses to write out integers of thousands of digits
        raise Unfit("this Number is too large to be written out") from None


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, object]", value))
    raise Unfit(f"holds a {type_name(value)}")


_ENCODER: Final = msgspec.json.Encoder(enc_hook=_plain)


def _json(value: Value) -> str:
    try:
        return _ENCODER.encode(value).decode()
    except (RecursionError, ValueError, TypeError, OverflowError):
        raise Unfit(f"this {type_name(value)} cannot be written as JSON") from None
