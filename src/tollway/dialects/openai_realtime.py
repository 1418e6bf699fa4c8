"""OpenAI's Realtime API over WebSocket. https://platform.openai.com/docs/api-reference/realtime.

Rules of this file:
- A response is asked for by `response.create`, or begun by the provider itself when it hears the user stop
  (`turn_detection`); either way it runs from `response.created` to `response.done`, which tells its usage.
- Input transcription is another model's work beside the responses; its event tells its own usage.
- Usage counts cached tokens within input, and cached audio within audio.
- The older preview shape differs in names of events that nobody here reads.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_count, as_object
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

_NAME: Final = "openai-realtime"
# "1 token per 100 ms" of a user's audio; 24 kHz of 16 bits in base 64 are 64,000 bytes a second.
_AUDIO_BYTES_PER_TOKEN: Final = 6400
_VERSIONS: Final = ("/v1", "", "/openai/v1", "/openai")
_EPHEMERAL: Final = (
    "the gateway hands out no ephemeral keys: a provider's would lead past its policies and its records; connect to "
    "'/v1/realtime' through the gateway, from a server that holds the client secret"
)
_CALLS: Final = (
    "sessions over WebRTC and SIP are not served: their media would go past the gateway; connect to '/v1/realtime' by "
    "WebSocket"
)
_NOT_SERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "/realtime/client_secrets": _EPHEMERAL,
        "/realtime/sessions": _EPHEMERAL,
        "/realtime/transcription_sessions": _EPHEMERAL,
        "/realtime/calls": _CALLS,
    }
)
_OWN: Final = frozenset({"model", "deployment", "api-version"})
_PASSED: Final = frozenset({"intent"})
_KEY_CODES: Final = frozenset(
    {"invalid_api_key", "authentication_error", "insufficient_permissions", "account_deactivated"}
)
_OUTCOMES: Final[Mapping[str, Outcome]] = {"failed": "error", "cancelled": "cancelled"}

_ABSENT: Final = msgspec.Raw(b"")
"""Of a member that was not sent; `Raw` has no None beside it."""


class _Asked(msgspec.Struct):
    max_output_tokens: object = None
    max_response_output_tokens: object = None


class _Error(msgspec.Struct):
    type: str | None = None
    code: str | None = None
    event_id: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    response: msgspec.Raw = _ABSENT
    response_id: str | None = None
    error: _Error | None = None
    usage: msgspec.Raw = _ABSENT
    session: msgspec.Raw = _ABSENT


class _Response(msgspec.Struct):
    id: str | None = None
    status: str | None = None
    usage: JsonObject | None = None


class _Transcription(msgspec.Struct):
    model: str | None = None


class _Input(msgspec.Struct):
    transcription: _Transcription | None = None


class _Audio(msgspec.Struct):
    input: _Input | None = None


class _Session(msgspec.Struct):
    type: str | None = None
    object: str | None = None
    audio: _Audio | None = None
    input_audio_transcription: _Transcription | None = None
    """Where the preview has it."""


_EVENT: Final = msgspec.json.Decoder(_Event)
_RESPONSE: Final = msgspec.json.Decoder(_Response)
_SESSION: Final = msgspec.json.Decoder(_Session | None)
_ASKED: Final = msgspec.json.Decoder(_Asked)
_USAGE: Final = msgspec.json.Decoder(JsonObject | None)


class OpenAIRealtime:
    """Both sides of the Realtime API."""

    name: str = _NAME
    format: InboundFormat = "openai"
    # `/openai/…` are the paths of Azure's SDKs; they name the deployment where OpenAI's name the model.
    endpoints: tuple[Endpoint, ...] = (
        Endpoint(
            operation="realtime", dialect=_NAME, method="GET", path="/realtime", versions=_VERSIONS, streams="always"
        ),
        *(Endpoint(operation="realtime", dialect=_NAME, path=path, versions=_VERSIONS) for path in _NOT_SERVED),
    )
    model_place: ModelPlace = "query"
    not_served: Mapping[str, str] = _NOT_SERVED

    def caller_headers(self, query: Mapping[str, str], subprotocols: Sequence[str]) -> Mapping[bytes, bytes]:
        """Read the subprotocols."""
        del query
        return subprotocol_headers(subprotocols)

    def requested_model(self, query: Mapping[str, str]) -> str:
        """Read the model, or Azure's deployment."""
        return query.get("model") or query.get("deployment") or ""

    def passed_query(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """Pass what OpenAI has beside the model; `call_id` would join a call that the gateway did not see begin."""
        if "call_id" in query:
            msg = (
                "sessions that were begun by WebRTC or SIP cannot be joined through the gateway: it did not see them "
                "begin; open one with a model"
            )
            raise BadRequest(msg, param="call_id", code="call_not_through_gateway")
        return passed_query(query, own=_OWN, passed=_PASSED)

    def subprotocol(self, offered: Sequence[str]) -> str:
        """Choose `realtime`."""
        return openai_subprotocol(offered)

    def watch(self) -> "OpenAIRealtimeWatch":
        """Make the watch of one session."""
        return OpenAIRealtimeWatch()

    def with_model(self, data: bytes, model: str) -> bytes:
        """Write the model of a `session.update`."""
        return replaced(data, ("session", "model"), model)

    def named(self, data: bytes, name: str) -> bytes:
        """Give a `response.create` an event id."""
        return replaced(data, ("event_id",), name)

    def cancel(self, response: str) -> bytes:
        """Write a `response.cancel`."""
        return compact({"type": "response.cancel", "response_id": response})

    def error_event(self, error: TollwayError, *, about: str, new_id: str) -> bytes:
        """Write an `error` event."""
        inner = openai_errors.error_object(error)
        inner["event_id"] = about or None
        return compact({"type": "error", "event_id": f"event_{new_id}", "error": inner})

    def close_code(self, error: TollwayError) -> int:
        """Choose the close code."""
        return close_code_of(error)

    def secret_close(self, code: int, reason: str) -> bool:
        """Tell whether a close speaks of the key: 3000 is the registry's `Unauthorized`, 3003 its `Forbidden`."""
        return code in (3000, 3003) or any(word in reason.lower() for word in ("api key", "api_key", "authenticat"))

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's refusal of the handshake."""
        return openai_errors.parse_error(status, body, headers)


class OpenAIRealtimeWatch:
    """Looks at the events of one session."""

    __slots__ = ("_transcriber", "_transcribes")

    def __init__(self) -> None:
        """Begin with a session of conversation."""
        self._transcribes = False
        self._transcriber = ""

    def client(self, data: bytes) -> ClientEvent:
        """Look at a caller's event.

        Raises:
            BadRequest: it is not a JSON object with a `type`.
        """
        members = members_of(data)
        kind = text_of(members.get("type"), "type")
        if not kind:
            msg = "the event has no 'type'"
            raise BadRequest(msg, param="type", code="missing_required_parameter")
        if kind == "input_audio_buffer.append":
            return ClientEvent(input_tokens=len(data) // _AUDIO_BYTES_PER_TOKEN)
        name = text_of(members.get("event_id"), "event_id")
        tokens = len(data) // BYTES_PER_TOKEN
        if kind == "response.create":
            raw = members.get("response")
            limit = _output_limit(raw) if raw is not None else None
            return ClientEvent(asks=True, name=name, input_tokens=tokens, max_output_tokens=limit)
        session = members.get("session")
        if session is None or bytes(session) == b"null":
            return ClientEvent(name=name, input_tokens=tokens)
        model = text_of(members_of(bytes(session)).get("model"), "session.model")
        return ClientEvent(name=name, model=model, input_tokens=tokens)

    def server(self, data: bytes) -> ServerEvent:
        """Look at a provider's event.

        Raises:
            UpstreamGarbled: it is not a JSON object, or an event that matters is not what it should be.
        """
        try:
            event = _EVENT.decode(data)
            kind = event.type
            if kind == "response.created":
                response = _response(event)
                return ServerEvent(kind=kind, response=response.id or "", begins=True)
            if kind == "response.done":
                return _done(kind, _response(event))
            if kind == "conversation.item.input_audio_transcription.completed":
                return self._transcribed(event)
            if event.session:
                self._configured(_SESSION.decode(event.session))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            msg = "the provider sent an event that its API does not know"
            raise UpstreamGarbled(msg) from None
        if kind == "error" and event.error is not None:
            error = event.error
            code = error.code or error.type or "upstream_error"
            return ServerEvent(
                kind=kind, refuses=True, about=error.event_id or "", code=code, secret=code in _KEY_CODES
            )
        return ServerEvent(kind=kind, response=event.response_id)

    def _transcribed(self, event: _Event) -> ServerEvent:
        usage = read_usage(_USAGE.decode(event.usage) or {}) if event.usage else None
        facts = AnswerFacts(usage=usage, model=self._transcriber)
        return ServerEvent(kind=event.type, facts=facts, stands_alone=self._transcribes)

    def _configured(self, session: _Session | None) -> None:
        """Note what a session is for, and which model transcribes beside it: no other event names that."""
        if session is None:
            return
        self._transcribes = session.type == "transcription" or session.object == "realtime.transcription_session"
        audio = session.audio.input.transcription if session.audio is not None and session.audio.input else None
        transcription = audio or session.input_audio_transcription
        self._transcriber = (transcription.model or "") if transcription is not None else ""


def _response(event: _Event) -> _Response:
    if not event.response:
        msg = "an event without its response"
        raise msgspec.ValidationError(msg)
    return _RESPONSE.decode(event.response)


def _done(kind: str, response: _Response) -> ServerEvent:
    status = response.status or ""
    usage = read_usage(response.usage) if response.usage else None
    return ServerEvent(
        kind=kind,
        response=response.id or "",
        ends=True,
        outcome=_OUTCOMES.get(status, "ok"),
        facts=AnswerFacts(usage=usage, id=response.id or "", finish=status),
        code="response_failed" if status == "failed" else "",
    )


def _output_limit(raw: msgspec.Raw) -> int | None:
    try:
        asked = _ASKED.decode(raw)
    except msgspec.DecodeError:
        return None
    limit = asked.max_output_tokens if asked.max_output_tokens is not None else asked.max_response_output_tokens
    return limit if isinstance(limit, int) and not isinstance(limit, bool) else None  # "inf" is none


def read_usage(usage: JsonObject) -> Usage | None:
    """Read a `usage` object; None where it counts seconds and no tokens."""
    if "input_tokens" not in usage and "output_tokens" not in usage:
        return None
    inputs, outputs = as_object(usage.get("input_token_details")), as_object(usage.get("output_token_details"))
    cached = as_object(inputs.get("cached_tokens_details"))
    cached_audio, cached_image = as_count(cached.get("audio_tokens")), as_count(cached.get("image_tokens"))
    return usage_from_totals(
        as_count(usage.get("input_tokens")),
        as_count(usage.get("output_tokens")),
        cache_read=max(0, as_count(inputs.get("cached_tokens")) - cached_audio),
        cache_read_audio=cached_audio,
        input_audio=max(0, as_count(inputs.get("audio_tokens")) - cached_audio),
        input_image=max(0, as_count(inputs.get("image_tokens")) - cached_image),
        output_audio=as_count(outputs.get("audio_tokens")),
        output_image=as_count(outputs.get("image_tokens")),
        reasoning=as_count(outputs.get("reasoning_tokens")),
        provider_total=as_count(usage["total_tokens"]) if usage.get("total_tokens") is not None else None,
    )


DIALECT: Final[RealtimeDialect] = OpenAIRealtime()
