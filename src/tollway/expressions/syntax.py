"""The tree an expression is parsed into, and the limits it stays within.

`part` is the source text of a node that may fail, for the message that says so.
"""

from collections.abc import Iterator
from typing import Final, Literal, TypeAlias, assert_never

from msgspec import Struct

MAX_EXPRESSION_CHARACTERS: Final = 4096
MAX_TOKENS: Final = 400  # also bounds how deep a chain such as a.b.c or a ++ b ++ c can grow
MAX_NESTING: Final = 32


class Constant(Struct, frozen=True):
    """A literal: null, true, false, a number or a string."""

    value: bool | int | float | str | None


class ArrayOf(Struct, frozen=True):
    """An array literal."""

    items: "tuple[Node, ...]"


class ObjectOf(Struct, frozen=True):
    """An object literal; its keys are distinct."""

    members: "tuple[tuple[str, Node], ...]"


class Variable(Struct, frozen=True):
    """A predefined variable, whole."""

    name: str


class Attribute(Struct, frozen=True):
    """One member of `attributes`, by its documented name."""

    name: str


class Select(Struct, frozen=True):
    """`target.key` or `target[key]`."""

    target: "Node"
    key: "Node"
    part: str


class Call(Struct, frozen=True):
    """A function or a strict operator with its arguments."""

    name: str
    arguments: "tuple[Node, ...]"
    part: str


class Logical(Struct, frozen=True):
    """`and` or `or`; the right side is evaluated only when it decides."""

    operator: Literal["and", "or"]
    left: "Node"
    right: "Node"
    part: str


class Not(Struct, frozen=True):
    """`not` or `!`."""

    operand: "Node"
    part: str


class Default(Struct, frozen=True):
    """`value default fallback`; the fallback is evaluated only for null."""

    value: "Node"
    fallback: "Node"


class Conditional(Struct, frozen=True):
    """`if (condition) then else otherwise`."""

    condition: "Node"
    then: "Node"
    otherwise: "Node"
    part: str


Node: TypeAlias = (
    Constant | ArrayOf | ObjectOf | Variable | Attribute | Select | Call | Logical | Not | Default | Conditional
)


def children(node: Node) -> tuple[Node, ...]:
    """The nodes directly below one."""
    match node:
        case Constant() | Variable() | Attribute():
            return ()
        case ArrayOf(items):
            return items
        case ObjectOf(members):
            return tuple(value for _, value in members)
        case Select(target, key):
            return (target, key)
        case Call(_, arguments):
            return arguments
        case Logical(_, left, right) | Default(left, right):
            return (left, right)
        case Not(operand):
            return (operand,)
        case Conditional(condition, then, otherwise):
            return (condition, then, otherwise)
        case _:
            assert_never(node)


def walk(node: Node) -> Iterator[Node]:
    """A node and all below it, in no promised order."""
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(children(current))
