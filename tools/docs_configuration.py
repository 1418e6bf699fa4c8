"""Writes `docs/reference/configuration.md` from the resources' types and the sentence under each field.

python tools/docs_configuration.py            write it
python tools/docs_configuration.py --check    exit 1 when it is not what the types say
"""

import sys
from pathlib import Path
from typing import Final, cast

import msgspec
from msgspec import inspect as mi

from tollway.config.field_docs import class_doc, field_docs
from tollway.config.resources import Resource, Resources

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"

_INTRODUCTION: Final = """\
# Configuration

<!-- Made by tools/docs_configuration.py from src/tollway/config/resources.py: edit those. -->

A configuration is one YAML file, or a folder whose `*.yaml` files are read as one.
`tollway check FILE` names every error at once, each with file, line, column and what mends it.
`tollway schema` prints the JSON Schema for editors (also at `schemas/tollway.schema.json`).

- Unknown keys are errors, and so is a key written twice.
- Text, numbers and truth values are those of YAML 1.2: `on`, `yes` and `12:30` are text.
- A *duration* is a number with its unit: `500ms`, `30s`, `2m`, `1h`, `7d`.
- A *size* is a number of bytes, plain or with a unit: `65536`, `64KiB`, `16MB`.
- An *address* is `host:port`; a port alone means 127.0.0.1, so that nothing is open to the network unasked.
- Paths are relative to the folder of the file they stand in.
- A *secret reference* says where a secret is kept: `${env:NAME}` (an environment variable), `${file:PATH}`
  (a file, without one line break at its end) or `${vault:NAME}` (the local vault, see `tollway secret`).
  Secrets in plain text are refused. References stand where secrets do, and nowhere else.
- Anchors and aliases may be used; merge keys (`<<`) and tags may not.
"""


def page() -> str:
    """The whole page."""
    sections: list[str] = []
    seen: set[type] = set()
    _describe(Resources, "", sections, seen)
    return _INTRODUCTION + "".join(sections)


def _describe(struct: type[msgspec.Struct], place: str, sections: list[str], seen: set[type]) -> None:
    """Add the section of one resource, then those of the resources in it."""
    if struct in seen:
        return
    seen.add(struct)
    kind = cast("mi.StructType", mi.type_info(struct))
    docs = field_docs(struct)
    where = f" Stands at `{place}`." if place else " Its keys are the top level."
    lines = [f"\n## {_title(struct)}\n", f"\n{class_doc(struct)}{where}\n"]
    lines.append("\n| key | value | default | meaning |\n|---|---|---|---|\n")
    below: list[tuple[type[msgspec.Struct], str]] = []
    for field in kind.fields:
        inner, suffix = _resource_in(field.type)
        where = f"{place}.{field.name}{suffix}" if place else f"{field.name}{suffix}"
        if inner is not None:
            below.append((inner, where))
        lines.append(f"| `{field.name}` | {_value(field.type)} | {_default(field)} | {_cell(docs[field.name])} |\n")
    sections.append("".join(lines))
    for inner, where in below:
        _describe(inner, where, sections, seen)


def _resource_in(kind: mi.Type) -> tuple[type[Resource] | None, str]:
    match kind:
        case mi.Metadata():
            return _resource_in(kind.type)
        case mi.StructType():
            return cast("type[Resource]", kind.cls), ""
        case mi.VarTupleType():
            return _resource_in(kind.item_type)[0], "[]"
        case mi.UnionType():
            found = [_resource_in(one) for one in kind.types]
            return next((one for one in found if one[0] is not None), (None, ""))
        case _:
            return None, ""


def _value(kind: mi.Type) -> str:
    match kind:
        case mi.Metadata():
            return _value(kind.type)
        case mi.StructType():
            return f"[{_title(kind.cls)}](#{_anchor(kind.cls)})"
        case mi.VarTupleType():
            return f"list of {_value(kind.item_type)}"
        case mi.DictType():
            return (
                "mapping"
                if isinstance(kind.value_type, mi.AnyType)
                else f"mapping of name to {_value(kind.value_type)}"
            )
        case mi.UnionType():
            return " or ".join(_value(one) for one in kind.types if not isinstance(one, mi.NoneType))
        case mi.LiteralType():
            return " \\| ".join(f"`{one}`" for one in kind.values)
        case mi.CustomType():
            return str(getattr(kind.cls, "shape", kind.cls.__name__))
        case mi.IntType() | mi.FloatType():
            return _number(kind)
        case mi.BoolType():
            return "`true` \\| `false`"
        case mi.DateTimeType():
            return "time"
        case _:
            return "text"


def _number(kind: mi.IntType | mi.FloatType) -> str:
    word = "whole number" if isinstance(kind, mi.IntType) else "number"
    if kind.gt is not None:
        return f"{word}, above {kind.gt:g}" + (f" to {kind.le:g}" if kind.le is not None else "")
    if kind.ge is not None and kind.le is not None:
        return (
            f"{word}, {kind.ge:g} to {kind.le:,g}" if kind.le < 10_000 else f"{word}, {kind.ge:g} to {int(kind.le):,}"
        )
    return f"{word}, at least {kind.ge:g}" if kind.ge is not None else word


def _default(field: mi.Field) -> str:
    if field.required:
        return "**required**"
    value = field.default
    if value is msgspec.NODEFAULT or value is None or isinstance(value, msgspec.Struct):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, tuple):
        items = cast("tuple[object, ...]", value)
        return ", ".join(f"`{one}`" for one in items) if all(isinstance(one, str) for one in items) else ""
    return f"`{value}`" if str(value) else ""


def _title(struct: type) -> str:
    return struct.__name__


def _anchor(struct: type) -> str:
    return struct.__name__.lower()


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text() == text
        print(f"{PAGE.name}: {'as the types say' if same else 'is not what the types say: run this tool'}")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text)
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
