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
from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

import msgspec

from tollway.core.errors import (
    BadRequest,
    Forbidden,
    InternalError,
    NotReady,
    RequestTimeout,
    TollwayError,
    UpstreamCut,
    UpstreamError,
    UpstreamGarbled,
    UpstreamTimeout,
)
from tollway.core.ids import RequestedModel
from tollway.core.usage import Usage
from tollway.gateway import answers, chain, upgrade
from tollway.gateway.call import Call
from tollway.gateway.connection import Connection
from tollway.gateway.downstream import Downstream
from tollway.gateway.realtime_reach import Reach
from tollway.gateway.realtime_records import SESSION, End, Moved, session_record
from tollway.gateway.realtime_responses import Gate, Responses, records_not_kept
from tollway.gateway.request import Request
from tollway.gateway.statuses import status_line
from tollway.gateway.translate import withhold_words
from tollway.gateway.websocket import CallerSocket, ProviderSocket, SocketEnd
from tollway.interfaces.realtime import ClientEvent, RealtimeDialect
from tollway.interfaces.usage_record import Outcome, UsageRecord
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
        "_caller",
        "_downstream",
        "_draining",
        "_ending",
        "_moved",
        "_moved_at",
        "_offer_key",
        "_opened_at",
        "_opening",
        "_pinged_at",
        "_provider",
        "_record_taken",
        "_settled",
        "_subprotocols",
        "_watch",
        "call_id",
        "caller_gate",
        "dialect",
        "endpoint",
        "finished",
        "lingers_until",
        "owner",
        "provider_gate",
        "proxy",
        "query",
        "reach",
        "responses",
        "worker",
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
        self.operation = SESSION
        self.worker = worker
        self.endpoint = endpoint
        self.proxy = endpoint.proxy
        self.dialect = dialect
        self._watch = dialect.watch()
        self._downstream = downstream
        self.owner = owner
        self.call_id = worker.clock.new_id()
        self._record_taken = False
        self.stream = True
        self.operation = SESSION
        self._offer_key = b""
        self.query: dict[str, str] = {}
        self._subprotocols: tuple[str, ...] = ()
        self._opening: asyncio.Task[None] | None = None
        self.reach = Reach(self)
        self.responses = Responses(self)
        self._caller: CallerSocket | None = None
        self._provider: ProviderSocket | None = None
        self.caller_gate = Gate(self._from_caller, self._caller_closed)
        self.provider_gate = Gate(self._from_provider, self._provider_closed)
        self._moved = Moved()
        self._opened_at = 0.0
        self._moved_at = 0.0
        self._pinged_at = 0.0
        self._draining = False
        self.lingers_until = 0.0
        self._ending: tuple[Outcome, str, int] | None = None
        self.finished = False
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
        self._opening = self.worker.spawn(self.guarded(self._open()))

    def _read(self) -> None:
        request = self.request
        for path, reason in self.dialect.not_served.items():
            if request.path.endswith(path.encode()):
                raise Forbidden(reason, code="not_served", should_retry=False)
        self._offer_key = upgrade.check_offer(request)
        if not isinstance(self._downstream, Upgradable):
            raise upgrade.wants_upgrade(self._downstream)
        self._subprotocols = upgrade.offered_subprotocols(request.headers)
        query = upgrade.query_of(request)
        dialect = self.dialect
        self.request = upgrade.seen_by_policies(request, dialect.caller_headers(query, self._subprotocols))
        self.raw_header = self.request.headers.get
        self.query = dict(dialect.passed_query(query))
        if dialect.model_place == "query":
            self.requested_model = RequestedModel(dialect.requested_model(query))

    async def _open(self) -> None:
        try:
            await self._admit()
            if self.dialect.model_place == "query":
                self._provider = await self.reach.open()
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
        if self.owner.draining:
            raise NotReady("the gateway is about to stop; connect again")
        steps = self.proxy.chain.request_steps
        if self.proxy.chain.awaits:
            refusal = await chain.run_awaiting(steps, self)
        else:
            refusal = chain.run(steps, self)
        if refusal is None and self.worker.spool_broken:
            refusal = records_not_kept()
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
        limits = self.owner.limits
        caller = CallerSocket(self, self.worker.outbox, message_bytes=limits.websocket_message_bytes)
        lines = upgrade.accepting_lines(self._offer_key, self.dialect.subprotocol(self._subprotocols))
        head = b"".join((status_line(101), *lines, *self._lines(), *self._attempt_lines(), b"\r\n"))
        downstream = self._downstream
        if not isinstance(downstream, Upgradable) or not downstream.upgrade(head, caller):
            self._finish("cancelled", "client_left", 499)
            return
        self._caller = caller
        self.owner.handed_over(downstream, caller)
        self._opened_at = self._moved_at = self.worker.now
        provider = self._provider
        if provider is not None:
            provider.begin(self)

    # --- messages

    def received(self, end: SocketEnd, message: Message) -> None:
        """A message came, from either side."""
        if self.finished:
            return
        self._moved_at = self.worker.now
        try:
            (self.caller_gate if end is self._caller else self.provider_gate).pass_on(message)
        except Exception as error:  # noqa: BLE001 - a defect ends this session, and no other
            self.defect(error)

    def _from_caller(self, message: Message) -> None:
        if self.finished or self.lingers_until or self._caller is None:
            return
        try:
            event = self._watch.client(message.data)
            data = self._routed(message.data, event) if event.model else message.data
        except TollwayError as error:
            self.tell(error, self._name_of(message))
            return
        self.responses.context_tokens += event.input_tokens
        message = Message(data, message.text)
        if self._provider is None:
            self._open_for(message, event)
        elif event.asks:
            self.responses.ask(message, event)
        else:
            self.send_up(message)

    def _routed(self, data: bytes, event: ClientEvent) -> bytes:
        """Write the target's model in place of the caller's, which must be the one the session was routed by."""
        if self.reach.attempt is None or self._provider is None:
            return data
        if event.model not in (self.requested_model, self.reach.attempt.target_model):
            raise BadRequest(
                f"this session is with model '{self.requested_model}'; open another connection for '{event.model}'",
                param="model",
                code="model_not_of_session",
            )
        return self.dialect.with_model(data, self.reach.attempt.target_model)

    def _open_for(self, message: Message, event: ClientEvent) -> None:
        """The first message that names a model came: now there is something to route."""
        if not event.model:
            self.tell(BadRequest("the first message must name a model, so that it can be routed", param="model"), "")
            return
        self.requested_model = RequestedModel(event.model)
        self.caller_gate.is_shut = True
        self.read_as_may_be()
        self._opening = self.worker.spawn(self.guarded(self._open_late(message, event)))

    async def _open_late(self, message: Message, event: ClientEvent) -> None:
        try:
            self._provider = await self.reach.open()
        except TollwayError as error:
            self.end_with(error)
            return
        provider, attempt = self._provider, self.reach.attempt
        if attempt is None:  # pragma: no cover - a reach that does not raise has both
            return
        if self.finished:
            provider.drop()
            return
        provider.begin(self)
        routed = Message(self.dialect.with_model(message.data, attempt.target_model), message.text)
        self.caller_gate.is_shut = False
        if event.asks:
            self.responses.ask(routed, event)  # which may shut it again
        else:
            self.send_up(routed)
        if not self.caller_gate.is_shut:
            self.caller_gate.open()
        self.read_as_may_be()
        if not self.responses.under_way:
            self.idle()

    def send_up(self, message: Message) -> None:
        """Send a message to the provider."""
        provider = self._provider
        if provider is not None:
            self._moved.sent += len(message.data)
            provider.send(message)

    def send_down(self, message: Message) -> None:
        """Send a message to the caller."""
        caller = self._caller
        if caller is not None and not self.lingers_until:
            caller.send(message)

    def _from_provider(self, message: Message) -> None:
        if self.finished:
            return
        self._moved.received += len(message.data)
        try:
            event = self._watch.server(message.data)
        except UpstreamError as error:
            self.end_with(error)
            return
        if event.secret:
            self._key_refused()
            return
        if event.begins:
            self.responses.begun(message, event)
        elif event.refuses:
            self.responses.refused(message, event)
        elif event.facts is not None and not event.ends:
            self.responses.account(message, event)
        else:
            self.responses.went_on(message, event)

    # --- the two ends

    def closed(self, end: SocketEnd, closed: Closed) -> None:
        """One side closed: so does the other, with the same code."""
        if self.finished:
            return
        try:
            if end is self._caller:
                self._caller_closed(closed)  # at once: whatever it is that waits, it waits for nobody
            else:
                self.provider_gate.close(closed)  # behind the messages that came before
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
        if provider is None or not self.responses.under_way or not self._can_linger():
            self._finish_as_ending(closed)
            return
        seconds = _CANCEL_SECONDS if self.dialect.cancel("") else self.proxy.drain_seconds
        self.lingers_until = self.worker.now + seconds
        self.responses.stop_all()
        self.read_as_may_be()

    def _can_linger(self) -> bool:
        """Whether the usage of what is under way can still be learnt."""
        return bool(self.dialect.cancel("")) or self.proxy.drains

    def _provider_closed(self, closed: Closed) -> None:
        if closed.fault or closed.code == CUT:
            self.end_with(
                UpstreamGarbled("the upstream broke the WebSocket protocol")
                if closed.fault
                else UpstreamCut("the upstream broke off the session")
            )
        elif self.dialect.secret_close(closed.code, closed.reason):
            self._key_refused()
        else:
            clean = closed.code in _CLEAN
            self._finish("ok" if clean else "error", "" if clean else "upstream_closed", 101)
            self._close_caller(closed.code, closed.reason)

    def paused(self, end: SocketEnd) -> None:
        """One side reads slower than it is written to."""
        end.stall.begin(self.worker.now, end.unsent())
        self.read_as_may_be()

    def resumed(self, end: SocketEnd) -> None:
        """It caught up."""
        end.stall.end()
        self.read_as_may_be()

    def read_as_may_be(self) -> None:
        """Read from each side only while what comes of it has somewhere to go."""
        caller, provider = self._caller, self._provider
        caller_full = caller is not None and not caller.lost and caller.write_paused
        provider_full = provider is not None and provider.write_paused
        # What a caller sends makes pongs and errors that go to itself, so it is not read while it does not read.
        _read(caller, not (caller_full or provider_full or self.caller_gate.is_shut))
        _read(provider, not (caller_full or self.provider_gate.is_shut))

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
        caller = self._caller
        if self.finished and caller is not None:
            self._caller = caller.owner = None  # parts that hold each other would stay until the collector comes
            self.owner.closed(caller)

    # --- time

    def sweep(self, now: float) -> None:
        """End what takes longer than it may. Called four times a second."""
        if self.finished:
            return
        try:
            error = self._overdue(now)
            if error is not None:
                self.end_with(error)
            elif self.lingers_until and now > self.lingers_until:
                self._finish_as_ending()
            else:
                self._check_alive(now)
        except Exception as error:  # noqa: BLE001 - other connections are looked after in the same breath
            self.defect(error)

    def _overdue(self, now: float) -> TollwayError | None:
        limits = self.owner.limits
        if self.lingers_until:
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
        attempt = self.reach.attempt
        if attempt is not None and self.responses.under_way and not (caller is not None and caller.write_paused):
            timeouts = attempt.target.route.timeouts
            patience = timeouts.between_events_seconds if self.responses.begun_any else timeouts.first_byte_seconds
            if quiet > patience:
                return UpstreamTimeout(f"no event of the response came within {patience:g} s", code="event_timeout")
        if quiet > limits.websocket_idle_seconds:
            return RequestTimeout(f"no message came for {limits.websocket_idle_seconds:g} s", code="idle_timeout")
        return None

    def _check_alive(self, now: float) -> None:
        """Ping both sides now and then; one that does not even answer that is gone."""
        seconds = self.owner.limits.websocket_ping_seconds
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
        if not (self.finished or self.responses.under_way) and (self._opening is None or self._provider is not None):
            self._go_away()

    def _go_away(self) -> None:
        self._finish("ok", "", 101, finish="draining")
        self._close_caller(GOING_AWAY, "the gateway is about to stop; connect again")

    def abort(self) -> None:
        """The gateway stops now."""
        if not self.finished:
            if self._opening is not None:
                self._opening.cancel()
            self._finish("cancelled", "draining", 503)
            self._close_caller(GOING_AWAY, "the gateway stops; connect again")
        elif self._caller is not None:
            self._caller.drop()

    # --- ends

    def tell(self, error: TollwayError, about: str) -> None:
        """Tell the caller of an error by the API's own event; where it has none, by closing."""
        event = self.dialect.error_event(error, about=about, new_id=self.clock.new_id())
        if event:
            self.send_down(Message(event, text=True))
        else:
            self.end_with(error)

    def _key_refused(self) -> None:
        """The provider refused the gateway's key, in words that may quote it."""
        error = UpstreamError("", code="upstream_refused_key")
        withhold_words(error)
        self.end_with(error)

    def end_with(self, error: TollwayError) -> None:
        """End the session because of an error, which the caller is told of."""
        if self.finished:
            return
        if error.code in _ITS_TIME:
            self._finish("ok", "", 101, finish=error.code)
        elif error.status == 504:
            self._finish("timeout", error.code, error.status)
        else:
            self._finish("cut" if isinstance(error, UpstreamCut) else "error", error.code, error.status)
        event = self.dialect.error_event(error, about="", new_id=self.clock.new_id())
        if event:
            self.send_down(Message(event, text=True))
        self._close_caller(self.dialect.close_code(error), error.message)

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
        if self.finished:
            return
        self.finished = True
        # A response that is left has the session's end for its own; its caller did not see it fail before that.
        left: Outcome = outcome if outcome in ("cut", "timeout") else "cancelled"
        try:
            self.responses.end_all(left, code or "session_closed")
            failed = self.reach.failed if self._provider is None else None
            self._settle(failed or self.record(End(outcome, code, status, finish)))
        finally:
            self.reach.cancelled()
            self._close_provider(closed)
            caller = self._caller
            if caller is not None and caller.lost:
                self.gone()

    def _close_provider(self, closed: Closed | None) -> None:
        """Close the provider's side, with the caller's code where it gave one."""
        provider = self._provider
        if provider is None:
            return
        kept = closed is not None and closed.code != CUT and not closed.fault
        provider.close(
            closed.code if kept and closed is not None else GOING_AWAY, closed.reason if kept and closed else ""
        )
        provider.owner = None

    def _refuse(self, error: TollwayError) -> None:
        """Answer the handshake with an error."""
        if self.finished:
            return
        self.finished = True
        self.reach.cancelled()
        if self._provider is not None:
            self._provider.close(GOING_AWAY)
        self.status_code = error.status
        record = self.reach.failed if isinstance(error, UpstreamError) else None
        self._settle(record or self.record(End("refused", error.code, error.status)))
        attempt = self.reach.attempt if record is not None else None
        passed: Mapping[bytes, bytes] = attempt.headers if attempt is not None else {}
        lines = [answers.JSON, *self._lines(), *answers.error_lines(error, passed)]
        if record is not None:
            lines.extend(self._attempt_lines(success=False))
        self._downstream.send(error.status, lines, self.endpoint.render_error(error))

    def defect(self, error: Exception) -> None:
        """Something of ours failed: say so in the log, and end the session so that nobody is left waiting."""
        self.worker.log.defect("a session failed", error)
        failure = InternalError("the gateway failed to handle this session")
        try:
            if self._caller is None:
                self._refuse(failure)
            else:
                self.end_with(failure)
        except Exception as another:  # noqa: BLE001 - a policy that fails to hear of the end must not keep the caller waiting
            self.worker.log.defect("a policy failed at the end of a session", another)
        finally:
            self._close_caller(INTERNAL, "")

    async def guarded(self, work: Coroutine[Any, Any, None]) -> None:
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

    def idle(self) -> None:
        """No response is under way any more: end, if that was waited for."""
        if self.lingers_until:
            self._finish_as_ending()
        elif self._draining:
            self._go_away()

    def record(self, end: End) -> UsageRecord:
        """Write the record of the session, or of an attempt to open it."""
        attempt = None if end.outcome == "refused" else self.reach.attempt
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
        attempt = self.reach.attempt
        until = attempt.started_at if attempt is not None else self.clock.monotonic()
        return int((until - self.started_at) * _MICRO)

    def _settle(self, record: UsageRecord) -> None:
        if not self._settled:
            self._settled = True
            self.keep(self, record)

    def keep(self, call: Call, record: UsageRecord) -> None:
        """Tell the policies, then store the record: what ends the call for its caller may go only after this."""
        try:
            if self.proxy.chain.end_steps:
                call.now_us = self.clock.wall_us()
                chain.run_end(self.proxy.chain.end_steps, call, record)
        finally:
            if record.attempt or record.client_id or record.outcome != "refused":
                self.worker.keep(record)
            else:
                # Strangers who are refused count in the metrics, but must not be able to fill the ledger.
                self.worker.metrics.observe(record)

    def _lines(self) -> list[bytes]:
        lines = [self.worker.date_line, b"x-correlation-id: %b\r\n" % self.correlation_bytes]
        lines.extend((self.ready_lines or {}).values())
        lines.extend(answers.header_line(name, value) for name, value in (self.set_lines or {}).items())
        lines.extend(answers.header_line(name, value) for name, value in self.added_lines or ())
        if self.shadow_refusals:
            lines.append(answers.header_line("x-tollway-shadow", ", ".join(self.shadow_refusals)))
        return lines

    def _attempt_lines(self, *, success: bool = True) -> list[bytes]:
        attempt, plan = self.reach.attempt, self.reach.plan
        if attempt is None:
            return []
        lines: list[bytes] = []
        self.worker.passed_headers.add(lines, attempt.headers)
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


def _read(end: SocketEnd | None, may_read: bool) -> None:  # noqa: FBT001 - it is what the function is about
    if end is None:
        return
    if may_read:
        end.resume_reading()
    else:
        end.pause_reading()
