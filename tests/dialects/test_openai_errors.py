import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.validators import complaints

from tollway.core.errors import (
    BadRequest,
    BodyTooLarge,
    NoHealthyRoute,
    NotFound,
    TollwayError,
    Unauthenticated,
    UpstreamAnswered,
    UpstreamTimeout,
)
from tollway.dialects.openai_errors import (
    error_in_answer,
    parse_error,
    render_error,
    retry_after,
    status_of_stream_error,
)


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (BadRequest("x", param="n"), "invalid_request_error", "invalid_request"),
        (Unauthenticated("x"), "authentication_error", "invalid_credentials"),
        (NotFound("x", code="model_not_found"), "not_found_error", "model_not_found"),
        (BodyTooLarge("x"), "invalid_request_error", "body_too_large"),
        (NoHealthyRoute("x"), "server_error", "no_healthy_route"),
        (UpstreamTimeout("x"), "server_error", "upstream_timeout"),
        (UpstreamAnswered("x", status=429, kind="tokens", code="rate_limit_exceeded"), "tokens", "rate_limit_exceeded"),
        (UpstreamAnswered("x", status=529, kind="overloaded_error"), "server_error", "overloaded_error"),
        (UpstreamAnswered("x", status=429, kind="RESOURCE_EXHAUSTED"), "rate_limit_error", "resource_exhausted"),
        (UpstreamAnswered("x", status=418), "invalid_request_error", None),
    ],
    ids=lambda one: type(one).__name__ if isinstance(one, TollwayError) else str(one),
)
def test_an_error_is_written_as_the_sdks_expect_it(error: TollwayError, kind: str, code: str | None) -> None:
    body = msgspec.json.decode(render_error(error))
    assert body == {"error": {"message": "x", "type": kind, "param": error.param, "code": code}}
    assert complaints("openai.error", body) == []


def test_a_body_that_was_fixed_elsewhere_is_kept() -> None:
    assert render_error(BadRequest("x", openai_body={"error": "as told"})) == b'{"error":"as told"}'


@pytest.mark.parametrize(
    ("body", "message", "kind", "code", "param"),
    [
        (b'{"error":{"message":"m","type":"t","code":"c","param":"p"}}', "m", "t", "c", "p"),
        (b'{"error":{"message":"m","code":404,"status":"NOT_FOUND"}}', "m", "NOT_FOUND", "404", None),
        (b'[{"error":{"message":"m","code":400}}]', "m", "", None, None),
        (b'{"error":"m"}', "m", "", None, None),
        (b'{"object":"error","message":"m","type":"BadRequestError","code":400}', "m", "BadRequestError", None, None),
        (b'{"error":{"code":"401"},"message":"m"}', "m", "", "401", None),
        (b'{"detail":"m"}', "m", "", None, None),
        (b'{"detail":[{"loc":["body","n"],"msg":"m"}]}', "body.n: m", "", None, "body.n"),
        (
            b'{"message":{"detail":[{"loc":["body","store"],"msg":"m"}]},"type":"invalid_request_error","code":null}',
            "body.store: m",
            "invalid_request_error",
            None,
            "body.store",
        ),
        (
            b'{"object":"Error","message":[{"loc":["body","tools"],"msg":"m"}],"type":"t","code":3001}',
            "body.tools: m",
            "t",
            "3001",
            "body.tools",
        ),
        (b'{"message":"Unauthorized","request_id":"r"}', "Unauthorized", "", None, None),
        (b'{"code":"invalid-argument","error":"m"}', "m", "", "invalid-argument", None),
        (b'{"error":"m","error_type":"validation"}', "m", "validation", None, None),
        (b'{"type":"about:blank","status":404,"title":"Not Found","detail":"m"}', "m", "", None, None),
        (b'{"fault":{"faultstring":"m","detail":{"errorcode":"x"}}}', "m", "", None, None),
        (
            b'{"error":{"message":"o","code":400,"metadata":{"raw":"{\\"error\\":{\\"message\\":\\"m\\"}}"}}}',
            "o: m",
            "",
            None,
            None,
        ),
        (b'{"error":{"message":"o","metadata":{"raw":"m"}}}', "o: m", "", None, None),
        (b'{"error":{"message":"o","metadata":{"raw":"<html>"}}}', "o", "", None, None),
        (b"plain words", "plain words", "", None, None),
        (b"<html>no</html>", "the provider answered with status 400 and no explanation", "", None, None),
        (b"", "the provider answered with status 400 and no explanation", "", None, None),
        (b"{}", "the provider answered with status 400 and no explanation", "", None, None),
        (b'{"error":{"message":7}}', "the provider answered with status 400 and no explanation", "", None, None),
    ],
    ids=[
        "openai",
        "google",
        "google-list",
        "string",
        "vllm",
        "message-outside",
        "detail",
        "validation",
        "validation-in-message",
        "validation-as-message",
        "message-at-the-top",
        "error-and-code",
        "error-type",
        "problem-details",
        "fault",
        "behind-a-router",
        "text-behind-a-router",
        "html-behind-a-router",
        "text",
        "html",
        "empty",
        "no-fields",
        "odd-message",
    ],
)
def test_errors_of_many_shapes_are_read(
    body: bytes, message: str, kind: str, code: str | None, param: str | None
) -> None:
    error = parse_error(400, body, {})
    assert error.message == message
    assert error.kind == kind
    assert error.param == param
    assert error.code == (code or UpstreamAnswered.code)
    assert error.status == 400


@given(st.binary(max_size=200), st.integers(400, 599))
def test_no_error_body_makes_reading_fail(body: bytes, status: int) -> None:
    error = parse_error(status, body, {})
    assert error.status == status
    assert error.message
    assert complaints("openai.error", msgspec.json.decode(render_error(error))) == []


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:30 GMT", "date": "Wed, 21 Oct 2015 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT", "date": "Wed, 21 Oct 2015 07:28:30 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-3"}, None),
    ],
    ids=["none", "seconds", "fraction", "ms", "date", "past", "no-clock", "words", "negative"],
)
def test_when_to_come_back_is_read_from_every_form(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds
    assert parse_error(429, b"", headers).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"code": 429}, 429),
        ({"status": 400, "code": "content_filter"}, 400),
        ({"code": "503"}, 503),
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "invalid_request_error"}, 400),
        ({"code": 200}, 502),
        ({}, 502),
    ],
)
def test_an_error_in_a_stream_has_the_status_it_had_outside(error: dict[str, object], status: int) -> None:
    assert status_of_stream_error(error) == status


def test_an_answer_without_an_error_holds_none() -> None:
    assert error_in_answer({"error": None}) is None
    assert error_in_answer({}) is None
    found = error_in_answer({"error": "broken"})
    assert found is not None
    assert (found.message, found.status) == ("broken", 502)
