"""The spine of a session over a WebSocket: from its handshake to the record of its last response.

    offer → request policies → route → upstream policies → provider's handshake → response policies → 101
      → messages, both ways; each response: request policies → … → its record → end policies → its last message
      → close → the session's record → end policies

Rules of this file:
- A session holds one snapshot (`proxy`) from its handshake to its close.
- Each response is a call of its own (`Turn`): admitted by the request policies, recorded and settled before the
  message that ends it passes on. What they refuse is not asked for; what the provider began by itself is stopped.
- Every exit goes through `_refuse` or `_finish`, which leave the records of the session and of all its responses in
  the spool before the caller can know that it is over.
- Nothing is tried again once the provider has accepted the session.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import msgspec

from tollway.core.errors import (
    BadRequest,
    InternalError,
    NotReady,
    RequestTimeout,
    TollwayError,
    UpstreamCut,
    UpstreamError,
    UpstreamTimeout,
)
from tollway.core.ids import RequestedModel
from tollway.core.usage import Usage
from tollway.gateway import answers, chain, upgrade
from tollway.gateway.call import Call
from tollway.gateway.connection import Connection
from tollway.gateway.downstream import Downstream
from tollway.gateway.realtime_records import End, Moved, response_record, session_record
from tollway.gateway.realtime_turn import NOT_ASKED, Turn
from tollway.gateway.request import Request
from tollway.gateway.route import failure_of
from tollway.gateway.statuses import status_line
from tollway.gateway.translate import withhold_words
from tollway.gateway.websocket import CallerSocket, HandshakeAnswer, ProviderSocket, SocketAttempt, SocketEnd
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.policy import ResponseEvent
from tollway.interfaces.realtime import ClientEvent, RealtimeDialect, ServerEvent
from tollway.interfaces.usage_record import Outcome, UsageRecord
from tollway.routing.plan import CallPlan, Go
from tollway.snapshot.document import Limits
from tollway.wire.websocket import CUT, GOING_AWAY, INTERNAL, NO_CODE, NORMAL, Closed, Message

if TYPE_CHECKING:
    from tollway.gateway.compiled import Endpoint
    from tollway.gateway.worker import Worker

_MICRO: Final = 1_000_000
_NOTHING_USED: Final = Usage()
"""What opening a session uses: policies that reserved for it give it back."""
_CANCEL_SECONDS: Final = 5.0
"""How long a provider that was told to stop may take to tell its usage."""
_MOST_TURNS: Final = 64
"""Responses of one session at once; no API allows nearly as many."""
_ITS_TIME: Final = frozenset({"idle_timeout", "session_expired"})
"""Codes of ends that are nobody's fault."""
_CLEAN: Final = frozenset({NORMAL, GOING_AWAY, NO_CODE})


class SessionOwner(Protocol):
    """The listener, as a session sees it."""

    @property
    def limits(self) -> Limits:
        """What a stranger may send, and how slowly."""
        ...

    @property
    def draining(self) -> bool:
        """Whether no more sessions are taken."""
        ...

    def handed_over(self, connection: object, successor: Connection) -> None:
        """Know a connection by its new protocol."""
        ...

    def closed(self, connection: Connection) -> None:
        """Forget a connection."""
        ...


@runtime_checkable
class Upgradable(Protocol):
    """A caller's connection that can become a WebSocket."""

    def upgrade(self, head: bytes, protocol: asyncio.Protocol) -> bool:
        """Write the head of the 101 and hand the transport over; False when that cannot be done any more."""
        ...


class Session(Call):
    """One session on its way through the gateway."""

    __slots__ = (
        "_asked",
        "_attempt",
        "_caller",
        "_caller_gate",
        "_context_tokens",
        "_dialect",
        "_downstream",
        "_draining",
        "_ending",
        "_failed",
        "_finished",
        "_lingers_until",
        "_moved",
        "_moved_at",
        "_offer_key",
        "_opened_at",
        "_opening",
        "_owner",
        "_pinged_at",
        "_plan",
        "_provider",
        "_provider_gate",
        "_query",
        "_record_taken",
        "_settled",
        "_subprotocols",
        "_turns",
        "_watch",
        "_worker",
        "call_id",
        "endpoint",
        "proxy",
    )

    def __init__(
        self,
        worker: "Worker",
        endpoint: "Endpoint",
        dialect: RealtimeDialect,
        request: Request,
        downstream: Downstream,
        owner: "SessionOwner",
    ) -> None:
        """Begin; `run` does the rest."""
        Call.__init__(self, request, worker.clock)
        self._worker = worker
        self.endpoint = endpoint
        self.proxy = endpoint.proxy
        self._dialect = dialect
        self._watch = dialect.watch()
        self._downstream = downstream
        self._owner = owner
        self.call_id = worker.clock.new_id()
        self._record_taken = False
        self.stream = True
        self._offer_key = b""
        self._query: dict[str, str] = {}
        self._subprotocols: tuple[str, ...] = ()
        self._opening: asyncio.Task[None] | None = None
        self._plan: CallPlan | None = None
        self._attempt: SocketAttempt | None = None
        self._failed: UsageRecord | None = None
        self._caller: CallerSocket | None = None
        self._provider: ProviderSocket | None = None
        self._caller_gate = _Gate(self._from_caller)
        self._provider_gate = _Gate(self._from_provider)
        self._asked: deque[Turn] = deque()
        """Responses that were asked for and have not begun."""
        self._turns: dict[str, Turn] = {}
        """Those that have, by the provider's id."""
        self._context_tokens = 0
        """A guess of what the next response will have for input."""
        self._moved = Moved()
        self._opened_at = 0.0
        self._moved_at = 0.0
        self._pinged_at = 0.0
        self._draining = False
        self._lingers_until = 0.0
        self._ending: tuple[Outcome, str, int] | None = None
        self._finished = False
        self._settled = False

    def record_id(self) -> str:
        """Give a record its id: the first has the call's own."""
        if self._record_taken:
            return self.clock.new_id()
        self._record_taken = True
        return self.call_id

    # --- the handshake

    def run(self) -> None:
        """Check the offer and begin to open the session."""
        self.correlate()
        try:
            self._read()
        except TollwayError as error:
            self._refuse(error)
            return
        self._opening = self._worker.spawn(self._guarded(self._open()))

    def _read(self) -> None:
        request = self.request
        self._offer_key = upgrade.check_offer(request)
        if not isinstance(self._downstream, Upgradable):
            raise upgrade.wants_upgrade(self._downstream)
        self._subprotocols = upgrade.offered_subprotocols(request.headers)
        query = upgrade.query_of(request)
        dialect = self._dialect
        self.request = upgrade.seen_by_policies(request, dialect.caller_headers(query, self._subprotocols))
        self.raw_header = self.request.headers.get
        self._query = dict(dialect.passed_query(query))
        if dialect.model_place == "query":
            self.requested_model = RequestedModel(dialect.requested_model(query))

    async def _open(self) -> None:
        try:
            await self._admit()
            if self._dialect.model_place == "query":
                await self._reach()
            await self._answer()
        except TollwayError as error:
            self._refuse(error)
            return
        self._accept()

    async def _admit(self) -> None:
        """Ask the request policies.

        Raises:
            TollwayError: one refuses, or no sessions are taken now.
        """
        if self._owner.draining:
            raise NotReady("the gateway is about to stop; connect again")
        steps = self.proxy.chain.request_steps
        if self.proxy.chain.awaits:
            refusal = await chain.run_awaiting(steps, self)
        else:
            refusal = chain.run(steps, self)
        if refusal is None and self._worker.spool_broken:
            refusal = _records_not_kept()
        # No fallback for callers without a budget: the policy that refuses now would refuse each of its responses.
        if refusal is not None:
            raise refusal

    async def _answer(self) -> None:
        """Ask the response policies about the 101. What opening used is known: nothing."""
        self.usage = _NOTHING_USED
        self.status_code = 101
        self.now_us = self.clock.wall_us()
        steps = self.proxy.chain.response_steps
        if self.proxy.chain.awaits:
            refusal = await chain.run_awaiting(steps, self, 101)
        else:
            refusal = chain.run(steps, self, 101)
        if refusal is not None:
            raise refusal

    def _accept(self) -> None:
        limits = self._owner.limits
        caller = CallerSocket(self, message_bytes=limits.websocket_message_bytes)
        lines = upgrade.accepting_lines(self._offer_key, self._dialect.subprotocol(self._subprotocols))
        head = b"".join((status_line(101), *lines, *self._lines(), *self._attempt_lines(), b"\r\n"))
        downstream = self._downstream
        if not isinstance(downstream, Upgradable) or not downstream.upgrade(head, caller):
            self._finish("cancelled", "client_left", 499)
            return
        self._caller = caller
        self._owner.handed_over(downstream, caller)
        self._opened_at = self._moved_at = self._worker.now
        provider = self._provider
        if provider is not None:
            provider.begin(self)

    # --- the provider

    async def _reach(self) -> None:
        """Open a provider's WebSocket, by whichever route can.

        Raises:
            TollwayError: none can.
        """
        self._plan = plan = self.proxy.planner.plan(self)
        step: Go | TollwayError | None = plan.first(self.clock.monotonic())
        while True:
            if isinstance(step, TollwayError):
                raise step
            if step.delay_seconds > 0:
                await asyncio.sleep(step.delay_seconds)
            target = self.proxy.targets[step.route_index]
            self._attempt = attempt = SocketAttempt(target, step.model, step.number, now=self.clock.monotonic())
            try:
                self._provider = await self._connect(attempt, step.key_index)
            except UpstreamError as error:
                attempt.ended_at = now = self.clock.monotonic()
                following = plan.after(failure_of(attempt, error, now), now)
                outcome: Outcome = "timeout" if error.status == 504 else "error"
                record = self._record(End(outcome, error.code, error.status, final=following is None))
                if following is None:
                    if plan.repeated:
                        error.should_retry = False  # as for calls: an SDK's own repeats would multiply
                    self._failed = record
                    raise
                self._worker.keep(record)
                step = following
            else:
                # The upstream is well. A session may last for an hour, and is no measure of it.
                plan.succeeded(self.clock.monotonic())
                return

    async def _connect(self, attempt: SocketAttempt, key_index: int) -> ProviderSocket:
        target = attempt.target
        provider = target.provider
        path = provider.realtime.get(self._dialect.name)
        if path is None:
            msg = (
                f"the provider '{provider.name}' does not speak '{self._dialect.name}'; choose a model of another "
                "provider"
            )
            raise BadRequest(msg, param="model", code="operation_not_supported")
        credential = target.route.keys[key_index].reveal() if target.route.keys else ""
        if target.key_expression is not None:
            credential = target.key_expression.text(self) or ""
            if not credential:
                source = target.key_expression.source
                msg = f"the request carries no key for route '{target.route.name}': {source} is empty"
                raise BadRequest(msg, code="missing_provider_key")
        await self._ask_upstream_policies(attempt)
        key = upgrade.new_key()
        request = upgrade.provider_handshake(
            attempt,
            path,
            query=self._query,
            credential=credential,
            headers=self._upstream_headers(attempt),
            forwarded=self._forwarded(),
            key=key,
            now_us=self.now_us,
        )
        timeouts = target.route.timeouts
        limit = self._owner.limits.websocket_message_bytes
        socket = await target.pool.open(lambda: ProviderSocket(message_bytes=limit), timeouts.connect_seconds)
        try:
            answer = await self._shake(socket, request, timeouts.first_byte_seconds)
            attempt.status, attempt.headers = answer.status, answer.headers
            self._check(answer, key)
        except BaseException:
            socket.drop()
            raise
        return socket

    def _check(self, answer: HandshakeAnswer, key: bytes) -> None:
        if answer.status != 101:
            raise self._refusal_of(answer)
        upgrade.check_answer(answer, key)

    async def _shake(self, socket: ProviderSocket, request: bytes, seconds: float) -> HandshakeAnswer:
        try:
            async with asyncio.timeout(seconds):
                return await socket.handshake(request)
        except TimeoutError:
            msg = f"the upstream did not answer the handshake within {seconds:g} s"
            raise UpstreamTimeout(msg, code="first_byte_timeout") from None

    async def _ask_upstream_policies(self, attempt: SocketAttempt) -> None:
        self.now_us = self.clock.wall_us()
        refusal = await chain.run_upstream_awaiting(self.proxy.chain.upstream_steps, self, attempt)
        if refusal is not None:
            raise refusal

    def _upstream_headers(self, attempt: SocketAttempt) -> dict[str, str]:
        """What policies set and, in place of the provider's fixed headers, the caller's own of those that may pass."""
        headers: dict[str, str] = {}
        for name in attempt.target.forwards:
            raw = self.raw_header(name)
            if raw is not None:
                headers[name.decode("ascii")] = raw.decode("latin-1")
        return {**headers, **(self.upstream_set or {}), **attempt.set_headers}

    def _forwarded(self) -> bytes:
        return b"".join(answers.header_line(name, value) for name, value in self.upstream_added or ())

    def _refusal_of(self, answer: HandshakeAnswer) -> UpstreamError:
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers.items()}
        status = answer.status if answer.status >= 400 else 502
        error = self._dialect.parse_error(status, answer.body, named)
        if status in (401, 403):
            withhold_words(error)
        return error

    # --- messages

    def received(self, end: SocketEnd, message: Message) -> None:
        """A message came, from either side."""
        if self._finished:
            return
        self._moved_at = self._worker.now
        try:
            (self._caller_gate if end is self._caller else self._provider_gate).pass_on(message)
        except Exception as error:  # noqa: BLE001 - a defect ends this session, and no other
            self.defect(error)

    def _from_caller(self, message: Message) -> None:
        if self._lingers_until or self._caller is None:
            return
        try:
            event = self._watch.client(message.data)
            data = self._routed(message.data, event) if event.model else message.data
        except TollwayError as error:
            self._tell(error, self._name_of(message))
            return
        self._context_tokens += event.input_tokens
        message = Message(data, message.text)
        if self._provider is None:
            self._open_for(message, event)
        elif event.asks:
            self._ask(message, event)
        else:
            self._send_up(message)

    def _routed(self, data: bytes, event: ClientEvent) -> bytes:
        """Write the target's model in place of the caller's, which must be the one the session was routed by."""
        if self._attempt is None or self._provider is None:
            return data
        if event.model not in (self.requested_model, self._attempt.target_model):
            raise BadRequest(
                f"this session is with model '{self.requested_model}'; open another connection for '{event.model}'",
                param="model",
                code="model_not_of_session",
            )
        return self._dialect.with_model(data, self._attempt.target_model)

    def _open_for(self, message: Message, event: ClientEvent) -> None:
        """The first message that names a model came: now there is something to route."""
        if not event.model:
            self._tell(BadRequest("the first message must name a model, so that it can be routed", param="model"), "")
            return
        self.requested_model = RequestedModel(event.model)
        self._caller_gate.is_shut = True
        self._read_as_may_be()
        self._opening = self._worker.spawn(self._guarded(self._open_late(message, event)))

    async def _open_late(self, message: Message, event: ClientEvent) -> None:
        try:
            await self._reach()
        except TollwayError as error:
            self._end_with(error)
            return
        provider, attempt = self._provider, self._attempt
        if provider is None or attempt is None:  # pragma: no cover - `_reach` returns with both
            return
        if self._finished:
            provider.drop()
            return
        provider.begin(self)
        routed = Message(self._dialect.with_model(message.data, attempt.target_model), message.text)
        self._caller_gate.is_shut = False
        if event.asks:
            self._ask(routed, event)  # which may shut it again
        else:
            self._send_up(routed)
        if not self._caller_gate.is_shut:
            self._caller_gate.open()
        self._read_as_may_be()

    def _send_up(self, message: Message) -> None:
        provider = self._provider
        if provider is not None:
            self._moved.sent += len(message.data)
            provider.send(message)

    def _send_down(self, message: Message) -> None:
        caller = self._caller
        if caller is not None and not self._lingers_until:
            caller.send(message)

    # --- responses

    def _ask(self, message: Message, event: ClientEvent) -> None:
        """A response is asked for: let it through when the policies do."""
        turn = self._turn(message.data, event)
        self._decide(turn, self._caller_gate, lambda refusal: self._asked_for(turn, message, refusal))

    def _asked_for(self, turn: Turn, message: Message, refusal: TollwayError | None) -> None:
        if refusal is None and len(self._asked) + len(self._turns) >= _MOST_TURNS:
            refusal = BadRequest(f"more than {_MOST_TURNS} responses at once; wait for one to end")
        if refusal is not None or self._finished or self._lingers_until:
            if refusal is None:
                self._end_turn(turn, AnswerFacts(), "cancelled", "client_left")
            else:
                self._end_turn(turn, AnswerFacts(), "refused", refusal.code, refusal.status)
                self._tell(refusal, turn.event.name)
            return
        if not turn.event.name:
            # So that the provider's error about it, if there is one, says which it is about.
            name = f"tollway_{self.clock.new_id()}"
            data = self._dialect.named(message.data, name)
            if data is not message.data:
                turn.event = msgspec.structs.replace(turn.event, name=name)
                message = Message(data, message.text)
        turn.moved.sent = len(message.data)
        self._asked.append(turn)
        self._send_up(message)

    def _from_provider(self, message: Message) -> None:
        self._moved.received += len(message.data)
        try:
            event = self._watch.server(message.data)
        except UpstreamError as error:
            self._end_with(error)
            return
        if event.secret:
            self._key_refused()
            return
        if event.begins:
            self._begun(message, event)
        elif event.refuses:
            self._refused(event)
            self._pass_down(None, message, event)
        elif event.facts is not None and not event.ends:
            self._account(message, event)
        else:
            self._went_on(message, event)

    def _begun(self, message: Message, event: ServerEvent) -> None:
        turn = self._take_asked(event.about)
        if turn is not None:
            self._follow(turn, message, event)
            return
        unasked = self._turn(b"", NOT_ASKED)
        self._decide(
            unasked, self._provider_gate, lambda refusal: self._begun_unasked(unasked, message, event, refusal)
        )

    def _begun_unasked(self, turn: Turn, message: Message, event: ServerEvent, refusal: TollwayError | None) -> None:
        if self._finished:
            self._end_turn(turn, AnswerFacts(), "cancelled", "client_left")
            return
        if refusal is None:
            self._follow(turn, message, event)
            return
        stop = self._dialect.cancel(event.response or "")
        if not stop:
            self._turns[event.response or ""] = turn  # ends with the session, and is accounted for
            turn.begun_at = self.clock.monotonic()
            self._end_with(refusal)
            return
        turn.refusal = refusal
        self._follow(turn, message, event)
        self._send_up(Message(stop, text=True))
        self._tell(refusal, "")

    def _follow(self, turn: Turn, message: Message, event: ServerEvent) -> None:
        turn.response = event.response or ""
        turn.begun_at = self.clock.monotonic()
        if len(self._turns) >= _MOST_TURNS:
            self._end_with(UpstreamCut("the provider began too many responses at once"))
            return
        former = self._turns.pop(turn.response, None)
        if former is not None:
            self._end_turn(former, AnswerFacts(), "cut", "upstream_garbled")
        self._turns[turn.response] = turn
        if self._lingers_until:
            self._stop(turn)
        self._went_on(message, event)

    def _went_on(self, message: Message, event: ServerEvent) -> None:
        """A message of a response, or of none: when it ends one, the record comes first."""
        turn = self._turns.get(event.response) if event.response is not None else None
        if turn is None:
            self._pass_down(None, message, event)
            return
        turn.moved.received += len(message.data)
        turn.moved.events += 1
        if event.ends:
            del self._turns[turn.response or ""]
            self._ended(turn, event)
        if turn.refusal is None or event.begins or event.ends:
            self._pass_down(turn, message, event)
        if event.ends:
            self._after_turn()

    def _ended(self, turn: Turn, event: ServerEvent) -> None:
        facts = event.facts or AnswerFacts()
        if facts.usage is not None:
            self._context_tokens = facts.usage.total_tokens
        outcome, code = event.outcome, event.code
        if turn.refusal is not None:
            outcome, code = "cancelled", turn.refusal.code
        self._end_turn(turn, facts, outcome, code)

    def _refused(self, event: ServerEvent) -> None:
        """The provider refused a request; if it was for a response, that is over."""
        turn = self._take_asked(event.about, exactly=bool(event.about))
        if turn is not None:
            self._end_turn(turn, AnswerFacts(), "error", event.code)
            self._after_turn()

    def _take_asked(self, about: str, *, exactly: bool = False) -> Turn | None:
        """Take the oldest response asked for under this name; one that was asked for without any may be meant too."""
        for turn in self._asked:
            if turn.event.name == about or (not about and not exactly):
                self._asked.remove(turn)
                return turn
        return None

    def _account(self, message: Message, event: ServerEvent) -> None:
        """Something was used beside the responses: count it, by nobody's leave."""
        turn = self._turn(b"", NOT_ASKED)
        self._decide(turn, self._provider_gate, lambda refusal: self._accounted(turn, message, event, refusal))

    def _accounted(self, turn: Turn, message: Message, event: ServerEvent, refusal: TollwayError | None) -> None:
        turn.refused_by = ""
        turn.begun_at = turn.started_at
        turn.moved.received = len(message.data)
        self._end_turn(turn, event.facts or AnswerFacts(), "ok", "")
        self._pass_down(None, message, event)
        if refusal is not None and event.stands_alone:
            self._end_with(refusal)

    def _pass_down(self, turn: Turn | None, message: Message, event: ServerEvent) -> None:
        """Pass a message to the caller, through the event policies."""
        steps = self.proxy.chain.event_steps
        if not steps:
            self._send_down(message)
            return
        given = ResponseEvent(message.data, event.kind.encode())
        passed = chain.run_event(steps, turn or self, given)
        if isinstance(passed, TollwayError):
            if turn is not None and turn.response is not None and not turn.settled:
                turn.refusal = passed
                self._stop(turn)
            self._tell(passed, "")
        elif passed is not None:
            self._send_down(Message(passed.data, message.text))

    def _stop(self, turn: Turn) -> None:
        stop = self._dialect.cancel(turn.response or "")
        if stop:
            self._send_up(Message(stop, text=True))

    def _after_turn(self) -> None:
        if self._asked or self._turns:
            return
        if self._lingers_until:
            self._finish_as_ending()
        elif self._draining:
            self._go_away()

    def _turn(self, message: bytes, event: ClientEvent) -> Turn:
        return Turn(self, self.request, self.clock, message=message, event=event, tokens=self._context_tokens)

    def _decide(self, turn: Turn, gate: "_Gate", then: Callable[[TollwayError | None], None]) -> None:
        """Ask the request policies about a response; messages behind it wait until they have answered."""
        chained = self.proxy.chain
        if not chained.awaits:
            then(self._or_unkept(chain.run(chained.request_steps, turn)))
            return
        gate.is_shut = True
        self._read_as_may_be()
        self._worker.spawn(self._guarded(self._decide_awaiting(turn, gate, then)))

    async def _decide_awaiting(self, turn: Turn, gate: "_Gate", then: Callable[[TollwayError | None], None]) -> None:
        try:
            refusal = await chain.run_awaiting(self.proxy.chain.request_steps, turn)
        except BaseException:
            self._end_turn(turn, AnswerFacts(), "cancelled", "client_left")
            raise
        then(self._or_unkept(refusal))
        gate.open()
        self._read_as_may_be()

    def _or_unkept(self, refusal: TollwayError | None) -> TollwayError | None:
        return _records_not_kept() if refusal is None and self._worker.spool_broken else refusal

    def _end_turn(self, turn: Turn, facts: AnswerFacts, outcome: Outcome, code: str, status: int = 200) -> None:
        if turn.settled:
            return
        turn.settled = True
        record = response_record(
            turn,
            self.endpoint,
            None if outcome == "refused" else self._attempt,
            End(outcome, code, status),
            facts,
            new_id=self.clock.new_id(),
        )
        turn.usage = record.usage
        self._keep(turn, record)

    # --- the two ends

    def closed(self, end: SocketEnd, closed: Closed) -> None:
        """One side closed: so does the other, with the same code."""
        if self._finished:
            return
        try:
            if end is self._caller:
                self._caller_closed(closed)
            else:
                self._provider_closed(closed)
        except Exception as error:  # noqa: BLE001 - as in `received`
            self.defect(error)

    def _caller_closed(self, closed: Closed) -> None:
        ending: tuple[Outcome, str, int] = ("ok", "", 101)
        if closed.fault:
            ending = ("error", "websocket_protocol", 400)
        elif closed.code == CUT:
            ending = ("cancelled", "client_left", 499)
        self._ending = ending
        if self._opening is not None and self._provider is None:
            self._opening.cancel()
        provider = self._provider
        if provider is None or not (self._asked or self._turns) or not self._can_linger():
            self._finish_as_ending(closed)
            return
        seconds = _CANCEL_SECONDS if self._dialect.cancel("") else self.proxy.drain_seconds
        self._lingers_until = self._worker.now + seconds
        for turn in self._turns.values():
            self._stop(turn)
        self._read_as_may_be()

    def _can_linger(self) -> bool:
        """Whether the usage of what is under way can still be learnt."""
        return bool(self._dialect.cancel("")) or self.proxy.drains

    def _provider_closed(self, closed: Closed) -> None:
        if closed.fault or closed.code == CUT:
            self._end_with(
                UpstreamCut("the upstream broke off the session")
                if not closed.fault
                else UpstreamCut("the upstream broke the WebSocket protocol", code="upstream_garbled")
            )
        elif self._dialect.secret_close(closed.code, closed.reason):
            self._key_refused()
        else:
            clean = closed.code in _CLEAN
            self._finish("ok" if clean else "error", "" if clean else "upstream_closed", 101)
            self._close_caller(closed.code, closed.reason)

    def paused(self, end: SocketEnd) -> None:
        """One side reads slower than it is written to."""
        end.stall.begin(self._worker.now, end.unsent())
        self._read_as_may_be()

    def resumed(self, end: SocketEnd) -> None:
        """It caught up."""
        end.stall.end()
        self._read_as_may_be()

    def _read_as_may_be(self) -> None:
        """Read from each side only while what comes of it has somewhere to go."""
        caller, provider = self._caller, self._provider
        caller_full = caller is not None and not caller.lost and caller.write_paused
        provider_full = provider is not None and provider.write_paused
        # What a caller sends makes pongs and errors that go to itself, so it is not read while it does not read.
        _read(caller, not (caller_full or provider_full or self._caller_gate.is_shut))
        _read(provider, not (caller_full or self._provider_gate.is_shut))

    def client_left(self) -> None:
        """The caller hung up before its handshake was answered."""
        if self._opening is not None:
            self._opening.cancel()

    def client_paused(self) -> None:
        """Nothing is written before the handshake's answer."""

    def client_resumed(self) -> None:
        """As above."""

    def gone(self) -> None:
        """The caller's connection is no more; its listener forgets it when the session is over."""
        if self._finished and self._caller is not None:
            self._owner.closed(self._caller)

    # --- time

    def sweep(self, now: float) -> None:
        """End what takes longer than it may. Called four times a second."""
        if self._finished:
            return
        try:
            error = self._overdue(now)
            if error is not None:
                self._end_with(error)
            elif self._lingers_until and now > self._lingers_until:
                self._finish_as_ending()
            else:
                self._check_alive(now)
        except Exception as error:  # noqa: BLE001 - other connections are looked after in the same breath
            self.defect(error)

    def _overdue(self, now: float) -> TollwayError | None:
        limits = self._owner.limits
        if self._lingers_until:
            return None
        if now - self._opened_at > limits.websocket_seconds:
            return RequestTimeout(
                f"a session lasts {limits.websocket_seconds:g} s at most; open another", code="session_expired"
            )
        caller, quiet = self._caller, now - self._moved_at
        if (
            caller is not None
            and caller.stall
            and caller.stall.lasts(now, caller.unsent()) > limits.write_stall_seconds
        ):
            return RequestTimeout("the caller reads nothing", code="write_stall")
        if self._provider is None and self._opening is None and quiet > limits.header_seconds:
            return RequestTimeout(f"no first message came within {limits.header_seconds:g} s")
        attempt = self._attempt
        if attempt is not None and (self._asked or self._turns) and not (caller is not None and caller.write_paused):
            timeouts = attempt.target.route.timeouts
            patience = timeouts.between_events_seconds if self._turns else timeouts.first_byte_seconds
            if quiet > patience:
                return UpstreamTimeout(f"no event of the response came within {patience:g} s", code="event_timeout")
        if quiet > limits.websocket_idle_seconds:
            return RequestTimeout(f"no message came for {limits.websocket_idle_seconds:g} s", code="idle_timeout")
        return None

    def _check_alive(self, now: float) -> None:
        """Ping both sides now and then; one that does not even answer that is gone."""
        seconds = self._owner.limits.websocket_ping_seconds
        if now - self._pinged_at < seconds:
            return
        self._pinged_at = now
        for end in (self._caller, self._provider):
            if end is None or end.lost or not end.reading or end.write_paused:
                continue
            if end.asked and not end.heard:
                self.closed(end, Closed(CUT, ""))
                end.drop()
                return
            end.heard = False
            end.asked = True
            end.ping()

    def drain(self) -> None:
        """The gateway is about to stop: end as soon as no response is under way."""
        self._draining = True
        if not (self._finished or self._asked or self._turns) and (self._opening is None or self._provider is not None):
            self._go_away()

    def _go_away(self) -> None:
        self._finish("ok", "", 101, finish="draining")
        self._close_caller(GOING_AWAY, "the gateway is about to stop; connect again")

    def abort(self) -> None:
        """The gateway stops now."""
        if not self._finished:
            if self._opening is not None:
                self._opening.cancel()
            self._finish("cancelled", "draining", 503)
            self._close_caller(GOING_AWAY, "the gateway stops; connect again")
        elif self._caller is not None:
            self._caller.drop()

    # --- ends

    def _tell(self, error: TollwayError, about: str) -> None:
        """Tell the caller of an error by the API's own event; where it has none, by closing."""
        event = self._dialect.error_event(error, about=about, new_id=self.clock.new_id())
        if event:
            self._send_down(Message(event, text=True))
        else:
            self._end_with(error)

    def _key_refused(self) -> None:
        """The provider refused the gateway's key, in words that may quote it."""
        error = UpstreamError("", code="upstream_refused_key")
        withhold_words(error)
        self._end_with(error)

    def _end_with(self, error: TollwayError) -> None:
        """End the session because of an error, which the caller is told of."""
        if self._finished:
            return
        outcome: Outcome = "error"
        if error.fault == "upstream":
            outcome = "timeout" if error.status == 504 else "cut"
        if error.code in _ITS_TIME:
            self._finish("ok", "", 101, finish=error.code)
        else:
            self._finish(outcome, error.code, error.status)
        event = self._dialect.error_event(error, about="", new_id=self.clock.new_id())
        if event:
            self._send_down(Message(event, text=True))
        self._close_caller(self._dialect.close_code(error), error.message)

    def _finish_as_ending(self, closed: Closed | None = None) -> None:
        """The caller closed, and nothing is left to wait for."""
        outcome, code, status = self._ending or ("ok", "", 101)
        self._finish(outcome, code, status, closed)

    def _close_caller(self, code: int, reason: str) -> None:
        if self._caller is not None:
            self._caller.close(INTERNAL if code == CUT else code, reason)

    def _finish(
        self, outcome: Outcome, code: str, status: int, closed: Closed | None = None, *, finish: str = ""
    ) -> None:
        """Leave every record that is still due, and close the provider's side."""
        if self._finished:
            return
        self._finished = True
        left: Outcome = outcome if outcome in ("cut", "timeout") else "cancelled"
        try:
            for turn in (*self._turns.values(), *self._asked):
                self._end_turn(turn, AnswerFacts(), left, code or "session_closed")
            failed = self._failed if self._provider is None else None
            self._settle(failed or self._record(End(outcome, code, status, finish)))
        finally:
            self._turns.clear()
            self._asked.clear()
            if self._plan is not None:
                self._plan.cancelled(self.clock.monotonic())
            if self._provider is not None:
                code_up = closed.code if closed is not None and closed.code != CUT and not closed.fault else GOING_AWAY
                self._provider.close(code_up, closed.reason if closed is not None else "")
            caller = self._caller
            if caller is not None and caller.lost:
                self._owner.closed(caller)

    def _refuse(self, error: TollwayError) -> None:
        """Answer the handshake with an error."""
        if self._finished:
            return
        self._finished = True
        if self._plan is not None:
            self._plan.cancelled(self.clock.monotonic())
        if self._provider is not None:
            self._provider.close(GOING_AWAY)
        self.status_code = error.status
        record = self._failed if isinstance(error, UpstreamError) and self._failed is not None else None
        self._settle(record or self._record(End("refused", error.code, error.status)))
        lines = [answers.JSON, *self._lines(), *answers.error_lines(error)]
        if record is not None:
            lines.extend(self._attempt_lines(success=False))
        self._downstream.send(error.status, lines, self.endpoint.render_error(error))

    def defect(self, error: Exception) -> None:
        """Something of ours failed: say so in the log, and end the session so that nobody is left waiting."""
        self._worker.log.defect("a session failed", error)
        failure = InternalError("the gateway failed to handle this session")
        try:
            if self._caller is None:
                self._refuse(failure)
            else:
                self._end_with(failure)
        except Exception as another:  # noqa: BLE001 - a policy that fails to hear of the end must not keep the caller waiting
            self._worker.log.defect("a policy failed at the end of a session", another)
            self._close_caller(INTERNAL, "")

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do what waits; what fails meanwhile ends the session."""
        try:
            await work
        except asyncio.CancelledError:  # the caller left, or the worker ends
            outcome, code, status = self._ending or ("cancelled", "client_left", 499)
            self._finish(outcome, code, status)
            self._close_caller(GOING_AWAY, "")
            raise
        except Exception as error:  # noqa: BLE001 - a defect must end the session, not leave it waiting
            self.defect(error)
        finally:
            if self._opening is asyncio.current_task():
                self._opening = None

    # --- records and lines

    def _record(self, end: End) -> UsageRecord:
        attempt = None if end.outcome == "refused" else self._attempt
        if attempt is not None and not attempt.ended_at:
            attempt.ended_at = self.clock.monotonic()
        return session_record(
            self,
            self.endpoint,
            attempt,
            end,
            self._moved,
            ids=(self.record_id(), self.call_id),
            overhead_us=self._overhead_us(),
        )

    def _overhead_us(self) -> int:
        """What opening took beside waiting for the provider."""
        attempt = self._attempt
        until = attempt.started_at if attempt is not None else self.clock.monotonic()
        return int((until - self.started_at) * _MICRO)

    def _settle(self, record: UsageRecord) -> None:
        if not self._settled:
            self._settled = True
            self._keep(self, record)

    def _keep(self, call: Call, record: UsageRecord) -> None:
        """Tell the policies, then store the record: what ends the call for its caller may go only after this."""
        try:
            if self.proxy.chain.end_steps:
                call.now_us = self.clock.wall_us()
                chain.run_end(self.proxy.chain.end_steps, call, record)
        finally:
            if record.attempt or record.client_id or record.outcome != "refused":
                self._worker.keep(record)
            else:
                # Strangers who are refused count in the metrics, but must not be able to fill the ledger.
                self._worker.metrics.observe(record)

    def _lines(self) -> list[bytes]:
        lines = [self._worker.date_line, b"x-correlation-id: %b\r\n" % self.correlation_bytes]
        lines.extend((self.ready_lines or {}).values())
        lines.extend(answers.header_line(name, value) for name, value in (self.set_lines or {}).items())
        lines.extend(answers.header_line(name, value) for name, value in self.added_lines or ())
        if self.shadow_refusals:
            lines.append(answers.header_line("x-tollway-shadow", ", ".join(self.shadow_refusals)))
        return lines

    def _attempt_lines(self, *, success: bool = True) -> list[bytes]:
        attempt, plan = self._attempt, self._plan
        if attempt is None:
            return []
        lines: list[bytes] = []
        self._worker.passed_headers.add(lines, attempt.headers)
        fell_back = plan is not None and plan.fell_back
        lines.append(self.proxy.routing_headers.lines(attempt.provider, attempt.target_model, fell_back, success))
        return lines

    def _name_of(self, message: Message) -> str:
        """Find what an error about a message that was not understood should call it."""
        try:
            name = msgspec.json.decode(message.data, type=_Named).event_id
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ""
        return name or ""


class _Named(msgspec.Struct):
    event_id: str | None = None


class _Gate:
    """Where messages of one side wait while a policy is asked about one of them."""

    __slots__ = ("_held", "_then", "is_shut")

    def __init__(self, then: Callable[[Message], None]) -> None:
        """Pass messages on to `then`."""
        self._then = then
        self._held: deque[Message] = deque()
        self.is_shut = False

    def pass_on(self, message: Message) -> None:
        """Take a message: on with it, or into the queue. No more is read meanwhile, so the queue is short."""
        if self.is_shut:
            self._held.append(message)
        else:
            self._then(message)

    def open(self) -> None:
        """Let through what is held, until one of them shuts the gate again."""
        self.is_shut = False
        while self._held and not self.is_shut:
            self._then(self._held.popleft())


def _read(end: SocketEnd | None, may_read: bool) -> None:  # noqa: FBT001 - it is what the function is about
    if end is None:
        return
    if may_read:
        end.resume_reading()
    else:
        end.pause_reading()


def _records_not_kept() -> NotReady:
    return NotReady("the gateway cannot keep its usage records at the moment; try again later")
