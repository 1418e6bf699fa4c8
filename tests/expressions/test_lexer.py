"""Tokens: what they are, where they are, and that no text makes the lexer stumble."""

import contextlib
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.expressions.errors import ExpressionError
from tollway.expressions.lexer import Token, next_token, string_value


def tokens(source: str) -> list[Token]:
    found, position = [], 0
    while (token := next_token(source, position)).kind != "end":
        found.append(token)
        position = token.end
    return found


@pytest.mark.parametrize(
    ("source", "kinds_and_texts"),
    [
        pytest.param("payload.a", [("name", "payload"), ("symbol", "."), ("name", "a")], id="selector"),
        pytest.param("a--b", [("name", "a"), ("symbol", "--"), ("name", "b")], id="longest symbol wins"),
        pytest.param("a<=b", [("name", "a"), ("symbol", "<="), ("name", "b")], id="less or equal"),
        pytest.param("1.5e-3", [("number", "1.5e-3")], id="number"),
        pytest.param("1.a", [("number", "1"), ("symbol", "."), ("name", "a")], id="number then selector"),
        pytest.param("dw::core::Strings::x", [("name", "dw::core::Strings::x")], id="qualified name"),
        pytest.param(
            """ "a'b" 'c"d' `e` """, [("string", '"a\'b"'), ("string", "'c\"d'"), ("string", "`e`")], id="strings"
        ),
        pytest.param(r"'a\'b'", [("string", r"'a\'b'")], id="escaped mark"),
        pytest.param("1 // note\n/* more */ 2", [("number", "1"), ("number", "2")], id="comments"),
        pytest.param("", [], id="nothing"),
    ],
)
def test_a_text_is_cut_into_tokens(source, kinds_and_texts):
    assert [(token.kind, token.text) for token in tokens(source)] == kinds_and_texts


@pytest.mark.parametrize(
    ("token", "value"),
    [
        pytest.param("'plain'", "plain", id="plain"),
        pytest.param(r"'\n\t\r\\\'\"\`\$\/'", "\n\t\r\\'\"`$/", id="escapes"),
        pytest.param(r"'\u00e9\u20AC'", "é€", id="code points"),
        pytest.param(r"'\$(a)'", "$(a)", id="escaped interpolation"),
        pytest.param("'$5'", "$5", id="a dollar alone"),
        pytest.param("'line\nbreak'", "line\nbreak", id="line break"),
    ],
)
def test_a_string_token_means_its_text(token, value):
    assert string_value(next_token(token, 0)) == value


@pytest.mark.parametrize(
    ("token", "message"),
    [
        pytest.param(r"'ab\x'", r"column 4: unknown escape `\\x`", id="unknown escape"),
        pytest.param(r"'\ud800'", r"column 2: `\\ud800` is half a character", id="surrogate"),
        pytest.param(r"'\u12'", r"column 2: unknown escape `\\u`", id="short code point"),
        pytest.param("'a$(b)'", r"column 3: `\$\(...\)` inside a text is not supported", id="interpolation"),
        pytest.param(r"'\\$(b)'", r"column 4: `\$\(...\)` inside", id="interpolation after a backslash"),
    ],
)
def test_a_string_that_cannot_be_meant_is_refused(token, message):
    with pytest.raises(ExpressionError, match=message):
        string_value(next_token(token, 0))


@pytest.mark.parametrize(
    ("source", "mend"),
    [
        pytest.param("'a", "close the text", id="open string"),
        pytest.param("/a+/", "regular expressions are not part", id="regular expression"),
        pytest.param("%dw 2.0", "leave out the `%dw` header", id="header"),
        pytest.param("*", "arithmetic", id="times"),
        pytest.param("= 1", "write `==`", id="single equals"),
        pytest.param("~= 1", "write `==`", id="coercing equality"),
        pytest.param("&& x", "write `and`", id="ampersands"),
        pytest.param("|| x", "write `or`", id="bars"),
        pytest.param("? 1", "compare with null", id="question mark"),
        pytest.param("$.a", "no lambdas", id="dollar"),
        pytest.param("é", "put text in quotes", id="letter outside ASCII"),
        pytest.param("/* open", "division", id="open comment"),
    ],
)
def test_what_is_no_token_is_refused_with_a_mend(source, mend):
    with pytest.raises(ExpressionError, match="column 1: unexpected") as refusal:
        next_token(source, 0)
    assert mend in str(refusal.value)


HOSTILE = {
    "open string of backslashes": "'" + "\\" * 60_001,
    "open string of escapes": "'" + "\\'" * 30_000,
    "open comments": "/*" * 30_000,
    "stars in a comment": "/*" + "*" * 60_000,
    "digits before a broken exponent": "1" * 60_000 + "e",
    "half-qualified names": "a::" * 20_000,
    "blanks": " " * 60_000 + "#",
}


@pytest.mark.parametrize("source", HOSTILE.values(), ids=HOSTILE)
def test_no_text_makes_the_lexer_go_back_over_it_again_and_again(source):
    with contextlib.suppress(ExpressionError):
        next_token(source, 0)


@given(st.text() | st.text(alphabet="ab01.:-+<>=!()[]{}'\"`\\/*$u \n"))
def test_any_text_gives_tokens_that_lie_in_it_or_a_column(source):
    found, refusal = [], None
    try:
        found = tokens(source)
    except ExpressionError as error:
        refusal = error
    assert refusal is None or 1 <= (refusal.column or 0) <= len(source)
    assert all(source[token.start : token.end] == token.text != "" for token in found)
    assert all(one.end <= other.start for one, other in itertools.pairwise(found))
