"""Keys of callers that cannot set headers, and what a query may hold."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import BadRequest, InternalError, NotReady, PolicyRefusal, TollwayError, UpstreamCut
from tollway.dialects.socket_handshake import (
    close_code_of,
    members_of,
    openai_subprotocol,
    passed_query,
    replaced,
    subprotocol_headers,
    text_of,
)


@pytest.mark.parametrize(
    ("offered", "found"),
    [
        (["realtime"], {}),
        (["realtime", "openai-insecure-api-key.id%3Asecret"], {b"authorization": b"Bearer id:secret"}),
        (["openai-insecure-api-key.id:secret"], {b"authorization": b"Bearer id:secret"}),
        (["openai-beta.realtime-v1"], {b"openai-beta": b"realtime=v1"}),
        (["openai-insecure-api-key.a%0D%0Ab"], {}),
    ],
    ids=["none", "as a browser must write it", "with its colon", "the preview", "another line"],
)
def test_subprotocols_are_read_as_the_headers_they_stand_for(offered: list[str], found: dict[bytes, bytes]) -> None:
    assert subprotocol_headers(offered) == found


def test_only_the_subprotocol_that_is_no_key_is_chosen() -> None:
    assert openai_subprotocol(["openai-insecure-api-key.a", "realtime"]) == "realtime"
    assert openai_subprotocol(["openai-insecure-api-key.a"]) == ""


def test_a_parameter_is_passed_read_or_refused() -> None:
    own, passed = frozenset({"model"}), frozenset({"intent"})
    assert passed_query({"model": "m", "intent": "x"}, own=own, passed=passed) == {"intent": "x"}
    with pytest.raises(BadRequest) as caught:
        passed_query({"modle": "m"}, own=own, passed=passed)
    assert caught.value.param == "modle"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.dictionaries(st.text(), JSON), st.text(), st.text())
def test_replacing_a_member_leaves_all_else_as_it_came(value: dict[str, object], name: str, text: str) -> None:
    written = replaced(msgspec.json.encode(value), (name,), text)
    assert msgspec.json.decode(written) == {**value, name: text}


@given(st.binary() | JSON.map(msgspec.json.encode))
def test_what_is_no_object_is_a_bad_request(data: bytes) -> None:
    try:
        members = members_of(data)
    except BadRequest:
        return
    assert msgspec.json.decode(data).keys() == members.keys()


def test_a_member_that_is_no_string_is_named() -> None:
    assert (text_of(None, "type"), text_of(msgspec.Raw(b"null"), "type"), text_of(msgspec.Raw(b'"a"'), "type")) == (
        "",
        "",
        "a",
    )
    with pytest.raises(BadRequest) as caught:
        text_of(msgspec.Raw(b"1"), "type")
    assert caught.value.param == "type"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (BadRequest("no"), 1008),
        (PolicyRefusal("no"), 1008),
        (PolicyRefusal("later", status=429), 1013),
        (NotReady("later"), 1013),
        (UpstreamCut("cut"), 1011),
        (InternalError("ours"), 1011),
    ],
    ids=["caller", "policy", "policy, for now", "not ready", "upstream", "ours"],
)
def test_an_error_has_the_close_code_of_its_kind(error: TollwayError, code: int) -> None:
    assert close_code_of(error) == code
