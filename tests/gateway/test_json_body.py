"""Bodies as members kept raw."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest
from tollway.gateway.json_body import read_members, write_members

values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
objects = st.dictionaries(st.text(), values, max_size=6)


@given(objects)
def test_members_that_are_not_touched_come_out_as_they_went_in(value: dict[str, object]):
    body = msgspec.json.encode(value)
    members = read_members(body, 64)
    assert write_members(members) == body
    assert {name: msgspec.json.decode(raw) for name, raw in members.items()} == msgspec.json.decode(body)


@given(objects, st.text())
def test_one_member_can_be_changed_and_every_other_stays(value: dict[str, object], model: str):
    members = read_members(msgspec.json.encode(value), 64)
    members["model"] = msgspec.Raw(msgspec.json.encode(model))
    assert msgspec.json.decode(write_members(members)) == {
        **msgspec.json.decode(msgspec.json.encode(value)),
        "model": model,
    }


def test_what_json_can_write_in_many_ways_stays_as_the_caller_wrote_it():
    body = b'{"n": 1.0, "big":123456789012345678901234567890 ,"s":"\\u00e9\\/","e":1E5, "l":[ 1 , 2 ]}'
    members = read_members(body, 8)
    assert bytes(members["n"]) == b"1.0"
    assert write_members(members) == (
        b'{"n":1.0,"big":123456789012345678901234567890,"s":"\\u00e9\\/","e":1E5,"l":[ 1 , 2 ]}'
    )


def test_of_a_repeated_member_the_last_counts_here_and_in_what_is_sent_on():
    members = read_members(b'{"model":"cheap","x":1,"model":"dear"}', 8)
    assert bytes(members["model"]) == b'"dear"'
    assert write_members(members).count(b"model") == 1


@pytest.mark.parametrize(
    ("body", "word"),
    [
        (b"", "empty"),
        (b"   ", "JSON"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"1", "not a JSON object"),
        (b"{", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":1} {"b":2}', "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":NaN}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        (b'{"\xff":1}', "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not valid JSON"),
    ],
)
def test_what_is_no_json_object_is_refused(body: bytes, word: str):
    with pytest.raises(BadRequest, match=word):
        read_members(body, 8)


@given(st.binary(max_size=200) | st.text(alphabet='{}[]",:\\ \nabtn0159.eE-', max_size=200).map(str.encode))
def test_bytes_of_any_kind_are_an_object_or_a_bad_request(body: bytes):
    try:
        members = read_members(body, 4)
    except BadRequest:
        return
    assert read_members(write_members(members), 4) == members


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [1, 7, 8])
def test_nesting_up_to_the_limit_is_read(opening: str, depth: int):
    closing = "]" if opening == "[" else "}"
    inner = opening * (depth - 1) + "1" + closing * (depth - 1)
    assert read_members(f'{{"x":{inner}}}'.encode(), 8)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [9, 1000, 200_000])
def test_nesting_beyond_the_limit_is_refused(opening: str, depth: int):
    closing = "]" if opening == "[" else "}"
    inner = opening * (depth - 1) + "1" + closing * (depth - 1)
    for body in (f'{{"x":{inner}}}', f'{{"x":{opening * depth}'):
        with pytest.raises(BadRequest, match="more than 8 levels"):
            read_members(body.encode(), 8)


def test_brackets_inside_strings_are_no_nesting():
    text = '[{"' * 50 + "\\" * 3 + '"]}' * 50
    body = msgspec.json.encode({"messages": [{"content": text}], "wide": [[]] * 100})
    assert bytes(read_members(body, 3)["messages"]) == msgspec.json.encode([{"content": text}])


@pytest.mark.parametrize("quotes", [b'\\"', b'"', b'"\\'], ids=["escaped", "plain", "mixed"])
def test_a_string_that_never_ends_is_looked_through_once(quotes: bytes):
    body = b'{"a":' + b"[]," * 200 + b'"' + quotes * 2_000_001
    with pytest.raises(BadRequest):  # by the square of its size it would take longer than any test may
        read_members(body, 128)
