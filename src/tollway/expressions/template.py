"""What a configuration field holds: plain text, one expression, or text with expressions in it."""

from collections.abc import Callable
from typing import Final, TypeAlias

from msgspec import Struct

from tollway.expressions.compiler import Message, compile_node
from tollway.expressions.errors import ExpressionError, Unfit
from tollway.expressions.parser import parse
from tollway.expressions.scope import Scope
from tollway.expressions.syntax import Attribute, Constant, Node, Select, Variable, walk
from tollway.expressions.values import Value, to_text
from tollway.expressions.variables import Read

MAX_TEXT_CHARACTERS: Final = 65_536
MAX_EMBEDDED: Final = 64

_OPENER = "#["
_CLOSER = "]"
_ReadText: TypeAlias = Callable[[Scope], str | None]


class Expression(Struct, frozen=True, eq=False):
    """A compiled field. It holds no state: one may serve any number of requests at a time.

    `evaluate` and `text` raise `ExpressionError`, and nothing else, for values that do not fit.
    """

    source: str
    """What the operator wrote."""

    evaluate: Callable[[Scope], Value]
    """The value in one exchange; never bytes."""

    text: _ReadText
    """The value as text, for keys and headers: null is None, all else is cast."""

    needs_payload: bool = False
    """Whether it reads `payload`, so that the body must have been read first."""

    header_name: str | None = None
    """The request header, in lower case, when the whole expression is its plain lookup."""

    constant: str | None = None
    """The text itself, when there is no expression in it."""


def compile_expression(text: str, *, message: Message = "request") -> Expression:
    r"""Compile a field that may hold expressions.

    `gold` is that text; `#[...]` alone is the expression's own value; anything between is text,
    with null parts left empty. A literal `#[` is written `\#[`.

    Args:
        text: what the operator wrote.
        message: whose headers `attributes.headers` are.

    Raises:
        ExpressionError: an expression in it cannot be read; its `column` counts from 1 in `text`.
    """
    parts = _split(text)
    nodes = [part for part in parts if not isinstance(part, str)]
    if not nodes:
        constant = "".join(part for part in parts if isinstance(part, str))
        return Expression(text, lambda _: constant, lambda _: constant, constant=constant)
    needs_payload = any(node == Variable("payload") for root in nodes for node in walk(root))
    if len(nodes) == 1 and all(part.isspace() for part in parts if isinstance(part, str)):
        return _whole(text, nodes[0], message, needs_payload=needs_payload)
    read_text = _joined([part if isinstance(part, str) else _as_text(part, message) for part in parts])
    return Expression(text, read_text, read_text, needs_payload)


def _whole(source: str, node: Node, message: Message, *, needs_payload: bool) -> Expression:
    match node:
        case Select(Attribute("headers"), Constant(str(name))) if message == "request":
            header_name = name.lower()
            return Expression(
                source,
                lambda scope: scope.header(header_name),
                lambda scope: scope.header(header_name),
                header_name=header_name,
            )
        case _:
            return Expression(source, compile_node(node, message), _as_text(node, message), needs_payload)


def _split(text: str) -> list[str | Node]:
    """The literal texts, none empty, and the expressions between them."""
    if len(text) > MAX_TEXT_CHARACTERS:
        raise ExpressionError(f"longer than {MAX_TEXT_CHARACTERS} characters: shorten it", column=1)
    parts: list[str | Node] = []
    position = 0
    while (opener := text.find(_OPENER, position)) >= 0:
        escaped = opener > position and text[opener - 1] == "\\"
        if literal := text[position : opener - 1] + _OPENER if escaped else text[position:opener]:
            parts.append(literal)
        position = opener + len(_OPENER)
        if not escaped:
            node, position = parse(text, position, _CLOSER)
            parts.append(node)
        if len(parts) > 2 * MAX_EMBEDDED:
            raise ExpressionError(f"more than {MAX_EMBEDDED} expressions: split the text", column=opener + 1)
    if position < len(text):
        parts.append(text[position:])
    return parts


def _as_text(node: Node, message: Message) -> _ReadText:
    read: Read = compile_node(node, message)

    def text(scope: Scope) -> str | None:
        value = read(scope)
        if value is None or isinstance(value, str):
            return value
        try:
            return to_text(value)
        except Unfit as unfit:
            raise ExpressionError(f"the result has no text: {unfit}") from None

    return text


def _joined(parts: list[str | _ReadText]) -> Callable[[Scope], str]:
    return lambda scope: "".join([part if isinstance(part, str) else part(scope) or "" for part in parts])
