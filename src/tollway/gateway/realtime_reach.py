"""Reaching a provider for a session: by which route, with which handshake, and again where that may help.

Rules of this file:
- Each try that fails has its record before the next begins; the last one's is for whoever tells the caller.
- Nothing is tried again once a provider has accepted.
"""

import asyncio
from typing import TYPE_CHECKING

from tollway.core.errors import BadRequest, TollwayError, UpstreamError, UpstreamTimeout
from tollway.gateway import answers, chain, upgrade
from tollway.gateway.realtime_records import End
from tollway.gateway.route import failure_of
from tollway.gateway.target import Target
from tollway.gateway.translate import withhold_words
from tollway.gateway.websocket import HandshakeAnswer, ProviderSocket, SocketAttempt
from tollway.interfaces.usage_record import Outcome, UsageRecord
from tollway.routing.plan import CallPlan, Go

if TYPE_CHECKING:
    from tollway.gateway.realtime import Session


class Reach:
    """The way of one session to its provider."""

    __slots__ = ("_session", "attempt", "failed", "plan")

    def __init__(self, session: "Session") -> None:
        """Begin with nothing tried."""
        self._session = session
        self.plan: CallPlan | None = None
        self.attempt: SocketAttempt | None = None
        """The last one."""
        self.failed: UsageRecord | None = None
        """Its record, when it failed and no other follows."""

    def cancelled(self) -> None:
        """Nobody waits for it any more."""
        if self.plan is not None:
            self.plan.cancelled(self._session.clock.monotonic())

    async def open(self) -> ProviderSocket:
        """Open it, by whichever route can.

        Raises:
            TollwayError: none can.
        """
        session = self._session
        self.plan = plan = session.proxy.planner.plan(session)
        step: Go | TollwayError | None = plan.first(session.clock.monotonic())
        while True:
            if isinstance(step, TollwayError):
                raise step
            if step.delay_seconds > 0:
                await asyncio.sleep(step.delay_seconds)
            target = session.proxy.targets[step.route_index].for_model(step.model, session.dialect.name)
            self.attempt = attempt = SocketAttempt(target, step.model, step.number, now=session.clock.monotonic())
            try:
                socket = await self._connect(attempt, step.key_index)
            except UpstreamError as error:
                attempt.ended_at = now = session.clock.monotonic()
                tokens = target.tokens
                renewed = tokens is not None and attempt.status == 401 and tokens.refused(attempt.sent_at)
                following = plan.after(failure_of(attempt, error, now, token_renewed=renewed), now)
                outcome: Outcome = "timeout" if error.status == 504 else "error"
                record = session.record(End(outcome, error.code, error.status, final=following is None))
                if following is None:
                    if plan.repeated:
                        error.should_retry = False  # as for calls: an SDK's own repeats would multiply
                    self.failed = record
                    raise
                session.worker.keep(record)
                step = following
            else:
                # The upstream is well. A session may last for an hour, and is no measure of it.
                plan.succeeded(session.clock.monotonic())
                return socket

    async def _connect(self, attempt: SocketAttempt, key_index: int) -> ProviderSocket:
        target = attempt.target
        provider = target.provider
        path = provider.realtime.get(self._session.dialect.name)
        if path is None:
            msg = (
                f"the provider '{provider.name}' does not speak '{self._session.dialect.name}'; "
                "choose a model of another provider"
            )
            raise BadRequest(msg, param="model", code="operation_not_supported")
        credential = self._credential(target, key_index)
        await self._ask_upstream_policies(attempt)
        tokens = target.tokens
        if tokens is not None and not tokens.ready(self._session.clock.monotonic()):
            await tokens.wait(target.route.timeouts.connect_seconds)
        attempt.sent_at = self._session.clock.monotonic()
        key = upgrade.new_key()
        request = upgrade.provider_handshake(
            attempt,
            path,
            query=self._session.query,
            credential=credential if tokens is None else tokens.line,
            headers=self._upstream_headers(attempt),
            forwarded=self._forwarded(),
            key=key,
            now_us=self._session.now_us,
        )
        timeouts = target.route.timeouts
        limit = self._session.owner.limits.websocket_message_bytes
        outbox = self._session.worker.outbox
        socket = await target.pool.open(lambda: ProviderSocket(outbox, message_bytes=limit), timeouts.connect_seconds)
        try:
            answer = await self._shake(socket, request, timeouts.first_byte_seconds)
            attempt.status, attempt.headers = answer.status, answer.headers
            self._check(answer, key)
        except BaseException:
            socket.drop()
            raise
        return socket

    def _credential(self, target: Target, key_index: int) -> str:
        """Give the provider's key: the route's, or the caller's own where the route says so.

        Raises:
            BadRequest: the caller sent none.
        """
        if target.key_expression is None:
            return target.route.keys[key_index].reveal() if target.route.keys else ""
        key = target.key_expression.text(self._session) or ""
        if not key:
            source = target.key_expression.source
            msg = f"the request carries no key for route '{target.route.name}': {source} is empty"
            raise BadRequest(msg, code="missing_provider_key")
        return key

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
        session = self._session
        session.now_us = session.clock.wall_us()
        refusal = await chain.run_upstream_awaiting(session.proxy.chain.upstream_steps, session, attempt)
        if refusal is not None:
            raise refusal

    def _upstream_headers(self, attempt: SocketAttempt) -> dict[str, str]:
        """What policies set and, in place of the provider's fixed headers, the caller's own of those that may pass."""
        headers: dict[str, str] = {}
        for name in attempt.target.forwards:
            raw = self._session.raw_header(name)
            if raw is not None:
                headers[name.decode("ascii")] = raw.decode("latin-1")
        return {**headers, **(self._session.upstream_set or {}), **attempt.set_headers}

    def _forwarded(self) -> bytes:
        return b"".join(answers.header_line(name, value) for name, value in self._session.upstream_added or ())

    def _refusal_of(self, answer: HandshakeAnswer) -> UpstreamError:
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in answer.headers.items()}
        status = answer.status if answer.status >= 400 else 502
        error = self._session.dialect.parse_error(status, answer.body, named)
        if status in (401, 403):
            withhold_words(error)
        return error
