import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.dialects.json_forms import arguments_object, camel, camel_members, json_text, members_under, object_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("inline_data", "inlineData"),
        ("inlineData", "inlineData"),
        ("text", "text"),
        ("top_k", "topK"),
        ("_x", "X"),
        ("a_1", "a1"),
    ],
)
def test_snake_case_becomes_camel_case(name: str, expected: str) -> None:
    assert camel(name) == expected


def test_only_an_objects_own_members_are_renamed() -> None:
    assert camel_members({"function_call": {"args": {"my_key": 1}}}) == {"functionCall": {"args": {"my_key": 1}}}
    assert camel_members([1]) == [1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"city":"Porto"}', {"city": "Porto"}),
        ("", {}),
        ("  ", {}),
        ("[1]", {"input": "[1]"}),
        ('{"cut', {"input": '{"cut'}),
        ("plain words", {"input": "plain words"}),
    ],
)
def test_arguments_become_an_object_and_nothing_is_lost(text: str, expected: dict[str, object]) -> None:
    assert arguments_object(text) == expected


@given(st.dictionaries(st.text(), st.integers() | st.text() | st.lists(st.booleans())))
def test_an_object_comes_back_from_its_text(value: dict[str, object]) -> None:
    assert object_of(json_text(value)) == value


@pytest.mark.parametrize("text", ["[]", "1", "nope", "{" * 200_000])
def test_text_that_is_no_object_is_none(text: str) -> None:
    assert object_of(text) is None


def test_members_are_gathered_by_their_last_word() -> None:
    members = {"a.b": 1, "a.c.d": 2, "a": 3, "ab.c": 4}
    assert members_under(members, "a") == {"b": 1}
    assert members_under(members, "a.c") == {"d": 2}


def test_text_is_compact_json() -> None:
    assert json_text({"a": [1, "é"]}) == msgspec.json.encode({"a": [1, "é"]}).decode()
