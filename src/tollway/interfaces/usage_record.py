"""The usage record: one a upstream attempt, written before the caller has its last byte.

The names of its members are the names of the ledger's columns, of the docs' reference page, and
of nothing else.
"""

from typing import Literal, Protocol

import msgspec

from tollway.core.usage import NO_USAGE, Usage

Outcome = Literal["ok", "error", "refused", "cancelled", "cut", "timeout"]
"""How the attempt ended. `refused`: no provider was called. `cancelled`: the caller left."""


class UsageRecord(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, gc=False):
    """What one attempt (or one refused call) was, used and took.

    The members before `id` are the attempt's *context*: the same few hundred combinations come again
    and again. Those from `id` on are its own. Written in this order, the ledger stores and decodes each
    context once (`wire/spool_format.py`); put a new member on the side it belongs to.
    """

    gateway: str = ""
    proxy: str = ""
    route: str = ""
    provider: str = ""
    credential: str = ""
    """Name of the credential used, never its value."""
    client_id: str = ""
    client_name: str = ""
    business_group: str = ""
    sla_tier: str = ""
    operation: str = ""
    """`conversation`, `embeddings`, `models`; `realtime` of a session, `realtime_response` of each response in it."""
    inbound_dialect: str = ""
    provider_dialect: str = ""
    requested_model: str = ""
    target_model: str = ""
    served_model: str = ""
    service_tier: str = ""
    stream: bool = False
    outcome: Outcome = "ok"
    status: int = 0
    """Status the caller saw, or would have seen."""
    upstream_status: int = 0
    error: str = ""
    """Our error code; empty when all went well."""
    policy: str = ""
    """The policy that refused."""
    shadow: tuple[str, ...] = ()
    """Policies in shadow mode that would have refused."""
    stop_reason: str = ""
    losses: tuple[str, ...] = ()
    """Fields that translation dropped."""
    attempt: int = 0
    """0 for a refused call, then 1, 2, … in the order tried."""
    final: bool = True
    """False when another attempt followed."""
    id: str
    """ULID, made by the gateway; the ledger holds each id once."""
    call_id: str
    """ULID of the caller's request; attempts of one call share it."""
    correlation_id: str = ""
    trace_id: str = ""
    """Trace id of the caller's `traceparent`, 32 hexadecimal digits; empty when it sent none."""
    parent_span_id: str = ""
    """Span id of the caller's `traceparent`, 16 hexadecimal digits; empty when it sent none."""
    started_us: int
    """Wall clock at the caller's request, µs since the epoch, UTC."""
    ended_us: int = 0
    response_id: str = ""
    usage: Usage = NO_USAGE
    time_to_first_byte_us: int = 0
    """From sending the attempt to the first byte of its answer's body; 0 when none came."""
    upstream_us: int = 0
    """From sending the attempt to the end of its answer."""
    overhead_us: int = 0
    """Time in the gateway that was not spent waiting for the upstream or the caller."""
    request_bytes: int = 0
    response_bytes: int = 0


class UsageSink(Protocol):
    """Takes usage records; durable when `append` returns."""

    def append(self, *records: UsageRecord) -> None:
        """Store the records, so that SIGKILL a microsecond later does not lose them.

        Raises:
            OSError: none of them is stored; the gateway must stop taking calls.
        """
        ...
