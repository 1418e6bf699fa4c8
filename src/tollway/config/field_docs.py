"""The sentence under each field of a Struct, for the reference page, the JSON Schema and messages.

They are read from the source, so that what the reader of the code sees is what the operator reads.
"""

import ast
import inspect
import itertools
import textwrap
from functools import cache

import msgspec


@cache
def field_docs(struct: type[msgspec.Struct]) -> dict[str, str]:
    """Field name → its docstring on one line; fields without one are absent."""
    docs: dict[str, str] = {}
    for base in reversed(struct.__mro__):
        if issubclass(base, msgspec.Struct) and base is not msgspec.Struct:
            docs.update(_own_docs(base))
    return docs


def class_doc(struct: type) -> str:
    """The first paragraph of a class's docstring, on one line."""
    return " ".join((inspect.getdoc(struct) or "").split("\n\n")[0].split())


def _own_docs(struct: type) -> dict[str, str]:
    try:
        source = inspect.getsource(struct)
    except (OSError, TypeError):  # built at run time, or installed without sources
        return {}
    body = ast.parse(textwrap.dedent(source)).body
    statements = body[0].body if body and isinstance(body[0], ast.ClassDef) else []
    docs: dict[str, str] = {}
    for statement, following in itertools.pairwise(statements):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            text = _string(following)
            if text:
                docs[statement.target.id] = " ".join(text.split())
    return docs


def _string(statement: ast.stmt) -> str:
    if isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant):
        value = statement.value.value
        return value if isinstance(value, str) else ""
    return ""
