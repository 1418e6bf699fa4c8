"""The fake must be as the gateway's own: what a policy sees through one it sees through the other."""

import pytest

from tollway.gateway.call import Call
from tollway.gateway.clock import SystemClock
from tollway.gateway.request import Request
from tollway.testing.exchange import FakeClients, FakeExchange, policy_context

FIELDS = ["method", "request_path", "request_uri", "query_string", "body", "client_address", "remote_address", "scheme"]


def pair() -> tuple[FakeExchange, Call]:
    headers = [("Client_Id", "app"), ("x-many", "a"), ("X-Many", "b")]
    fake = FakeExchange(path="/p/v1/x", query="a=1&b=%20", headers=headers, body=b'{"a": [1]}')
    request = Request(b"POST", b"/p/v1/x?a=1&b=%20", "192.0.2.1")
    for name, value in headers:
        request.add_header(name.encode(), value.encode())
    request.body = b'{"a": [1]}'
    return fake, Call(request, SystemClock())


@pytest.mark.parametrize("field", FIELDS)
def test_facts_of_the_request_read_the_same(field: str):
    fake, call = pair()
    assert getattr(fake, field) == getattr(call, field)


def test_headers_payload_and_parameters_read_the_same():
    fake, call = pair()
    for exchange in (fake, call):
        assert exchange.raw_header(b"client_id") == b"app"
        assert exchange.raw_header(b"x-many") == b"a, b"
        assert exchange.raw_header(b"x-none") is None
        assert exchange.header("CLIENT_ID") == "app"
        assert exchange.query_params() == {"a": "1", "b": " "}
        assert exchange.payload() == {"a": [1]}
        assert exchange.authentication() == {}
        exchange.note("key", 1)
        assert exchange.recall("key") == 1
        assert exchange.variables() == {"key": 1}


def test_setting_a_header_replaces_and_adding_one_does_not():
    fake = FakeExchange()
    for set_, add, sent in (
        (fake.set_upstream_header, fake.add_upstream_header, fake.upstream_headers),
        (fake.set_response_header, fake.add_response_header, fake.response_headers_sent),
    ):
        add("X-A", "1")
        add("x-a", "2")
        assert sent == {"x-a": ["1", "2"]}
        set_("x-A", "3")
        assert sent == {"x-a": ["3"]}


def test_the_context_is_made_of_fakes_unless_told():
    context = policy_context(proxy="p", name="n")
    assert (context.proxy, context.name) == ("p", "n")
    assert context.clients.find("nobody") is None
    assert FakeClients().authenticate("nobody", "") is None
