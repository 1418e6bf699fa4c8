"""Which ids a body names, however it is written; whose things are."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest, NotFound
from tollway.gateway.kept import all_ids, kept_ids, member_at, not_there

NAMES = frozenset({"file_id", "file_ids", "/conversation"})
_values = st.recursive(
    st.none() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "file_id", "conversation"]), inner)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ({}, []),
        ({"file_id": "f"}, ["f"]),
        ({"a": [{"b": {"file_id": "f"}}]}, ["f"]),
        ({"file_ids": ["f", "g", 3]}, ["f", "g"]),
        ({"file_id": {"id": "f"}}, ["f"]),
        ({"file_id": None}, []),
        ({"conversation": "c"}, ["c"]),
        ({"conversation": {"id": "c"}}, ["c"]),
        ({"a": {"conversation": "c"}}, []),
        ({"metadata": {"file_id": "f"}}, []),
        ({"parameters": {"properties": {"file_id": {"type": "string"}}}}, []),
        ({"text": "a file_id in words"}, []),
    ],
    ids=str,
)
def test_ids_are_found_where_they_count(body: Any, found: list[str]) -> None:
    raw = msgspec.json.encode(body)
    assert sorted(kept_ids(raw, NAMES)) == found
    assert sorted(all_ids(raw, NAMES)) == found


@given(_values)
def test_looking_only_where_one_may_be_misses_none(value: Any) -> None:
    raw = msgspec.json.encode({"x": value, "conversation": value})
    assert kept_ids(raw, NAMES) == all_ids(raw, NAMES)


@pytest.mark.parametrize("escaped", [rb"\u0066ile_id", rb"file\u005fid", rb"file\u005Fid"])
def test_a_name_written_with_escapes_is_the_same_name(escaped: bytes) -> None:
    assert kept_ids(b'{"' + escaped + b'": "f"}', NAMES) == ("f",)


@pytest.mark.parametrize("body", [b'{"file_id": "\xff"}', b'{"file_id":', b'{"file_id": ' + b"[" * 5_000])
def test_a_body_that_cannot_be_read_to_its_end_is_refused(body: bytes) -> None:
    with pytest.raises(BadRequest):
        kept_ids(body, NAMES)


def test_a_body_without_any_is_not_decoded() -> None:
    assert kept_ids(b"not JSON at all", NAMES) == ()
    assert kept_ids(b'{"file_id": "f"}', frozenset()) == ()


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("id", ["i"]),
        ("file", ["f"]),
        ("file.id", ["f"]),
        ("files", ["a", "b"]),
        ("none", []),
        ("id.x", []),
        ("null", []),
    ],
)
def test_ids_of_an_answer_are_found_by_their_path(path: str, found: list[str]) -> None:
    answer: Any = {"id": "i", "file": {"id": "f"}, "files": ["a", "b"], "null": None}
    assert list(member_at(answer, path)) == found


def test_what_is_not_there_is_named() -> None:
    error = not_there(["a", "b"])
    assert isinstance(error, NotFound)
    assert "'a', 'b'" in error.message
