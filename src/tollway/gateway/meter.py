"""Turns what is known at the end of an attempt into its usage record."""

from typing import TYPE_CHECKING, Final, TypedDict

import msgspec

from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.dialect import AnswerFacts
from tollway.interfaces.passed import BatchLine
from tollway.interfaces.usage_record import Outcome, UsageRecord

if TYPE_CHECKING:
    from tollway.gateway.attempt import Attempt
    from tollway.gateway.exchange import Exchange

_MICRO: Final = 1_000_000
_MOST_CONTEXTS: Final = 1024
_LONGEST_NAMES: Final = 512
_replace: Final = msgspec.structs.replace
NO_FACTS: Final = AnswerFacts()
_STOPPED: Final = frozenset({"cancelled", "cut", "timeout"})
"""Outcomes of answers that were not read to the end, where the provider would have told its usage."""

# Bytes of request JSON per token, all scripts and JSON overhead considered: low enough that the
# guess is rarely below the truth (o200k on recorded chats: median 4.2 bytes of text a token).
BYTES_PER_TOKEN: Final = 4


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
    started = attempt.started_at
    ended = attempt.ended_at
    first = attempt.first_byte_at
    usage = facts.usage
    if usage is None:
        stopped = outcome in _STOPPED or exchange.refused_by
        usage = estimate(exchange, attempt) if stopped else NO_USAGE
    # What many attempts have in common is kept ready: forty members, one by one, cost four times as much.
    return _replace(
        _context(exchange, attempt, facts, outcome, status, error, final),
        id=exchange.record_id(),
        call_id=exchange.call_id,
        correlation_id=exchange.correlation_bytes.decode("ascii"),
        trace_id=exchange.trace_id,
        parent_span_id=exchange.parent_span_id,
        started_us=exchange.started_us,
        ended_us=exchange.started_us + int((ended - exchange.started_at) * _MICRO),
        response_id=facts.id,
        usage=usage,
        time_to_first_byte_us=int((first - started) * _MICRO) if first else 0,
        upstream_us=int((ended - started) * _MICRO),
        overhead_us=overhead_us,
        request_bytes=len(exchange.request.body),
        response_bytes=attempt.response_bytes,
    )


def _context(
    exchange: "Exchange",
    attempt: "Attempt",
    facts: AnswerFacts,
    outcome: Outcome,
    status: int,
    error: str,
    final: bool,  # noqa: FBT001
) -> UsageRecord:
    """Give a record that holds what this attempt has in common with others, made once."""
    identity = exchange.identity
    client = identity.client if identity is not None else None
    target = attempt.target
    requested, served = exchange.requested_model, facts.model
    finish, tier = facts.finish, facts.service_tier
    key = (
        exchange.endpoint,
        requested,
        attempt.target_model,
        served,
        outcome,
        finish,
        tier,
        client and (client.client_id, client.name, client.business_group, client.sla_tier),
        exchange.provider_dialect,
        exchange.stream,
        status,
        attempt.status,
        error,
        attempt.number,
        final,
        exchange.refused_by,
        exchange.shadow_refusals,
        exchange.losses,
    )
    context = target.contexts.get(key)
    if context is not None:
        return context
    route = target.route
    context = UsageRecord(
        **_caller(exchange),
        route=route.name,
        provider=route.provider,
        credential=route.credential,
        provider_dialect=exchange.provider_dialect,
        target_model=attempt.target_model,
        served_model=served or (attempt.target_model if outcome == "ok" else ""),
        service_tier=tier,
        outcome=outcome,
        status=status,
        upstream_status=attempt.status,
        error=error,
        policy=exchange.refused_by,
        stop_reason=finish,
        losses=exchange.losses,
        attempt=attempt.number,
        final=final,
        id="",
        call_id="",
        started_us=0,
    )
    # Names come from callers and providers, so neither they nor their number may pile up.
    if len(requested) + len(served) + len(finish) + len(tier) <= _LONGEST_NAMES:
        if len(target.contexts) >= _MOST_CONTEXTS:
            target.contexts.clear()
        target.contexts[key] = context
    return context


class _Caller(TypedDict):
    gateway: str
    proxy: str
    client_id: str
    client_name: str
    business_group: str
    sla_tier: str
    operation: str
    inbound_dialect: str
    requested_model: str
    stream: bool
    shadow: tuple[str, ...]


def _caller(exchange: "Exchange") -> _Caller:
    """Say who asked for what."""
    client = exchange.client
    return _Caller(
        gateway=exchange.proxy.gateway_name,
        proxy=exchange.proxy.name,
        client_id=client.client_id if client is not None else "",
        client_name=client.name if client is not None else "",
        business_group=client.business_group if client is not None else "",
        sla_tier=client.sla_tier if client is not None else "",
        operation=exchange.endpoint.operation,
        inbound_dialect=exchange.endpoint.dialect_name,
        requested_model=exchange.requested_model,
        stream=exchange.stream,
        shadow=exchange.shadow_refusals,
    )


def line_record(exchange: "Exchange", attempt: "Attempt", line: BatchLine, record_id: str, at_us: int) -> UsageRecord:
    """Write the record of one line of a batch's results. Nothing in it comes from the download."""
    failed = line.status >= 400
    route = attempt.target.route
    return _replace(
        UsageRecord(**_caller(exchange), id=record_id, call_id=record_id, started_us=at_us, ended_us=at_us),
        operation=line.operation,
        requested_model=line.model,
        shadow=(),
        route=route.name,
        provider=route.provider,
        credential=route.credential,
        provider_dialect=exchange.endpoint.dialect_name,
        target_model=line.model,
        served_model=line.model,
        service_tier="batch",
        outcome="error" if failed else "ok",
        status=line.status,
        upstream_status=line.status,
        error="batch_line_failed" if failed else "",
        attempt=1,
        response_id=line.response_id,
        usage=line.usage,
    )


def refusal_record(exchange: "Exchange", *, status: int, error: str, policy: str) -> UsageRecord:
    """Write the record of a call that no provider was asked about."""
    spent_us = int((exchange.clock.monotonic() - exchange.started_at) * _MICRO)
    return UsageRecord(
        **_caller(exchange),
        id=exchange.record_id(),
        call_id=exchange.call_id,
        correlation_id=exchange.correlation_id,
        trace_id=exchange.trace_id,
        parent_span_id=exchange.parent_span_id,
        started_us=exchange.started_us,
        ended_us=exchange.started_us + spent_us,
        outcome="refused",
        status=status,
        error=error,
        policy=policy,
        overhead_us=spent_us,
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
