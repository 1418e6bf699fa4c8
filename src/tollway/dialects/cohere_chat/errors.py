"""Cohere's errors, both directions: `{"id": …, "message": …}`, and in a stream a `message-end` without an answer."""

from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import Json, JsonObject
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_text
from tollway.wire.sse import sse_event

_FAILURES: Final = {"ERROR": 502, "TIMEOUT": 504}
"""Finish reasons that are failures, and the status each has outside a stream."""


def render_error(error: TollwayError) -> bytes:
    """Write an error body."""
    return msgspec.json.encode({"message": error.message})


def render_stream_error(error: TollwayError) -> bytes:
    """Write the event that ends a stream with an error."""
    return _failed(error.message, error.status)


def render_failure(event: StreamFailed) -> bytes:
    """Write the error that a provider reported inside its stream."""
    return _failed(event.message, event.status)


def _failed(message: str, status: int) -> bytes:
    reason = next((word for word, code in _FAILURES.items() if code == status), "ERROR")
    value: JsonObject = {"type": "message-end", "delta": {"error": message, "finish_reason": reason}}
    return sse_event(msgspec.json.encode(value), b"message-end")


def failure_in(ending: Mapping[str, Json]) -> UpstreamAnswered | None:
    """Find the error in what ends an answer: its finish reason, or an `error` in its place."""
    message = as_text(ending.get("error"))
    reason = as_text(ending.get("finish_reason")).upper()
    status = _FAILURES.get("ERROR" if reason.startswith("ERROR") else reason)
    if status is None and not message:
        return None
    words = message or f"the provider ended its answer with {reason} and no explanation"
    return UpstreamAnswered(words, status=status or 502, kind=reason)


def parse_error(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
    """Read a provider's error; the shape is one that the OpenAI family's reader knows too."""
    return openai_errors.parse_error(status, body, headers)
