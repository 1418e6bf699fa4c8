import msgspec
import pytest

from tollway.core.answer import StreamFailed
from tollway.core.errors import (
    BadRequest,
    MethodNotAllowed,
    NoHealthyRoute,
    PolicyRefusal,
    TollwayError,
    UpstreamAnswered,
)
from tollway.dialects.gemini import DIALECT
from tollway.dialects.gemini.errors import error_code, failure_value, parse_error, stream_failure


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "INVALID_ARGUMENT"),
        (401, "UNAUTHENTICATED"),
        (403, "PERMISSION_DENIED"),
        (404, "NOT_FOUND"),
        (402, "FAILED_PRECONDITION"),
        (405, "INVALID_ARGUMENT"),
        (408, "DEADLINE_EXCEEDED"),
        (409, "ABORTED"),
        (413, "INVALID_ARGUMENT"),
        (429, "RESOURCE_EXHAUSTED"),
        (499, "CANCELLED"),
        (500, "INTERNAL"),
        (501, "UNIMPLEMENTED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (529, "UNAVAILABLE"),
        (507, "INTERNAL"),
    ],
)
def test_every_status_has_a_code_of_googles(status: int, code: str) -> None:
    assert error_code(status) == code


@pytest.mark.parametrize(
    "error",
    [BadRequest("no"), PolicyRefusal("no"), MethodNotAllowed("no"), NoHealthyRoute("none"), TollwayError("oops")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_written_as_google_writes_it(error: TollwayError) -> None:
    assert msgspec.json.decode(DIALECT.render_error(error)) == {
        "error": {"code": error.status, "message": error.message, "status": error_code(error.status)}
    }
    assert DIALECT.render_stream_error(error) == b"data: " + DIALECT.render_error(error) + b"\n\n"


def test_a_providers_own_code_is_kept() -> None:
    error = UpstreamAnswered("not yet", status=400, kind="FAILED_PRECONDITION")
    assert msgspec.json.decode(DIALECT.render_error(error))["error"]["status"] == "FAILED_PRECONDITION"
    foreign = UpstreamAnswered("slow down", status=429, kind="rate_limit_error")
    assert msgspec.json.decode(DIALECT.render_error(foreign))["error"]["status"] == "RESOURCE_EXHAUSTED"


_DETAILS = (
    b'{"error":{"code":429,"message":"Quota exceeded","status":"RESOURCE_EXHAUSTED","details":['
    b'{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{"field":"contents","description":"x"}]},'
    b'{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"34.5s"}]}}'
)


@pytest.mark.parametrize("body", [_DETAILS, b"[" + _DETAILS + b"]"], ids=["an object", "a list of one"])
def test_googles_details_say_when_to_repeat_and_what_was_wrong(body: bytes) -> None:
    error = parse_error(429, body, {})
    assert (error.message, error.kind) == ("Quota exceeded", "RESOURCE_EXHAUSTED")
    assert (error.retry_after_seconds, error.param) == (34.5, "contents")


def test_a_key_google_does_not_know_is_not_the_callers_fault() -> None:
    body = (
        b'{"error":{"code":400,"message":"API key not valid","status":"INVALID_ARGUMENT","details":['
        b'{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}]}}'
    )
    error = parse_error(400, body, {})
    assert (error.status, error.kind, error.message) == (401, "UNAUTHENTICATED", "API key not valid")


def test_a_header_says_more_surely_when_to_repeat() -> None:
    assert parse_error(429, _DETAILS, {"retry-after": "2"}).retry_after_seconds == 2.0


@pytest.mark.parametrize("body", [b"", b"nope", b"[]", b"{}", b'{"error":"x"}', b'{"error":{"details":"x"}}'])
def test_an_error_of_any_shape_is_read(body: bytes) -> None:
    error = parse_error(503, body, {})
    assert error.status == 503
    assert error.message


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (
            {"code": 503, "message": "busy", "status": "UNAVAILABLE"},
            StreamFailed("busy", status=503, kind="UNAVAILABLE"),
        ),
        ({"message": "m", "status": "RESOURCE_EXHAUSTED"}, StreamFailed("m", status=429, kind="RESOURCE_EXHAUSTED")),
        ({"code": 3, "message": "m"}, StreamFailed("m", status=502)),
    ],
)
def test_an_error_in_a_stream_has_the_status_it_has_outside(error: dict[str, object], expected: StreamFailed) -> None:
    assert stream_failure(error) == expected


def test_an_error_without_words_still_says_something() -> None:
    assert stream_failure({}).message


def test_a_failure_reported_by_another_api_keeps_its_meaning() -> None:
    assert failure_value(StreamFailed("busy", status=529, kind="overloaded_error")) == {
        "error": {"code": 529, "message": "busy", "status": "UNAVAILABLE"}
    }
