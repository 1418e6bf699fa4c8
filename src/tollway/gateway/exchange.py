"""The spine: one call from its request to its last byte. The only file that knows the order.

    read → request policies → route → translate → upstream policies → upstream
         → relay (response policies) → meter → end policies → spool → the caller's last byte

Rules of this file:
- One exchange holds one snapshot (`proxy`) from first byte to last.
- Every exit goes through `_refuse`, `_deliver` or `_end_stream`; each leaves its usage record in the
  spool *before* the caller can have a complete answer.
- Nothing is tried again once a byte has gone to the caller.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import msgspec

from tollway.core.errors import (
    BadRequest,
    InternalError,
    NotReady,
    SignInFailed,
    TollwayError,
    UnsupportedMedia,
    UpstreamError,
    UpstreamGarbled,
)
from tollway.core.ids import RequestedModel
from tollway.core.json_value import NOT_JSON
from tollway.expressions import Expression
from tollway.gateway import answers, chain
from tollway.gateway.attempt import Attempt
from tollway.gateway.call import Call
from tollway.gateway.downstream import Downstream
from tollway.gateway.json_body import read_members
from tollway.gateway.kept_operations import answer_kept
from tollway.gateway.meter import NO_FACTS, attempt_record, refusal_record
from tollway.gateway.relay import ArrayRelay, PolicyRelay, Relay
from tollway.gateway.request import Request
from tollway.gateway.route import failure_of
from tollway.gateway.translate import Translation
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.policy import ResponseEvent
from tollway.interfaces.usage_record import Outcome, UsageRecord
from tollway.routing.plan import CallPlan, Go
from tollway.wire.framing import FRAMINGS

if TYPE_CHECKING:
    from tollway.gateway.compiled import Endpoint
    from tollway.gateway.kept_turns import Keeper, Turn
    from tollway.gateway.tokens import TokenKeeper
    from tollway.gateway.worker import Worker

_MICRO: Final = 1_000_000
_decode_text: Final = msgspec.json.Decoder(str).decode
_BUDGET_EXHAUSTED: Final = "rate_limit_exceeded"
_MODELS: Final = frozenset({"models", "model"})


class Exchange(Call):
    """One call on its way through the gateway."""

    __slots__ = (
        "_asking",
        "_attempt",
        "_downstream",
        "_drained_bytes",
        "_event_mark",
        "_facts",
        "_failed",
        "_head_sent",
        "_held_back",
        "_id_taken",
        "_json_depth",
        "_over",
        "_own_waited",
        "_plan",
        "_planner",
        "_settled",
        "_stream_done",
        "_stream_error",
        "_translation",
        "_waited",
        "_worker",
        "call_id",
        "endpoint",
        "losses",
        "path_model",
        "provider_dialect",
        "proxy",
        "streamed_events",
        "turn",
    )

    def __init__(
        self,
        worker: "Worker",
        endpoint: "Endpoint",
        path_model: str,
        request: Request,
        downstream: Downstream,
        json_depth: int,
    ) -> None:
        """Begin; `run` does the rest."""
        clock = worker.clock
        Call.__init__(self, request, clock)
        self._worker = worker
        self.endpoint = endpoint
        self.operation = endpoint.operation
        self.path_model = path_model
        self._json_depth = json_depth
        self._downstream = downstream
        self.proxy = proxy = endpoint.proxy
        self._planner = proxy.planner
        self.call_id = clock.new_id()
        self.provider_dialect = ""
        self.losses: tuple[str, ...] = ()
        self.streamed_events = 0
        self._event_mark = b"data:"
        self._id_taken = False
        self._attempt: Attempt | None = None
        self._plan: CallPlan | None = None
        self._translation: Translation | None = None
        self._waited: float = 0.0
        self._own_waited = False
        """Whether the current attempt's time is in `_waited` already."""
        self._head_sent = False
        self._held_back: bytearray | None = None
        self._stream_done = False
        self._stream_error: UpstreamError | None = None
        self._asking = False
        """Whether a policy, or a token's endpoint, that is asked before the provider is has still to answer."""
        self._facts: AnswerFacts | None = None
        """What the provider's whole answer says, once it is there."""
        self._failed: UsageRecord | None = None
        """The record of the last attempt, once it has failed."""
        self._settled = False
        self._over = False
        self._drained_bytes = 0
        self.turn: Turn | None = None
        """What keeps its answer, and fetches what it refers to; None for nearly every call."""

    def record_id(self) -> str:
        """Give a usage record its id: the first has the call's own, those after it a fresh one."""
        if self._id_taken:
            return self.clock.new_id()
        self._id_taken = True
        return self.call_id

    # --- request side

    def run(self) -> None:
        """Read the request, ask the policies, and start the first attempt."""
        self.correlate()
        try:
            self._read()
        except TollwayError as error:
            self._refuse(error)
            return
        if self.proxy.chain.awaits:
            self._asking = True
            self._worker.spawn(self._guarded(self._run_awaiting()))
            return
        self._after_request(chain.run(self.proxy.chain.request_steps, self))

    async def _run_awaiting(self) -> None:
        refusal = await chain.run_awaiting(self.proxy.chain.request_steps, self)
        self._asking = False
        if self._over:
            self._end_unanswered()
        else:
            self._after_request(refusal)

    def _after_request(self, refusal: TollwayError | None) -> None:
        if refusal is None and self._worker.spool_broken:
            refusal = NotReady("the gateway cannot keep its usage records at the moment; try again later")
        endpoint = self.endpoint
        if endpoint.provider_side is None:
            if refusal is not None:
                self._refuse(refusal)
            elif endpoint.operation in _MODELS:
                self._answer_models()
            else:
                self._asking = True
                self._worker.spawn(self._guarded(self._answer_kept()))
            return
        if endpoint.keeper is not None and self.turn is None and self._begin_turn(endpoint.keeper, refusal):
            return
        if refusal is None:
            self._plan = plan = self._planner.plan(self)
            self._go(plan.first(self.clock.monotonic()))
        elif refusal.code == _BUDGET_EXHAUSTED:
            self._plan = plan = self._planner.plan(self)
            step = plan.divert("budget", self.clock.monotonic())
            if step is not None:
                self.refused_by = ""  # it is not refused after all
            self._go(step or refusal)
        else:
            self._refuse(refusal)

    def _begin_turn(self, keeper: "Keeper", refusal: TollwayError | None) -> bool:
        """See whether the call has to do with kept turns; where it refers to any, fetch them first and come back."""
        if refusal is not None and refusal.code != _BUDGET_EXHAUSTED:
            return False
        try:
            self.turn = turn = keeper.begin(self)
        except BadRequest as error:
            self._refuse(error)
            return True
        if turn is None or not turn.recalled:
            return False
        self._asking = True
        self._worker.spawn(self._guarded(self._recall(turn, refusal)))
        return True

    async def _recall(self, turn: "Turn", refusal: TollwayError | None) -> None:
        failure: TollwayError | None = None
        try:
            await turn.recall()
        except TollwayError as error:
            failure = error
        self._asking = False
        if self._over:
            self._end_unanswered()
        elif failure is not None:
            self._refuse(failure)
        else:
            self._after_request(refusal)

    def _read(self) -> None:
        """Decode what routing and policies need of the body.

        Raises:
            BadRequest: it is not a JSON object, or a known field is of the wrong type.
        """
        endpoint = self.endpoint
        request = self.request
        if endpoint.provider_side is None:
            return
        kind = request.headers.get(b"content-type")
        if kind is not None and b"json" not in kind.lower():
            msg = "the body's content type is not JSON; send it as 'application/json'"
            raise UnsupportedMedia(msg, param="content-type")
        if b"content-encoding" in request.headers:
            msg = "compressed bodies are not taken; send the JSON as it is"
            raise UnsupportedMedia(msg, param="content-encoding")
        self.members = members = read_members(request.body, self._json_depth)
        if self.path_model:
            self.requested_model = RequestedModel(self.path_model)
        else:
            raw = members.get("model")
            if raw is not None:
                self.requested_model = RequestedModel(text_member(raw, "model"))
        if endpoint.streams == "body":
            raw = members.get("stream")
            if raw is not None:
                self.stream = flag_member(raw, "stream")
        elif endpoint.streams == "unless-false":
            raw = members.get("stream")
            self.stream = raw is None or flag_member(raw, "stream")
        else:
            self.stream = endpoint.streams == "always"

    def _answer_models(self) -> None:
        body = answers.models(self.endpoint, self.path_model, self.request.body)
        if isinstance(body, TollwayError):
            self._refuse(body)
            return
        self.status_code = 200
        self._respond(200, lambda refusal: self._send_own(body, refusal))

    async def _answer_kept(self) -> None:
        """Answer a question about kept turns."""
        body, failure = b"", None
        try:
            body = await answer_kept(self.endpoint.keeper, self.endpoint.operation, self.path_model, self)
        except TollwayError as error:
            failure = error
        self._asking = False
        if self._over:
            self._end_unanswered()
        elif failure is not None:
            self._refuse(failure)
        else:
            self.status_code = 200
            self._respond(200, lambda refusal: self._send_own(body, refusal))

    def _send_own(self, body: bytes, refusal: TollwayError | None) -> None:
        """Send what no provider was asked for."""
        if refusal is not None:
            self._refuse(refusal)
            return
        record = refusal_record(self, status=200, error="", policy="")
        self._finish_call(msgspec.structs.replace(record, outcome="ok"))
        if not self._over:
            self._downstream.send(200, self._lines(answers.JSON), body)
        self._close()

    def _respond(self, status: int, then: Callable[[TollwayError | None], None]) -> None:
        """Run the response policies, then `then` with their refusal or None."""
        steps = self.proxy.chain.response_steps
        if not steps:
            then(None)
        elif self.proxy.chain.awaits:
            self._worker.spawn(self._guarded(self._respond_awaiting(status, then)))
        else:
            then(chain.run(steps, self, status))

    async def _respond_awaiting(self, status: int, then: Callable[[TollwayError | None], None]) -> None:
        then(await chain.run_awaiting(self.proxy.chain.response_steps, self, status))

    # --- attempts

    def _go(self, step: Go | TollwayError) -> None:
        """Start the next attempt, now or after its delay, or tell the caller why there is none."""
        if isinstance(step, TollwayError):
            self._refuse(step)
        elif step.delay_seconds > 0:
            asyncio.get_running_loop().call_later(step.delay_seconds, self._resume, step, self.clock.monotonic())
        else:
            self._start(step)

    def _resume(self, step: Go, since: float) -> None:
        self._waited += self.clock.monotonic() - since  # timers may be early: what counts is what was waited
        try:
            self._start(step)
        except Exception as error:  # noqa: BLE001 - a timer has nobody above it to tell the caller
            self.defect(error)

    def _start(self, step: Go) -> None:
        if self._over:  # the caller left while a repeat waited for its turn
            if self._plan is not None:
                self._plan.cancelled(self.clock.monotonic())
            return
        now = self.clock.monotonic()
        target = self._planner.targets[step.route_index]
        if target.surfaces:
            target = target.for_model(step.model, self.endpoint.dialect_name)
        attempt = Attempt(self, target, step.model, step.number, stream=self.stream, now=now)
        if step.key_index:
            attempt.key_index = step.key_index
        self._attempt = None
        self._own_waited = False
        try:
            if target.key_expression is not None:
                self._take_key(target.key_expression, attempt)
            self._translation = translation = self.endpoint.translation(self, attempt)
            body = translation.request_body()
        except TollwayError as error:
            self._refuse(error)
            return
        self.provider_dialect = translation.provider_dialect
        attempt.event_type = FRAMINGS[translation.provider_framing].media_type
        if translation.losses.fields:
            self.losses = tuple(translation.losses.fields)
        steps = self.proxy.chain.upstream_steps
        if not steps:
            self._send(attempt, body)
        elif self.proxy.chain.awaits:
            self._asking = True
            self._worker.spawn(self._guarded(self._send_awaiting(attempt, body)))
        elif (refusal := chain.run_upstream(steps, self, attempt)) is not None:
            self._refuse(refusal)
        else:
            self._send(attempt, body)

    async def _send_awaiting(self, attempt: Attempt, body: bytes) -> None:
        refusal = await chain.run_upstream_awaiting(self.proxy.chain.upstream_steps, self, attempt)
        self._asking = False
        if self._over:
            self._end_unanswered()
        elif refusal is not None:
            self._refuse(refusal)
        else:
            self._send(attempt, body)

    def _send(self, attempt: Attempt, body: bytes) -> None:
        translation = self._translation
        if translation is None:  # pragma: no cover - an attempt exists only after its translation
            return
        tokens = attempt.target.tokens
        if tokens is not None and not tokens.ready(self.clock.monotonic()):
            self._asking = True
            self._worker.spawn(self._guarded(self._send_signed_in(tokens, attempt, body)))
            return
        try:
            payload = translation.payload(body, self.now_us)
        except TollwayError as error:
            self._refuse(error)
            return
        self._attempt = attempt  # from here on there is something to cancel, and to account for
        attempt.send(payload, self.clock.monotonic())

    async def _send_signed_in(self, tokens: "TokenKeeper", attempt: Attempt, body: bytes) -> None:
        """Send once the token is there that the provider wants; it is nearly always there before."""
        error: SignInFailed | None = None
        try:
            await tokens.wait(attempt.target.route.timeouts.connect_seconds)
        except SignInFailed as failed:
            error = failed
        self._asking = False
        if self._over:
            self._end_unanswered()
        elif error is None:
            self._send(attempt, body)
        else:
            self._attempt = attempt
            attempt.failed(error)

    def _take_key(self, expression: Expression, attempt: Attempt) -> None:
        """Take the provider key from the request, as the route says."""
        key = expression.text(self)
        if not key:
            msg = f"the request carries no key for route '{attempt.route}': {expression.source} is empty"
            raise BadRequest(msg, code="missing_provider_key")
        attempt.key_value = key

    def answered(self, attempt: Attempt, body: bytes) -> None:
        """A whole answer came: deliver it, or see whether another attempt should be made."""
        translation = self._translation
        if translation is None:  # pragma: no cover - an attempt exists only after its translation
            return
        if attempt.status == 200 and not self.stream:
            try:
                facts, out = translation.answer(body)
            except UpstreamError as error:
                self.attempt_failed(attempt, error)
                return
            self._deliver(attempt, facts, out)
        elif attempt.status >= 400:
            self.attempt_failed(attempt, translation.error(attempt.status, body, attempt.headers))
        else:
            message = f"the upstream answered with status {attempt.status} and no stream" if self.stream else ""
            message = message or f"the upstream answered with status {attempt.status}, which its API does not know"
            self.attempt_failed(attempt, UpstreamGarbled(message))

    def attempt_failed(self, attempt: Attempt, error: UpstreamError | InternalError) -> None:
        """An attempt came to nothing: record it, and go on or give up."""
        self._waited += attempt.ended_at - attempt.started_at
        self._own_waited = True
        now = self.clock.monotonic()
        plan = self._plan
        tokens = attempt.target.tokens
        renewed = tokens is not None and attempt.status == 401 and tokens.refused(attempt.sent_at)
        failure = failure_of(attempt, error, now, token_renewed=renewed)
        step = plan.after(failure, now) if plan is not None and not self._over else None
        outcome: Outcome = "timeout" if error.status == 504 else "error"
        record = self._record(attempt, NO_FACTS, outcome=outcome, error=error, final=step is None)
        if step is None:
            if plan is not None and plan.repeated:
                error.should_retry = False  # the gateway has repeated it already: an SDK's own repeats would multiply
            self._failed = record
            self._respond(error.status, lambda refusal: self._send_error(refusal or error, record))
            return
        self._worker.keep(record)
        self._go(step)

    # --- whole answers

    def _deliver(self, attempt: Attempt, facts: AnswerFacts, body: bytes) -> None:
        self._waited += attempt.ended_at - attempt.started_at
        self.usage = facts.usage
        self.status_code = 200
        self._facts = facts
        plan = self._plan
        if plan is not None:
            plan.succeeded(attempt.ended_at)
        chained = self.proxy.chain
        if chained.awaits:
            self._respond(200, partial(self._send_answer, attempt, facts, body))
        else:
            self._send_answer(attempt, facts, body, chain.run(chained.response_steps, self, 200))

    def _send_answer(self, attempt: Attempt, facts: AnswerFacts, body: bytes, refusal: TollwayError | None) -> None:
        record = self._record(attempt, facts, outcome="ok", error=refusal)
        if refusal is not None:
            self._send_error(refusal, record)
            return
        self._finish_call(record)
        turn = self.turn
        if turn is not None and turn.keeps and not self._over:
            self._worker.spawn(self._guarded(self._keep_answer(turn, attempt, record, body)))
        else:
            self._send_body(attempt, record, body)

    async def _keep_answer(self, turn: "Turn", attempt: Attempt, record: UsageRecord, body: bytes) -> None:
        body, kept = await turn.keep(body)
        if not kept:
            self.losses = (*self.losses, "store")
        self._send_body(attempt, record, body)

    def _send_body(self, attempt: Attempt, record: UsageRecord, body: bytes) -> None:
        if not self._over:
            lines = self._lines(answers.JSON)
            self._add_attempt_lines(lines, attempt, record.overhead_us, success=True)
            self._downstream.send(200, lines, body)
        self._close()

    # --- streams

    def open_stream(self, attempt: Attempt) -> Relay | None:
        """A streamed answer begins: build what it goes through."""
        translation = self._translation
        if translation is None:  # pragma: no cover - as in `answered`
            msg = "a stream without a translation"
            raise InternalError(msg)
        relay = translation.relay(attempt)
        self._event_mark = FRAMINGS[translation.framing].mark
        if self.proxy.chain.event_steps:
            relay = PolicyRelay(relay, self._decide_event, FRAMINGS[translation.framing])
        if translation.framing == "json-array":
            relay = ArrayRelay(relay)
        return relay

    def _decide_event(self, event: ResponseEvent) -> ResponseEvent | TollwayError | None:
        return chain.run_event(self.proxy.chain.event_steps, self, event)

    def streamed(self, attempt: Attempt, data: bytes) -> None:
        """Pass bytes on; when they end the answer, its record is kept first."""
        relay = attempt.relay
        if relay is None:
            return
        self.streamed_events += data.count(self._event_mark)
        if (relay.ended or relay.failed) and not self._settled and (self._head_sent or self._over):
            self._settle_stream(attempt, relay, None)
        if self._over:
            self._drain(attempt, len(data))
            return
        if not data:
            return
        if self._held_back is not None:
            self._held_back += data
        elif self._head_sent:
            self._downstream.write(data)
        else:
            self._begin_stream(attempt, data)
        if relay.failed and self.refused_by and not self._over:
            attempt.cancel(self.clock.monotonic())  # the caller will see no more of it
            self._stream_done = True
            if self._held_back is None:
                self._end_stream()
        elif self._downstream.paused:
            attempt.pause()

    def stream_over(self, attempt: Attempt, error: UpstreamError | None) -> None:
        """The stream ended, or broke: a broken one is an error to the caller, never a clean end."""
        relay = attempt.relay
        if relay is None:
            return
        held = self._held_back
        begun = self._head_sent or held is not None
        if error is not None and not begun and not self._settled and not self._over:
            self.attempt_failed(attempt, error)
            return
        if not self._settled and (held is None or self._over):
            self._settle_stream(attempt, relay, error)
        if self._over:
            return
        rest = relay.fail(error) if error is not None else b""
        if held is not None:
            held += rest
            self._stream_done = True
            self._stream_error = error
            return
        if not self._head_sent:
            self._begin_stream(attempt, rest)
            self._stream_done = True
            if self._held_back is not None or self._over:
                return
        else:
            self._downstream.write(rest)
        self._end_stream()

    def _end_stream(self) -> None:
        if self._over:
            return
        turn = self.turn
        if turn is not None and turn.held:
            self._worker.spawn(self._guarded(self._keep_stream(turn)))
            return
        self._downstream.finish()
        self._close()

    async def _keep_stream(self, turn: "Turn") -> None:
        """Keep the answer, then send the end that was held back."""
        await turn.keep_streamed()
        relay = self._attempt.relay if self._attempt is not None else None
        if self._over or relay is None:
            return
        self._downstream.write(relay.feed(b""))
        self._downstream.finish()
        self._close()

    def _begin_stream(self, attempt: Attempt, data: bytes) -> None:
        """Ask the response policies, then send the head with the first bytes; hold those back while a policy waits."""
        self.status_code = 200
        if self.proxy.chain.awaits and self.proxy.chain.response_steps:
            self._held_back = bytearray(data)
            attempt.pause()
            self._respond(200, lambda refusal: self._release_stream(attempt, refusal))
        else:
            self._respond(200, lambda refusal: self._send_stream_head(attempt, data, refusal))

    def _release_stream(self, attempt: Attempt, refusal: TollwayError | None) -> None:
        held, self._held_back = self._held_back, None
        if self._over:
            return
        self._send_stream_head(attempt, bytes(held or b""), refusal)
        if self._stream_done:
            self._end_stream()
        elif not self._over:
            attempt.resume()

    def _send_stream_head(self, attempt: Attempt, data: bytes, refusal: TollwayError | None) -> None:
        if refusal is not None:
            now = self.clock.monotonic()
            attempt.cancel(now)
            if self._plan is not None:
                self._plan.cancelled(now)
            self._send_error(refusal, self._record(attempt, NO_FACTS, outcome="refused", error=refusal))
            return
        relay = attempt.relay
        if relay is not None and not self._settled and (relay.ended or relay.failed or self._stream_done):
            self._settle_stream(attempt, relay, self._stream_error)
        self._head_sent = True
        lines = self._lines(self._stream_type(attempt))
        self._add_attempt_lines(lines, attempt, self._overhead_us(), success=True)
        self._downstream.start(200, lines, data)

    def _stream_type(self, attempt: Attempt) -> bytes:
        """Give the header lines that say what the stream is."""
        del attempt
        translation = self._translation
        framing = translation.framing if translation is not None else "sse"
        return answers.JSON if framing == "json-array" else FRAMINGS[framing].content_type

    def _settle_stream(self, attempt: Attempt, relay: Relay, error: TollwayError | None) -> None:
        """Meter a stream whose end is known, before the caller can know it."""
        facts = relay.facts()
        self.usage = facts.usage
        if attempt.ended_at == 0.0:
            attempt.ended_at = self.clock.monotonic()
        outcome: Outcome = "ok"
        if error is not None:
            outcome = "timeout" if error.status == 504 else "cut"
        elif relay.failed:
            outcome = "error"
        plan = self._plan
        if plan is not None:
            now = self.clock.monotonic()
            if outcome == "ok":
                plan.succeeded(now)
            elif self.refused_by:
                plan.cancelled(now)
            else:
                plan.broke(now)
        code = error.code if error is not None else ""
        if relay.failed and not code:
            code = "policy_refused" if self.refused_by else "upstream_error"
        if self._over and outcome != "ok":
            outcome = "cancelled"
        self._finish_call(self._record(attempt, facts, outcome=outcome, code=code))

    def defect(self, error: Exception) -> None:
        """Something of ours failed: say so in the log, and end the call so that nobody is left waiting."""
        self._worker.log.defect("a call failed", error)
        attempt = self._attempt
        if attempt is not None:
            attempt.cancel(self.clock.monotonic())
        if self._plan is not None:
            self._plan.cancelled(self.clock.monotonic())
        failure = InternalError("the gateway failed to handle this request")
        try:
            self._finish_call(self._defect_record(attempt, failure))
        except Exception as another:  # noqa: BLE001 - a policy that fails to hear of the end must not keep the caller waiting
            self._worker.log.defect("a policy failed at the end of a call", another)
        if self._over:
            return
        self._close()
        if self._head_sent:
            self._downstream.abort()
            return
        # What policies have set is left out: it may be what failed.
        correlation = b"x-correlation-id: %b\r\n" % self.correlation_bytes
        lines = [answers.JSON, self._worker.date_line, correlation, *answers.error_lines(failure, {})]
        lines.extend(self.endpoint.error_lines(failure))
        self._downstream.send(failure.status, lines, self.endpoint.render_error(failure))

    def _defect_record(self, attempt: Attempt | None, failure: InternalError) -> UsageRecord:
        if attempt is None:
            return refusal_record(self, status=failure.status, error=failure.code, policy="")
        facts = self._facts
        if facts is None:
            facts = attempt.relay.facts() if attempt.relay is not None else NO_FACTS
        return self._record(attempt, facts, outcome="error", error=failure)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Wait for a policy; what fails meanwhile ends the call."""
        try:
            await work
        except asyncio.CancelledError:  # the worker ends
            self._asking = False
            self._over = True
            self._end_unanswered()
            raise
        except Exception as error:  # noqa: BLE001 - a defect in a policy that waits must end the call, not leave it waiting
            self.defect(error)

    # --- the caller's connection

    def client_left(self) -> None:
        """The caller hung up: stop the upstream call, or drain it to its usage, as the proxy says."""
        if self._over:
            return
        self._over = True
        attempt = self._attempt
        try:
            if self._asking:
                pass  # policies hear of the end once all have been asked: only then have they reserved what they will
            elif attempt is None or attempt.over:
                self._end_unanswered()
            elif attempt.relay is not None and self.proxy.drains and not self._settled:
                attempt.drained_until = self.clock.monotonic() + self.proxy.drain_seconds
                attempt.resume()
            else:
                self._cancel(attempt)
        except Exception as error:  # noqa: BLE001 - the caller's connection has nothing to do with our defects
            self.defect(error)

    def abandoned(self, attempt: Attempt) -> None:
        """The worker ends, or the caller is gone for too long: nobody drains this attempt any more."""
        self._over = True
        try:
            self._cancel(attempt)
        except Exception as error:  # noqa: BLE001 - other calls are looked after in the same breath
            self.defect(error)

    def _end_unanswered(self) -> None:
        """End a call whose caller left while no provider was busy with it."""
        if self._settled:
            return
        if self._plan is not None:
            self._plan.cancelled(self.clock.monotonic())
        attempt = self._attempt
        if attempt is not None and self._facts is not None:
            record = self._record(attempt, self._facts, outcome="cancelled", code="client_left", status=499)
        elif attempt is not None and attempt.relay is not None and self._held_back is not None:
            self._settle_stream(attempt, attempt.relay, self._stream_error)
            return
        else:
            record = self._failed
        if record is None:
            record = refusal_record(self, status=499, error="client_left", policy="")
            record = msgspec.structs.replace(record, outcome="cancelled")
        self._finish_call(record)

    def client_paused(self) -> None:
        """The caller reads too slowly."""
        if self._attempt is not None:
            self._attempt.pause()

    def client_resumed(self) -> None:
        """The caller reads again."""
        if self._attempt is not None:
            self._attempt.resume()

    def _drain(self, attempt: Attempt, size: int) -> None:
        self._drained_bytes += size
        if self._settled or self._drained_bytes > self.proxy.drain_bytes:
            self._cancel(attempt)

    def _cancel(self, attempt: Attempt) -> None:
        attempt.cancel(self.clock.monotonic())
        if self._settled:
            return
        facts = attempt.relay.facts() if attempt.relay is not None else NO_FACTS
        self.usage = facts.usage
        if self._plan is not None:
            self._plan.cancelled(self.clock.monotonic())
        self._finish_call(self._record(attempt, facts, outcome="cancelled", code="client_left", status=499))

    # --- ends

    def _refuse(self, error: TollwayError) -> None:
        """Answer without the provider."""
        if self._over:
            return
        if self._plan is not None:
            self._plan.cancelled(self.clock.monotonic())
        self._send_error(error, refusal_record(self, status=error.status, error=error.code, policy=self.refused_by))

    def _send_error(self, error: TollwayError, record: UsageRecord) -> None:
        self.status_code = error.status
        self._finish_call(record)
        attempt = self._attempt if isinstance(error, UpstreamError) else None
        passed: Mapping[bytes, bytes] = attempt.headers if attempt is not None else {}
        lines = self._lines(answers.JSON)
        lines.extend(answers.error_lines(error, passed))
        lines.extend(self.endpoint.error_lines(error))
        if attempt is not None:
            self._add_attempt_lines(lines, attempt, record.overhead_us, success=False)
        body = self._translation.verbatim_error(error) if self._translation is not None else None
        if body is None:
            body = self.endpoint.render_error(error)
        if self._head_sent:
            self._downstream.abort()
        elif not self._over:
            self._downstream.send(error.status, lines, body)
        self._close()

    def _record(
        self,
        attempt: Attempt,
        facts: AnswerFacts,
        *,
        outcome: Outcome,
        error: TollwayError | None = None,
        code: str = "",
        status: int = 0,
        final: bool = True,
    ) -> UsageRecord:
        if error is not None:
            code, status = error.code, error.status
        return attempt_record(
            self,
            attempt,
            facts,
            outcome=outcome,
            status=status or 200,
            error=code,
            final=final,
            overhead_us=self._overhead_us(),
        )

    def _finish_call(self, record: UsageRecord) -> None:
        """Tell the policies, then store the record, once: the caller's last byte may go only after this."""
        if self._settled:
            return
        self._settled = True
        self.usage = record.usage if record.attempt else self.usage
        try:
            if self.proxy.chain.end_steps:
                self.now_us = self.clock.wall_us()
                chain.run_end(self.proxy.chain.end_steps, self, record)
        finally:
            if record.attempt or record.client_id or record.outcome != "refused":
                self._worker.keep(record)
            else:
                # Strangers who are refused count in the metrics, but must not be able to fill the ledger.
                self._worker.metrics.observe(record)

    def _close(self) -> None:
        """Let go of everything: parts that hold each other would stay in memory until the collector comes."""
        self._over = True
        self._attempt = self._plan = self._translation = self.turn = None

    def _overhead_us(self) -> int:
        attempt = self._attempt
        now = self.clock.monotonic()
        waited = self._waited
        if attempt is not None and attempt.relay is not None and not self._own_waited:
            # A stream's own time is the provider's; what the gateway adds is what came before it was sent.
            return int((attempt.started_at - self.started_at - waited) * _MICRO)
        return int((now - self.started_at - waited) * _MICRO)

    def _lines(self, content_type: bytes) -> list[bytes]:
        """Begin the header lines of an answer: those that every answer has."""
        lines = [content_type, self._worker.date_line, b"x-correlation-id: %b\r\n" % self.correlation_bytes]
        if self.ready_lines:
            lines.extend(self.ready_lines.values())
        if self.set_lines:
            lines.extend(answers.header_line(name, value) for name, value in self.set_lines.items())
        if self.added_lines:
            lines.extend(answers.header_line(name, value) for name, value in self.added_lines)
        if self.shadow_refusals:
            lines.append(answers.header_line("x-tollway-shadow", ", ".join(self.shadow_refusals)))
        if self.losses:
            lines.append(answers.header_line("x-tollway-dropped-fields", ", ".join(self.losses)))
        return lines

    def _add_attempt_lines(self, lines: list[bytes], attempt: Attempt, overhead_us: int, *, success: bool) -> None:
        plan = self._plan
        fell_back = plan is not None and plan.fell_back
        self._worker.passed_headers.add(lines, attempt.headers)
        target = attempt.target
        lines.append(self.proxy.routing_headers.lines(target.route.provider, attempt.target_model, fell_back, success))
        lines.append(b"x-tollway-overhead-us: %d\r\n" % overhead_us)


def text_member(raw: msgspec.Raw, field: str) -> str:
    """Read a member that must be a string."""
    try:
        return _decode_text(raw)
    except NOT_JSON:
        raise BadRequest(f"'{field}' must be a string", param=field) from None


def flag_member(raw: msgspec.Raw, field: str) -> bool:
    """Read a member that must be true or false; null is false."""
    text = bytes(raw)
    if text == b"true":
        return True
    if text in (b"false", b"null"):
        return False
    raise BadRequest(f"'{field}' must be true or false", param=field)
