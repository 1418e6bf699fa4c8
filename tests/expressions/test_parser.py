"""From text to tree: precedence, refusals with a mend, limits, and that nothing else comes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.expressions.errors import ExpressionError
from tollway.expressions.parser import parse
from tollway.expressions.syntax import (
    MAX_EXPRESSION_CHARACTERS,
    MAX_NESTING,
    MAX_TOKENS,
    Call,
    Constant,
    Select,
    Variable,
)

from .trees import printed, shape, trees


def tree(text: str):
    return parse(text)[0]


@pytest.mark.parametrize(
    ("text", "bracketed"),
    [
        pytest.param("true or false and true", "true or (false and true)", id="and before or"),
        pytest.param("payload == 1 and vars != 2", "(payload == 1) and (vars != 2)", id="equality before and"),
        pytest.param("1 < 2 == true", "(1 < 2) == true", id="order before equality"),
        pytest.param("payload ++ 'a' >= 'b' ++ 'c'", "(payload ++ 'a') >= ('b' ++ 'c')", id="join before order"),
        pytest.param("[1] -- [2] ++ [3]", "([1] -- [2]) ++ [3]", id="from left to right"),
        pytest.param("payload default 1 default 2", "(payload default 1) default 2", id="defaults chain"),
        pytest.param("payload default vars == 1", "payload default (vars == 1)", id="default is looser than equality"),
        pytest.param("payload contains vars or true", "payload contains (vars or true)", id="infix is looser than or"),
        pytest.param("payload splitBy ',' contains 'a'", "(payload splitBy ',') contains 'a'", id="infix calls chain"),
        pytest.param("contains(payload, 'a') and true", "(payload contains 'a') and true", id="prefix is tight"),
        pytest.param("not true or true", "not (true or true)", id="not takes what follows"),
        pytest.param("not payload contains 'a'", "not (payload contains 'a')", id="not takes an infix call"),
        pytest.param("true and not false or true", "true and (not (false or true))", id="not after and"),
        pytest.param("!true or true", "(!true) or true", id="exclamation mark is tight"),
        pytest.param("!payload.a", "!(payload.a)", id="selectors are tightest"),
        pytest.param("payload.a ++ payload.b", "(payload.a) ++ (payload.b)", id="selectors before join"),
        pytest.param("-1 < payload", "(-1) < payload", id="negative number"),
        pytest.param("[1]--[1]", "[1] -- [1]", id="take away without blanks"),
        pytest.param("if (true) 1 else 2 default 3", "if (true) 1 else (2 default 3)", id="else takes what follows"),
        pytest.param("if (true) 1 else if (false) 2 else 3", "if (true) 1 else (if (false) 2 else 3)", id="else if"),
        pytest.param("payload default if (true) 1 else 2", "payload default (if (true) 1 else 2)", id="if is a value"),
        pytest.param("payload.'a'", "payload['a']", id="quoted name"),
        pytest.param("payload.if.default", "payload['if']['default']", id="words of the language as names"),
        pytest.param("attributes['method']", "attributes.method", id="attribute by string"),
        pytest.param("dw::Core::upper('a')", "upper('a')", id="qualified core function"),
        pytest.param("dw::util::Coercions::toString(1)", "toString(1)", id="qualified coercion"),
        pytest.param("[1, 2,]", "[1, 2]", id="trailing comma"),
        pytest.param("{a: 1, 'b': 2}", "{'a': 1, \"b\": 2}", id="object keys"),
    ],
)
def test_precedence_is_dataweaves(text, bracketed):
    assert shape(tree(text)) == shape(tree(bracketed))


def test_a_node_carries_the_source_it_came_from():
    text = "lower(payload.a [ 'b' ]) ++ 'x'"
    node = tree(text)
    assert isinstance(node, Call)
    assert node.part == text
    inner = node.arguments[0]
    assert isinstance(inner, Call)
    assert inner == Call(
        "lower",
        (Select(Select(Variable("payload"), Constant("a"), "payload.a"), Constant("b"), "payload.a [ 'b' ]"),),
        "lower(payload.a [ 'b' ])",
    )


def test_parsing_stops_at_the_closer_and_says_where():
    text = "key-#[payload['a]']] and ] more"
    node, end = parse(text, 6, "]")
    assert shape(node) == shape(tree("payload['a]']"))
    assert text[end:] == " and ] more"


REFUSALS = [
    ("nothing", "", "column 1: expected a value, found the end"),
    ("blank", "   ", "column 4: expected a value, found the end"),
    ("two values", "'a' 'b'", "column 5: unexpected `'b'`"),
    ("two names", "payload silver", "column 9: unexpected `silver`: between two values stands an operator or one of"),
    ("dangling operator", "payload ++", "column 11: expected a value, found the end"),
    ("leading operator", "and true", "column 1: expected a value, found `and`"),
    ("open bracket", "(payload", "column 9: expected `)`, found the end"),
    ("closed bracket", "payload)", "column 8: unexpected `)`"),
    ("open selector", "payload['a'", "column 12: expected `]`, found the end"),
    ("empty selector", "payload[]", "column 9: expected a value, found `]`"),
    ("missing comma", "[1 2]", "column 4: expected `,`, found `2`"),
    ("comma alone", "[,]", "column 2: expected a value, found `,`"),
    ("name missing", "payload.", "column 9: a name must follow the `.`"),
    ("number as name", "payload.1", "column 9: a name must follow the `.`"),
    ("descendants", "payload..a", "column 9: a name must follow the `.`"),
    ("bare name", "gold", "column 1: unknown name `gold`; put text in quotes"),
    ("misspelt variable", "payloads.a", "column 1: unknown name `payloads` (did you mean `payload`?)"),
    ("misspelt function", "uper('a')", "column 1: unknown function `uper` (did you mean `upper`?)"),
    ("unknown function", "eval('1')", "column 1: unknown function `eval`"),
    ("wrong module", "dw::Core::toBase64('a')", "column 1: write `toBase64` or `dw::core::Binaries::toBase64`"),
    ("too few arguments", "contains('a')", "column 1: `contains` takes 2 argument(s), not 1"),
    ("too many arguments", "uuid(1)", "column 1: `uuid` takes 0 argument(s), not 1"),
    ("two arities", "toString()", "column 1: `toString` takes 1 or 2 argument(s), not 0"),
    ("attributes alone", "attributes", "column 1: name one member of `attributes`; it has headers,"),
    ("dynamic attribute", "attributes[vars.a]", "column 1: name one member of `attributes`"),
    ("misspelt attribute", "attributes.Method", "column 1: `attributes` has no `Method` (did you mean `method`?)"),
    (
        "misspelt identity",
        "authentication.clientid",
        "column 15: `authentication` has no `clientid` (did you mean `clientId`?)",
    ),
    ("name with a dash", "payload.x-note", "column 10: unexpected `-`: quote a name that holds `-`"),
    ("subtraction", "1 - 1", "column 3: unexpected `-`"),
    ("minus a name", "-payload", "column 2: a number must follow the `-`"),
    ("if without brackets", "if true 1 else 2", "column 4: expected `(`, found `true`"),
    ("if without else", "if (true) 1", "column 12: expected `else`, found the end"),
    ("repeated key", "{a: 1, 'a': 2}", "column 8: the key `a` appears twice"),
    ("computed key", "{(payload): 1}", "column 2: a name must follow"),
    ("coercion", "payload as Number", "column 9: unexpected `as`"),
    ("default mixed", "payload default '' == 'x'", "column 9: `default` would take all of `'' == 'x'`"),
    ("infix mixed", "payload contains 'x' and true", "column 9: `contains` would take all of `'x' and true`"),
    ("binary result", "fromBase64('YQ==')", "`fromBase64('YQ==')`: gives a Binary: wrap it"),
    ("binary compared", "toBinary('a', 'UTF-8') == 'a'", "`toBinary('a', 'UTF-8')`: gives a Binary"),
    ("binary as second argument", "contains(payload, fromBase64('YQ=='))", "gives a Binary"),
    ("endless number", "9" * 4400, "longer than 400 words and signs or 4096 characters"),
]


@pytest.mark.parametrize(("text", "message"), [pytest.param(*case, id=name) for name, *case in REFUSALS])
def test_what_is_no_expression_is_refused_with_its_place_and_a_mend(text, message):
    with pytest.raises(ExpressionError) as refusal:
        parse(text)
    assert message in str(refusal.value)


def test_brackets_settle_a_misleading_mix():
    assert shape(tree("payload default ('' == 'x')")) != shape(tree("(payload default '') == 'x'"))


def test_an_unclosed_expression_says_what_closes_it():
    with pytest.raises(ExpressionError, match="column 12: the expression is not closed: add `]`"):
        parse("#[payload.a", 2, "]")


def nested(levels: int) -> str:
    return "(" * levels + "1" + ")" * levels


@pytest.mark.parametrize(
    ("within", "beyond"),
    [
        pytest.param(nested(MAX_NESTING - 1), nested(MAX_NESTING), id="brackets"),
        pytest.param("!" * (MAX_NESTING - 1) + "true", "!" * MAX_NESTING + "true", id="negations"),
        pytest.param("payload" + ".a" * (MAX_TOKENS // 2 - 1), "payload" + ".a" * (MAX_TOKENS // 2), id="selectors"),
        pytest.param("1" + " ++ 1" * (MAX_TOKENS // 2 - 1), "1" + " ++ 1" * (MAX_TOKENS // 2), id="operators"),
        pytest.param(
            f"'{'x' * (MAX_EXPRESSION_CHARACTERS - 2)}'", f"'{'x' * (MAX_EXPRESSION_CHARACTERS - 1)}'", id="length"
        ),
    ],
)
def test_depth_and_length_are_bounded(within, beyond):
    parse(within)
    with pytest.raises(ExpressionError, match="split the expression"):
        parse(beyond)


@given(trees)
def test_a_printed_tree_is_read_back_as_it_was(node):
    assert shape(tree(printed(node))) == shape(node)


WORDS = [
    "payload",
    "attributes",
    ".",
    "headers",
    "[",
    "]",
    "(",
    ")",
    "'a'",
    "1",
    "-",
    "not",
    "!",
    "and",
    "or",
    "default",
]
WORDS += ["if", "else", "==", "<", "++", "--", "contains", "lower", "{", "}", ":", ",", "toString", "null", "vars"]


@given(st.text() | st.lists(st.sampled_from(WORDS), max_size=40).map(" ".join))
def test_any_text_is_an_expression_or_an_expression_error(text):
    refusal = None
    try:
        parse(text)
    except ExpressionError as error:
        refusal = error
    assert refusal is None or (refusal.column is None) != (refusal.part is None)
    assert refusal is None or refusal.column is None or 1 <= refusal.column <= len(text) + 1
