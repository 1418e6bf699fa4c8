"""Cuts an expression into tokens, one at a time.

One at a time, because only the parser knows which `]` ends the expression, and what follows it is
not ours to read. Every pattern is deterministic: no input makes it look at a character twice.
"""

import re
from typing import Final, Literal

from msgspec import Struct

from tollway.expressions.errors import ExpressionError

Kind = Literal["number", "name", "string", "symbol", "end"]

_SPACE: Final = re.compile(r"(?:\s|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)*")
_TOKENS: Final[tuple[tuple[Kind, re.Pattern[str]], ...]] = (
    ("name", re.compile(r"[A-Za-z_][A-Za-z0-9_]*(?:::[A-Za-z_][A-Za-z0-9_]*)*")),
    ("symbol", re.compile(r"\+\+|--|==|!=|<=|>=|[-<>!.,:()\[\]{}]")),
    ("string", re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`""", re.DOTALL)),
    ("number", re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")),
)
_MENDS: Final = {
    "/": "division and regular expressions are not part of policy expressions; use contains, splitBy or substringAfter",
    "%": "leave out the `%dw` header: an expression is one value",
    "+": "arithmetic is not part of policy expressions; `++` joins texts and arrays",
    "*": "arithmetic and the `*` selector are not part of policy expressions",
    "=": "write `==` to compare",
    "~": "write `==`; types are never coerced in equality",
    "&": "write `and`",
    "|": "write `or`",
    "?": "compare with null, as in `payload.name != null`",
    "$": "there are no lambdas; name what you mean, as in `payload.name`",
    "@": "selectors are `.name`, `.'name'` and `[...]`",
    '"': "close the text with the mark that opened it",
    "'": "close the text with the mark that opened it",
    "`": "close the text with the mark that opened it",
}
_ESCAPES: Final = re.compile(r"\\u([0-9a-fA-F]{4})|\\(.)|\$\(", re.DOTALL)
_ESCAPED: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"} | {mark: mark for mark in "\\\"'`$/"}


class Token(Struct, frozen=True):
    """One token, with where it starts and ends in the whole text."""

    kind: Kind
    text: str
    start: int
    end: int


def next_token(source: str, position: int) -> Token:
    """The first token at or after a position; of kind `end` when the text is over.

    Raises:
        ExpressionError: nothing of the language starts there.
    """
    space = _SPACE.match(source, position)
    start = space.end() if space else position
    if start >= len(source):
        return Token("end", "", start, start)
    for kind, pattern in _TOKENS:
        if found := pattern.match(source, start):
            return Token(kind, found.group(), start, found.end())
    character = source[start]
    mend = _MENDS.get(character, "put text in quotes, as in 'text'")
    raise ExpressionError(f"unexpected `{character}`: {mend}", column=start + 1)


def string_value(token: Token) -> str:
    """What a string token means, its marks taken off and its escapes resolved.

    Raises:
        ExpressionError: an unknown escape, or an interpolation.
    """

    def resolve(found: re.Match[str]) -> str:
        digits, mark = found.groups()
        if digits is not None:
            if not "\ud800" <= (character := chr(int(digits, 16))) <= "\udfff":
                return character
            problem = f"`\\u{digits}` is half a character: write the character itself"
        elif mark is None:
            problem = "`$(...)` inside a text is not supported: join the parts with `++`, or write `\\$(`"
        elif mark in _ESCAPED:
            return _ESCAPED[mark]
        else:
            problem = f"unknown escape `\\{mark}`: write `\\\\` for a backslash"
        raise ExpressionError(problem, column=token.start + 2 + found.start())

    return _ESCAPES.sub(resolve, token.text[1:-1])
