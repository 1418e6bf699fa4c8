"""From tree to value: laziness, truth, headers, and errors that name the part."""

import contextlib

import pytest
from hypothesis import given

from tollway.expressions import compile_expression
from tollway.expressions.compiler import compile_node
from tollway.expressions.errors import ExpressionError
from tollway.expressions.parser import parse
from tollway.expressions.values import Value

from .plain_scope import PlainScope
from .trees import payloads, printed, trees


def value_of(text: str, scope: PlainScope | None = None, message="request") -> Value:
    return compile_node(parse(text)[0], message)(scope or PlainScope())


BODY = PlainScope(
    body={"model": "gpt", "n": 3, "on": True, "none": None, "items": [{"id": 1}, {"id": 2}], "x-y": "q", "i": 1},
    sent_headers={"ClientId": "app-7"},
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("payload.model", "gpt", id="member"),
        pytest.param("payload.'x-y'", "q", id="quoted member"),
        pytest.param("payload['model']", "gpt", id="member in brackets"),
        pytest.param("payload.items[payload.i].id", 2, id="computed index"),
        pytest.param("payload.items.id", [1, 2], id="member of each item"),
        pytest.param("payload.nothing.at.all[4]", None, id="null all the way"),
        pytest.param("payload.model[0]", "g", id="character"),
        pytest.param("[payload.n, [null]]", [3, [None]], id="array literal"),
        pytest.param("{a: payload.n, 'b': {}}", {"a": 3, "b": {}}, id="object literal"),
        pytest.param("payload.none default payload.n", 3, id="default of null"),
        pytest.param("false default true", False, id="default of false"),
        pytest.param("'' default 'a'", "", id="default of an empty text"),
        pytest.param("if (payload.on) 'a' else 'b'", "a", id="if"),
        pytest.param("if (!payload.on) 'a' else 'b'", "b", id="else"),
        pytest.param("payload.on and payload.n > 2", True, id="and"),
        pytest.param("payload.n > 5 or payload.n < 1", False, id="or"),
        pytest.param("not payload.on", False, id="not"),
        pytest.param("uuid()", "00000000-0000-4000-8000-000000000001", id="uuid comes from the scope"),
        pytest.param("attributes.headers['CLIENTID']", "app-7", id="header in any case"),
        pytest.param("attributes.headers.clientId", "app-7", id="header by name"),
        pytest.param("attributes.headers['Client' ++ 'Id']", "app-7", id="computed header in any case"),
        pytest.param("attributes.headers['none']", None, id="absent header"),
        pytest.param("attributes.headers -- ['clientid']", {}, id="all headers"),
    ],
)
def test_an_expression_has_its_value(text, value):
    assert value_of(text, BODY) == value


class Forbidding(PlainScope):
    """A scope whose body must not be read."""

    def payload(self) -> object:
        raise AssertionError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("false and payload", False, id="and"),
        pytest.param("true or payload", True, id="or"),
        pytest.param("1 default payload", 1, id="default"),
        pytest.param("if (true) 1 else payload", 1, id="else"),
        pytest.param("if (false) payload else 2", 2, id="then"),
    ],
)
def test_what_does_not_decide_is_not_evaluated(text, value):
    assert value_of(text, Forbidding()) == value


def test_headers_are_the_responses_where_the_message_is_the_response():
    scope = PlainScope(sent_headers={"Server": "client"}, answered_headers={"Server": "provider"})
    for text in ("attributes.headers['SERVER']", "attributes.headers['ser' ++ 'VER']", "(attributes.headers).server"):
        assert value_of(text, scope, "response") == "provider"
        assert value_of(text, scope, "request") == "client"
    assert value_of("attributes.headers", scope, "response") == {"server": "provider"}


class Exacting(PlainScope):
    """A scope that looks headers up as they are asked for."""

    def header(self, name: str, /) -> str | None:
        return self.headers().get(name)

    def response_header(self, name: str, /) -> str | None:
        return self.response_headers().get(name)


@pytest.mark.parametrize("message", ["request", "response"])
@pytest.mark.parametrize("text", ["attributes.headers['ClientId']", "attributes.headers['Client' ++ 'Id']"])
def test_headers_are_asked_for_in_lower_case(text, message):
    scope = Exacting(sent_headers={"ClientId": "app-7"}, answered_headers={"ClientId": "app-7"})
    assert value_of(text, scope, message) == "app-7"
    assert compile_expression(f"#[{text}]", message=message).text(scope) == "app-7"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("payload.n.x ++ 'a'", "`payload.n.x`: cannot select from Number by String", id="selector"),
        pytest.param("payload[0]", "`payload[0]`: cannot select from Object by Number", id="object by number"),
        pytest.param("'a' ++ lower(payload.n)", "`lower(payload.n)`: needs a String, got Number", id="inner call"),
        pytest.param("payload.n contains 'a'", "`payload.n contains 'a'`: needs a String", id="infix call"),
        pytest.param("payload.none > 1", "`payload.none > 1`: Null and Number have no order", id="order"),
        pytest.param("payload.n and true", "`payload.n and true`: the left of `and` must be true or false", id="left"),
        pytest.param("false or payload.model", "the right of `or` must be true or false, not String", id="right"),
        pytest.param("not payload.none", "what `not` negates must be true or false, not Null", id="not"),
        pytest.param("if (payload.n) 1 else 2", "the condition of `if` must be true or false, not Number", id="if"),
        pytest.param("attributes.headers[payload.n]", "a header's name is a String, not Number", id="header"),
    ],
)
def test_an_error_names_the_part_and_the_types_but_no_value(text, message):
    with pytest.raises(ExpressionError) as failure:
        value_of(text, BODY)
    assert message in str(failure.value)
    assert "gpt" not in str(failure.value)
    assert failure.value.__suppress_context__ or failure.value.__context__ is None


@given(trees, payloads, payloads)
def test_any_expression_on_any_json_gives_a_value_or_an_expression_error(tree, body, variable):
    scope = PlainScope(body=body, left_by_policies={"a": variable}, identity={"properties": variable})
    for message in ("request", "response"):
        with contextlib.suppress(ExpressionError):
            value_of(printed(tree), scope, message)
