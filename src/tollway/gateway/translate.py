"""One attempt's way between the caller's dialect and the provider's: bytes where they are the same.

A provider that speaks the caller's dialect gets the caller's own members, only the model changed;
any other gets the neutral conversation written in its own dialect, and its answer comes back the
same way.
"""

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar, cast

import msgspec

from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import InternalError, TollwayError, UpstreamAnswered, UpstreamError
from tollway.core.json_value import NOT_JSON
from tollway.core.usage import Usage
from tollway.dialects.fitting import fitted
from tollway.gateway.answer_headers import header_line
from tollway.gateway.json_body import read_members, write_members
from tollway.gateway.relay import KeepingRelay, PassthroughRelay, Relay, TranslatingRelay, UnwrappingRelay
from tollway.gateway.target import Target
from tollway.interfaces.dialect import (
    AnswerFacts,
    ConversationCaller,
    ConversationDialect,
    CountsInHeaders,
    KeepableRenderer,
    StreamFraming,
)
from tollway.interfaces.provider import Provider
from tollway.wire.framing import FRAMINGS

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt
    from tollway.gateway.call import Call
    from tollway.gateway.kept_turns import Turn

RequestT = TypeVar("RequestT", bound=msgspec.Struct)
_AsksT_contra = TypeVar("_AsksT_contra", bound=msgspec.Struct, contravariant=True)
AnswerT = TypeVar("AnswerT", bound="_WholeAnswer")

_MICRO = 1_000_000
_NO_LOSSES = Losses()
"""Of passed bytes: nothing is written anew, so nothing can be lost."""


class Translation(Protocol):
    """What the exchange needs of either kind."""

    losses: Losses
    framing: StreamFraming
    """How the caller's stream is framed."""
    provider_framing: StreamFraming
    """How the provider's is."""

    @property
    def provider_dialect(self) -> str:
        """The dialect spoken with the provider."""
        ...

    def request_body(self) -> bytes:
        """Write the provider's request body; raises `BadRequest` for what the pair cannot carry."""
        ...

    def payload(self, body: bytes, now_us: int) -> bytes:
        """Write the whole provider request around its body."""
        ...

    def answer(self, body: bytes) -> tuple[AnswerFacts, bytes]:
        """Read the provider's whole answer, write the caller's; raises `UpstreamGarbled`."""
        ...

    def relay(self, attempt: "Attempt") -> Relay:
        """Build what a streamed answer goes through."""
        ...

    def error(self, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> UpstreamError:
        """Read the provider's error."""
        ...

    def verbatim_error(self, error: TollwayError) -> bytes | None:
        """The provider's own error body, where the caller speaks the same dialect."""
        ...


class ConversationTranslation:
    """A conversation between any two dialects."""

    __slots__ = (
        "_attempt",
        "_call",
        "_error_body",
        "_hide_usage",
        "_inbound",
        "_outbound",
        "_request",
        "_turn",
        "framing",
        "losses",
        "provider_dialect",
        "provider_framing",
    )

    def __init__(
        self,
        call: "Call",
        attempt: "Attempt",
        inbound: ConversationCaller,
        outbound: ConversationDialect,
        conversation: Conversation | None,
        turn: "Turn | None" = None,
    ) -> None:
        """Translate `call` for `attempt`; `conversation` is None when bytes pass, `turn` is what keeps the answer."""
        self._call = call
        self._attempt = attempt
        self._inbound = inbound
        self._outbound = outbound
        self._request = conversation
        self._turn = turn
        self._hide_usage = False
        self._error_body: tuple[TollwayError, bytes] | None = None
        self.losses = _NO_LOSSES if conversation is None else Losses()
        self.framing: StreamFraming = inbound.stream_framing(call.query_string) if call.stream else "sse"
        envelope = attempt.target.provider.envelope
        self.provider_framing: StreamFraming = outbound.provider_framing if envelope is None else envelope.framing
        self.provider_dialect = outbound.name

    @property
    def passes(self) -> bool:
        """Whether bytes pass."""
        return self._request is None

    def request_body(self) -> bytes:
        """Write the provider's request body."""
        request = self._request
        attempt = self._attempt
        if request is None:
            members = self._call.members
            self._outbound.rewrite_model(members, attempt.target_model)
            if self._call.stream and attempt.target.provider.counting.stream_usage == "asked":
                members = members.copy()  # what is added here is not the caller's: another attempt starts afresh
                self._hide_usage = self._outbound.ask_for_usage(members)
            return write_members(attempt.target.reshaped(members) if attempt.target.reshapes else members)
        self._request = request = msgspec.structs.replace(request, model=attempt.target_model)
        provider, losses = attempt.target.provider, self.losses
        body = self._outbound.render_request(fitted(request, provider, losses), provider, losses)
        return _reshaped(body, attempt.target) if attempt.target.reshapes else body

    def payload(self, body: bytes, now_us: int) -> bytes:
        """Write the whole provider request."""
        attempt = self._attempt
        target = attempt.target
        forwarded = forwarded_lines(self._call, attempt)
        return target.payload(attempt, body, self._outbound, target.provider.conversation, forwarded, now_us)

    def answer(self, body: bytes) -> tuple[AnswerFacts, bytes]:
        """Read the provider's answer, write the caller's."""
        request = self._request
        if request is None:
            facts = self._outbound.facts(body)
            return (facts if facts.usage is not None else self._told_in_headers(facts)), body
        answer = self._outbound.parse_answer(body)
        first = answer.choices[0] if answer.choices else None
        facts = AnswerFacts(
            usage=answer.usage,
            model=answer.model,
            id=answer.id,
            finish=(first.native_finish or first.finish or "") if first is not None else "",
            service_tier=answer.service_tier or "",
        )
        return facts, self._inbound.render_answer(answer, request, now=self._call.started_us // _MICRO)

    def _told_in_headers(self, facts: AnswerFacts) -> AnswerFacts:
        """Add the usage that some providers tell beside an answer of another API."""
        if not hasattr(self._outbound, "header_usage"):
            return facts
        usage = cast("CountsInHeaders", self._outbound).header_usage(self._attempt.headers)
        return msgspec.structs.replace(facts, usage=usage)

    def relay(self, attempt: "Attempt") -> Relay:
        """Build what a streamed answer goes through."""
        envelope = attempt.target.provider.envelope
        inner = self._relay()
        if envelope is None:
            return inner
        return UnwrappingRelay(inner, envelope.unwrapper(), self._outbound.render_stream_error)

    def _relay(self) -> Relay:
        request = self._request
        if request is None:
            return PassthroughRelay(
                self._outbound.stream_watch(hide_usage=self._hide_usage),
                self._inbound.render_stream_error,
                FRAMINGS[self._outbound.provider_framing],
            )
        renderer = self._inbound.stream_renderer(
            request, now=self._call.started_us // _MICRO, new_id=self._call.clock.new_id(), framing="sse"
        )
        parser = self._outbound.stream_parser()
        turn = self._turn
        if turn is None:
            return TranslatingRelay(parser, renderer)
        # Only dialects with kept turns are given one, and what renders their streams can be kept.
        turn.relay = relay = KeepingRelay(parser, renderer, cast("KeepableRenderer", renderer))
        return relay

    def error(self, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> UpstreamError:
        """Read the provider's error."""
        same = self._inbound is self._outbound and not self._attempt.target.provider.own_errors
        return read_error(self, self._outbound, status, body, headers, same=same)

    def verbatim_error(self, error: TollwayError) -> bytes | None:
        """The provider's own error body, where the caller speaks the same dialect."""
        kept = self._error_body
        return kept[1] if kept is not None and kept[0] is error else None

    def keep_error_body(self, error: TollwayError, body: bytes) -> None:
        """Remember the provider's own words for `verbatim_error`."""
        self._error_body = (error, body)


class WholeTranslation(Generic[RequestT, AnswerT]):
    """A call whose answer never streams (embeddings, a ranking) between any two dialects of its kind."""

    __slots__ = ("_attempt", "_call", "_error_body", "_inbound", "_outbound", "_paths", "_request", "losses")

    framing: StreamFraming = "sse"
    provider_framing: StreamFraming = "sse"

    def __init__(
        self,
        call: "Call",
        attempt: "Attempt",
        inbound: "_WholeDialect[RequestT, AnswerT]",
        outbound: "_WholeDialect[RequestT, AnswerT]",
        request: RequestT | None,
        paths: Mapping[str, str],
    ) -> None:
        """Translate `call` for `attempt`; `request` is None when bytes pass. `paths` are the provider's, by dialect."""
        self._paths = paths
        self._call = call
        self._attempt = attempt
        self._inbound = inbound
        self._outbound = outbound
        self._request = request
        self._error_body: tuple[TollwayError, bytes] | None = None
        self.losses = Losses()

    @property
    def provider_dialect(self) -> str:
        """The dialect spoken with the provider."""
        return self._outbound.name

    def request_body(self) -> bytes:
        """Write the provider's request body."""
        request = self._request
        attempt = self._attempt
        if request is None:
            members = self._call.members
            self._outbound.rewrite_model(members, attempt.target_model)
            return write_members(attempt.target.reshaped(members) if attempt.target.reshapes else members)
        self._request = request = msgspec.structs.replace(request, model=attempt.target_model)
        body = self._outbound.render_request(request, attempt.target.provider, self.losses)
        return _reshaped(body, attempt.target) if attempt.target.reshapes else body

    def payload(self, body: bytes, now_us: int) -> bytes:
        """Write the whole provider request."""
        attempt = self._attempt
        target = attempt.target
        forwarded = forwarded_lines(self._call, attempt)
        return target.payload(attempt, body, self._outbound, self._paths, forwarded, now_us)

    def answer(self, body: bytes) -> tuple[AnswerFacts, bytes]:
        """Read the provider's answer, write the caller's."""
        request = self._request
        if request is None:
            return self._outbound.facts(body), body
        answer = self._outbound.parse_answer(body, request)
        return AnswerFacts(usage=answer.usage, model=answer.model), self._inbound.render_answer(answer, request)

    def relay(self, attempt: "Attempt") -> Relay:
        """Refuse: the endpoints of these say that they never stream."""
        del attempt
        msg = "what is answered whole does not stream"
        raise InternalError(msg)

    def error(self, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> UpstreamError:
        """Read the provider's error."""
        return read_error(self, self._outbound, status, body, headers, same=self._inbound is self._outbound)

    def verbatim_error(self, error: TollwayError) -> bytes | None:
        """The provider's own error body, where the caller speaks the same dialect."""
        kept = self._error_body
        return kept[1] if kept is not None and kept[0] is error else None

    def keep_error_body(self, error: TollwayError, body: bytes) -> None:
        """Remember the provider's own words for `verbatim_error`."""
        self._error_body = (error, body)


def _reshaped(body: bytes, target: Target) -> bytes:
    """Set and leave out members of a body of our own writing, which no depth limit is for."""
    return write_members(target.reshaped(read_members(body, sys.maxsize)))


class _WholeAnswer(Protocol):
    @property
    def usage(self) -> Usage | None: ...
    @property
    def model(self) -> str: ...


class _WholeDialect(Protocol[_AsksT_contra, AnswerT]):
    """What the two kinds have in common: see `EmbeddingsDialect`."""

    name: str

    def render_answer(self, answer: AnswerT, request: _AsksT_contra) -> bytes: ...
    def render_request(self, request: _AsksT_contra, provider: Provider, losses: Losses) -> bytes: ...
    def parse_answer(self, body: bytes, request: _AsksT_contra) -> AnswerT: ...
    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered: ...
    def rewrite_model(self, members: dict[str, msgspec.Raw], model: str) -> None: ...
    def facts(self, body: bytes) -> AnswerFacts: ...


class _KeepsErrors(Protocol):
    def keep_error_body(self, error: TollwayError, body: bytes) -> None: ...


class _ReadsErrors(Protocol):
    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered: ...


def read_error(
    keeper: _KeepsErrors,
    dialect: _ReadsErrors,
    status: int,
    body: bytes,
    headers: Mapping[bytes, bytes],
    *,
    same: bool,
) -> UpstreamAnswered:
    """Read a provider's error; `keeper` keeps its own words where the caller speaks the same dialect."""
    named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
    error = dialect.parse_error(status, body, named)
    if error.status in (401, 403):
        withhold_words(error)
    elif same and _is_object(body):
        keeper.keep_error_body(error, body)
    return error


def withhold_words(error: UpstreamError) -> None:
    """Replace the words of a provider that refused the *gateway's* key.

    They may quote part of that key, so the caller gets the status and the meaning; repeating cannot help it.
    """
    error.message = "the provider did not accept the gateway's credential for this route; tell the gateway's operator"
    error.should_retry = False


def _is_object(body: bytes) -> bool:
    if body[:1] != b"{":
        return False
    try:
        msgspec.json.decode(body)
    except NOT_JSON:
        return False
    return True


def forwarded_lines(call: "Call", attempt: "Attempt") -> bytes:
    """Write the headers that go to the provider with this call: the caller's that may pass, then what policies set."""
    forwards = attempt.target.forwards
    if not forwards and call.upstream_set is None and call.upstream_added is None:
        return b""
    lines: list[bytes] = []
    for name in forwards:
        raw = call.raw_header(name)
        if raw is None:
            continue
        if name in attempt.target.replaceable:
            attempt.set_header(name.decode("ascii"), raw.decode("latin-1"))
        else:
            lines.append(b"%b: %b\r\n" % (name, raw))
    if call.upstream_set:
        for name, value in call.upstream_set.items():
            attempt.set_header(name, value)
    if call.upstream_added:
        for name, value in call.upstream_added:
            lines.append(header_line(name, value))
    return b"".join(lines)
