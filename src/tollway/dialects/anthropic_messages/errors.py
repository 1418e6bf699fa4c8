"""Anthropic's errors, both directions."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import as_object, as_text
from tollway.wire.sse import sse_event

_TYPES: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STATUSES: Final = {kind: status for status, kind in reversed(_TYPES.items())} | {
    "timeout_error": 504,
    "overloaded_error": 529,
}
OWN_TYPES: Final = frozenset(_STATUSES)


def error_type(status: int, kind: str = "") -> str:
    """Name an error: the provider's own type where it is one of this API, else by status."""
    if kind in OWN_TYPES:
        return kind
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def error_status(kind: str) -> int:
    """Give the status an error in a stream has outside one."""
    return _STATUSES.get(kind, 502)


def error_value(error: TollwayError) -> JsonObject:
    """Write an error as a value."""
    kind = error.kind if isinstance(error, UpstreamAnswered) else ""
    return _value(error_type(error.status, kind), error.message)


def render_error(error: TollwayError) -> bytes:
    """Write an error body."""
    return msgspec.json.encode(error_value(error))


def render_stream_error(error: TollwayError) -> bytes:
    """Write the error event that ends a stream."""
    return sse_event(msgspec.json.encode(error_value(error)), b"error")


def render_failure(event: StreamFailed) -> bytes:
    """Write the error that a provider reported inside its stream."""
    return sse_event(msgspec.json.encode(_value(error_type(event.status, event.kind), event.message)), b"error")


def stream_failure(event: Mapping[str, object]) -> StreamFailed:
    """Read an `error` event."""
    error = as_object(event.get("error"))
    kind = as_text(error.get("type"))
    message = as_text(error.get("message")) or "the provider reported an error without saying which"
    return StreamFailed(message, status=error_status(kind), kind=kind)


def _value(kind: str, message: str) -> JsonObject:
    return {"type": "error", "error": {"type": kind, "message": message}}
