"""Answers the gateway gives by itself: error headers, and the list of models a caller may use."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from tollway.core.errors import NotFound, TollwayError
from tollway.gateway.answer_headers import EVENT_STREAM, JSON, header_line, header_text
from tollway.interfaces.dialect import InboundFormat

if TYPE_CHECKING:
    from tollway.gateway.compiled import Endpoint

__all__ = ["EVENT_STREAM", "JSON", "error_lines", "header_line", "header_text", "models"]

_One = Callable[[str, str], dict[str, object]]
_Many = Callable[[list[dict[str, object]]], dict[str, object]]

_NOTHING: Final[Mapping[bytes, bytes]] = MappingProxyType({})
_RETRYABLE: Final = frozenset({408, 409, 429})


def error_lines(error: TollwayError, passed: Mapping[bytes, bytes] = _NOTHING) -> list[bytes]:
    """Write the headers that tell an SDK whether and when a repeat can help.

    Args:
        error: what is answered.
        passed: the provider's own headers, of which those for the caller are passed on beside these.
    """
    lines = [header_line(name, value) for name, value in error.headers]
    if error.retry_after_seconds is not None and b"retry-after" not in passed:
        lines.append(b"retry-after: %d\r\n" % max(1, -int(-error.retry_after_seconds // 1)))
    should = error.should_retry
    if should is None:
        # The gateway has done its own repeats for what failed upstream; another layer of them
        # would turn one call into many.
        should = (error.fault != "upstream" and error.status in _RETRYABLE) or error.retry_after_seconds is not None
    lines.append(b"x-should-retry: true\r\n" if should else b"x-should-retry: false\r\n")
    return lines


def models(endpoint: "Endpoint", wanted: str) -> bytes | TollwayError:
    """List the models of a proxy, or describe one, in the caller's format."""
    listed = endpoint.proxy.model_list
    shape = _SHAPES[endpoint.format]
    if endpoint.operation == "models":
        return msgspec.json.encode(shape[1]([shape[0](name, owner) for name, owner in listed]))
    for name, owner in listed:
        if name == wanted:
            return msgspec.json.encode(shape[0](name, owner))
    return NotFound(f"there is no model '{header_text(wanted)}' here; GET /models lists those there are", param="model")


def _openai_model(name: str, owner: str) -> dict[str, object]:
    return {"id": name, "object": "model", "created": 0, "owned_by": owner}


def _openai_list(data: list[dict[str, object]]) -> dict[str, object]:
    return {"object": "list", "data": data}


def _anthropic_model(name: str, owner: str) -> dict[str, object]:
    del owner
    return {"type": "model", "id": name, "display_name": name, "created_at": "1970-01-01T00:00:00Z"}


def _anthropic_list(data: list[dict[str, object]]) -> dict[str, object]:
    first = data[0]["id"] if data else None
    last = data[-1]["id"] if data else None
    return {"data": data, "has_more": False, "first_id": first, "last_id": last}


def _gemini_model(name: str, owner: str) -> dict[str, object]:
    del owner
    return {
        "name": f"models/{name}",
        "displayName": name,
        "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
    }


def _gemini_list(data: list[dict[str, object]]) -> dict[str, object]:
    return {"models": data}


_SHAPES: Final[dict[InboundFormat, tuple[_One, _Many]]] = {
    "openai": (_openai_model, _openai_list),
    "anthropic": (_anthropic_model, _anthropic_list),
    "gemini": (_gemini_model, _gemini_list),
}
