"""Fields as operators write them, and every example of the reference page."""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.expressions import ExpressionError, compile_expression
from tollway.expressions.template import MAX_EMBEDDED, MAX_TEXT_CHARACTERS

from .plain_scope import PlainScope
from .trees import payloads, texts

SCOPE = PlainScope(sent_headers={"ClientId": "app-7"}, body={"n": 5, "none": None, "list": [1, "a"], "on": True})


@pytest.mark.parametrize(
    ("field", "value", "text"),
    [
        pytest.param("gold", "gold", "gold", id="plain text"),
        pytest.param("", "", "", id="empty text"),
        pytest.param("  gold ", "  gold ", "  gold ", id="blanks belong to plain text"),
        pytest.param("#[payload.n]", 5, "5", id="whole expression"),
        pytest.param(" #[payload.n]\n", 5, "5", id="blanks around a whole expression"),
        pytest.param("#[payload.none]", None, None, id="null"),
        pytest.param("#[payload.on]", True, "true", id="boolean"),
        pytest.param("#[payload.list]", [1, "a"], '[1,"a"]', id="array"),
        pytest.param("n=#[payload.n]", "n=5", "n=5", id="text before"),
        pytest.param("#[payload.n]#[payload.n]", "55", "55", id="two expressions"),
        pytest.param("<#[payload.none]>", "<>", "<>", id="null in a text"),
        pytest.param("#[']']#['#[']", "]#[", "]#[", id="brackets in strings"),
        pytest.param(r"\#[x] #[payload.n]", "#[x] 5", "#[x] 5", id="escaped opener"),
        pytest.param(r"\#[x]", "#[x]", "#[x]", id="only an escaped opener"),
        pytest.param("# [x] ]", "# [x] ]", "# [x] ]", id="no opener"),
    ],
)
def test_a_field_has_a_value_and_a_text(field, value, text):
    expression = compile_expression(field)
    assert expression.source == field
    assert expression.evaluate(SCOPE) == value
    assert expression.text(SCOPE) == text


@pytest.mark.parametrize(
    ("field", "name"),
    [
        pytest.param("#[attributes.headers['ClientId']]", "clientid", id="brackets"),
        pytest.param("#[attributes.headers.ClientId]", "clientid", id="dot"),
        pytest.param("#[attributes['headers'].'client_id']", "client_id", id="quoted"),
        pytest.param("#[(attributes.headers['ClientId'])]", "clientid", id="bracketed"),
        pytest.param("#[lower(attributes.headers['ClientId'])]", None, id="changed"),
        pytest.param("#[attributes.headers['Client' ++ 'Id']]", None, id="computed"),
        pytest.param("#[attributes.headers]", None, id="all headers"),
        pytest.param("#[attributes.queryParams.a]", None, id="query parameter"),
        pytest.param("key-#[attributes.headers['ClientId']]", None, id="in a text"),
        pytest.param("gold", None, id="plain text"),
    ],
)
def test_a_plain_header_lookup_names_its_header(field, name):
    assert compile_expression(field).header_name == name


def test_a_lookup_of_a_response_header_names_no_request_header():
    expression = compile_expression("#[attributes.headers['Server']]", message="response")
    assert expression.header_name is None
    assert expression.text(PlainScope(answered_headers={"server": "provider"})) == "provider"


@pytest.mark.parametrize(
    ("field", "needs"),
    [
        pytest.param("#[payload]", True, id="payload"),
        pytest.param("#[if (attributes.method == 'GET') 1 else lower(payload.a)]", True, id="deep inside"),
        pytest.param("a #[vars.b] c #[payload.d]", True, id="in one of two"),
        pytest.param("#[vars.payload]", False, id="another's member of that name"),
        pytest.param("#['payload']", False, id="a text of that name"),
        pytest.param("payload", False, id="plain text"),
    ],
)
def test_a_field_says_whether_it_reads_the_payload(field, needs):
    assert compile_expression(field).needs_payload is needs


def test_only_plain_text_is_constant():
    assert compile_expression(r"go\#[ld").constant == "go#[ld"
    assert compile_expression("#['gold']").constant is None


def test_a_result_without_text_says_so():
    expression = compile_expression("#[vars.a]")
    with pytest.raises(ExpressionError, match="the result has no text: holds a value that JSON cannot carry"):
        expression.text(PlainScope(left_by_policies={"a": [object()]}))


@pytest.mark.parametrize(
    ("field", "message"),
    [
        pytest.param("ab #[payload.]", "column 14: a name must follow", id="columns count from the field's start"),
        pytest.param("#[payload", "column 10: the expression is not closed: add `]`", id="open"),
        pytest.param("#[", "column 3: expected a value, found the end", id="only an opener"),
        pytest.param("#[]", "column 3: expected a value, found `]`", id="empty"),
        pytest.param("x" * (MAX_TEXT_CHARACTERS + 1), "longer than 65536 characters", id="too long"),
        pytest.param("#[1]" * (2 * MAX_EMBEDDED + 1), "more than 64 expressions", id="too many"),
    ],
)
def test_a_field_that_cannot_be_read_is_refused(field, message):
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(field)
    assert message in str(refusal.value)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("#[vars" + ".a" * 199 + "]", None, id="selectors"),
        pytest.param("#['a'" + " ++ 'a'" * 199 + "]", "a" * 200, id="operators"),
        pytest.param("#[" + "lower(" * 31 + "'A'" + ")" * 31 + "]", "a", id="calls"),
        pytest.param("#[null" + " default null" * 199 + "]", None, id="defaults"),
    ],
)
def test_the_deepest_expressions_allowed_can_be_evaluated(field, value):
    assert compile_expression(field).evaluate(SCOPE) == value


def test_as_many_expressions_as_are_allowed_are_read():
    assert compile_expression("#[1]," * MAX_EMBEDDED).text(SCOPE) == "1," * MAX_EMBEDDED


@given(
    st.text() | st.lists(st.sampled_from(["#[", "]", "\\", "a", "'", "payload", " ", "."]), max_size=20).map("".join)
)
def test_any_text_is_a_field_or_an_expression_error(field):
    with contextlib.suppress(ExpressionError):
        compile_expression(field).text(SCOPE)


@given(texts)
def test_text_with_its_openers_escaped_stands_for_itself(text):
    assert compile_expression(text.replace("#[", "\\#[")).text(SCOPE) == text


@given(payloads)
def test_a_whole_expression_gives_the_value_untouched_and_its_text_or_nothing(body):
    expression = compile_expression("#[payload]")
    assert expression.evaluate(PlainScope(body=body)) is body
    assert (expression.text(PlainScope(body=body)) is None) == (body is None)


PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"


def rows_of_page(outcome: str) -> Iterator[tuple[str, str]]:
    """The rows of every table whose second column has that heading."""
    heading = ""
    for line in PAGE.read_text("utf-8").splitlines():
        if found := re.fullmatch(r"\| (?:Field|Expression) \| (\w+) \|", line):
            heading = found[1]
        elif not line.startswith("|"):
            heading = ""
        elif heading == outcome and (row := re.fullmatch(r"\| `(.+)` \| `(.+)` \|", line)):
            yield row[1], row[2]


def scope_of_page() -> PlainScope:
    block = re.search(r"```json\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    assert block
    exchange = msgspec.json.decode(block[1])
    attributes = exchange["attributes"]
    return PlainScope(
        method=attributes["method"],
        request_path=attributes["requestPath"],
        request_uri=attributes["requestUri"],
        query_string=attributes["queryString"],
        parameters=attributes["queryParams"],
        local_address=attributes["localAddress"],
        remote_address=attributes["remoteAddress"],
        scheme=attributes["scheme"],
        version=attributes["version"],
        status_code=exchange["response"]["statusCode"],
        sent_headers=attributes["headers"],
        answered_headers=exchange["response"]["headers"],
        identity=exchange["authentication"],
        body=exchange["payload"],
        left_by_policies=exchange["vars"],
    )


@pytest.mark.parametrize(("field", "result"), [pytest.param(*row, id=row[0]) for row in rows_of_page("Gives")])
def test_the_reference_page_shows_what_a_field_gives(field, result):
    value = compile_expression(field).evaluate(scope_of_page())
    assert msgspec.json.decode(msgspec.json.encode(value)) == msgspec.json.decode(result)


@pytest.mark.parametrize(("field", "message"), [pytest.param(*row, id=row[0]) for row in rows_of_page("Says")])
def test_the_reference_page_shows_what_a_refusal_says(field, message):
    with pytest.raises(ExpressionError) as refusal:
        compile_expression(field).evaluate(scope_of_page())
    assert str(refusal.value).replace("`", "'").startswith(message)


def test_the_reference_page_has_no_example_that_is_not_run():
    tables = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| `")]
    operators = [line for line in tables if not re.fullmatch(r"\| `.+` \| `.+` \|", line)]
    assert len(tables) - len(operators) == sum(1 for outcome in ("Gives", "Says") for _ in rows_of_page(outcome))
    assert all("#[" not in line for line in operators)
