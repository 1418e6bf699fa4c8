"""Reads the text of an expression into a tree, by precedence climbing.

From loosest to tightest, as DataWeave has it:

    default, infix functions · or · and · == != · < > <= >= · ++ -- · ! · selectors

`not` takes all that follows it, and `if` is a value like any other. That infix functions bind looser
than `and` surprises people, so a mix that is almost surely meant the other way is refused.
"""

from collections.abc import Collection
from difflib import get_close_matches
from typing import Final, Literal, NoReturn, cast

from tollway.expressions.errors import ExpressionError, quoted
from tollway.expressions.functions import FUNCTIONS
from tollway.expressions.lexer import Token, next_token, string_value
from tollway.expressions.syntax import (
    MAX_EXPRESSION_CHARACTERS,
    MAX_NESTING,
    MAX_TOKENS,
    ArrayOf,
    Attribute,
    Call,
    Conditional,
    Constant,
    Default,
    Logical,
    Node,
    Not,
    ObjectOf,
    Select,
    Variable,
    walk,
)
from tollway.expressions.variables import ATTRIBUTES, AUTHENTICATION, VARIABLES

_LOOSEST: Final = 0
_LEVELS: Final = {
    "default": _LOOSEST,
    **{name: _LOOSEST for name, function in FUNCTIONS.items() if function.infix},
    "or": 1,
    "and": 2,
    "==": 3,
    "!=": 3,
    "<": 4,
    ">": 4,
    "<=": 4,
    ">=": 4,
    "++": 5,
    "--": 5,
}
_CONSTANTS: Final[dict[str, bool | None]] = {"null": None, "true": True, "false": False}
_RESERVED: Final = frozenset({*_CONSTANTS, "if", "else", "not", "and", "or", "default"})
_COMPARISONS: Final = frozenset({"==", "!=", "<", ">", "<=", ">="})


def parse(text: str, start: int = 0, closer: str = "") -> tuple[Node, int]:
    """Read one expression.

    Args:
        text: what holds the expression.
        start: where the expression begins.
        closer: the symbol that ends it, or nothing when it ends with the text.

    Returns:
        The tree, and the position after the closer.

    Raises:
        ExpressionError: the text is not an expression, or exceeds a limit.
    """
    parser = _Parser(text, start)
    node = parser.expression()
    end = parser.close(closer)
    _refuse_loose_binaries(node)
    return node, end


class _Parser:
    def __init__(self, text: str, start: int) -> None:
        self._text = text
        self._start = start
        self._nesting = 0
        self._tokens = 0
        self._end_of_last = start
        self._token = next_token(text, start)

    def expression(self) -> Node:
        return self._operators(_LOOSEST)

    def close(self, closer: str) -> int:
        token = self._token
        if closer and token.kind == "end":
            self._fail(f"the expression is not closed: add `{closer}`")
        if token.text != closer:
            raise _unexpected_after_value(token)
        return token.end

    def _operators(self, loosest: int) -> Node:
        start = self._token.start
        left = self._unary()
        while (level := self._level()) is not None and level >= loosest:
            operator = self._advance()
            bare = self._token.text != "("
            right = self._operators(level + 1)
            if bare and level == _LOOSEST:
                _refuse_misleading_mix(operator, right)
            left = _joined(operator.text, left, right, self._part(start))
        return left

    def _level(self) -> int | None:
        return _LEVELS.get(self._token.text) if self._token.kind in {"name", "symbol"} else None

    def _unary(self) -> Node:
        self._nesting += 1
        if self._nesting > MAX_NESTING:
            self._fail(f"nested deeper than {MAX_NESTING} levels: split the expression")
        start = self._token.start
        if self._accept("not"):
            node: Node = Not(self._operators(_LOOSEST), self._part(start))
        elif self._accept("!"):
            node = Not(self._unary(), self._part(start))
        else:
            node = self._selectors(start)
        self._nesting -= 1
        return node

    def _selectors(self, start: int) -> Node:
        node = self._primary()
        while True:
            token = self._token
            if self._accept("."):
                node = self._selected(node, Constant(self._member_name()), start, token)
            elif self._accept("["):
                key = self.expression()
                self._expect("]")
                node = self._selected(node, key, start, token)
            else:
                return node

    def _selected(self, target: Node, key: Node, start: int, token: Token) -> Node:
        if isinstance(target, Variable) and target.name == "authentication" and isinstance(key, Constant):
            _known_member("authentication", key.value, AUTHENTICATION, token)
        return Select(target, key, self._part(start))

    def _member_name(self) -> str:
        token = self._token
        if token.kind == "string":
            return string_value(self._advance())
        if token.kind != "name" or "::" in token.text:
            self._fail("a name must follow the `.`; quote one that holds other marks, as in .'x-name'")
        return self._advance().text

    def _primary(self) -> Node:
        token = self._token
        if token.kind == "string":
            return Constant(string_value(self._advance()))
        if token.kind == "number" or token.text == "-":
            return self._number()
        if self._accept("("):
            node = self.expression()
            self._expect(")")
            return node
        if self._accept("["):
            return ArrayOf(tuple(self._listed("]")))
        if self._accept("{"):
            return self._object()
        if token.kind == "name":
            return self._named(self._advance())
        return self._fail(f"expected a value, found {_shown(token)}")

    def _number(self) -> Node:
        sign = "-" if self._accept("-") else ""
        if self._token.kind != "number":
            self._fail("a number must follow the `-`; there is no subtraction")
        digits = self._advance().text
        return Constant(int(sign + digits) if digits.isdigit() else float(sign + digits))

    def _object(self) -> Node:
        members: dict[str, Node] = {}
        while not self._accept("}"):
            column = self._token.start + 1
            name = self._member_name()
            if name in members:
                raise ExpressionError(f"the key `{name}` appears twice", column=column)
            self._expect(":")
            members[name] = self.expression()
            if self._token.text != "}":
                self._expect(",")
        return ObjectOf(tuple(members.items()))

    def _named(self, token: Token) -> Node:
        name = token.text
        if name == "if":
            return self._conditional(token.start)
        if name in _CONSTANTS:
            return Constant(_CONSTANTS[name])
        if name in _RESERVED:
            raise ExpressionError(f"expected a value, found `{name}`", column=token.start + 1)
        if self._token.text == "(":
            return self._call(token)
        if name == "attributes":
            return self._attribute(token)
        if name in VARIABLES:
            return Variable(name)
        known = ("attributes", *VARIABLES)
        raise ExpressionError(
            f"unknown name `{name}`{_suggestion(name, known)}; put text in quotes", column=token.start + 1
        )

    def _conditional(self, start: int) -> Node:
        self._expect("(")
        condition = self.expression()
        self._expect(")")
        then = self.expression()
        self._expect("else")
        return Conditional(condition, then, self.expression(), self._part(start))

    def _attribute(self, token: Token) -> Node:
        if self._accept("."):
            name: object = self._member_name()
        elif self._accept("["):
            key = self.expression()
            self._expect("]")
            name = key.value if isinstance(key, Constant) else None
        else:
            name = None
        return Attribute(_known_member("attributes", name, ATTRIBUTES, token))

    def _call(self, token: Token) -> Node:
        name = token.text.rpartition("::")[2]
        function = FUNCTIONS.get(name)
        if function is None:
            raise ExpressionError(
                f"unknown function `{token.text}`{_suggestion(name, FUNCTIONS)}", column=token.start + 1
            )
        if token.text not in {name, f"{function.module}::{name}"}:
            raise ExpressionError(f"write `{name}` or `{function.module}::{name}`", column=token.start + 1)
        self._expect("(")
        arguments = tuple(self._listed(")"))
        if len(arguments) not in function.arities:
            wanted = " or ".join(map(str, function.arities))
            raise ExpressionError(f"`{name}` takes {wanted} argument(s), not {len(arguments)}", column=token.start + 1)
        return Call(name, arguments, self._part(token.start))

    def _listed(self, closer: str) -> list[Node]:
        nodes: list[Node] = []
        while not self._accept(closer):
            nodes.append(self.expression())
            if self._token.text != closer:
                self._expect(",")
        return nodes

    def _part(self, start: int) -> str:
        return self._text[start : self._end_of_last]

    def _accept(self, text: str) -> bool:
        if self._token.text == text and self._token.kind in {"symbol", "name"}:
            self._advance()
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._accept(text):
            self._fail(f"expected `{text}`, found {_shown(self._token)}")

    def _advance(self) -> Token:
        token = self._token
        self._tokens += 1
        self._end_of_last = token.end
        if self._tokens > MAX_TOKENS or token.end - self._start > MAX_EXPRESSION_CHARACTERS:
            limits = f"{MAX_TOKENS} words and signs or {MAX_EXPRESSION_CHARACTERS} characters"
            self._fail(f"longer than {limits}: split the expression")
        self._token = next_token(self._text, token.end)
        return token

    def _fail(self, message: str) -> NoReturn:
        raise ExpressionError(message, column=self._token.start + 1)


def _joined(operator: str, left: Node, right: Node, part: str) -> Node:
    if operator == "default":
        return Default(left, right)
    if operator in {"and", "or"}:
        return Logical(cast("Literal['and', 'or']", operator), left, right, part)
    return Call(operator, (left, right), part)


def _refuse_misleading_mix(operator: Token, right: Node) -> None:
    """Refuse `x default '' == 'gold'`, which means `x default ('' == 'gold')`.

    A constant compared or combined at once is what gives it away; brackets settle what is meant.
    """
    match right:
        case Logical(_, Constant(), _, part):
            mixed = part
        case Call(name, (Constant(), _), part) if name in _COMPARISONS:
            mixed = part
        case _:
            return
    raise ExpressionError(
        f"`{operator.text}` would take all of `{quoted(mixed)}`:"
        f" put brackets round what belongs together, as in (a {operator.text} b) == c",
        column=operator.start + 1,
    )


def _refuse_loose_binaries(root: Node) -> None:
    """Binaries may only be handed on: to a function that reads text or bytes as its first argument."""
    calls = [node for node in walk(root) if isinstance(node, Call) and node.name in FUNCTIONS]
    handed_on = {id(call.arguments[0]) for call in calls if call.arguments}
    for call in calls:
        if FUNCTIONS[call.name].binary and id(call) not in handed_on:
            raise ExpressionError("gives a Binary: wrap it, as in toString(..., 'UTF-8')", part=call.part)


def _known_member(variable: str, name: object, known: Collection[str], token: Token) -> str:
    if isinstance(name, str) and name in known:
        return name
    problem = f"name one member of `{variable}`"
    if isinstance(name, str):
        problem = f"`{variable}` has no `{name}`{_suggestion(name, known)}"
    raise ExpressionError(f"{problem}; it has {', '.join(known)}", column=token.start + 1)


def _suggestion(name: str, known: Collection[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f" (did you mean `{close[0]}`?)" if close else ""


def _shown(token: Token) -> str:
    return "the end" if token.kind == "end" else f"`{quoted(token.text)}`"


def _unexpected_after_value(token: Token) -> ExpressionError:
    if token.text == "-":
        mend = "quote a name that holds `-`, as in .'x-name'; there is no subtraction"
    elif token.kind == "name":
        infix = [name for name, level in _LEVELS.items() if name.isalpha() and level == _LOOSEST]
        mend = f"between two values stands an operator or one of {', '.join(infix)}"
    else:
        mend = "an operator or the end must follow a value"
    return ExpressionError(f"unexpected {_shown(token)}: {mend}", column=token.start + 1)
