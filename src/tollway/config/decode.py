"""Turns plain values into Structs, noting every problem instead of stopping at the first.

Rules of this file:
- What is wrong is noted, and something of the right type stands in for it, so that everything
  around it is still read and list indices stay true. A caller must look at `Problems` before it
  uses the result.
- Types it has no words for (tagged unions, dates …) go through `msgspec.convert` as a whole.
"""

import functools
import re
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar, Union, cast

import msgspec
from msgspec import inspect as mi

from tollway.config.field_docs import field_docs
from tollway.config.problems import Path, Problems, did_you_mean, shown
from tollway.config.values import (
    WRITTEN_KINDS,
    ClientSecretValue,
    SecretReference,
    SecretReferences,
    looks_like_reference,
)
from tollway.interfaces.secrets import Secret

StructT = TypeVar("StructT", bound=msgspec.Struct)
ResolveSecret = Callable[[SecretReference, Path], Secret]
"""Reads the secret a reference names; notes a problem and returns an empty one where it cannot."""

_INVALID: Final = object()
"""Stands for a value that could not be read, until something of the right type replaces it."""

_WORDS: Final[dict[type[mi.Type], str]] = {
    mi.StrType: "text",
    mi.IntType: "a whole number",
    mi.FloatType: "a number",
    mi.BoolType: "true or false",
    mi.DictType: "a mapping of `name: value`",
    mi.StructType: "a mapping of `name: value`",
    mi.ListType: "a list",
    mi.VarTupleType: "a list",
    mi.SetType: "a list",
    mi.FrozenSetType: "a list",
    mi.DateTimeType: "a time with its zone, such as 2027-01-31T12:00:00Z",
}
_PLAIN: Final[dict[type, Any]] = {
    mi.BoolType: bool,
    mi.NoneType: None,
    mi.DecimalType: Decimal,
    mi.DateType: date,
    mi.TimeDeltaType: timedelta,
}
_STEP: Final = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")


def decode_struct(
    struct: type[StructT], value: object, path: Path, problems: Problems, resolve: ResolveSecret | None = None
) -> StructT:
    """Read `value` as `struct`.

    Args:
        struct: the type wanted.
        value: plain values, as YAML or JSON give them.
        path: where `value` stands.
        problems: where to note what is wrong.
        resolve: reads secrets for fields of type `Secret`; without it such fields are refused.

    Returns:
        The Struct. When problems were noted below `path`, parts of it are stand-ins.
    """
    decoder = _Decoder(problems, resolve)
    result = decoder.decode(_struct_type(struct), value, path)
    return cast("StructT", _stand_in(_struct_type(struct)) if result is _INVALID else result)


@functools.cache
def _struct_type(struct: type[msgspec.Struct]) -> mi.StructType:
    return cast("mi.StructType", mi.type_info(struct))


class _Decoder:
    def __init__(self, problems: Problems, resolve: ResolveSecret | None) -> None:
        self._problems = problems
        self._resolve = resolve

    def decode(self, kind: mi.Type, value: object, path: Path) -> object:
        match kind:
            case mi.Metadata():
                return self._with_words(kind, value, path)
            case mi.AnyType():
                return value
            case mi.StructType() if kind.tag is None and not kind.array_like:
                return self._struct(kind, value, path)
            case mi.CustomType():
                return self._custom(kind, value, path)
            case mi.UnionType():
                return self._union(kind, value, path)
            case mi.LiteralType():
                return self._literal(kind, value, path)
            case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
                return self._collection(kind, value, path)
            case mi.DictType():
                return self._mapping(kind, value, path)
            case mi.StrType() if isinstance(value, str):
                return self._text(kind, value, path)
            case mi.IntType() | mi.FloatType() if _fits(kind, value):
                return self._number(kind, value, path)
            case _:
                return self._converted(kind, value, path)

    def _struct(self, kind: mi.StructType, value: object, path: Path) -> object:
        shorthand = getattr(kind.cls, "shorthand", None)
        if isinstance(shorthand, str) and not isinstance(value, dict):
            value = {shorthand: value}
        if not isinstance(value, dict):
            return self._wrong(kind, value, path)
        members = cast("dict[str, object]", value)
        names = {field.encode_name for field in kind.fields}
        for key in members:
            if key not in names:
                self._problems.add((*path, key), f"unknown key; {did_you_mean(key, names)}", at_key=True)
        given = {f.name: self._field(kind, f, members, path) for f in kind.fields if _is_given(f, members)}
        try:
            return kind.cls(**given)
        except (ValueError, TypeError) as error:  # the Struct's own __post_init__
            if not self._problems.touched(path):
                self._problems.add(path, str(error))
            return _INVALID

    def _field(self, kind: mi.StructType, field: mi.Field, members: dict[str, object], path: Path) -> object:
        below = (*path, field.encode_name)
        if field.encode_name not in members:
            doc = field_docs(kind.cls).get(field.name, "")
            self._problems.add(below, f"missing: add it{f' ({doc})' if doc else ''}")
            return _stand_in(field.type)
        result = self.decode(field.type, members[field.encode_name], below)
        return _default(field) if result is _INVALID else result

    def _collection(self, kind: Any, value: object, path: Path) -> object:
        if not isinstance(value, list):
            return self._wrong(kind, value, path)
        items = cast("list[object]", value)
        decoded = [self.decode(kind.item_type, item, (*path, index)) for index, item in enumerate(items)]
        if kind.min_length is not None and len(items) < kind.min_length:
            self._problems.add(path, f"too few: at least {kind.min_length} must be given")
        whole = [_stand_in(kind.item_type) if item is _INVALID else item for item in decoded]
        match kind:
            case mi.ListType():
                return whole
            case mi.VarTupleType():
                return tuple(whole)
            case mi.SetType():
                return set(whole)
            case _:
                return frozenset(whole)

    def _mapping(self, kind: mi.DictType, value: object, path: Path) -> object:
        if not isinstance(value, dict):
            return self._wrong(kind, value, path)
        result: dict[object, object] = {}
        for name, item in cast("dict[str, object]", value).items():
            key = self.decode(kind.key_type, name, (*path, name))
            decoded = self.decode(kind.value_type, item, (*path, name))
            if key is not _INVALID and decoded is not _INVALID:
                result[key] = decoded
        return result

    def _union(self, kind: mi.UnionType, value: object, path: Path) -> object:
        """Choose the one alternative whose form the value has; unions of several Structs go whole."""
        alternatives = [one for one in kind.types if not isinstance(one, mi.NoneType)]
        if value is None and len(alternatives) < len(kind.types):
            return None
        fitting = [one for one in alternatives if _fits(one, value)]
        if len(fitting) == 1:
            return self.decode(fitting[0], value, path)
        if not fitting and len(alternatives) == 1:
            return self.decode(alternatives[0], value, path)
        if not fitting:
            words = " or ".join(dict.fromkeys(_words(one) for one in alternatives))
            return self._note(path, f"{_quoted(kind, value)} is not {words}")
        return self._converted(mi.UnionType(tuple(fitting)), value, path)

    def _literal(self, kind: mi.LiteralType, value: object, path: Path) -> object:
        if value in kind.values and not isinstance(value, bool):
            return value
        known = [str(one) for one in kind.values]
        if not isinstance(value, str) and str(value) in known:
            return self._note(path, f"{shown(value)} is a number: put quotes around it, {str(value)!r}")
        if isinstance(value, str) and value in known:
            return self._note(path, f"{shown(value)} is text: write {value} without quotes")
        hint = did_you_mean(value, known) if isinstance(value, str) else ""
        suggestion = f"; {hint}" if hint.startswith("did") else ""
        return self._note(path, f"{shown(value)} is not one of {', '.join(known)}{suggestion}")

    def _text(self, kind: mi.StrType, value: str, path: Path) -> object:
        if looks_like_reference(value):
            message = (
                "references such as ${env:NAME} are resolved only where secrets stand (credentials, client secrets)"
            )
            return self._note(path, f"{message}: write the value itself")
        return self._converted(kind, value, path)

    def _number(self, kind: mi.IntType | mi.FloatType, value: object, path: Path) -> object:
        number = cast("int | float", value)
        if kind.ge is not None and number < kind.ge:
            return self._note(path, f"{number} is too small: at least {kind.ge:g}")
        if kind.le is not None and number > kind.le:
            return self._note(path, f"{number} is too large: at most {kind.le:g}")
        if kind.gt is not None and number <= kind.gt:
            return self._note(path, f"{number} is too small: it must be above {kind.gt:g}")
        return self._converted(kind, value, path)

    def _custom(self, kind: mi.CustomType, value: object, path: Path) -> object:
        for written in WRITTEN_KINDS:
            if kind.cls is written:
                try:
                    return written.parse(value)
                except ValueError as error:
                    return self._note(path, str(error))
        if kind.cls is Secret:
            return self._secret(value, path)
        return self._converted(kind, value, path)

    def _secret(self, value: object, path: Path) -> object:
        if isinstance(value, Secret):
            return value
        if self._resolve is None:
            return self._note(path, "secrets cannot be read here")
        try:
            return self._resolve(SecretReference.parse(value), path)
        except ValueError as error:
            return self._note(path, str(error))

    def _with_words(self, kind: mi.Metadata, value: object, path: Path) -> object:
        """Say a constraint in the words its field gives (`Meta(extra={"mend": …})`)."""
        mend = cast("dict[str, object]", kind.extra or {}).get("mend")
        if mend is None or isinstance(value, bool) or not isinstance(value, str):
            return self.decode(kind.type, value, path)
        if looks_like_reference(value):
            return self.decode(kind.type, value, path)
        try:
            return _convert(value, kind.type)
        except msgspec.ValidationError:
            return self._note(path, f"{shown(value)} {mend}")

    def _converted(self, kind: mi.Type, value: object, path: Path) -> object:
        try:
            return _convert(value, kind)
        except msgspec.ValidationError as error:
            message, below = _split_location(str(error))
            if type(kind) in _WORDS and not below and (isinstance(kind, mi.DateTimeType) or not _fits(kind, value)):
                return self._wrong(kind, value, path)
            return self._note((*path, *below), message)

    def _wrong(self, kind: mi.Type, value: object, path: Path) -> object:
        if isinstance(kind, mi.StrType) and isinstance(value, int | float):
            return self._note(path, f"{shown(value)} is not text: put quotes around it")
        if value is None:
            return self._note(path, f"empty: give {_words(kind)}, or remove the key")
        return self._note(path, f"{_quoted(kind, value)} is not {_words(kind)}")

    def _note(self, path: Path, message: str) -> object:
        self._problems.add(path, message)
        return _INVALID


def _quoted(kind: mi.Type, value: object) -> str:
    return "what is written here" if _holds_secret(kind) else shown(value)


def _is_given(field: mi.Field, members: dict[str, object]) -> bool:
    return field.required or field.encode_name in members


def _fits(kind: mi.Type, value: object) -> bool:
    """Whether the value has the form of the type, whatever is inside."""
    match kind:
        case mi.Metadata():
            return _fits(kind.type, value)
        case mi.StructType() | mi.DictType():
            return isinstance(value, dict)
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
            return isinstance(value, list)
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.IntType():
            return isinstance(value, int) and not isinstance(value, bool)
        case mi.FloatType():
            return isinstance(value, int | float) and not isinstance(value, bool)
        case mi.LiteralType():
            return isinstance(value, str | int)
        case _:  # text, and what is written as text: times, decimal numbers, enumerations
            return isinstance(value, str)


def _words(kind: mi.Type) -> str:
    match kind:
        case mi.Metadata():
            return _words(kind.type)
        case mi.LiteralType():
            return f"one of {', '.join(map(str, kind.values))}"
        case _:
            return _WORDS.get(type(kind), "a value of the right type")


def _default(field: mi.Field) -> object:
    if field.default is not msgspec.NODEFAULT:
        return field.default
    if field.default_factory is not msgspec.NODEFAULT:
        return cast("Callable[[], object]", field.default_factory)()
    return _stand_in(field.type)


def _stand_in(kind: mi.Type) -> object:
    """Something of the right type in place of what could not be read."""
    match kind:
        case mi.Metadata():
            return _stand_in(kind.type)
        case mi.StructType():
            required = {field.name: _stand_in(field.type) for field in kind.fields if field.required}
            try:
                return kind.cls(**required)
            except (ValueError, TypeError):  # a __post_init__ that refuses stand-ins
                return None
        case mi.UnionType():
            return None if any(isinstance(one, mi.NoneType) for one in kind.types) else _stand_in(kind.types[0])
        case mi.CustomType():
            return _stand_in_written(kind.cls)
        case mi.LiteralType():
            return kind.values[0]
        case mi.ListType():
            return []
        case mi.VarTupleType():
            return ()
        case mi.FrozenSetType() | mi.SetType():
            return frozenset[object]()
        case mi.DictType():
            return {}
        case mi.IntType() | mi.FloatType():
            return 0
        case mi.BoolType():
            return False
        case mi.StrType():
            return ""
        case _:
            return None


_STAND_INS: Final[dict[str, object]] = {
    "Duration": "0s",
    "ByteSize": 1,
    "Address": 1,
    "SecretReference": "${env:_}",
    "SecretReferences": "${env:_}",
    "ClientSecretValue": "${env:_}",
}


def _stand_in_written(cls: type) -> object:
    for written in WRITTEN_KINDS:
        if cls is written:
            return written.parse(_STAND_INS[written.__name__])
    return Secret("") if cls is Secret else None


def _convert(value: object, kind: mi.Type) -> object:
    return msgspec.convert(value, _as_annotation(kind))


def _as_annotation(kind: mi.Type) -> Any:
    """The annotation an inspected type was made from, for what only `msgspec.convert` reads."""
    match kind:
        case mi.Metadata():
            return _as_annotation(kind.type)
        case mi.StrType():
            meta = msgspec.Meta(min_length=kind.min_length, max_length=kind.max_length, pattern=kind.pattern)
            return Annotated[str, meta]
        case mi.IntType():
            return Annotated[int, _bounds(kind)]
        case mi.FloatType():
            return Annotated[float, _bounds(kind)]
        case mi.DateTimeType():
            return Annotated[datetime, msgspec.Meta(tz=kind.tz)]
        case mi.StructType() | mi.EnumType() | mi.CustomType():
            return kind.cls
        case mi.UnionType():
            return Union[tuple(map(_as_annotation, kind.types))]  # noqa: UP007 - the members are known at run time only
        case _:
            return _PLAIN.get(type(kind), Any)


def _bounds(kind: mi.IntType | mi.FloatType) -> msgspec.Meta:
    # The checker wants all bounds of one type; the inspected ones are whatever their field gave.
    bounds: dict[str, Any] = {name: getattr(kind, name) for name in ("gt", "ge", "lt", "le", "multiple_of")}
    return msgspec.Meta(**bounds)


def _split_location(message: str) -> tuple[str, Path]:
    """Take msgspec's "Expected … - at `$.a[0]`" apart into words and a path."""
    words, found, location = message.rpartition(" - at `")
    if not found:
        return message, ()
    steps = _STEP.findall(location.removesuffix("`"))
    return words, tuple(int(index) if index else name for name, index in steps)


def _holds_secret(kind: mi.Type, seen: frozenset[int] = frozenset()) -> bool:
    """Whether a secret may stand somewhere in a value of this type, so that it must not be quoted."""
    if id(kind) in seen:
        return False
    seen |= {id(kind)}
    match kind:
        case mi.CustomType():
            return kind.cls is Secret or kind.cls in {SecretReference, SecretReferences, ClientSecretValue}
        case mi.Metadata():
            return _holds_secret(kind.type, seen)
        case mi.StructType():
            return any(_holds_secret(field.type, seen) for field in kind.fields)
        case mi.UnionType():
            return any(_holds_secret(one, seen) for one in kind.types)
        case mi.ListType() | mi.VarTupleType() | mi.SetType() | mi.FrozenSetType():
            return _holds_secret(kind.item_type, seen)
        case mi.DictType():
            return _holds_secret(kind.value_type, seen)
        case _:
            return False
