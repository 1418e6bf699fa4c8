"""Google's errors, both directions.

Source: google/rpc/code.proto, which gives each code its HTTP status.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_list, as_object, as_text

_CODES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
    529: "UNAVAILABLE",
}
_STATUSES: Final = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "DATA_LOSS": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}
_DURATION: Final = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)s")


def error_code(status: int, kind: str = "") -> str:
    """Name an error: the provider's own code where it is one of Google's, else by status."""
    if kind in _STATUSES:
        return kind
    return _CODES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")


def error_value(error: TollwayError) -> JsonObject:
    """Write an error as a value."""
    kind = error.kind if isinstance(error, UpstreamAnswered) else ""
    return _value(error.status, error.message, error_code(error.status, kind))


def failure_value(event: StreamFailed) -> JsonObject:
    """Write the error that a provider reported inside its stream."""
    return _value(event.status, event.message, error_code(event.status, event.kind))


def render_error(error: TollwayError) -> bytes:
    """Write an error body."""
    return msgspec.json.encode(error_value(error))


def parse_error(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
    """Read a provider's error: the shape that OpenAI's family reads too, and Google's details."""
    found = openai_errors.parse_error(status, body, headers)
    try:
        value: Json = msgspec.json.decode(body)
    except NOT_JSON:
        return found
    wrapped = as_list(value)
    details = as_list(as_object(as_object(wrapped[0] if wrapped else value).get("error")).get("details"))
    delay, field = found.retry_after_seconds, found.param
    for item in details:
        detail = as_object(item)
        if detail.get("reason") == "API_KEY_INVALID":
            # Google answers a key it does not know with 400: what it means is 401, for rotation of keys
            # and for the caller, whose request is not at fault.
            return UpstreamAnswered(found.message, status=401, kind="UNAUTHENTICATED")
        retry = _DURATION.fullmatch(as_text(detail.get("retryDelay")))
        if delay is None and retry is not None:
            delay = float(retry.group(1))
        violations = as_list(detail.get("fieldViolations"))
        if field is None and violations:
            field = as_text(as_object(violations[0]).get("field")) or None
    if delay == found.retry_after_seconds and field == found.param:
        return found
    return UpstreamAnswered(found.message, status=status, kind=found.kind, param=field, retry_after_seconds=delay)


def stream_failure(error: Mapping[str, Json]) -> StreamFailed:
    """Read an `error` member in a stream."""
    kind = as_text(error.get("status"))
    code = error.get("code")
    status = code if isinstance(code, int) and 400 <= code <= 599 else _STATUSES.get(kind, 502)
    message = as_text(error.get("message")) or "the provider reported an error without saying which"
    return StreamFailed(message, status=status, kind=kind)


def _value(status: int, message: str, code: str) -> JsonObject:
    return {"error": {"code": status, "message": message, "status": code}}
