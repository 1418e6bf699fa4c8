"""Ollama's errors, both directions: `{"error": "…"}`, as a body and as a line of a stream."""

from collections.abc import Mapping

import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.dialects import openai_errors


def render_error(error: TollwayError) -> bytes:
    """Write an error body."""
    return msgspec.json.encode({"error": error.message})


def render_stream_error(error: TollwayError) -> bytes:
    """Write the line that ends a stream with an error."""
    return render_error(error) + b"\n"


def render_failure(event: StreamFailed) -> bytes:
    """Write the error that a provider reported inside its stream."""
    return msgspec.json.encode({"error": event.message}) + b"\n"


def parse_error(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
    """Read a provider's error; the shape is one that the OpenAI family's reader knows too."""
    return openai_errors.parse_error(status, body, headers)
