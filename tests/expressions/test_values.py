"""Texts, numbers and equality."""

from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.expressions.errors import Unfit
from tollway.expressions.values import MAX_VALUE_DEPTH, equal, is_number, to_number, to_text, type_name

from .trees import numbers, payloads


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("gold", "gold", id="string"),
        pytest.param(True, "true", id="true"),
        pytest.param(False, "false", id="false"),
        pytest.param(12, "12", id="integer"),
        pytest.param(12.0, "12", id="whole float"),
        pytest.param(-0.0, "0", id="negative zero"),
        pytest.param(0.5, "0.5", id="float"),
        pytest.param(1e300, "1e+300", id="large float"),
        pytest.param(2**80, str(2**80), id="large integer"),
        pytest.param([1, "a", None], '[1,"a",null]', id="array"),
        pytest.param({"a": [True]}, '{"a":[true]}', id="object"),
        pytest.param(MappingProxyType({"a": MappingProxyType({})}), '{"a":{}}', id="read-only object"),
        pytest.param("é".encode(), "é", id="binary that is text"),
    ],
)
def test_a_value_has_one_text(value, text):
    assert to_text(value) == text


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        pytest.param(None, "Null has no text", id="null"),
        pytest.param(b"\xff", "not UTF-8 text", id="binary"),
        pytest.param(10**5000, "too large", id="integer of thousands of digits"),
        pytest.param([object()], "cannot carry", id="not JSON"),
    ],
)
def test_what_has_no_text_is_unfit(value, complaint):
    with pytest.raises(Unfit, match=complaint):
        to_text(value)


def test_a_value_nested_without_end_is_unfit():
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(Unfit, match="cannot be written as JSON"):
        to_text(endless)
    with pytest.raises(Unfit, match=f"deeper than {MAX_VALUE_DEPTH}"):
        equal(endless, endless)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        pytest.param("0", 0, id="zero"),
        pytest.param("-12", -12, id="negative"),
        pytest.param("1.5", 1.5, id="fraction"),
        pytest.param("2e3", 2000.0, id="exponent"),
    ],
)
def test_a_text_in_json_notation_spells_a_number(text, number):
    spelt = to_number(text)
    assert (spelt, type(spelt)) == (number, type(number))


@pytest.mark.parametrize(
    "text",
    ["", " 1", "1 ", "+1", "1_000", ".5", "0x10", "nan", "Infinity", "\u0661", "1" * 401],
    ids=repr,
)
def test_any_other_text_spells_none(text):
    with pytest.raises(Unfit, match="does not spell a Number"):
        to_number(text)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        pytest.param(1, True, id="one and true"),
        pytest.param(0, False, id="zero and false"),
        pytest.param(1, "1", id="number and string"),
        pytest.param(None, False, id="null and false"),
        pytest.param(None, "", id="null and empty string"),
        pytest.param([1], [True], id="inside arrays"),
        pytest.param({"a": 1}, {"a": True}, id="inside objects"),
        pytest.param([], {}, id="empty array and empty object"),
        pytest.param([1, 2], [2, 1], id="arrays have an order"),
    ],
)
def test_values_of_different_types_or_order_differ(left, right):
    assert not equal(left, right)
    assert not equal(right, left)


def test_objects_have_no_order():
    assert equal({"a": 1, "b": [2]}, {"b": [2.0], "a": 1})


@given(payloads)
def test_every_value_equals_itself(value):
    assert equal(value, value)


@given(numbers, numbers)
def test_equal_numbers_have_equal_texts(left, right):
    if equal(left, right) and abs(left) < 2**53:
        assert to_text(left) == to_text(right)


@given(st.integers(min_value=-(2**53) + 1, max_value=2**53 - 1))
def test_a_whole_float_has_the_text_of_its_integer(number):
    assert to_text(float(number)) == to_text(number)


@given(numbers)
def test_the_text_of_a_number_spells_it(number):
    assert to_number(to_text(number)) == number


@given(payloads)
def test_every_json_value_has_a_type_by_name(value):
    assert type_name(value) in {"Null", "Boolean", "Number", "String", "Array", "Object"}
    assert is_number(value) == (type_name(value) == "Number")


def test_the_other_types_are_named_too():
    assert (type_name(b""), type_name(object())) == ("Binary", "value that JSON cannot carry")
