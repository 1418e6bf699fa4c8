"""Random trees, a printer for them, and random JSON: what the properties are run on."""

from hypothesis import strategies as st

from tollway.expressions.functions import FUNCTIONS, OPERATORS
from tollway.expressions.syntax import (
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
    children,
)
from tollway.expressions.variables import ATTRIBUTES

texts = st.text(max_size=12)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
payloads = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["a", "b", "c d"]) | texts, inner, max_size=4)
    ),
    max_leaves=12,
)

# A Binary has its own rule of where it may stand, tested by name.
_CALLS = [(name, arity) for name, function in FUNCTIONS.items() if not function.binary for arity in function.arities]
_leaves = (
    st.builds(Constant, st.none() | st.booleans() | numbers | texts)
    | st.builds(Variable, st.sampled_from(["payload", "vars", "authentication"]))
    | st.builds(Attribute, st.sampled_from(sorted(ATTRIBUTES)))
)


def _compounds(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    part = st.just("")
    return st.one_of(
        st.builds(ArrayOf, st.lists(inner, max_size=3).map(tuple)),
        st.builds(ObjectOf, st.dictionaries(texts, inner, max_size=3).map(lambda members: tuple(members.items()))),
        st.builds(Select, inner, inner, part).filter(_is_allowed_selection),
        st.builds(Call, st.sampled_from(sorted(OPERATORS)), st.tuples(inner, inner), part),
        st.sampled_from(_CALLS).flatmap(
            lambda call: st.builds(Call, st.just(call[0]), st.tuples(*[inner] * call[1]), part)
        ),
        st.builds(Logical, st.sampled_from(["and", "or"]), inner, inner, part),
        st.builds(Not, inner, part),
        st.builds(Default, inner, inner),
        st.builds(Conditional, inner, inner, inner, part),
    )


def _is_allowed_selection(node: Select) -> bool:
    """`authentication.nonsense` is refused when it is read, so it is no tree a text can stand for."""
    return node.target != Variable("authentication") or not isinstance(node.key, Constant)


trees = st.recursive(_leaves, _compounds, max_leaves=8)


def printed(node: Node) -> str:
    """Source text for a tree, with brackets wherever they are allowed."""
    match node:
        case Constant(value):
            return _literal(value)
        case Variable(name):
            return name
        case Attribute(name):
            return f"attributes.{name}"
        case ArrayOf(items):
            return f"[{', '.join(map(printed, items))}]"
        case ObjectOf(members):
            return "{" + ", ".join(f"{_literal(key)}: {printed(value)}" for key, value in members) + "}"
        case Select(target, key):
            return (
                f"{printed(target)}[{printed(key)}]"
                if _binds_tightest(target)
                else f"({printed(target)})[{printed(key)}]"
            )
        case Call(name, arguments) if name in FUNCTIONS:
            return f"{name}({', '.join(map(printed, arguments))})"
        case Call(operator, (left, right)) | Logical(operator, left, right):
            return f"({printed(left)}) {operator} ({printed(right)})"
        case Not(operand):
            return f"not ({printed(operand)})"
        case Default(value, fallback):
            return f"({printed(value)}) default ({printed(fallback)})"
        case Conditional(condition, then, otherwise):
            return f"if ({printed(condition)}) ({printed(then)}) else ({printed(otherwise)})"
        case _:
            raise AssertionError(node)


def shape(node: Node) -> object:
    """A tree without the source texts its nodes carry."""
    own = [getattr(node, name) for name in node.__struct_fields__ if name in {"value", "name", "operator"}]
    keys = [key for key, _ in node.members] if isinstance(node, ObjectOf) else []
    # repr tells 1 from 1.0 and from true, which `==` does not.
    return (
        type(node).__name__,
        repr([item for item in own if not hasattr(item, "__struct_fields__")]),
        keys,
        [shape(child) for child in children(node)],
    )


def _binds_tightest(node: Node) -> bool:
    return isinstance(node, Variable | Attribute | Select | ArrayOf)


def _literal(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("$", "\\$")
            return f"'{escaped}'"
        case _:
            return repr(value)
