"""Calls that pass without a hub: what they read, where they go, and how their answers come back.

Rules of this file:
- The order of a call is the spine's (`exchange.py`); this file says only what differs.
- The provider gets the caller's body as it came, but for the model's name; the caller gets the
  provider's status, type and bytes.
- Answers that are JSON are taken whole, for the meter. Anything else passes as it comes, so that a
  file is never collected, and a slow caller pauses its own upstream.
"""

import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from tollway.core.conversation import Losses
from tollway.core.errors import (
    BadRequest,
    MethodNotAllowed,
    NotReady,
    TollwayError,
    UnsupportedMedia,
    UpstreamError,
    UpstreamGarbled,
)
from tollway.core.ids import RequestedModel
from tollway.gateway.attempt import Attempt
from tollway.gateway.exchange import Exchange, flag_member, text_member
from tollway.gateway.json_body import read_members, write_members
from tollway.gateway.meter import BYTES_PER_TOKEN
from tollway.gateway.passed_routes import ROUTE_HEADER, unsupported
from tollway.gateway.relay import FileRelay, PassthroughRelay, Relay
from tollway.gateway.translate import forwarded_lines, read_error
from tollway.interfaces.dialect import AnswerFacts, StreamFraming
from tollway.wire.framing import SSE
from tollway.wire.multipart import FormPart, add_part, boundary_of, replace_part, scan_form

if TYPE_CHECKING:
    from tollway.gateway.compiled import PassedEndpoint

_NOTHING_LOST: Final = Losses()
_JSON_TYPE: Final = b"application/json"
_MOST_MODEL_BYTES: Final = 512
_ENCODED: Final = re.compile(rb'"(?:data:[\w/+.;=-]+,)?[A-Za-z0-9+/]{1024,}={0,2}"')
_TOKENS_PER_FILE: Final = 1_500
"""Near what the larger pictures come to."""


class PassedTranslation:
    """The caller's own request to a provider that has the operation, and its answer back."""

    __slots__ = ("_attempt", "_body", "_call", "_endpoint", "_error_body", "_hides_usage")

    losses: Losses = _NOTHING_LOST
    framing: StreamFraming = "sse"
    provider_framing: StreamFraming = "sse"

    def __init__(self, call: "PassedExchange", attempt: Attempt, endpoint: "PassedEndpoint") -> None:
        """Pass `call` on by `attempt`."""
        self._call = call
        self._attempt = attempt
        self._endpoint = endpoint
        self._error_body: tuple[TollwayError, bytes] | None = None
        self._hides_usage = False

    @property
    def provider_dialect(self) -> str:
        """The caller's own."""
        return self._endpoint.dialect_name

    def request_body(self) -> bytes:
        """Give the caller's body with the attempt's model in it."""
        members: dict[str, msgspec.Raw] | None = None
        if self._call.stream and self._call.members:
            members = dict(self._call.members)  # what is added here is not the caller's
            self._hides_usage = self._endpoint.dialect.ask_for_usage(members)
        return self._call.body_for(self._attempt.target_model, members)

    def payload(self, body: bytes, now_us: int) -> bytes:
        """Write the whole provider request."""
        call, attempt, shape = self._call, self._attempt, self._endpoint.shape
        target = attempt.target
        below = shape.below
        for name, value in call.parameters.items():
            below = below.replace(f"{{{name}}}", value)
        return target.passed_payload(
            attempt,
            body,
            method=shape.method,
            path=target.provider.operations[shape.provides] + below,
            query=self._passed_query(),
            content_type=call.content_type if body else b"",
            forwarded=forwarded_lines(call, attempt),
            now_us=now_us,
        )

    def answer(self, body: bytes) -> tuple[AnswerFacts, bytes]:
        """Read what the meter wants of a whole answer, and pass it.

        Raises:
            NotReady: it names something of which nobody could be told to whom it belongs.
        """
        endpoint = self._endpoint
        facts = endpoint.dialect.passed_facts(endpoint.shape, self._call.members, body)
        return facts, self._call.governed(self._attempt, body)

    def relay(self, attempt: Attempt) -> Relay:
        """Build what an answer that is not taken whole goes through."""
        endpoint = self._endpoint
        if attempt.headers.get(b"content-type", b"").lower().startswith(SSE.media_type):
            dialect = endpoint.dialect
            return PassthroughRelay(
                dialect.passed_watch(endpoint.shape, hide_usage=self._hides_usage), dialect.render_stream_error, SSE
            )
        return self._call.file_relay(attempt)

    def error(self, status: int, body: bytes, headers: Mapping[bytes, bytes]) -> UpstreamError:
        """Read the provider's error."""
        return read_error(self, self._endpoint.dialect, status, body, headers, same=True)

    def verbatim_error(self, error: TollwayError) -> bytes | None:
        """The provider's own error body."""
        kept = self._error_body
        return kept[1] if kept is not None and kept[0] is error else None

    def keep_error_body(self, error: TollwayError, body: bytes) -> None:
        """Remember the provider's own words for `verbatim_error`."""
        self._error_body = (error, body)

    def _passed_query(self) -> str:
        """Give the caller's query without what is the gateway's, and without what the provider is always sent."""
        given = self._call.request.query
        if not given and not self._call.cursor:
            return ""
        target = self._attempt.target
        taken = {*self._endpoint.dialect.own_query, *target.provider.query, *target.route.query}
        pairs = parse_qsl(given.decode("latin-1"), keep_blank_values=True)
        cursor = self._call.cursor
        if cursor:
            taken.add(self._endpoint.dialect.cursor)
        kept = [(name, value) for name, value in pairs if name not in taken]
        return urlencode([*kept, (self._endpoint.dialect.cursor, cursor)] if cursor else kept)


class PassedExchange(Exchange):
    """One call of an operation without a hub."""

    __slots__ = ("_boundary", "_estimating", "_model_part", "content_type", "cursor", "parameters")

    endpoint: "PassedEndpoint"

    def _read(self) -> None:
        """Read the model, whether to stream, and what the path names.

        Raises:
            BadRequest: the body is not what the endpoint takes, or a known field is of the wrong type.
        """
        endpoint = self.endpoint
        shape = endpoint.shape
        self.parameters: Mapping[str, str] = endpoint.parameters_of(self.request.path)
        self.content_type = _JSON_TYPE
        self._estimating = False
        self.cursor = ""
        """Of a list: after which id the next page begins."""
        self._boundary = b""
        self._model_part: FormPart | None = None
        if self.request.method == b"HEAD":
            raise MethodNotAllowed("HEAD is not served here; use GET", headers=(("allow", shape.method),))
        if b"content-encoding" in self.request.headers:
            msg = "compressed bodies are not taken; send the body as it is"
            raise UnsupportedMedia(msg, param="content-encoding")
        if shape.body == "form":
            self._read_form()
        elif shape.body == "json":
            self._read_json()
        if self.path_model:
            self.requested_model = RequestedModel(self.path_model)

    def _read_json(self) -> None:
        shape = self.endpoint.shape
        kind = self.request.headers.get(b"content-type")
        if kind is not None and self.request.body and b"json" not in kind.lower():
            msg = "the body's content type is not JSON; send it as 'application/json'"
            raise UnsupportedMedia(msg, param="content-type")
        if not self.request.body and not shape.names_model:
            return  # such as POST /batches/{id}/cancel
        self.members = members = read_members(self.request.body, self._json_depth)
        if shape.names_model and (raw := members.get("model")) is not None and raw != b"null":
            self.requested_model = RequestedModel(text_member(raw, "model"))
        if shape.streams == "body" and (raw := members.get("stream")) is not None:
            self.stream = flag_member(raw, "stream")

    def _read_form(self) -> None:
        shape = self.endpoint.shape
        body = self.request.body
        self.content_type = self.request.headers.get(b"content-type", b"")
        try:
            self._boundary = boundary_of(self.content_type)
            parts = scan_form(body, self._boundary)
        except ValueError as error:
            raise BadRequest(f"the body is not a well-formed form: {error}") from None
        if shape.names_model:
            self._model_part = _only(parts, "model")
            if self._model_part is not None:
                self.requested_model = RequestedModel(_content(body, self._model_part))
        if shape.streams == "body" and (flag := _only(parts, "stream")) is not None:
            self.stream = _content(body, flag).lower() in {"true", "1"}

    def body_for(self, model: str, members: Mapping[str, msgspec.Raw] | None = None) -> bytes:
        """Give the body as the provider gets it.

        Args:
            model: goes into it; empty leaves it as the caller wrote it.
            members: in place of the caller's own.
        """
        members = self.members if members is None else members
        shape = self.endpoint.shape
        if shape.body == "none":
            return b""
        if shape.body == "form":
            body = self.request.body
            if not model or not shape.names_model:
                return body
            if self._model_part is None:
                return add_part(body, self._boundary, "model", model.encode())
            return replace_part(body, self._model_part, model.encode())
        if not members:
            return self.request.body
        if model and shape.names_model and not shape.path_names_model:
            return write_members({**members, "model": msgspec.Raw(msgspec.json.encode(model))})
        return write_members({**members})

    def _after_request(self, refusal: TollwayError | None) -> None:
        if refusal is None:
            try:
                self._choose_planner()
            except TollwayError as error:
                refusal = error
        if refusal is None and self._estimating and not self._worker.spool_broken:
            body = self.endpoint.dialect.render_estimate(estimated_tokens(self.request.body))
            self.set_response_header("x-tollway-estimated", "true")
            self.status_code = 200
            self._respond(200, lambda refusal: self._send_own(body, refusal))
            return
        super()._after_request(refusal)

    def _choose_planner(self) -> None:
        """Find what plans this call: the routes for its model, or the one route it is bound to."""
        routes = self.endpoint.routes
        wanted = self.raw_header(ROUTE_HEADER)
        name = None if wanted is None else wanted.decode("latin-1")
        if name is None and self.endpoint.shape.estimates and not routes.serve(self.requested_model):
            self._estimating = True
            return
        if name is not None or not self.requested_model:
            self._planner = routes.alone(name)
            return
        if self.endpoint.dialect.emulation is not None:
            return  # every provider can serve it
        planner = routes.named(self.requested_model)
        if planner is None:
            raise unsupported(self.requested_model)
        self._planner = planner

    def governed(self, attempt: Attempt, body: bytes) -> bytes:
        """Give a whole answer as the caller may see it.

        Raises:
            NotReady: nobody can tell at the moment.
        """
        del attempt
        return body

    def continues(self, attempt: Attempt) -> bool:
        """Whether another attempt was begun, for what the answer lacks."""
        del attempt
        return False

    def file_relay(self, attempt: Attempt) -> Relay:
        """Build what a file goes through."""
        del attempt
        endpoint = self.endpoint
        return FileRelay(endpoint.dialect.passed_facts(endpoint.shape, self.members, None))

    def _send(self, attempt: Attempt, body: bytes) -> None:
        if isinstance(self._translation, PassedTranslation):
            # Whatever its type: `open_stream` decides what is taken whole.
            attempt.stream = True
            attempt.event_type = b""
        super()._send(attempt, body)

    def open_stream(self, attempt: Attempt) -> Relay | None:
        """Pass what is no JSON as it comes."""
        translation = self._translation
        if not isinstance(translation, PassedTranslation):
            return super().open_stream(attempt)
        kind = attempt.headers.get(b"content-type", b"").lower()
        if self.endpoint.shape.answer == "read" and (not kind or b"json" in kind):
            return None
        if kind.startswith(SSE.media_type):
            return super().open_stream(attempt)
        return translation.relay(attempt)

    def answered(self, attempt: Attempt, body: bytes) -> None:
        """A whole answer came: every success is one."""
        translation = self._translation
        if not isinstance(translation, PassedTranslation):
            super().answered(attempt, body)
            return
        if 200 <= attempt.status < 300:
            try:
                facts, out = translation.answer(body)
            except NotReady as error:
                self.attempt_failed(attempt, error)
                return
            if self.cursor and self.continues(attempt):
                return
            self._deliver_as_it_is(attempt, facts, out)
        elif attempt.status >= 400:
            self.attempt_failed(attempt, translation.error(attempt.status, body, attempt.headers))
        else:
            # A redirect is never followed: it could lead anywhere, with the gateway's key.
            message = f"the upstream answered with status {attempt.status}, which its API does not know"
            self.attempt_failed(attempt, UpstreamGarbled(message))

    def _deliver_as_it_is(self, attempt: Attempt, facts: AnswerFacts, body: bytes) -> None:
        """Deliver a whole answer under the provider's own status and type."""
        self._waited += attempt.ended_at - attempt.started_at
        self.usage = facts.usage
        self.status_code = attempt.status
        self._facts = facts
        if self._plan is not None:
            self._plan.succeeded(attempt.ended_at)
        self._respond(attempt.status, partial(self._send_as_it_is, attempt, facts, body))

    def _send_as_it_is(self, attempt: Attempt, facts: AnswerFacts, body: bytes, refusal: TollwayError | None) -> None:
        record = self._record(attempt, facts, outcome="ok", error=refusal, status=attempt.status)
        if refusal is not None:
            self._send_error(refusal, record)
            return
        self._finish_call(record)
        if not self._over:
            lines = self._lines(b"content-type: %b\r\n" % attempt.headers.get(b"content-type", _JSON_TYPE))
            self._add_attempt_lines(lines, attempt, record.overhead_us, success=True)
            self._downstream.send(attempt.status, lines, body)
        self._close()

    def stream_over(self, attempt: Attempt, error: UpstreamError | None) -> None:
        """Break off a file that broke: nothing inside it can say so."""
        relay = attempt.relay
        if error is None or not isinstance(relay, FileRelay) or not self._head_sent or self._over:
            super().stream_over(attempt, error)
            return
        if not self._settled:
            self._settle_stream(attempt, relay, error)
        self._downstream.abort()
        self._close()

    def _stream_type(self, attempt: Attempt) -> bytes:
        if not isinstance(attempt.relay, FileRelay):
            return super()._stream_type(attempt)
        lines = [
            b"%b: %b\r\n" % (name, value)
            for name in (b"content-type", b"content-disposition")
            if (value := attempt.headers.get(name)) is not None
        ]
        return b"".join(lines)


def estimated_tokens(body: bytes) -> int:
    """Guess what a request's input comes to: four bytes a token, and a flat sum for each picture or file inside."""
    inside = 0

    def counted(_: re.Match[bytes]) -> bytes:
        nonlocal inside
        inside += 1
        return b'""'

    texts = _ENCODED.sub(counted, body)
    return max(len(texts) // BYTES_PER_TOKEN, 1) + inside * _TOKENS_PER_FILE


def _only(parts: Sequence[FormPart], name: str) -> FormPart | None:
    """Find the field called so; refuse two of them, of which nobody knows which counts."""
    found = [part for part in parts if part.name == name]
    if len(found) > 1 or (found and found[0].is_file):
        raise BadRequest(f"the form's '{name}' must be one plain field", param=name)
    return found[0] if found else None


def _content(body: bytes, part: FormPart) -> str:
    if part.end - part.start > _MOST_MODEL_BYTES:
        raise BadRequest(f"the form's '{part.name}' is too long", param=part.name)
    return body[part.start : part.end].decode("utf-8", "replace")
