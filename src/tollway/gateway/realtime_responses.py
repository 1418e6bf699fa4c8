"""The responses of one session: those asked for, those under way, and what the policies say of each.

Rules of this file:
- A response is let through, or followed, only when the request policies have admitted it; one that the provider began
  by itself and that they refuse is stopped, and its events are withheld.
- Its record is kept, and the end policies have settled it, before the message that ends it passes on.
- While a policy has to wait, the messages behind it wait too, in a `Gate`, and their side is not read.
"""

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from tollway.core.errors import BadRequest, NotReady, TollwayError, UpstreamCut
from tollway.gateway import chain
from tollway.gateway.realtime_records import End, response_record
from tollway.gateway.realtime_turn import NOT_ASKED, Turn
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.policy import ResponseEvent
from tollway.interfaces.realtime import ClientEvent, ServerEvent
from tollway.interfaces.usage_record import Outcome
from tollway.wire.websocket import Closed, Message

if TYPE_CHECKING:
    from tollway.gateway.realtime import Session

_MOST_AT_ONCE: Final = 64
"""Responses of one session at once; no API allows nearly as many."""


class Gate:
    """Where messages of one side wait while a policy is asked about one of them."""

    __slots__ = ("_closed", "_held", "_then", "_then_closed", "is_shut")

    def __init__(self, then: Callable[[Message], None], then_closed: Callable[[Closed], None]) -> None:
        """Pass messages on to `then`, and the close behind them to `then_closed`."""
        self._then = then
        self._then_closed = then_closed
        self._closed: Closed | None = None
        self._held: deque[Message] = deque()
        self.is_shut = False

    def pass_on(self, message: Message) -> None:
        """Take a message: on with it, or into the queue. No more is read meanwhile, so the queue is short."""
        if self.is_shut:
            self._held.append(message)
        else:
            self._then(message)

    def close(self, closed: Closed) -> None:
        """Take the side's close, which comes behind what is held."""
        if self.is_shut:
            self._closed = closed
        else:
            self._then_closed(closed)

    def open(self) -> None:
        """Let through what is held, until one of them shuts the gate again."""
        self.is_shut = False
        while self._held and not self.is_shut:
            self._then(self._held.popleft())
        closed = self._closed
        if closed is not None and not self.is_shut:
            self._closed = None
            self._then_closed(closed)


class Responses:
    """All responses of one session."""

    __slots__ = ("_asked", "_open", "_session", "context_tokens")

    def __init__(self, session: "Session") -> None:
        """Begin with none."""
        self._session = session
        self._asked: deque[Turn] = deque()
        """Those that were asked for and have not begun."""
        self._open: dict[str, Turn] = {}
        """Those that have, by the provider's id."""
        self.context_tokens = 0
        """A guess of what the next one will have for input."""

    @property
    def under_way(self) -> bool:
        """Whether one is asked for or has begun."""
        return bool(self._asked or self._open)

    @property
    def begun_any(self) -> bool:
        """Whether one has begun."""
        return bool(self._open)

    def stop_all(self) -> None:
        """Tell the provider to stop what it has begun."""
        for turn in self._open.values():
            self.stop(turn)

    def end_all(self, outcome: Outcome, code: str) -> None:
        """The session is over: so are they."""
        left = (*self._open.values(), *self._asked)
        self._open.clear()
        self._asked.clear()
        failure: Exception | None = None
        for turn in left:
            try:
                self._end(turn, AnswerFacts(), outcome, code)
            except Exception as error:  # noqa: BLE001 - what policies hold for the others must be let go of all the same
                failure = failure or error
        if failure is not None:
            raise failure

    def ask(self, message: Message, event: ClientEvent) -> None:
        """A response is asked for: let it through when the policies do."""
        turn = self._turn(message.data, event)
        self._decide(turn, self._session.caller_gate, lambda refusal: self._asked_for(turn, message, refusal))

    def _asked_for(self, turn: Turn, message: Message, refusal: TollwayError | None) -> None:
        if refusal is None and len(self._asked) + len(self._open) >= _MOST_AT_ONCE:
            refusal = BadRequest(f"more than {_MOST_AT_ONCE} responses at once; wait for one to end")
        if refusal is not None or self._session.finished or self._session.lingers_until:
            if refusal is None:
                self._end(turn, AnswerFacts(), "cancelled", "client_left")
            else:
                self._end(turn, AnswerFacts(), "refused", refusal.code, refusal.status)
                self._session.tell(refusal, turn.event.name)
            return
        if not turn.event.name:
            # So that the provider's error about it, if there is one, says which it is about.
            name = f"tollway_{self._session.clock.new_id()}"
            data = self._session.dialect.named(message.data, name)
            if data is not message.data:
                turn.event = msgspec.structs.replace(turn.event, name=name)
                message = Message(data, message.text)
        turn.moved.sent = len(message.data)
        self._asked.append(turn)
        self._session.send_up(message)

    def begun(self, message: Message, event: ServerEvent) -> None:
        """The provider begins a response: one that was asked for, or one of its own accord."""
        turn = self._take_asked(event.about)
        if turn is None and not event.about and self._asked:
            turn = self._asked.popleft()  # responses begin in the order in which they were asked for
        if turn is not None:
            self._follow(turn, message, event)
            return
        unasked = self._turn(b"", NOT_ASKED)
        self._decide(
            unasked, self._session.provider_gate, lambda refusal: self._begun_unasked(unasked, message, event, refusal)
        )

    def _begun_unasked(self, turn: Turn, message: Message, event: ServerEvent, refusal: TollwayError | None) -> None:
        if self._session.finished:
            self._end(turn, AnswerFacts(), "cancelled", "client_left")
            return
        if refusal is None:
            self._follow(turn, message, event)
            return
        stop = self._session.dialect.cancel(event.response or "")
        if not stop:
            self._open[event.response or ""] = turn  # ends with the session, and is accounted for
            turn.begun_at = self._session.clock.monotonic()
            self._session.end_with(refusal)
            return
        turn.refusal = refusal
        self._follow(turn, message, event)
        self._session.send_up(Message(stop, text=True))
        self._session.tell(refusal, "")

    def _follow(self, turn: Turn, message: Message, event: ServerEvent) -> None:
        turn.response = event.response or ""
        turn.begun_at = self._session.clock.monotonic()
        former = self._open.pop(turn.response, None)
        self._open[turn.response] = turn
        if former is not None:
            self._end(former, AnswerFacts(), "cut", "upstream_garbled")
        if len(self._open) > _MOST_AT_ONCE:
            self._session.end_with(UpstreamCut("the provider began too many responses at once"))
            return
        if self._session.lingers_until:
            self.stop(turn)
        self.went_on(message, event)

    def went_on(self, message: Message, event: ServerEvent) -> None:
        """A message of a response, or of none: when it ends one, the record comes first."""
        turn = self._open.get(event.response) if event.response is not None else None
        if turn is None:
            self.pass_down(None, message, event)
            return
        turn.moved.received += len(message.data)
        turn.moved.events += 1
        if event.ends:
            del self._open[turn.response or ""]
            self._ended(turn, event)
        if turn.refusal is None or event.begins or event.ends:
            self.pass_down(turn, message, event)
        if event.ends:
            self._after_turn()

    def _ended(self, turn: Turn, event: ServerEvent) -> None:
        facts = event.facts or AnswerFacts()
        if facts.usage is not None:
            self.context_tokens = facts.usage.total_tokens
        outcome, code = event.outcome, event.code
        if turn.refusal is not None:
            outcome, code = "cancelled", turn.refusal.code
        self._end(turn, facts, outcome, code)

    def refused(self, message: Message, event: ServerEvent) -> None:
        """The provider refused a request; if it was for a response, that is over."""
        turn = self._take_asked(event.about)
        if turn is not None:
            self._end(turn, AnswerFacts(), "error", event.code)
        self.pass_down(None, message, event)
        if turn is not None:
            self._after_turn()

    def _take_asked(self, about: str) -> Turn | None:
        """Take the oldest response that was asked for under this name."""
        for turn in self._asked:
            if turn.event.name == about:
                self._asked.remove(turn)
                return turn
        return None

    def account(self, message: Message, event: ServerEvent) -> None:
        """Something was used beside the responses: count it, by nobody's leave."""
        turn = self._turn(b"", NOT_ASKED)
        self._decide(turn, self._session.provider_gate, lambda refusal: self._accounted(turn, message, event, refusal))

    def _accounted(self, turn: Turn, message: Message, event: ServerEvent, refusal: TollwayError | None) -> None:
        turn.refused_by = ""
        turn.begun_at = turn.started_at
        turn.moved.received = len(message.data)
        self._end(turn, event.facts or AnswerFacts(), "ok", "")
        self.pass_down(None, message, event)
        if refusal is not None and event.stands_alone:
            self._session.end_with(refusal)

    def pass_down(self, turn: Turn | None, message: Message, event: ServerEvent) -> None:
        """Pass a message to the caller, through the event policies."""
        steps = self._session.proxy.chain.event_steps
        if not steps:
            self._session.send_down(message)
            return
        given = ResponseEvent(message.data, event.kind.encode())
        passed = chain.run_event(steps, turn or self._session, given)
        if isinstance(passed, TollwayError):
            if turn is not None and turn.response is not None and not turn.settled:
                turn.refusal = passed
                self.stop(turn)
            self._session.tell(passed, "")
        elif passed is not None:
            self._session.send_down(Message(passed.data, message.text))

    def stop(self, turn: Turn) -> None:
        """Tell the provider to stop a response, where its API has words for that."""
        stop = self._session.dialect.cancel(turn.response or "")
        if stop:
            self._session.send_up(Message(stop, text=True))

    def _after_turn(self) -> None:
        if not self.under_way:
            self._session.idle()

    def _turn(self, message: bytes, event: ClientEvent) -> Turn:
        return Turn(
            self._session,
            self._session.request,
            self._session.clock,
            message=message,
            event=event,
            tokens=self.context_tokens,
        )

    def _decide(self, turn: Turn, gate: Gate, then: Callable[[TollwayError | None], None]) -> None:
        """Ask the request policies about a response; messages behind it wait until they have answered."""
        chained = self._session.proxy.chain
        if not chained.awaits:
            then(self._or_unkept(chain.run(chained.request_steps, turn)))
            return
        gate.is_shut = True
        self._session.read_as_may_be()
        self._session.worker.spawn(self._session.guarded(self._decide_awaiting(turn, gate, then)))

    async def _decide_awaiting(self, turn: Turn, gate: Gate, then: Callable[[TollwayError | None], None]) -> None:
        try:
            refusal = await chain.run_awaiting(self._session.proxy.chain.request_steps, turn)
        except BaseException:
            self._end(turn, AnswerFacts(), "cancelled", "client_left")
            raise
        then(self._or_unkept(refusal))
        gate.open()
        self._session.read_as_may_be()

    def _or_unkept(self, refusal: TollwayError | None) -> TollwayError | None:
        return records_not_kept() if refusal is None and self._session.worker.spool_broken else refusal

    def _end(self, turn: Turn, facts: AnswerFacts, outcome: Outcome, code: str, status: int = 200) -> None:
        if turn.settled:
            return
        turn.settled = True
        record = response_record(
            turn,
            self._session.endpoint,
            None if outcome == "refused" else self._session.reach.attempt,
            End(outcome, code, status),
            facts,
            new_id=self._session.clock.new_id(),
        )
        turn.usage = record.usage
        self._session.keep(turn, record)


def records_not_kept() -> NotReady:
    """Say that nothing is admitted while records cannot be kept."""
    return NotReady("the gateway cannot keep its usage records at the moment; try again later")
