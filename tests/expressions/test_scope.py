"""The seam to the gateway: each expression asks for what it needs, and for nothing else."""

import pytest

from tollway.expressions import Scope, compile_expression


class Recorder:
    """A scope that notes what it is asked for."""

    def __init__(self) -> None:
        object.__setattr__(self, "asked", [])

    def __getattribute__(self, name):
        asked = object.__getattribute__(self, "asked")
        if name == "asked":
            return asked
        asked.append(name)
        is_field = isinstance(getattr(Scope, name), property)
        return "value" if is_field else lambda *_: {} if name != "new_id" else "id"


READERS = {
    "authentication": "#[authentication]",
    "header": "#[attributes.headers['ClientId']]",
    "headers": "#[attributes.headers]",
    "local_address": "#[attributes.localAddress]",
    "method": "#[attributes.method]",
    "new_id": "#[uuid()]",
    "payload": "#[payload]",
    "query_params": "#[attributes.queryParams.team]",
    "query_string": "#[attributes.queryString]",
    "remote_address": "#[attributes.remoteAddress]",
    "request_path": "#[attributes.requestPath]",
    "request_uri": "#[attributes.requestUri]",
    "response_header": "#[attributes.headers.server]",
    "response_headers": "#[attributes.headers]",
    "scheme": "#[attributes.scheme]",
    "status_code": "#[attributes.statusCode]",
    "variables": "#[vars.claimSet]",
    "version": "#[attributes.version]",
}


@pytest.mark.parametrize("member", READERS)
def test_an_expression_asks_its_scope_for_one_member(member):
    scope = Recorder()
    message = "response" if member.startswith("response_") else "request"
    compile_expression(READERS[member], message=message).evaluate(scope)
    assert scope.asked == [member]


def test_every_member_of_the_scope_is_read_by_some_expression():
    assert {name for name in vars(Scope) if not name.startswith("_")} == set(READERS)


def test_plain_text_asks_for_nothing():
    scope = Recorder()
    assert compile_expression("gold").evaluate(scope) == "gold"
    assert scope.asked == []
