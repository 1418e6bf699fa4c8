import msgspec
import pytest

from tollway.core.answer import StreamFailed
from tollway.core.errors import BadRequest, NoHealthyRoute, PolicyRefusal, TollwayError, UpstreamAnswered
from tollway.dialects.anthropic_messages import DIALECT
from tollway.dialects.anthropic_messages.errors import error_status, error_type, render_failure, stream_failure

_TYPES = [
    (400, "invalid_request_error"),
    (401, "authentication_error"),
    (402, "billing_error"),
    (403, "permission_error"),
    (404, "not_found_error"),
    (409, "invalid_request_error"),
    (413, "request_too_large"),
    (429, "rate_limit_error"),
    (500, "api_error"),
    (502, "api_error"),
    (503, "overloaded_error"),
    (504, "timeout_error"),
    (529, "overloaded_error"),
]


@pytest.mark.parametrize(("status", "kind"), _TYPES)
def test_every_status_has_a_type_the_sdk_knows(status: int, kind: str) -> None:
    assert error_type(status) == kind


@pytest.mark.parametrize(
    "error",
    [BadRequest("no", param="model"), PolicyRefusal("no"), NoHealthyRoute("none"), TollwayError("oops")],
    ids=lambda error: type(error).__name__,
)
def test_an_error_is_written_as_the_api_writes_it(error: TollwayError) -> None:
    assert msgspec.json.decode(DIALECT.render_error(error)) == {
        "type": "error",
        "error": {"type": error_type(error.status), "message": error.message},
    }


def test_a_providers_own_type_is_kept() -> None:
    error = UpstreamAnswered("slow down", status=529, kind="rate_limit_error")
    assert msgspec.json.decode(DIALECT.render_error(error))["error"]["type"] == "rate_limit_error"
    foreign = UpstreamAnswered("slow down", status=429, kind="RESOURCE_EXHAUSTED")
    assert msgspec.json.decode(DIALECT.render_error(foreign))["error"]["type"] == "rate_limit_error"


def test_an_error_ends_a_stream_as_an_event_of_its_own() -> None:
    written = DIALECT.render_stream_error(NoHealthyRoute("none left"))
    assert written == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"none left"}}\n\n'
    )


@pytest.mark.parametrize(
    ("kind", "status"), [("overloaded_error", 529), ("rate_limit_error", 429), ("api_error", 500), ("new_error", 502)]
)
def test_an_error_in_a_stream_has_the_status_it_has_outside(kind: str, status: int) -> None:
    assert error_status(kind) == status
    failed = stream_failure({"type": "error", "error": {"type": kind, "message": "so"}})
    assert failed == StreamFailed("so", status=status, kind=kind)


def test_an_error_event_without_words_still_says_something() -> None:
    assert stream_failure({"type": "error"}).message


def test_a_failure_reported_by_another_api_keeps_its_meaning() -> None:
    written = render_failure(StreamFailed("gone", status=429, kind="RESOURCE_EXHAUSTED"))
    assert b'"rate_limit_error"' in written


@pytest.mark.parametrize(
    ("body", "message", "kind"),
    [
        (
            b'{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"r"}',
            "Overloaded",
            "overloaded_error",
        ),
        (b'{"error":"plain"}', "plain", ""),
        (b"upstream connect error", "upstream connect error", ""),
        (b"", "the provider answered with status 529 and no explanation", ""),
        (b"<html>bad gateway</html>", "the provider answered with status 529 and no explanation", ""),
    ],
)
def test_a_providers_error_is_read_whatever_its_shape(body: bytes, message: str, kind: str) -> None:
    error = DIALECT.parse_error(529, body, {"retry-after": "7"})
    assert (error.status, error.message, error.kind, error.retry_after_seconds) == (529, message, kind, 7.0)
