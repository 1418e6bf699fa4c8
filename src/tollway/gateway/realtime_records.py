"""The usage records of sessions: one for each response, one for the session itself.

A response is a call of its own: it has its own id, was admitted by the request policies, and is settled by the end
policies. The session's record counts no tokens; it says how long it was open, how it ended, and what it moved.
All of a session share its correlation id.
"""

from typing import TYPE_CHECKING, Final

import msgspec

from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.usage_record import Outcome, UsageRecord

if TYPE_CHECKING:
    from tollway.gateway.call import Call
    from tollway.gateway.compiled import Endpoint
    from tollway.gateway.realtime_turn import Turn
    from tollway.gateway.websocket import SocketAttempt

SESSION: Final = "realtime"
RESPONSE: Final = "realtime_response"
_MICRO: Final = 1_000_000
_STOPPED: Final = frozenset({"cancelled", "cut", "timeout"})


class Moved:
    """What a session or a response moved."""

    __slots__ = ("events", "received", "sent")

    def __init__(self) -> None:
        """Begin with nothing."""
        self.sent = 0
        """Bytes of messages to the provider."""
        self.received = 0
        """Bytes of messages from it."""
        self.events = 0
        """Messages from it."""


class End(msgspec.Struct, frozen=True):
    """How a session, an attempt to open one, or a response ended."""

    outcome: Outcome
    error: str = ""
    status: int = 200
    finish: str = ""
    """Why, where that is nobody's fault."""
    final: bool = True


def session_record(
    call: "Call",
    endpoint: "Endpoint",
    attempt: "SocketAttempt | None",
    end: End,
    moved: Moved,
    *,
    ids: tuple[str, str],
    overhead_us: int,
) -> UsageRecord:
    """Write the record of a session, or of one attempt to open it, or of its refusal. `ids` are its own, its call's."""
    now = call.clock.monotonic()
    common = _common(call, endpoint, attempt, end)
    return msgspec.structs.replace(
        common,
        operation=SESSION,
        id=ids[0],
        call_id=ids[1],
        attempt=attempt.number if attempt is not None else 0,
        stop_reason=end.finish,
        ended_us=call.started_us + int((now - call.started_at) * _MICRO),
        upstream_us=int(((attempt.ended_at or now) - attempt.started_at) * _MICRO) if attempt is not None else 0,
        overhead_us=overhead_us,
        request_bytes=moved.sent,
        response_bytes=moved.received,
    )


def response_record(
    turn: "Turn", endpoint: "Endpoint", attempt: "SocketAttempt | None", end: End, facts: AnswerFacts, *, new_id: str
) -> UsageRecord:
    """Write the record of one response, or of one that was refused (without an attempt then)."""
    usage = facts.usage
    if usage is None:
        usage = NO_USAGE
        if end.outcome in _STOPPED and turn.begun_at:
            usage = Usage(input_fresh=turn.estimated_input_tokens(), output_text=turn.moved.events, source="estimated")
    spent_us = int((turn.clock.monotonic() - turn.started_at) * _MICRO)
    common = _common(turn, endpoint, attempt, end)
    return msgspec.structs.replace(
        common,
        operation=RESPONSE,
        id=new_id,
        call_id=new_id,
        attempt=1 if attempt is not None else 0,
        served_model=facts.model or common.served_model,
        service_tier=facts.service_tier,
        stop_reason=facts.finish,
        response_id=facts.id,
        usage=usage,
        ended_us=turn.started_us + spent_us,
        time_to_first_byte_us=int((turn.begun_at - turn.started_at) * _MICRO) if turn.begun_at else 0,
        upstream_us=spent_us if attempt is not None else 0,
        request_bytes=turn.moved.sent,
        response_bytes=turn.moved.received,
    )


def _common(call: "Call", endpoint: "Endpoint", attempt: "SocketAttempt | None", end: End) -> UsageRecord:
    client = call.client
    route = attempt.target.route if attempt is not None else None
    model = attempt.target_model if attempt is not None else ""
    return UsageRecord(
        gateway=endpoint.proxy.gateway_name,
        proxy=endpoint.proxy.name,
        route=route.name if route is not None else "",
        provider=route.provider if route is not None else "",
        credential=route.credential if route is not None else "",
        client_id=client.client_id if client is not None else "",
        client_name=client.name if client is not None else "",
        business_group=client.business_group if client is not None else "",
        sla_tier=client.sla_tier if client is not None else "",
        inbound_dialect=endpoint.dialect_name,
        provider_dialect=endpoint.dialect_name if route is not None else "",
        requested_model=call.requested_model,
        target_model=model,
        served_model=model if end.outcome == "ok" else "",
        stream=True,
        outcome=end.outcome,
        status=end.status,
        upstream_status=attempt.status if attempt is not None else 0,
        error=end.error,
        policy=call.refused_by,
        shadow=call.shadow_refusals,
        final=end.final,
        id="",
        call_id="",
        correlation_id=call.correlation_id,
        trace_id=call.trace_id,
        parent_span_id=call.parent_span_id,
        started_us=call.started_us,
    )
