"""Turns a tree into closures: one small Python function a node, made once, called for every request.

The closures hold only what they need; the commonest expression, one header, is one method call.
"""

from collections.abc import Callable
from typing import Literal, assert_never

from tollway.expressions.errors import ExpressionError, Unfit
from tollway.expressions.functions import FUNCTIONS, OPERATORS, select
from tollway.expressions.scope import Scope
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
)
from tollway.expressions.values import Value, type_name
from tollway.expressions.variables import ATTRIBUTES, VARIABLES, Read

Message = Literal["request", "response"]


def compile_node(node: Node, message: Message) -> Read:
    """The function that evaluates a tree; `message` says whose headers `attributes.headers` are."""
    match node:
        case Constant(value):
            return lambda _: value
        case Variable(name):
            return VARIABLES[name]
        case Attribute(name):
            return _response_headers if (name, message) == ("headers", "response") else ATTRIBUTES[name]
        case Select():
            return _select(node, message)
        case Call(name, arguments, part):
            return _call(name, [compile_node(argument, message) for argument in arguments], part)
        case ArrayOf(items):
            reads = [compile_node(item, message) for item in items]
            return lambda scope: [read(scope) for read in reads]
        case ObjectOf(members):
            pairs = [(key, compile_node(item, message)) for key, item in members]
            return lambda scope: {key: read(scope) for key, read in pairs}
        case Default(value, fallback):
            return _default(compile_node(value, message), compile_node(fallback, message))
        case Not(operand, part):
            truth = _truth(compile_node(operand, message), "what `not` negates", part)
            return lambda scope: not truth(scope)
        case Logical():
            return _logical(node, message)
        case Conditional(condition, then, otherwise, part):
            return _conditional(
                _truth(compile_node(condition, message), "the condition of `if`", part),
                compile_node(then, message),
                compile_node(otherwise, message),
            )
        case _:
            assert_never(node)


def _response_headers(scope: Scope) -> Value:
    return scope.response_headers()


def _select(node: Select, message: Message) -> Read:
    match node:
        case Select(Attribute("headers"), key, part):
            return _header(key, part, message)
        case Select(target, Constant(str(key)), part):
            return _member(compile_node(target, message), key, part)
        case _:
            return _binary(select, compile_node(node.target, message), compile_node(node.key, message), node.part)


def _header(key: Node, part: str, message: Message) -> Read:
    if isinstance(key, Constant) and isinstance(key.value, str):
        name = key.value.lower()
        if message == "response":
            return lambda scope: scope.response_header(name)
        return lambda scope: scope.header(name)
    read_name = compile_node(key, message)

    def header(scope: Scope) -> Value:
        name = read_name(scope)
        if not isinstance(name, str):
            raise ExpressionError(f"a header's name is a String, not {type_name(name)}", part=part)
        return scope.response_header(name.lower()) if message == "response" else scope.header(name.lower())

    return header


def _member(target: Read, key: str, part: str) -> Read:
    def member(scope: Scope) -> Value:
        value = target(scope)
        if isinstance(value, dict):  # what JSON decodes to; the general way asks more questions
            return value.get(key)
        try:
            return select(value, key)
        except Unfit as unfit:
            raise unfit.within(part) from None

    return member


def _call(name: str, arguments: list[Read], part: str) -> Read:
    apply: Callable[..., Value] = OPERATORS[name] if name in OPERATORS else FUNCTIONS[name].apply
    if not arguments:
        return apply
    if len(arguments) == 1:
        return _unary(apply, arguments[0], part)
    return _binary(apply, arguments[0], arguments[1], part)


def _unary(apply: Callable[[Value], Value], operand: Read, part: str) -> Read:
    def unary(scope: Scope) -> Value:
        value = operand(scope)
        try:
            return apply(value)
        except Unfit as unfit:
            raise unfit.within(part) from None

    return unary


def _binary(apply: Callable[[Value, Value], Value], left: Read, right: Read, part: str) -> Read:
    def binary(scope: Scope) -> Value:
        first, second = left(scope), right(scope)
        try:
            return apply(first, second)
        except Unfit as unfit:
            raise unfit.within(part) from None

    return binary


def _default(value: Read, fallback: Read) -> Read:
    def default(scope: Scope) -> Value:
        found = value(scope)
        return fallback(scope) if found is None else found

    return default


def _truth(operand: Read, role: str, part: str) -> Callable[[Scope], bool]:
    def truth(scope: Scope) -> bool:
        value = operand(scope)
        if value is True or value is False:
            return value
        problem = f"{role} must be true or false, not {type_name(value)}; compare it, as in x == 'a'"
        raise ExpressionError(problem, part=part)

    return truth


def _logical(node: Logical, message: Message) -> Read:
    left = _truth(compile_node(node.left, message), f"the left of `{node.operator}`", node.part)
    right = _truth(compile_node(node.right, message), f"the right of `{node.operator}`", node.part)
    if node.operator == "and":
        return lambda scope: left(scope) and right(scope)
    return lambda scope: left(scope) or right(scope)


def _conditional(condition: Callable[[Scope], bool], then: Read, otherwise: Read) -> Read:
    return lambda scope: then(scope) if condition(scope) else otherwise(scope)
