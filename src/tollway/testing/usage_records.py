"""Usage records as gateways write them, made from a seed."""

# ruff: noqa: S311 - made-up records need the same numbers every time, not unguessable ones

import random
from typing import Final

from msgspec.structs import replace

from tollway.core.ids import ulid
from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.usage_record import Outcome, UsageRecord

START_US: Final = 1_767_225_600_000_000
"""2026-01-01T00:00:00Z."""
HOUR_US: Final = 3_600_000_000

_CLIENTS: Final = (
    ("3f8a2c5d7e9b4a1c8d6e0f2b4a6c8e0d", "checkout-assistant", "retail"),
    ("b1946ac92492d2347c6235b4d2611184", "store-search", "retail"),
    ("591785b794601e212b260e25925636fd", "claims-triage", "insurance"),
    ("", "", ""),
)
_TARGETS: Final = (
    ("openai", "gpt-5-mini", "gpt-5-mini-2025-08-07"),
    ("anthropic", "claude-sonnet-4-5", "claude-sonnet-4-5-20250929"),
    ("gemini", "gemini-2.5-flash", "gemini-2.5-flash"),
)
_OUTCOMES: Final[tuple[Outcome, ...]] = ("ok", "ok", "ok", "ok", "error", "refused", "cancelled", "cut", "timeout")


def usage_record(number: int, *, seed: int = 0, hours: int = 3) -> UsageRecord:
    """Make the record of that number: the same one for the same arguments."""
    draw = random.Random(f"{seed}:{number}")
    started_us = START_US + draw.randrange(hours * HOUR_US)
    client_id, client_name, business_group = draw.choice(_CLIENTS)
    outcome = draw.choice(_OUTCOMES)
    record = UsageRecord(
        id=ulid(started_us // 1000, draw.getrandbits(80)),
        call_id=ulid(started_us // 1000, draw.getrandbits(80)),
        correlation_id=f"{draw.getrandbits(128):032x}",
        started_us=started_us,
        ended_us=started_us + draw.randrange(1, 9_000_000),
        gateway="gw-1",
        proxy=draw.choice(("llm-proxy", "internal-proxy")),
        client_id=client_id,
        client_name=client_name,
        business_group=business_group,
        operation="conversation",
        inbound_dialect="openai_chat",
        requested_model="openai/gpt-5-mini",
        overhead_us=draw.randrange(30, 900),
        request_bytes=draw.randrange(100, 60_000),
        outcome=outcome,
    )
    if outcome == "refused":
        return replace(record, status=429, error="rate_limited", policy="llm-token-rate-limit")
    provider, target, served = draw.choice(_TARGETS)
    record = replace(
        record,
        attempt=1,
        final=draw.random() < 0.9,
        route=provider,
        provider=provider,
        credential=f"{provider}-key",
        provider_dialect="openai_chat",
        target_model=target,
        stream=draw.random() < 0.5,
        usage=_usage(draw) if outcome != "error" else NO_USAGE,
        time_to_first_byte_us=draw.randrange(1, 2_000_000),
        upstream_us=draw.randrange(1, 9_000_000),
        response_bytes=draw.randrange(100, 60_000),
    )
    if outcome != "ok":
        return replace(record, status=502, upstream_status=500, error="upstream_error")
    response_id = f"chatcmpl-{draw.getrandbits(120):030x}"
    return replace(
        record, status=200, upstream_status=200, served_model=served, response_id=response_id, stop_reason="stop"
    )


def _usage(draw: random.Random) -> Usage:
    return Usage(
        input_fresh=draw.randrange(4000),
        cache_read=draw.choice((0, 1024)),
        cache_write_5m=draw.choice((0, 0, 512)),
        output_text=draw.randrange(900),
        reasoning=draw.choice((0, draw.randrange(800))),
    )


def usage_records(count: int, *, seed: int = 0, hours: int = 3) -> list[UsageRecord]:
    """Make the first `count` records of a seed."""
    return [usage_record(number, seed=seed, hours=hours) for number in range(count)]
