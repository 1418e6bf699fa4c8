"""Answers the gateway gives by itself: error headers, and the list of models a caller may use."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import msgspec

from tollway.core.errors import BadRequest, NotFound, TollwayError
from tollway.core.json_value import NOT_JSON
from tollway.gateway.answer_headers import JSON, header_line, header_text

if TYPE_CHECKING:
    from tollway.gateway.compiled import Endpoint

__all__ = ["JSON", "error_lines", "header_line", "header_text", "models"]

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


def models(endpoint: "Endpoint", wanted: str, body: bytes) -> bytes | TollwayError:
    """List the models of a proxy, or describe one, in the caller's format. `body` is the request's."""
    listed = endpoint.proxy.model_list
    shape = endpoint.models
    if shape is None:  # pragma: no cover - only dialects with a list have the endpoint
        return NotFound("this API lists no models")
    if endpoint.action:
        return msgspec.json.encode(shape.notes[endpoint.action])
    if endpoint.operation == "models":
        return msgspec.json.encode(shape.many([shape.one(name, owner) for name, owner in listed]))
    if shape.model_member:
        named = _member(body, shape.model_member)
        if named is None:
            return BadRequest(
                f"{shape.model_member}: required; send a JSON object that names the model", param=shape.model_member
            )
        wanted = named
    for name, owner in listed:
        if name == wanted:
            document = shape.one(name, owner)
            return msgspec.json.encode(document if shape.alone is None else shape.alone(document))
    where = shape.list_path
    return NotFound(f"there is no model '{header_text(wanted)}' here; GET {where} lists those there are", param="model")


def _member(body: bytes, name: str) -> str | None:
    try:
        return msgspec.json.decode(msgspec.json.decode(body, type=dict[str, msgspec.Raw])[name], type=str)
    except (*NOT_JSON, KeyError):
        return None
