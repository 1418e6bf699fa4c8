"""Policy expressions `#[...]`: a subset of DataWeave, parsed once and compiled to closures.

    text ── template ── lexer ── parser ──> tree ── compiler ──> Expression

Nothing here does I/O, keeps state between evaluations, or runs Python that a stranger wrote.
`docs/reference/expressions.md` states the language.
"""

from tollway.expressions.errors import ExpressionError
from tollway.expressions.scope import Scope
from tollway.expressions.template import Expression, compile_expression
from tollway.expressions.values import Value

__all__ = ["Expression", "ExpressionError", "Scope", "Value", "compile_expression"]
