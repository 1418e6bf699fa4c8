import msgspec
import pytest

from tollway.core.answer import StreamFailed
from tollway.core.errors import (
    BadRequest,
    Forbidden,
    TollwayError,
    Unauthenticated,
    UpstreamAnswered,
    UpstreamCut,
    UpstreamTimeout,
)
from tollway.dialects.aws_errors import (
    error_headers,
    parse_error,
    render_error,
    render_failure,
    render_stream_error,
    stream_error,
    stream_failure,
)
from tollway.wire.aws_event_stream import decode_frame


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (BadRequest("x"), "ValidationException"),
        (Unauthenticated("x"), "UnrecognizedClientException"),
        (Forbidden("x"), "AccessDeniedException"),
        (Forbidden("x", code="expired_signature"), "InvalidSignatureException"),
        (BadRequest("x", code="incomplete_signature"), "IncompleteSignatureException"),
        (TollwayError("x", status=429), "ThrottlingException"),
        (TollwayError("x", status=418), "ValidationException"),
        (TollwayError("x", status=599), "InternalServerException"),
        (UpstreamTimeout("x"), "ModelTimeoutException"),
        (UpstreamAnswered("x", status=429, kind="ModelNotReadyException"), "ModelNotReadyException"),
        (UpstreamAnswered("x", status=529, kind="overloaded_error"), "ServiceUnavailableException"),
    ],
)
def test_an_error_is_named_in_a_header_as_sdks_expect(error: TollwayError, name: str) -> None:
    assert error_headers(error) == (("x-amzn-ErrorType", name),)
    assert msgspec.json.decode(render_error(error)) == {"message": "x"}


@pytest.mark.parametrize(
    ("status", "body", "headers", "kind", "message"),
    [
        (
            400,
            b'{"message":"The provided model identifier is invalid."}',
            {"x-amzn-errortype": "ValidationException:http://internal.amazon.com/coral/com.amazon.bedrock/"},
            "ValidationException",
            "The provided model identifier is invalid.",
        ),
        (
            403,
            b'{"Message":"No."}',
            {"x-amzn-errortype": "AccessDeniedException"},
            "AccessDeniedException",
            "No.",
        ),
        (
            400,
            b'{"__type":"com.amazon.coral.service#UnknownOperationException"}',
            {},
            "UnknownOperationException",
            "the provider answered with status 400 and no explanation",
        ),
        (503, b"<html>", {}, "", "the provider answered with status 503 and no explanation"),
        (500, b'["x"]', {}, "", "the provider answered with status 500 and no explanation"),
    ],
    ids=["header", "capital", "type in the body", "html", "list"],
)
def test_a_providers_error_is_read_whatever_its_shape(
    status: int, body: bytes, headers: dict[str, str], kind: str, message: str
) -> None:
    error = parse_error(status, body, headers)
    assert (error.status, error.kind, error.message) == (status, kind, message)


def test_when_to_repeat_is_read() -> None:
    assert parse_error(429, b"{}", {"retry-after": "7"}).retry_after_seconds == 7


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "validationException"),
        (404, "validationException"),
        (408, "modelStreamErrorException"),
        (424, "modelStreamErrorException"),
        (429, "throttlingException"),
        (500, "internalServerException"),
        (502, "modelStreamErrorException"),
        (504, "modelStreamErrorException"),
        (529, "serviceUnavailableException"),
    ],
)
def test_in_a_stream_an_error_is_a_frame_that_sdks_raise(status: int, name: str) -> None:
    frame = decode_frame(render_failure(StreamFailed("oh", status=status)))
    assert frame.text(":message-type") == "exception"
    assert frame.text(":exception-type") == name
    assert msgspec.json.decode(frame.payload)["message"] == "oh"
    again = stream_failure(name, frame.payload)
    assert again.message == "oh"
    assert again.status == {404: 400, 529: 503}.get(status, status)


def test_what_the_gateway_ends_a_stream_with_is_such_a_frame_too() -> None:
    frame = decode_frame(render_stream_error(UpstreamCut("it stopped")))
    assert stream_error(frame.text(":exception-type"), frame.payload).message == "it stopped"


def test_an_exception_of_a_stream_has_the_status_it_would_have_outside() -> None:
    error = stream_error("modelStreamErrorException", b'{"originalStatusCode":429,"originalMessage":"busy"}')
    assert (error.status, error.kind, error.message) == (429, "ModelStreamErrorException", "busy")
    unknown = stream_error("", b"not json")
    assert (unknown.status, unknown.kind) == (502, "")
