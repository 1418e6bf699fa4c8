"""What operators, selectors and functions do, each as one plain function of its operands.

They raise `Unfit` for values they cannot work on and never look at anything but their arguments;
`uuid`, which has none, is handed the scope. Null goes through text functions as null, as it does
in DataWeave, so that an absent header needs no guard.
"""

import binascii
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Final

from msgspec import Struct

from tollway.expressions.errors import Unfit
from tollway.expressions.scope import Scope
from tollway.expressions.values import (
    Value,
    decoded,
    equal,
    fingerprint,
    is_number,
    to_number,
    to_text,
    type_name,
)

# An allow-list: Python's codec registry also holds compressors and names with side effects.
_ENCODINGS: Final = {
    "UTF-8": "utf-8",
    "US-ASCII": "ascii",
    "ASCII": "ascii",
    "ISO-8859-1": "latin-1",
    "UTF-16": "utf-16",
}


class Function(Struct, frozen=True):
    """One function: where DataWeave keeps it, how many arguments it takes, what it does."""

    module: str
    arities: tuple[int, ...]
    apply: Callable[..., Value]
    binary: bool = False

    @property
    def infix(self) -> bool:
        """Whether it may stand between its two operands."""
        return 2 in self.arities


def select(target: Value, key: Value) -> Value:
    """`target[key]`: null for what is not there, in null too."""
    if target is None:
        return None
    if isinstance(key, str):
        if isinstance(target, Mapping):
            return target.get(key)
        if isinstance(target, list):
            return [item[key] for item in target if isinstance(item, Mapping) and key in item] or None
    elif is_number(key) and key == key // 1 and isinstance(target, list | str):
        return target[int(key)] if -len(target) <= key < len(target) else None
    raise Unfit(f"cannot select from {type_name(target)} by {type_name(key)}")


def concatenate(left: Value, right: Value) -> Value:
    """`++`: arrays, objects (the right one wins) or texts; numbers and booleans join as text."""
    if isinstance(left, list) and isinstance(right, list):
        return [*left, *right]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return {**left, **right}
    if isinstance(left, str | int | float) and isinstance(right, str | int | float):
        return to_text(left) + to_text(right)
    raise Unfit(f"`++` cannot join {type_name(left)} and {type_name(right)}; give null a value with `default`")


def remove(left: Value, right: Value) -> Value:
    """`--`: values from an array, members or keys from an object; null stays null."""
    if left is None:
        return None
    if isinstance(left, list) and isinstance(right, list):
        unwanted = {fingerprint(item) for item in right}
        return [item for item in left if fingerprint(item) not in unwanted]
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return {key: item for key, item in left.items() if key not in right or not equal(item, right[key])}
    if isinstance(left, Mapping) and isinstance(right, list):
        keys = {item for item in right if isinstance(item, str)}
        return {key: item for key, item in left.items() if key not in keys}
    raise Unfit(f"`--` cannot take {type_name(right)} out of {type_name(left)}")


def order(left: Value, right: Value) -> int:
    """Below, at or above zero as left is less than, equal to or greater than right.

    DataWeave coerces the right side to the type of the left one: `"9" > 10` compares texts,
    `10 > "9"` numbers.
    """
    if is_number(left) and (is_number(right) or isinstance(right, str)):
        number = to_number(right) if isinstance(right, str) else right
        return (left > number) - (left < number)
    if isinstance(left, str) and isinstance(right, str | int | float):
        text = to_text(right)
        return (left > text) - (left < text)
    if isinstance(left, bool) and isinstance(right, bool):
        return left - right
    raise Unfit(f"{type_name(left)} and {type_name(right)} have no order; give null a value with `default`")


def contains(container: Value, wanted: Value) -> bool:
    """Whether an array has an equal item, or a text the given text; null contains nothing."""
    if container is None:
        return False
    if isinstance(container, list):
        return any(equal(item, wanted) for item in container)
    return _text(wanted) in _text(container)


def split_by(text: Value, separator: Value) -> Value:
    """The pieces between separators; the characters when the separator is empty."""
    if text is None:
        return None
    pieces = _text(text).split(mark) if (mark := _text(separator)) else list(_text(text))
    return [*pieces]


def size_of(value: Value) -> Value:
    """The number of characters, items, members or bytes; null has no size."""
    if value is None:
        return None
    if isinstance(value, str | bytes | list | Mapping):
        return len(value)
    raise Unfit(f"a {type_name(value)} has no size")


def is_empty(value: Value) -> bool:
    """Whether a value is null or has nothing in it."""
    return not size_of(value)


def starts_with(text: Value, prefix: Value) -> bool:
    """Whether a text begins with another; null begins with nothing."""
    return text is not None and _text(text).startswith(_text(prefix))


def ends_with(text: Value, suffix: Value) -> bool:
    """Whether a text ends with another; null ends with nothing."""
    return text is not None and _text(text).endswith(_text(suffix))


# The four below answer "" where the separator is absent, and for an empty separator exactly what
# DataWeave's reference shows: it is found before the first and after the last character.


def substring_before(text: Value, separator: Value) -> Value:
    """What stands before the first separator."""
    if text is None:
        return None
    whole = _text(text)
    return whole[: max(whole.find(_text(separator)), 0)]


def substring_after(text: Value, separator: Value) -> Value:
    """What stands after the first separator."""
    if text is None:
        return None
    whole, mark = _text(text), _text(separator)
    return whole[1:] if mark == "" else whole.partition(mark)[2]


def substring_before_last(text: Value, separator: Value) -> Value:
    """What stands before the last separator."""
    if text is None:
        return None
    whole, mark = _text(text), _text(separator)
    return whole[:-1] if mark == "" else whole.rpartition(mark)[0]


def substring_after_last(text: Value, separator: Value) -> Value:
    """What stands after the last separator; null for an empty one."""
    if text is None or (mark := _text(separator)) == "":
        return None
    _, found, tail = _text(text).rpartition(mark)
    return tail if found else ""


def uuid(scope: Scope) -> Value:
    """A fresh UUID, from the scope's source of them."""
    return scope.new_id()


def to_base64(content: Value) -> Value:
    """Base64 of a Binary, or of a String's UTF-8."""
    if content is None:
        return None
    return b64encode(content if isinstance(content, bytes) else _encoded(_text(content), "utf-8")).decode("ascii")


def from_base64(text: Value) -> Value:
    """The Binary that a base64 text stands for."""
    if text is None:
        return None
    try:
        return b64decode(_text(text), validate=True)
    except (binascii.Error, ValueError):
        raise Unfit("this String is not base64") from None


def to_binary(text: Value, encoding: Value) -> Value:
    """A text's bytes in an encoding."""
    return None if text is None else _encoded(_text(text), _encoding(encoding))


def to_string(value: Value, encoding: Value = "UTF-8") -> Value:
    """The text of a Binary in an encoding, or of a Number, Boolean or String."""
    codec = _encoding(encoding)
    if value is None:
        return None
    if isinstance(value, list | Mapping):
        raise Unfit(f"toString takes a Binary, Number, Boolean or String, not {type_name(value)}")
    return decoded(value, codec) if isinstance(value, bytes) else to_text(value)


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return decoded(value, "utf-8")
    mend = "give it a value with `default`" if value is None else "toString(...) makes text of numbers and booleans"
    raise Unfit(f"needs a String, got {type_name(value)}; {mend}")


def _encoding(name: Value) -> str:
    if isinstance(name, str) and (codec := _ENCODINGS.get(name.upper())):
        return codec
    raise Unfit(f"unknown encoding; known are {', '.join(_ENCODINGS)}")


def _encoded(text: str, codec: str) -> bytes:
    try:
        return text.encode(codec)
    except UnicodeError:
        raise Unfit(f"this String cannot be written in {codec.upper()}") from None


def _null_or(change: Callable[[str], str]) -> Callable[[Value], Value]:
    return lambda value: None if value is None else change(_text(value))


OPERATORS: Final[Mapping[str, Callable[[Value, Value], Value]]] = {
    "==": equal,
    "!=": lambda left, right: not equal(left, right),
    "<": lambda left, right: order(left, right) < 0,
    ">": lambda left, right: order(left, right) > 0,
    "<=": lambda left, right: order(left, right) <= 0,
    ">=": lambda left, right: order(left, right) >= 0,
    "++": concatenate,
    "--": remove,
}

_CORE = "dw::Core"
_STRINGS = "dw::core::Strings"
_BINARIES = "dw::core::Binaries"
_COERCIONS = "dw::util::Coercions"

FUNCTIONS: Final[Mapping[str, Function]] = {
    "contains": Function(_CORE, (2,), contains),
    "endsWith": Function(_CORE, (2,), ends_with),
    "isEmpty": Function(_CORE, (1,), is_empty),
    "lower": Function(_CORE, (1,), _null_or(str.lower)),
    "sizeOf": Function(_CORE, (1,), size_of),
    "splitBy": Function(_CORE, (2,), split_by),
    "startsWith": Function(_CORE, (2,), starts_with),
    "trim": Function(_CORE, (1,), _null_or(str.strip)),
    "upper": Function(_CORE, (1,), _null_or(str.upper)),
    "uuid": Function(_CORE, (0,), uuid),
    "substringAfter": Function(_STRINGS, (2,), substring_after),
    "substringAfterLast": Function(_STRINGS, (2,), substring_after_last),
    "substringBefore": Function(_STRINGS, (2,), substring_before),
    "substringBeforeLast": Function(_STRINGS, (2,), substring_before_last),
    "fromBase64": Function(_BINARIES, (1,), from_base64, binary=True),
    "toBase64": Function(_BINARIES, (1,), to_base64),
    "toBinary": Function(_COERCIONS, (2,), to_binary, binary=True),
    "toString": Function(_COERCIONS, (1, 2), to_string),
}
