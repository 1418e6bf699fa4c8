"""Each function and operator: what DataWeave's reference shows, null, and the wrong types."""

import base64
import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.expressions import functions
from tollway.expressions.errors import Unfit
from tollway.expressions.functions import FUNCTIONS, OPERATORS

from .trees import payloads, texts

CASES = [
    ("contains", ([1, 2, 3], 2), True),
    ("contains", ([1, 2, 3], "2"), False),
    ("contains", ([1], True), False),
    ("contains", ([{"a": [1]}], {"a": [1.0]}), True),
    ("contains", ("mulesoft", "mule"), True),
    ("contains", ("mulesoft", "Mule"), False),
    ("contains", (None, "a"), False),
    ("contains", (b"user:pass", "user"), True),
    ("endsWith", ("Mari", "ri"), True),
    ("endsWith", ("Mari", "Ma"), False),
    ("endsWith", (None, "a"), False),
    ("startsWith", ("Mari", "Mar"), True),
    ("startsWith", ("Mari", "Em"), False),
    ("startsWith", (None, "a"), False),
    ("isEmpty", ("",), True),
    ("isEmpty", (" ",), False),
    ("isEmpty", ([],), True),
    ("isEmpty", ([None],), False),
    ("isEmpty", ({},), True),
    ("isEmpty", ({"a": 1},), False),
    ("isEmpty", (None,), True),
    ("isEmpty", (b"",), True),
    ("lower", ("MyÉ",), "myé"),
    ("lower", (None,), None),
    ("upper", ("myé",), "MYÉ"),
    ("upper", (None,), None),
    ("trim", ("  my text  \n",), "my text"),
    ("trim", (None,), None),
    ("sizeOf", ([1, 2, 3],), 3),
    ("sizeOf", ({"a": 1, "b": 2},), 2),
    ("sizeOf", ("my string",), 9),
    ("sizeOf", (b"\xff\x00",), 2),
    ("sizeOf", (None,), None),
    ("splitBy", ("192.88.99.0", "."), ["192", "88", "99", "0"]),
    ("splitBy", ("a-b-c", ""), ["a", "-", "b", "-", "c"]),
    ("splitBy", ("no split", "NO"), ["no split"]),
    ("splitBy", ("", ","), [""]),
    ("splitBy", (b"user:pass", ":"), ["user", "pass"]),
    ("splitBy", (None, ","), None),
    ("substringAfter", (None, "'"), None),
    ("substringAfter", ("", "-"), ""),
    ("substringAfter", ("abc", "b"), "c"),
    ("substringAfter", ("abcba", "b"), "cba"),
    ("substringAfter", ("abc", "d"), ""),
    ("substringAfter", ("abc", ""), "bc"),
    ("substringAfterLast", (None, "'"), None),
    ("substringAfterLast", ("", "-"), ""),
    ("substringAfterLast", ("abc", "b"), "c"),
    ("substringAfterLast", ("abcba", "b"), "a"),
    ("substringAfterLast", ("abc", "d"), ""),
    ("substringAfterLast", ("abc", ""), None),
    ("substringBefore", (None, "'"), None),
    ("substringBefore", ("", "-"), ""),
    ("substringBefore", ("abc", "b"), "a"),
    ("substringBefore", ("abc", "c"), "ab"),
    ("substringBefore", ("abc", "d"), ""),
    ("substringBefore", ("abc", ""), ""),
    ("substringBeforeLast", (None, "'"), None),
    ("substringBeforeLast", ("", "-"), ""),
    ("substringBeforeLast", ("abc", "b"), "a"),
    ("substringBeforeLast", ("abcba", "b"), "abc"),
    ("substringBeforeLast", ("abc", "d"), ""),
    ("substringBeforeLast", ("abc", ""), "ab"),
    ("toBase64", ("user:pass",), "dXNlcjpwYXNz"),
    ("toBase64", (b"\xff\x00",), "/wA="),
    ("toBase64", (None,), None),
    ("fromBase64", ("dXNlcjpwYXNz",), b"user:pass"),
    ("fromBase64", (None,), None),
    ("toBinary", ("é", "UTF-8"), "é".encode()),
    ("toBinary", ("é", "iso-8859-1"), b"\xe9"),
    ("toBinary", (None, "UTF-8"), None),
    ("toString", (b"user", "UTF-8"), "user"),
    ("toString", (b"\xe9", "ISO-8859-1"), "é"),
    ("toString", (12,), "12"),
    ("toString", (1.5,), "1.5"),
    ("toString", (True,), "true"),
    ("toString", ("as it is",), "as it is"),
    ("toString", (None,), None),
    ("==", (1, 1.0), True),
    ("==", ("true", True), False),
    ("==", (None, None), True),
    ("!=", (1, "1"), True),
    ("!=", ([1], [1]), False),
    ("<", (1, 2), True),
    ("<", (2, 2), False),
    (">", (2, 1.5), True),
    (">", (10**400, 1.5), True),
    ("<=", (2, 2), True),
    (">=", (2, 3), False),
    ("<", ("a", "b"), True),
    (">", ("123", 12), True),
    (">", (123, "12"), True),
    ("<", ("9", 10), False),
    (">", (10, "9"), True),
    (">", (True, False), True),
    ("++", ([0, 1], ["a", [2]]), [0, 1, "a", [2]]),
    ("++", ("Mule", "Soft"), "MuleSoft"),
    ("++", ("n", 1), "n1"),
    ("++", (True, "!"), "true!"),
    ("++", ({"a": 1, "b": 1}, {"b": 2}), {"a": 1, "b": 2}),
    ("--", ([0, 1, 1, 2], [1, 2]), [0]),
    ("--", ([1, True, "1"], [True]), [1, "1"]),
    ("--", ([{"a": 1}, [2]], [{"a": 1.0}]), [[2]]),
    ("--", ({"hello": "world", "name": "DW"}, {"hello": "world"}), {"name": "DW"}),
    ("--", ({"a": 1}, {"a": 2}), {"a": 1}),
    ("--", ({"yes": "no", "good": "bad", "old": "new"}, ["yes", "old", 1]), {"good": "bad"}),
    ("--", (None, ["a"]), None),
]


def the(name: str):
    return OPERATORS[name] if name in OPERATORS else FUNCTIONS[name].apply


@pytest.mark.parametrize(
    ("name", "arguments", "result"), [pytest.param(*case, id=f"{case[0]}{case[1]!r:.40}") for case in CASES]
)
def test_a_function_gives_what_its_reference_shows(name, arguments, result):
    given_result = the(name)(*arguments)
    assert (given_result, type(given_result)) == (result, type(result))


UNFIT = [
    ("lower", (1,), "needs a String, got Number; toString"),
    ("trim", ([],), "needs a String, got Array"),
    ("contains", ("a", 1), "needs a String, got Number"),
    ("contains", (1, "a"), "needs a String, got Number"),
    ("startsWith", ("a", None), "needs a String, got Null; give it a value with `default`"),
    ("splitBy", ("a", None), "needs a String, got Null"),
    ("substringBefore", ("a", None), "needs a String, got Null"),
    ("substringAfterLast", ({}, "a"), "needs a String, got Object"),
    ("sizeOf", (1,), "a Number has no size"),
    ("isEmpty", (False,), "a Boolean has no size"),
    ("fromBase64", ("not base64!",), "not base64"),
    ("fromBase64", ("YQ",), "not base64"),
    ("fromBase64", ("é",), "not base64"),
    ("lower", (b"\xff",), "not UTF-8 text"),
    ("toString", (b"\xff", "UTF-8"), "not UTF-8 text"),
    ("toString", ([1],), "not Array"),
    ("toString", ("a", "zlib"), "unknown encoding; known are UTF-8"),
    ("toBinary", ("a", "idna"), "unknown encoding"),
    ("toBinary", ("é", "US-ASCII"), "cannot be written in ASCII"),
    ("++", ("a", None), "cannot join String and Null"),
    ("++", ([1], "a"), "cannot join Array and String"),
    ("++", (["a"], {}), "cannot join Array and Object"),
    ("--", ("abc", "b"), "cannot take String out of String"),
    ("--", ([1], {"a": 1}), "cannot take Object out of Array"),
    ("<", (1, None), "Number and Null have no order"),
    ("<", (None, None), "Null and Null have no order"),
    ("<", (1, "gold"), "does not spell a Number"),
    ("<", (True, 1), "Boolean and Number have no order"),
    ("<", ([1], [2]), "Array and Array have no order"),
]


@pytest.mark.parametrize(
    ("name", "arguments", "complaint"), [pytest.param(*case, id=f"{case[0]}{case[1]!r:.40}") for case in UNFIT]
)
def test_a_function_says_what_it_cannot_work_on(name, arguments, complaint):
    with pytest.raises(Unfit) as unfit:
        the(name)(*arguments)
    assert complaint in str(unfit.value)


@pytest.mark.parametrize(
    ("target", "key", "result"),
    [
        pytest.param({"a": 1}, "a", 1, id="Object[String]"),
        pytest.param({"a": 1}, "b", None, id="no such key"),
        pytest.param([1, 2, 3], 0, 1, id="Array[Number]"),
        pytest.param([1, 2, 3], 2.0, 3, id="whole float"),
        pytest.param([1, 2, 3], -1, 3, id="from the end"),
        pytest.param([1, 2, 3], -3, 1, id="first from the end"),
        pytest.param([1, 2, 3], 3, None, id="past the end"),
        pytest.param([1, 2, 3], -4, None, id="before the start"),
        pytest.param([1, 2, 3], 10**400, None, id="far past the end"),
        pytest.param([{"a": 1}, 5, {"b": 2}, {"a": None}], "a", [1, None], id="Array[String]"),
        pytest.param([{"a": 1}], "b", None, id="in no item"),
        pytest.param("gold", 1, "o", id="String[Number]"),
        pytest.param("gold", -1, "d", id="last character"),
        pytest.param("gold", 9, None, id="past the last character"),
        pytest.param(None, "a", None, id="Null[String]"),
        pytest.param(None, 0, None, id="Null[Number]"),
    ],
)
def test_selecting_gives_what_is_there_or_null(target, key, result):
    assert functions.select(target, key) == result


@pytest.mark.parametrize(
    ("target", "key"),
    [
        pytest.param({"a": 1}, 0, id="Object[Number]"),
        pytest.param("gold", "a", id="String[String]"),
        pytest.param(5, "a", id="Number[String]"),
        pytest.param(5, 0, id="Number[Number]"),
        pytest.param([1], 0.5, id="fraction"),
        pytest.param([1], float("inf"), id="infinity"),
        pytest.param([1], True, id="Boolean"),
        pytest.param({"a": 1}, None, id="Null"),
    ],
)
def test_selecting_by_the_wrong_type_is_unfit(target, key):
    with pytest.raises(Unfit, match="cannot select from"):
        functions.select(target, key)


def test_taking_long_arrays_out_of_each_other_costs_their_sum():
    long = [[number] for number in range(50_000)]
    assert functions.remove(long, long[1:]) == [[0]]


def test_every_function_is_in_the_table_of_cases():
    assert {name for name, *_ in CASES} | {"uuid"} == FUNCTIONS.keys() | OPERATORS.keys()


@given(st.binary())
def test_base64_goes_there_and_back(content):
    text = functions.to_base64(content)
    assert text == base64.b64encode(content).decode()
    assert functions.from_base64(text) == content


@given(texts, st.sampled_from(["UTF-8", "UTF-16"]))
def test_text_goes_to_binary_and_back(text, encoding):
    assert functions.to_string(functions.to_binary(text, encoding), encoding) == text


@given(texts, texts)
def test_splitting_and_joining_give_the_text_again(text, separator):
    pieces = functions.split_by(text, separator)
    assert isinstance(pieces, list)
    assert separator.join(map(str, pieces)) == text


@given(texts, texts.filter(bool))
def test_the_substrings_around_a_separator_make_up_the_text(text, separator):
    before, after = functions.substring_before(text, separator), functions.substring_after(text, separator)
    assert separator not in text or f"{before}{separator}{after}" == text
    before, after = functions.substring_before_last(text, separator), functions.substring_after_last(text, separator)
    assert separator not in text or f"{before}{separator}{after}" == text


@given(payloads, payloads, st.sampled_from(sorted(OPERATORS)))
def test_an_operator_works_or_is_unfit(left, right, name):
    with contextlib.suppress(Unfit):
        OPERATORS[name](left, right)
