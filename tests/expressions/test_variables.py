"""The predefined variables, read through expressions."""

import pytest

from tollway.expressions import compile_expression
from tollway.expressions.variables import ATTRIBUTES, AUTHENTICATION, VARIABLES

from .plain_scope import PlainScope

SCOPE = PlainScope(
    method="GET",
    request_path="/a",
    request_uri="/a?b=c",
    query_string="b=c",
    parameters={"b": "c"},
    local_address="10.0.0.5:8081",
    remote_address="192.0.2.7:51514",
    scheme="https",
    version="HTTP/2.0",
    status_code=429,
    sent_headers={"ClientId": "app-7"},
    identity={"clientId": "app-7", "clientName": "Bot", "principal": "ada", "properties": {"tier": "gold"}},
    body={"model": "m"},
    left_by_policies={"claimSet": {"sub": "ada"}},
)
CASES = {
    "attributes.headers": {"clientid": "app-7"},
    "attributes.localAddress": "10.0.0.5:8081",
    "attributes.method": "GET",
    "attributes.principal": "ada",
    "attributes.queryParams": {"b": "c"},
    "attributes.queryString": "b=c",
    "attributes.remoteAddress": "192.0.2.7:51514",
    "attributes.requestPath": "/a",
    "attributes.requestUri": "/a?b=c",
    "attributes.scheme": "https",
    "attributes.statusCode": 429,
    "attributes.version": "HTTP/2.0",
    "authentication.clientId": "app-7",
    "authentication.clientName": "Bot",
    "authentication.principal": "ada",
    "authentication.properties": {"tier": "gold"},
    "payload": {"model": "m"},
    "vars": {"claimSet": {"sub": "ada"}},
    "authentication": SCOPE.identity,
}


@pytest.mark.parametrize(("name", "value"), CASES.items(), ids=CASES)
def test_a_variable_reads_its_part_of_the_exchange(name, value):
    assert compile_expression(f"#[{name}]").evaluate(SCOPE) == value


def test_every_variable_is_in_the_table_of_cases():
    members = [f"attributes.{name}" for name in ATTRIBUTES] + [f"authentication.{name}" for name in AUTHENTICATION]
    assert {*members, *VARIABLES} == CASES.keys()


@pytest.mark.parametrize("name", [name for name in CASES if name.startswith("authentication.")])
def test_a_caller_nobody_identified_has_null_everywhere(name):
    assert compile_expression(f"#[{name}]").evaluate(PlainScope()) is None
