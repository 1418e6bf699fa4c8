"""Usage reports: rollups summed by whatever one asks to see them by.

Percentiles come from merged histograms; they are never averaged.
"""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from tollway.metering.rollups import Rollup, RollupKey

Dimension = Literal["business-group", "client", "model", "provider", "proxy", "outcome"]
DIMENSIONS: Final[tuple[Dimension, ...]] = ("business-group", "client", "model", "provider", "proxy", "outcome")

_MEMBERS: Final[dict[Dimension, str]] = {
    "business-group": "business_group",
    "client": "client_id",
    "model": "model",
    "provider": "provider",
    "proxy": "proxy",
    "outcome": "outcome",
}
_NO_ERROR: Final = frozenset({"ok", "cancelled"})

_EMPTY_KEY: Final = RollupKey(0, "", "", "", "", "", "", "ok")


class Line(msgspec.Struct, kw_only=True):
    """One line of a report."""

    group: dict[Dimension, str]
    """What its records have in common; empty values where the records had none."""
    client_name: str = ""
    """With `client` among the dimensions: the name the application had last."""
    calls: int = 0
    """Calls of callers, refused ones included."""
    attempts: int = 0
    """Calls of providers and refused calls; more than calls where calls fell back to another route."""
    errors: int = 0
    """Calls whose caller did not get a whole answer, and had not left."""
    input_tokens: int = 0
    """All input tokens, cached ones included."""
    cached_tokens: int = 0
    """Input tokens read from a cache."""
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """All output tokens, reasoning included."""
    reasoning_tokens: int = 0
    total_tokens: int = 0
    estimated: int = 0
    """Attempts whose tokens the gateway guessed, because the provider never said."""
    anomalous: int = 0
    """Attempts whose provider contradicted itself."""
    upstream_p50_ms: float = 0.0
    upstream_p95_ms: float = 0.0
    first_byte_p50_ms: float = 0.0
    first_byte_p95_ms: float = 0.0
    overhead_p50_us: float = 0.0
    overhead_p95_us: float = 0.0


def report(rollups: Iterable[Rollup], by: Sequence[Dimension]) -> list[Line]:
    """Sum rollups by the dimensions; those that used most tokens come first. No dimension gives one line in all."""
    members = [_MEMBERS[dimension] for dimension in by]
    sums: dict[tuple[str, ...], _Sum] = {}
    for rollup in rollups:
        group = tuple([str(getattr(rollup.key, member)) for member in members])
        total = sums.get(group)
        if total is None:
            total = sums[group] = _Sum()
        total.add(rollup)
    lines = [total.line(dict(zip(by, group, strict=True)), named="client" in by) for group, total in sums.items()]
    return sorted(lines, key=lambda line: (-line.total_tokens, -line.calls, tuple(line.group.values())))


class _Sum:
    """What `report` knows of one line before it is written."""

    def __init__(self) -> None:
        self.rollup = Rollup(_EMPTY_KEY)
        self.errors = 0
        self.name = (0, "")

    def add(self, rollup: Rollup) -> None:
        self.rollup.merge(rollup)
        if rollup.key.outcome not in _NO_ERROR:
            self.errors += rollup.calls
        self.name = max(self.name, (rollup.key.hour, rollup.key.client_name))

    def line(self, group: dict[Dimension, str], *, named: bool) -> Line:
        rollup = self.rollup
        usage = rollup.usage
        upstream, first_byte, overhead = rollup.upstream_us, rollup.time_to_first_byte_us, rollup.overhead_us
        return Line(
            group=group,
            client_name=self.name[1] if named else "",
            calls=rollup.calls,
            attempts=rollup.attempts,
            errors=self.errors,
            input_tokens=usage.input_tokens,
            cached_tokens=usage.cached_tokens,
            cache_write_tokens=usage.cache_write_tokens,
            output_tokens=usage.output_tokens,
            reasoning_tokens=usage.reasoning,
            total_tokens=usage.total_tokens,
            estimated=rollup.estimated,
            anomalous=rollup.anomalous,
            upstream_p50_ms=upstream.percentile(0.5) / 1000,
            upstream_p95_ms=upstream.percentile(0.95) / 1000,
            first_byte_p50_ms=first_byte.percentile(0.5) / 1000,
            first_byte_p95_ms=first_byte.percentile(0.95) / 1000,
            overhead_p50_us=overhead.percentile(0.5),
            overhead_p95_us=overhead.percentile(0.95),
        )
