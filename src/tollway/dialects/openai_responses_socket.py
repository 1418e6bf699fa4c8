"""OpenAI's Responses API over a WebSocket. https://developers.openai.com/api/docs/guides/websocket-mode.

Rules of this file:
- Each `response.create` has the body of a `POST /responses` and asks for one response, answered by the events of a
  stream; one of several lanes is named by `stream_id`.
- Every `response.create` names its model, and all of a connection must name the same: a connection goes to one
  provider.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import JsonObject
from tollway.dialects import openai_errors
from tollway.dialects.openai_responses.usage import parse_usage
from tollway.dialects.socket_handshake import (
    BYTES_PER_TOKEN,
    close_code_of,
    compact,
    members_of,
    openai_subprotocol,
    passed_query,
    replaced,
    subprotocol_headers,
    text_of,
)
from tollway.interfaces.dialect import AnswerFacts, Endpoint, InboundFormat
from tollway.interfaces.realtime import ClientEvent, ModelPlace, RealtimeDialect, ServerEvent
from tollway.interfaces.usage_record import Outcome

_NAME: Final = "openai-responses-socket"
_OWN: Final = frozenset({"model", "api-version"})
_ENDS: Final[Mapping[str, Outcome]] = {
    "response.completed": "ok",
    "response.incomplete": "ok",
    "response.failed": "error",
    "response.cancelled": "cancelled",
}
_KEY_CODES: Final = frozenset({"invalid_api_key", "authentication_error", "insufficient_permissions"})
_KEY_STATUSES: Final = frozenset({401, 403})

_ABSENT: Final = msgspec.Raw(b"")
"""Of a member that was not sent; `Raw` has no None beside it."""


class _Error(msgspec.Struct):
    type: str | None = None
    code: str | None = None


class _Response(msgspec.Struct):
    id: str | None = None
    model: str | None = None
    service_tier: str | None = None
    status: str | None = None
    usage: JsonObject | None = None


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = _ABSENT
    response_id: str | None = None
    stream_id: str | None = None
    status: int | None = None
    code: str | None = None
    error: _Error | None = None


_EVENT: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_INTEGER: Final = msgspec.json.Decoder(int)


class OpenAIResponsesSocket:
    """Both sides of Responses over a WebSocket."""

    name: str = _NAME
    format: InboundFormat = "openai"
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(
            operation="realtime",
            dialect=_NAME,
            method="GET",
            path="/responses",
            versions=("/v1", "", "/openai/v1", "/openai"),
            streams="always",
        ),
    )
    model_place: ModelPlace = "message"
    not_served: Mapping[str, str] = MappingProxyType({})

    def caller_headers(self, query: Mapping[str, str], subprotocols: Sequence[str]) -> Mapping[bytes, bytes]:
        """Read the subprotocols."""
        del query
        return subprotocol_headers(subprotocols)

    def requested_model(self, query: Mapping[str, str]) -> str:
        """None: messages name it."""
        del query
        return ""

    def passed_query(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """Pass nothing: the API has no parameters."""
        return passed_query(query, own=_OWN, passed=frozenset())

    def subprotocol(self, offered: Sequence[str]) -> str:
        """Choose `realtime`, which browsers offer beside their key."""
        return openai_subprotocol(offered)

    def watch(self) -> "OpenAIResponsesWatch":
        """Make the watch of one session."""
        return OpenAIResponsesWatch()

    def with_model(self, data: bytes, model: str) -> bytes:
        """Write the model of a `response.create`."""
        return replaced(data, ("model",), model)

    def named(self, data: bytes, name: str) -> bytes:
        """Leave it: a lane that the caller did not ask for would change what it is answered."""
        del name
        return data

    def cancel(self, response: str) -> bytes:
        """Give none: the API stops a response only by closing."""
        del response
        return b""

    def error_event(self, error: TollwayError, *, about: str, new_id: str) -> bytes:
        """Write an `error` event, in the lane it is about."""
        del new_id
        inner = openai_errors.error_object(error)
        lane: JsonObject = {"stream_id": about} if about else {}
        return compact(
            {
                "type": "error",
                "status": error.status,
                "error": inner,
                # What the SDKs' type of a stream's error event has at its top.
                "code": inner["code"],
                "message": inner["message"],
                "param": inner["param"],
                "sequence_number": 0,
                **lane,
            }
        )

    def close_code(self, error: TollwayError) -> int:
        """Choose the close code."""
        return close_code_of(error)

    def secret_close(self, code: int, reason: str) -> bool:
        """Tell whether a close speaks of the key."""
        return code in (3000, 3003) or any(word in reason.lower() for word in ("api key", "api_key", "authenticat"))

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's refusal of the handshake."""
        return openai_errors.parse_error(status, body, headers)


class OpenAIResponsesWatch:
    """Looks at the events of one session."""

    __slots__ = ()

    def client(self, data: bytes) -> ClientEvent:
        """Look at a caller's event.

        Raises:
            BadRequest: it is not a JSON object with a `type`, or asks without a model.
        """
        members = members_of(data)
        kind = text_of(members.get("type"), "type")
        if not kind:
            msg = "the event has no 'type'"
            raise BadRequest(msg, param="type", code="missing_required_parameter")
        lane = text_of(members.get("stream_id"), "stream_id")
        tokens = len(data) // BYTES_PER_TOKEN
        if kind != "response.create":
            return ClientEvent(name=lane, input_tokens=tokens)
        model = text_of(members.get("model"), "model")
        if not model:
            msg = "'response.create' names no model; say which one, so that the gateway can route it"
            raise BadRequest(msg, param="model", code="missing_required_parameter")
        return ClientEvent(asks=True, name=lane, model=model, input_tokens=tokens, max_output_tokens=_integer(members))

    def server(self, data: bytes) -> ServerEvent:
        """Look at a provider's event.

        Raises:
            UpstreamGarbled: it is not a JSON object, or an event that matters is not what it should be.
        """
        try:
            event = _EVENT.decode(data)
            kind = event.type
            lane = event.stream_id or ""
            if kind == "response.created":
                return ServerEvent(kind=kind, response=_response(event).id or "", begins=True, about=lane)
            outcome = _ENDS.get(kind)
            if outcome is not None:
                return _ended(kind, _response(event), outcome)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            msg = "the provider sent an event that its API does not know"
            raise UpstreamGarbled(msg) from None
        if kind == "error":
            error = event.error or _Error()
            code = error.code or event.code or error.type or "upstream_error"
            secret = code in _KEY_CODES or event.status in _KEY_STATUSES
            return ServerEvent(kind=kind, refuses=True, about=lane, code=code, secret=secret)
        return ServerEvent(kind=kind, response=event.response_id)


def _response(event: _Event) -> _Response:
    if not event.response:
        msg = "an event without its response"
        raise msgspec.ValidationError(msg)
    return _RESPONSE.decode(event.response)


def _ended(kind: str, response: _Response, outcome: Outcome) -> ServerEvent:
    return ServerEvent(
        kind=kind,
        response=response.id or "",
        ends=True,
        outcome=outcome,
        facts=AnswerFacts(
            usage=parse_usage(response.usage) if response.usage else None,
            model=response.model or "",
            id=response.id or "",
            finish=response.status or "",
            service_tier=response.service_tier or "",
        ),
        code="response_failed" if outcome == "error" else "",
    )


def _integer(members: Mapping[str, msgspec.Raw]) -> int | None:
    raw = members.get("max_output_tokens")
    if raw is None:
        return None
    try:
        return _INTEGER.decode(raw)
    except msgspec.DecodeError:
        return None


DIALECT: Final[RealtimeDialect] = OpenAIResponsesSocket()
