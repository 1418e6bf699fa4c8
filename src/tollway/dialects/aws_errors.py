"""Errors of AWS services, both directions: a name in `x-amzn-ErrorType`, and a body with a `message`.

Rules of this file:
- The name decides what an SDK raises, so it is always one that the service documents.
- Inside a stream an error is a frame of its own, whose name begins with a small letter; only a few
  names may stand there.

Source: the service model of Amazon Bedrock Runtime, and AWS's list of common errors.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import Json
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_object, as_text
from tollway.wire.aws_event_stream import encode_exception

_NAMES: Final = {
    400: "ValidationException",
    401: "UnrecognizedClientException",
    402: "AccessDeniedException",
    403: "AccessDeniedException",
    404: "ResourceNotFoundException",
    408: "ModelTimeoutException",
    409: "ConflictException",
    413: "ValidationException",
    424: "ModelErrorException",
    429: "ThrottlingException",
    500: "InternalServerException",
    502: "ModelErrorException",
    503: "ServiceUnavailableException",
    504: "ModelTimeoutException",
    529: "ServiceUnavailableException",
}
_STATUSES: Final = {
    "AccessDeniedException": 403,
    "ConflictException": 400,
    "ExpiredTokenException": 403,
    "IncompleteSignatureException": 400,
    "InternalFailure": 500,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnknownOperationException": 404,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
_BY_CODE: Final = {
    "invalid_signature": "InvalidSignatureException",
    "expired_signature": "InvalidSignatureException",
    "incomplete_signature": "IncompleteSignatureException",
    "invalid_credentials": "UnrecognizedClientException",
}
_IN_STREAMS: Final = {
    400: "validationException",
    429: "throttlingException",
    500: "internalServerException",
    503: "serviceUnavailableException",
    529: "serviceUnavailableException",
}
"""What may stand in a stream; the model's own trouble is what everything else is called."""


def error_name(error: TollwayError) -> str:
    """Name an error: the provider's own name where it is one of AWS, else by what it means."""
    if isinstance(error, UpstreamAnswered) and error.kind in _STATUSES:
        return error.kind
    by_status = _NAMES.get(error.status, "InternalServerException" if error.status >= 500 else "ValidationException")
    return _BY_CODE.get(error.code, by_status)


def error_headers(error: TollwayError) -> tuple[tuple[str, str], ...]:
    """Give the header that names an error."""
    return (("x-amzn-ErrorType", error_name(error)),)


def render_error(error: TollwayError) -> bytes:
    """Write an error body."""
    return msgspec.json.encode({"message": error.message})


def render_stream_error(error: TollwayError) -> bytes:
    """Write the frame that ends a stream with an error."""
    return _exception(error.status, error.message)


def render_failure(event: StreamFailed) -> bytes:
    """Write the error that a provider reported inside its stream."""
    return _exception(event.status, event.message)


def _exception(status: int, message: str) -> bytes:
    if 400 < status < 500 and status not in _IN_STREAMS and status not in {408, 424}:
        status = 400
    name = _IN_STREAMS.get(status, "modelStreamErrorException")
    found: dict[str, object] = {"message": message}
    if name == "modelStreamErrorException":
        found["originalStatusCode"] = status
    return encode_exception(name, msgspec.json.encode(found))


def parse_error(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
    """Read a provider's error, whatever its shape. Never raises."""
    found = openai_errors.parse_error(status, body, headers)
    value = _decoded(body)
    return UpstreamAnswered(
        as_text(value.get("Message")) or found.message,
        status=status,
        kind=_bare_name(headers.get("x-amzn-errortype", "") or as_text(value.get("__type"))) or found.kind,
        code=found.code if found.code != UpstreamAnswered.code else None,
        param=found.param,
        retry_after_seconds=found.retry_after_seconds,
    )


def stream_error(name: str, payload: bytes) -> UpstreamAnswered:
    """Read an exception that stands in a stream."""
    value = _decoded(payload)
    kind = name[:1].upper() + name[1:]
    original = value.get("originalStatusCode", value.get("OriginalStatusCode"))
    status = original if isinstance(original, int) and 400 <= original <= 599 else _STATUSES.get(kind, 502)
    message = as_text(value.get("originalMessage")) or as_text(value.get("message")) or as_text(value.get("Message"))
    return UpstreamAnswered(message or "the provider reported an error without saying which", status=status, kind=kind)


def stream_failure(name: str, payload: bytes) -> StreamFailed:
    """Read an exception that stands in a stream, as the end of it."""
    error = stream_error(name, payload)
    return StreamFailed(error.message, status=error.status, kind=error.kind)


def _bare_name(name: str) -> str:
    """Take off what surrounds a name: `com.amazon.coral#Name`, `Name:http://internal…`."""
    return name.partition(":")[0].rpartition("#")[2].strip()


def _decoded(body: bytes) -> dict[str, Json]:
    try:
        value: Json = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return as_object(value)
