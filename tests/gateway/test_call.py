"""One call as policies and expressions see it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.ids import ClientId
from tollway.expressions import ExpressionError, compile_expression
from tollway.gateway.call import Call
from tollway.gateway.clock import SystemClock
from tollway.gateway.json_body import read_members
from tollway.gateway.request import Request
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Authentication


def call(
    body: bytes = b"", *, target: bytes = b"/v1/chat/completions", headers: dict[bytes, bytes] | None = None
) -> Call:
    request = Request(b"POST", target, "192.0.2.7", headers)
    request.body = body
    return Call(request, SystemClock())


def test_the_request_is_told_as_it_was_sent() -> None:
    one = call(target=b"/a%2Fb?x=1&x=2&y=", headers={b"host": b"gw:8081", b"x-name": b"caf\xe9"})
    assert (one.method, one.request_path, one.query_string) == ("POST", "/a%2Fb", "x=1&x=2&y=")
    assert one.request_uri == "/a%2Fb?x=1&x=2&y="
    assert one.query_params() == {"x": "2", "y": ""}
    assert (one.local_address, one.remote_address, one.client_address) == ("gw:8081", "192.0.2.7", "192.0.2.7")
    assert (one.scheme, one.version) == ("http", "HTTP/1.1")
    assert one.headers() == {"host": "gw:8081", "x-name": "café"}


@pytest.mark.parametrize("name", ["X-Name", "x-name", "X-NAME"])
def test_headers_are_found_in_any_case(name: str) -> None:
    assert call(headers={b"x-name": b"value"}).header(name) == "value"


def test_a_header_that_cannot_exist_is_absent() -> None:
    assert call().header("x-模型") is None
    assert call().raw_header(b"x") is None


def test_the_same_facts_are_there_for_expressions() -> None:
    one = call(b'{"model":"m","n":[1,{"k":"v"}]}', target=b"/p?q=1", headers={b"x-key": b"k"})
    one.identify(
        Authentication(
            client=ClientApplication(client_id=ClientId("id"), name="App"), principal="p", properties={"team": "red"}
        )
    )
    one.note("seen", "yes")
    expected = {
        "#[attributes.headers['x-key']]": "k",
        "#[attributes.method]": "POST",
        "#[attributes.queryParams.q]": "1",
        "#[payload.n[1].k]": "v",
        "#[authentication.clientId]": "id",
        "#[authentication.clientName]": "App",
        "#[authentication.principal]": "p",
        "#[authentication.properties.team]": "red",
        "#[vars.seen]": "yes",
    }
    assert {source: compile_expression(source).text(one) for source in expected} == expected


def test_nobody_is_nobody() -> None:
    one = call()
    assert (one.client, one.identity, one.authentication()) == (None, None, {})
    one.identify(Authentication(principal="p"))
    assert (one.client, one.authentication()["clientId"]) == (None, None)


@pytest.mark.parametrize("body", [b"{", b"\xff", b"[" * 100_000], ids=["cut", "not text", "too deep"])
def test_a_body_that_is_not_json_is_an_error_of_the_expression(body: bytes) -> None:
    with pytest.raises(ExpressionError, match="not JSON"):
        call(body).payload()


def test_no_body_is_nothing() -> None:
    assert call().payload() is None


@given(st.binary(max_size=100))
def test_the_input_is_never_guessed_below_one_token(body: bytes) -> None:
    assert call(body).estimated_input_tokens() >= 1
    assert call(body + b"xxxx").estimated_input_tokens() >= call(body).estimated_input_tokens()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"max_tokens": 5}, 5),
        ({"max_completion_tokens": 6}, 6),
        ({"max_output_tokens": 7}, 7),
        ({"generationConfig": {"maxOutputTokens": 8}}, 8),
        ({"generationConfig": {}}, None),
        ({"generationConfig": "x"}, None),
        ({"max_tokens": None}, None),
        ({"max_tokens": "5"}, None),
        ({"max_tokens": 1.5}, None),
        ({}, None),
    ],
    ids=str,
)
def test_the_most_output_a_caller_allows(body: dict[str, Any], expected: int | None) -> None:
    one = call()
    one.members = read_members(msgspec.json.encode(body), 64)
    assert one.requested_output_tokens() == expected


def test_what_was_set_last_counts_and_what_was_added_stays() -> None:
    one = call()
    one.set_response_header("x-a", "1")
    one.set_response_header("x-a", "2")
    one.add_response_header("x-b", "1")
    one.add_response_header("x-b", "2")
    one.set_upstream_header("x-c", "1")
    one.set_upstream_header("x-c", "2")
    one.add_upstream_header("x-d", "1")
    one.set_response_lines("limits", b"x-e: 1\r\n")
    one.set_response_lines("limits", b"x-e: 2\r\n")
    assert one.set_lines == {"x-a": "2"}
    assert one.added_lines == [("x-b", "1"), ("x-b", "2")]
    assert one.upstream_set == {"x-c": "2"}
    assert one.upstream_added == [("x-d", "1")]
    assert one.ready_lines == {"limits": b"x-e: 2\r\n"}


def test_notes_are_the_calls_own() -> None:
    one, other = call(), call()
    one.note("k", 1)
    assert (one.recall("k"), one.recall("other"), other.recall("k"), other.variables()) == (1, None, None, {})


def test_a_policy_in_shadow_is_named_once() -> None:
    one = call()
    for name in ("b", "a", "b"):
        one.shadow_refused(name)
    assert one.shadow_refusals == ("b", "a")


def test_ids_are_fresh() -> None:
    one = call()
    assert len({one.new_id() for _ in range(100)}) == 100
