"""Google's Live API, `BidiGenerateContent`. https://ai.google.dev/api/live.

Rules of this file:
- The first message is `setup`, and names the model. A turn of the model is asked for by `clientContent` with
  `turnComplete`, or begun by the provider itself when it hears the user stop (`realtimeInput`); either way it runs
  until `turnComplete`. A tool's result goes on with the turn that asked for it.
- `usageMetadata` comes with any message of a turn, as a rule with the last; the newest of a turn counts. One that
  comes after its turn has ended is counted by itself.
- The API has no error event: it closes, and the reason says why. So does the gateway.
- Field names are taken in both of Google's spellings, as everywhere in its APIs.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

import msgspec

from tollway.core.errors import BadRequest, TollwayError, UpstreamAnswered, UpstreamGarbled
from tollway.core.json_value import JsonObject
from tollway.dialects.gemini.errors import parse_error, render_error
from tollway.dialects.gemini.usage import neutral_tier, read_usage
from tollway.dialects.json_forms import camel
from tollway.dialects.socket_handshake import BYTES_PER_TOKEN, close_code_of, members_of, passed_query, text_of
from tollway.interfaces.dialect import AnswerFacts, Endpoint, InboundFormat
from tollway.interfaces.realtime import ClientEvent, ModelPlace, RealtimeDialect, ServerEvent

_NAME: Final = "gemini-live"
_PREFIX: Final = "models/"
# "25 tokens per second" of audio; 16 kHz of 16 bits in base 64 are about 42,700 bytes a second.
_AUDIO_BYTES_PER_TOKEN: Final = 1700
_OWN: Final = frozenset({"key", "alt", "$httpHeaders"})
_FLAG: Final = msgspec.json.Decoder(bool)

_ABSENT: Final = msgspec.Raw(b"")
"""Of a member that was not sent; `Raw` has no None beside it."""


class _Content(msgspec.Struct, rename="camel"):
    model_turn: msgspec.Raw = _ABSENT
    output_transcription: msgspec.Raw = _ABSENT
    turn_complete: bool | None = None
    turn_complete_reason: str | None = None


class _Message(msgspec.Struct, rename="camel"):
    server_content: _Content | None = None
    tool_call: msgspec.Raw = _ABSENT
    setup_complete: msgspec.Raw = _ABSENT
    usage_metadata: JsonObject | None = None


_MESSAGE: Final = msgspec.json.Decoder(_Message)


class GeminiLive:
    """Both sides of the Live API."""

    name: str = _NAME
    format: InboundFormat = "gemini"
    endpoints: tuple[Endpoint, ...] = tuple(
        Endpoint(
            operation="realtime",
            dialect=_NAME,
            method="GET",
            path=f"/ws/google.ai.generativelanguage.{version}.GenerativeService.BidiGenerateContent",
            # SDKs put this behind a base URL that may end in a slash, or in the version of the other paths.
            versions=("", "/", "/v1beta"),
            streams="always",
        )
        for version in ("v1", "v1beta", "v1alpha")
    )
    model_place: ModelPlace = "message"
    not_served: Mapping[str, str] = MappingProxyType({})

    def caller_headers(self, query: Mapping[str, str], subprotocols: Sequence[str]) -> Mapping[bytes, bytes]:
        """Read `?key=`, where Google's JavaScript SDK puts the key."""
        del subprotocols
        key = query.get("key", "")
        return {b"x-goog-api-key": key.encode("ascii")} if key and key.isascii() and key.isprintable() else {}

    def requested_model(self, query: Mapping[str, str]) -> str:
        """None: the first message names it."""
        del query
        return ""

    def passed_query(self, query: Mapping[str, str]) -> Mapping[str, str]:
        """Pass nothing; refuse `access_token`, which is a provider's own and would go around the gateway's key."""
        return passed_query(query, own=_OWN, passed=frozenset())

    def subprotocol(self, offered: Sequence[str]) -> str:
        """None: the API has none."""
        del offered
        return ""

    def watch(self) -> "GeminiLiveWatch":
        """Make the watch of one session."""
        return GeminiLiveWatch()

    def with_model(self, data: bytes, model: str) -> bytes:
        """Write the model of the `setup`."""
        members = members_of(data)
        setup = members_of(bytes(members["setup"]))
        name = model if "/" in model else _PREFIX + model
        setup["model"] = msgspec.Raw(msgspec.json.encode(name))
        members["setup"] = msgspec.Raw(msgspec.json.encode(setup))
        return msgspec.json.encode(members)

    def named(self, data: bytes, name: str) -> bytes:
        """Leave it: messages have no names."""
        del name
        return data

    def cancel(self, response: str) -> bytes:
        """Give none: a turn is stopped only by speaking, or by closing."""
        del response
        return b""

    def error_event(self, error: TollwayError, *, about: str, new_id: str) -> bytes:
        """Give none: the API tells of errors by closing."""
        del error, about, new_id
        return b""

    def close_code(self, error: TollwayError) -> int:
        """Choose the close code."""
        return close_code_of(error)

    def secret_close(self, code: int, reason: str) -> bool:
        """Tell whether a close speaks of the key: the API closes with 1007 or 1008, and words, for a wrong one."""
        del code
        return any(word in reason.lower() for word in ("api key", "api_key", "credential", "permission", "authenticat"))

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's refusal of the handshake."""
        return parse_error(status, body, headers)


class GeminiLiveWatch:
    """Looks at the messages of one session."""

    __slots__ = ("_in_turn", "_set_up", "_usage")

    def __init__(self) -> None:
        """Begin before the setup."""
        self._set_up = False
        self._in_turn = False
        self._usage: JsonObject | None = None

    def client(self, data: bytes) -> ClientEvent:
        """Look at a caller's message.

        Raises:
            BadRequest: it is not a JSON object, or not a `setup` first, or a second one.
        """
        members = _camel(members_of(data))
        setup = members.get("setup")
        if self._set_up == (setup is not None):
            msg = (
                "a session has one setup; open another connection for another"
                if self._set_up
                else "the first message must be 'setup'"
            )
            raise BadRequest(msg, param="setup")
        if setup is not None:
            model = text_of(members_of(bytes(setup)).get("model"), "setup.model").removeprefix(_PREFIX)
            if not model:
                msg = "the setup names no model; say which one, so that the gateway can route it"
                raise BadRequest(msg, param="setup.model")
            self._set_up = True
            return ClientEvent(model=model, input_tokens=len(data) // BYTES_PER_TOKEN)
        content = members.get("clientContent")
        if content is not None:
            asks = _flag(_camel(members_of(bytes(content))).get("turnComplete"))
            return ClientEvent(asks=asks, input_tokens=len(data) // BYTES_PER_TOKEN)
        per_token = _AUDIO_BYTES_PER_TOKEN if "realtimeInput" in members else BYTES_PER_TOKEN
        return ClientEvent(input_tokens=len(data) // per_token)

    def server(self, data: bytes) -> ServerEvent:
        """Look at a provider's message.

        Raises:
            UpstreamGarbled: it is not a JSON object, or a member that matters is not what it should be.
        """
        try:
            message = _MESSAGE.decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            msg = "the provider sent a message that its API does not know"
            raise UpstreamGarbled(msg) from None
        content = message.server_content
        generated = _there(message.tool_call) or (
            content is not None and (_there(content.model_turn) or _there(content.output_transcription))
        )
        begins = generated and not self._in_turn
        if begins:
            self._in_turn = True
            self._usage = None
        if message.usage_metadata is not None:
            self._usage = message.usage_metadata
        ends = content is not None and content.turn_complete is True and self._in_turn
        kind = _kind(message)
        if ends:
            self._in_turn = False
            return ServerEvent(
                kind=kind,
                response="",
                begins=begins,
                ends=True,
                facts=self._facts(content.turn_complete_reason if content is not None else None),
            )
        if not self._in_turn and message.usage_metadata is not None:
            return ServerEvent(kind=kind, facts=self._facts(None))
        return ServerEvent(kind=kind, response="" if self._in_turn else None, begins=begins)

    def _facts(self, reason: str | None) -> AnswerFacts:
        usage, self._usage = self._usage, None
        if usage is None:
            return AnswerFacts(finish=reason or "")
        return AnswerFacts(
            usage=read_usage(_as_of_a_call(usage)), finish=reason or "", service_tier=neutral_tier(usage) or ""
        )


def _camel(members: Mapping[str, msgspec.Raw]) -> dict[str, msgspec.Raw]:
    return {camel(name): raw for name, raw in members.items()}


def _as_of_a_call(usage: JsonObject) -> JsonObject:
    """Rename what the Live API calls a response and the rest of Google's APIs candidates."""
    renamed = dict(usage)
    for live, plain in (
        ("responseTokenCount", "candidatesTokenCount"),
        ("responseTokensDetails", "candidatesTokensDetails"),
    ):
        if live in renamed:
            renamed[plain] = renamed.pop(live)
    return renamed


def _there(raw: msgspec.Raw) -> bool:
    return bool(raw) and bytes(raw) != b"null"


def _kind(message: _Message) -> str:
    if message.server_content is not None:
        return "serverContent"
    if _there(message.tool_call):
        return "toolCall"
    return "setupComplete" if _there(message.setup_complete) else ""


def _flag(raw: msgspec.Raw | None) -> bool:
    if raw is None:
        return False
    try:
        return _FLAG.decode(raw)
    except msgspec.DecodeError:
        raise BadRequest("'clientContent.turnComplete' must be true or false", param="turnComplete") from None


DIALECT: Final[RealtimeDialect] = GeminiLive()
