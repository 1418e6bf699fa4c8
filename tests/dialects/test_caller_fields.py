import math

import pytest

from tollway.core.errors import BadRequest, UpstreamGarbled
from tollway.dialects.caller_fields import (
    Fields,
    as_count,
    as_list,
    as_object,
    as_seconds,
    as_text,
    decode_answer,
    decode_request,
    without,
)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"[1]", "must be a JSON object, got an array"),
        (b"null", "got null"),
        (b"[" * 100_000, "nested too deeply"),
        (b"\xff\xfe", "not valid JSON"),
        (b'{"model":"\xb9"}', "not valid JSON"),
    ],
    ids=["empty", "cut", "array", "null", "deep", "not-utf8", "a string that is not utf-8"],
)
def test_a_body_that_is_no_object_is_the_callers_error(body: bytes, word: str) -> None:
    with pytest.raises(BadRequest, match=word):
        decode_request(body)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[" * 100_000], ids=["empty", "html", "array", "deep"])
def test_a_providers_body_that_is_no_object_is_the_providers_error(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled, match="answer"):
        decode_answer(body, "answer")


@pytest.mark.parametrize(
    ("read", "value", "wanted"),
    [
        ("text", 1, "a string"),
        ("number", "1", "a number"),
        ("number", True, "a number"),
        ("integer", 1.5, "an integer"),
        ("integer", True, "an integer"),
        ("flag", 0, "a boolean"),
        ("object", [], "an object"),
        ("fields", "x", "an object"),
        ("list", {}, "an array"),
    ],
)
def test_a_field_of_the_wrong_type_is_named_with_its_place(read: str, value: object, wanted: str) -> None:
    fields = Fields({"f": value}, "messages[3]")
    with pytest.raises(BadRequest) as caught:
        getattr(fields, read)("f")
    assert caught.value.param == "messages[3].f"
    assert f"messages[3].f: expected {wanted}, got " in caught.value.message


@pytest.mark.parametrize("read", ["text", "number", "integer", "flag", "object", "fields", "list", "take"])
def test_null_means_absent(read: str) -> None:
    assert getattr(Fields({"f": None}), read)("f") is None
    assert getattr(Fields({}), read)("f") is None


def test_a_required_text_that_is_missing_is_named() -> None:
    with pytest.raises(BadRequest) as caught:
        Fields({"role": None}, "messages[0]").required_text("role")
    assert (caught.value.param, caught.value.code) == ("messages[0].role", "missing_required_parameter")


def test_a_whole_number_may_be_written_with_a_point() -> None:
    assert Fields({"n": 10.0}).integer("n") == 10


def test_what_nobody_asked_for_stays_in_rest_nulls_included() -> None:
    fields = Fields({"a": 1, "b": None, "c": [2], "d": None, "e": 5})
    assert fields.integer("a") == 1
    assert fields.take_present(frozenset({"c", "d", "z"})) == {"c": [2]}
    assert fields.rest() == {"b": None, "e": 5}


def test_reading_leaves_the_callers_object_alone() -> None:
    value = {"a": 1}
    Fields(value).take("a")
    assert value == {"a": 1}


def test_fields_of_something_else_are_refused() -> None:
    with pytest.raises(BadRequest, match=r"input\[0\]: expected an object, got a string"):
        Fields("x", "input[0]")


@pytest.mark.parametrize(
    ("value", "count"),
    [(3, 3), (3.0, 3), (-1, 0), (True, 0), ("3", 0), (None, 0), (math.nan, 0), (math.inf, 0), (10**400, 10**400)],
)
def test_a_providers_count_is_lenient(value: object, count: int) -> None:
    assert as_count(value) == count
    assert as_seconds(value) == count


def test_a_providers_values_of_the_wrong_type_count_as_absent() -> None:
    assert (as_object([]), as_list({}), as_text(None)) == ({}, [], "")
    assert (as_object({"a": 1}), as_list([1]), as_text("x")) == ({"a": 1}, [1], "x")
    assert without({"a": 1, "b": None, "c": 2}, "c") == {"a": 1}
