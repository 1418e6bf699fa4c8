"""One response of a session: a call of its own for policies, from being asked for to its usage.

A policy sees the session's request (its headers, its path), with the message that asks for the response as its
body. What a policy sets on the answer's head goes nowhere: that head is long gone.
"""

from typing import Final

from tollway.core.errors import TollwayError
from tollway.gateway.call import Call
from tollway.gateway.clock import SystemClock
from tollway.gateway.realtime_records import RESPONSE, Moved
from tollway.gateway.request import Request
from tollway.interfaces.realtime import ClientEvent

NOT_ASKED: Final = ClientEvent()


class Turn(Call):
    """One response."""

    __slots__ = ("begun_at", "event", "input_tokens", "moved", "refusal", "response", "settled")

    def __init__(
        self, session: Call, request: Request, clock: SystemClock, *, message: bytes, event: ClientEvent, tokens: int
    ) -> None:
        """Begin now.

        Args:
            session: the call that opened the session.
            request: its request.
            clock: the worker's.
            message: what asks for the response; empty where the provider began by itself.
            event: what it means.
            tokens: a guess of the input tokens, all of the conversation before it included.
        """
        own = Request(request.method, request.target, request.client_address, request.headers)
        own.scheme = request.scheme
        own.body = message
        Call.__init__(self, own, clock)
        self.operation = RESPONSE
        self.correlation_bytes = session.correlation_bytes
        self.trace_id = session.trace_id
        self.parent_span_id = session.parent_span_id
        self.requested_model = session.requested_model
        self.stream = True
        self.operation = RESPONSE
        self.event = event
        self.input_tokens = tokens
        self.response: str | None = None
        """The provider's id of it, once it has begun; empty where the API has none."""
        self.begun_at = 0.0
        self.moved = Moved()
        self.refusal: TollwayError | None = None
        """Set when it began by itself and may not go on: its events are withheld until it has ended."""
        self.settled = False

    def estimated_input_tokens(self) -> int:
        """A guess of the input tokens."""
        return self.input_tokens or 1

    def requested_output_tokens(self) -> int | None:
        """The most output tokens the caller allowed, if it said so."""
        return self.event.max_output_tokens
