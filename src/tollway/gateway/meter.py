"""Turns what is known at the end of an attempt into its usage record."""

from typing import TYPE_CHECKING, Final

from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.usage_record import Outcome, UsageRecord

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt
    from tollway.gateway.exchange import Exchange

_MICRO: Final = 1_000_000
NO_FACTS: Final = AnswerFacts()

# Bytes of request JSON per token, all scripts and JSON overhead considered: low enough that the
# guess is rarely below the truth (o200k on recorded chats: median 4.2 bytes of text a token).
_BYTES_PER_TOKEN: Final = 4


def attempt_record(
    exchange: "Exchange",
    attempt: "Attempt",
    facts: AnswerFacts,
    *,
    outcome: Outcome,
    status: int,
    error: str = "",
    final: bool = True,
    overhead_us: int,
) -> UsageRecord:
    """Write the record of one upstream attempt."""
    target = attempt.target
    route = target.route
    client = exchange.client
    started = attempt.started_at
    ended = attempt.ended_at
    usage = facts.usage
    if usage is None:
        usage = NO_USAGE if outcome not in ("cancelled", "cut", "timeout") else estimate(exchange, attempt)
    return UsageRecord(
        id=exchange.clock.new_id(),
        call_id=exchange.call_id,
        correlation_id=exchange.correlation_id,
        trace_id=exchange.trace_id,
        parent_span_id=exchange.parent_span_id,
        attempt=attempt.number,
        started_us=exchange.started_us,
        ended_us=exchange.started_us + int((ended - exchange.started_at) * _MICRO),
        gateway=exchange.gateway_name,
        proxy=exchange.proxy_name,
        route=route.name,
        provider=route.provider,
        credential=route.credential,
        client_id=client.client_id if client is not None else "",
        client_name=client.name if client is not None else "",
        business_group=client.business_group if client is not None else "",
        sla_tier=client.sla_tier if client is not None else "",
        operation=exchange.operation,
        inbound_dialect=exchange.inbound_dialect,
        provider_dialect=exchange.provider_dialect,
        requested_model=exchange.requested_model,
        target_model=attempt.target_model,
        served_model=facts.model or (attempt.target_model if outcome == "ok" else ""),
        service_tier=facts.service_tier,
        response_id=facts.id,
        stream=exchange.stream,
        outcome=outcome,
        status=status,
        upstream_status=attempt.status,
        error=error,
        shadow=tuple(exchange.shadow_refusals),
        stop_reason=facts.finish,
        usage=usage,
        time_to_first_byte_us=int((attempt.first_byte_at - started) * _MICRO) if attempt.first_byte_at else 0,
        upstream_us=int((ended - started) * _MICRO),
        overhead_us=overhead_us,
        request_bytes=len(exchange.body),
        response_bytes=attempt.response_bytes,
        losses=exchange.losses,
        final=final,
    )


def refusal_record(exchange: "Exchange", *, status: int, error: str, policy: str) -> UsageRecord:
    """Write the record of a call that no provider was asked about."""
    client = exchange.client
    now = exchange.clock.monotonic()
    return UsageRecord(
        id=exchange.clock.new_id(),
        call_id=exchange.call_id,
        correlation_id=exchange.correlation_id,
        trace_id=exchange.trace_id,
        parent_span_id=exchange.parent_span_id,
        started_us=exchange.started_us,
        ended_us=exchange.started_us + int((now - exchange.started_at) * _MICRO),
        gateway=exchange.gateway_name,
        proxy=exchange.proxy_name,
        client_id=client.client_id if client is not None else "",
        client_name=client.name if client is not None else "",
        business_group=client.business_group if client is not None else "",
        sla_tier=client.sla_tier if client is not None else "",
        operation=exchange.operation,
        inbound_dialect=exchange.inbound_dialect,
        requested_model=exchange.requested_model,
        stream=exchange.stream,
        outcome="refused",
        status=status,
        error=error,
        policy=policy,
        shadow=tuple(exchange.shadow_refusals),
        overhead_us=int((now - exchange.started_at) * _MICRO),
        request_bytes=len(exchange.body),
    )


def estimate(exchange: "Exchange", attempt: "Attempt") -> Usage:
    """Guess the usage of an attempt whose provider never said: marked as estimated."""
    if not attempt.first_byte_at:
        return NO_USAGE
    return Usage(
        input_fresh=exchange.estimated_input_tokens(),
        output_text=exchange.streamed_events,
        source="estimated",
    )


def estimate_tokens(body_bytes: int) -> int:
    """Guess the input tokens of a request body, never below 1."""
    return body_bytes // _BYTES_PER_TOKEN or 1
