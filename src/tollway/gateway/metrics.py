"""A worker's metrics: counted per call in a few plain lists, turned into Prometheus families when somebody asks.

Rules of this file:
- `observe` is on the path of every call: one lookup, a few additions, nothing that grows with what strangers send.
- Series are bounded. Beyond the bound, model names and error codes become `other`; all other labels come from the
  configuration or from our own enumerations.
- Names, labels and bounds stand once, in the catalogue below; `docs/reference/metrics.md` is made from it.
- Names that start with `gen_ai_` are OpenTelemetry's (vocabulary A), written as Prometheus wants them.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from operator import add, attrgetter
from typing import Final, Literal, NamedTuple

import msgspec

from tollway.core import genai_conventions as genai
from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.clock import Clock
from tollway.interfaces.usage_record import UsageRecord
from tollway.wire import exposition
from tollway.wire.exposition import Buckets, Combine, Family, Labels, Sample

OTHER: Final = "other"


class Metric(msgspec.Struct, frozen=True):
    """One entry of the catalogue."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    combine: Combine = "sum"


class UpstreamGauge(msgspec.Struct, frozen=True):
    """One upstream as one worker sees it now."""

    name: str
    healthy: bool
    in_flight: int


class Gauges(msgspec.Struct, frozen=True, kw_only=True):
    """What a worker is doing now."""

    in_flight: int = 0
    streams: int = 0
    connections: int = 0
    spool_ready: bool = True
    spool_failures: int = 0
    snapshot_version: str = ""
    upstreams: tuple[UpstreamGauge, ...] = ()


def _prometheus(name: str, unit: str = "") -> str:
    return name.replace(".", "_") + unit


_CALL: Final = ("proxy", "route", "provider", "model", "outcome")
_GENAI: Final = tuple(
    _prometheus(name) for name in (genai.OPERATION_NAME, genai.PROVIDER_NAME, genai.REQUEST_MODEL, genai.RESPONSE_MODEL)
)
_GENAI_ERROR: Final = (*_GENAI, _prometheus(genai.ERROR_TYPE))
_OVERHEAD_BOUNDS: Final = (5e-5, 1e-4, 2e-4, 3e-4, 5e-4, 1e-3, 2e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.5)

REQUESTS: Final = Metric(
    "tollway_requests_total",
    "counter",
    "Calls, one for each that a caller made; refused ones have no route, provider and model.",
    ("proxy", "route", "provider", "model", "status_class", "outcome"),
)
ATTEMPTS: Final = Metric(
    "tollway_upstream_attempts_total",
    "counter",
    "Attempts at a provider; more than calls where calls fell back.",
    _CALL,
)
TOKENS: Final = Metric(
    "tollway_tokens_total",
    "counter",
    "Tokens of all attempts. Classes do not overlap; their sum over a direction is the provider's own total.",
    ("proxy", "provider", "model", "direction", "class"),
)
ESTIMATED: Final = Metric(
    "tollway_estimated_usage_total",
    "counter",
    "Attempts whose tokens the gateway guessed, because the provider never said.",
    ("proxy", "provider", "model"),
)
OVERHEAD: Final = Metric(
    "tollway_overhead_seconds",
    "histogram",
    "Time in the gateway that was not spent waiting for the upstream or the caller.",
    ("proxy",),
    _OVERHEAD_BOUNDS,
)
REFUSALS: Final = Metric(
    "tollway_policy_refusals_total", "counter", "Calls that a policy refused.", ("proxy", "policy")
)
SHADOW: Final = Metric(
    "tollway_policy_shadow_total",
    "counter",
    "Calls that a policy in shadow mode would have refused.",
    ("proxy", "policy"),
)
TOKEN_USAGE: Final = Metric(
    _prometheus(genai.TOKEN_USAGE),
    "histogram",
    "Tokens of an attempt; input includes cached tokens, output includes reasoning.",
    (*_GENAI, _prometheus(genai.TOKEN_TYPE)),
    genai.TOKEN_BOUNDS,
)
OPERATION_DURATION: Final = Metric(
    _prometheus(genai.OPERATION_DURATION, "_seconds"),
    "histogram",
    "Time from sending an attempt to the end of its answer.",
    _GENAI_ERROR,
    genai.DURATION_BOUNDS,
)
REQUEST_DURATION: Final = Metric(
    _prometheus(genai.SERVER_REQUEST_DURATION, "_seconds"),
    "histogram",
    "Time from a caller's request to the end of its answer, all attempts included.",
    _GENAI_ERROR,
    genai.DURATION_BOUNDS,
)
FIRST_TOKEN: Final = Metric(
    _prometheus(genai.SERVER_TIME_TO_FIRST_TOKEN, "_seconds"),
    "histogram",
    "Time from sending a streamed attempt to the first byte of its answer.",
    _GENAI,
    genai.FIRST_TOKEN_BOUNDS,
)
PER_TOKEN: Final = Metric(
    _prometheus(genai.SERVER_TIME_PER_OUTPUT_TOKEN, "_seconds"),
    "histogram",
    "Time per output token of a streamed attempt, after its first byte.",
    _GENAI,
    genai.PER_TOKEN_BOUNDS,
)
IN_FLIGHT: Final = Metric("tollway_in_flight", "gauge", "Calls being served.")
STREAMS: Final = Metric("tollway_streams", "gauge", "Streamed answers being sent.")
CONNECTIONS: Final = Metric("tollway_connections", "gauge", "Connections of callers.")
SPOOL_READY: Final = Metric(
    "tollway_spool_ready", "gauge", "1 while usage records can be kept; at 0 a worker takes no calls.", combine="min"
)
SPOOL_FAILURES: Final = Metric("tollway_spool_failures_total", "counter", "How often the disk refused a usage record.")
SNAPSHOT: Final = Metric("tollway_snapshot_workers", "gauge", "Workers that serve this configuration.", ("version",))
UPSTREAM_HEALTHY: Final = Metric(
    "tollway_upstream_healthy",
    "gauge",
    "0 while a worker sends no calls to the upstream.",
    ("upstream",),
    combine="min",
)
UPSTREAM_IN_FLIGHT: Final = Metric(
    "tollway_upstream_in_flight", "gauge", "Attempts in flight at the upstream.", ("upstream",)
)
WORKERS: Final = Metric("tollway_workers", "gauge", "Workers that answered.")
STARTED: Final = Metric(
    "tollway_worker_start_time_seconds", "gauge", "When the youngest worker started, since the epoch.", combine="max"
)

CATALOGUE: Final[tuple[Metric, ...]] = (
    REQUESTS,
    ATTEMPTS,
    TOKENS,
    ESTIMATED,
    OVERHEAD,
    REFUSALS,
    SHADOW,
    TOKEN_USAGE,
    OPERATION_DURATION,
    REQUEST_DURATION,
    FIRST_TOKEN,
    PER_TOKEN,
    IN_FLIGHT,
    STREAMS,
    CONNECTIONS,
    SPOOL_READY,
    SPOOL_FAILURES,
    SNAPSHOT,
    UPSTREAM_HEALTHY,
    UPSTREAM_IN_FLIGHT,
    WORKERS,
    STARTED,
)

TOKEN_CLASSES: Final[tuple[tuple[str, str, str], ...]] = (
    ("input_fresh", "input", "fresh"),
    ("input_audio", "input", "audio"),
    ("input_image", "input", "image"),
    ("cache_read", "input", "cache_read"),
    ("cache_read_audio", "input", "cache_read_audio"),
    ("cache_write", "input", "cache_write"),
    ("cache_write_5m", "input", "cache_write_5m"),
    ("cache_write_1h", "input", "cache_write_1h"),
    ("output_text", "output", "text"),
    ("output_audio", "output", "audio"),
    ("output_image", "output", "image"),
    ("reasoning", "output", "reasoning"),
)
"""Member of `Usage`, and the labels `direction` and `class` it has; in the order of `Usage`."""

_INPUTS: Final = sum(1 for _, direction, _ in TOKEN_CLASSES if direction == "input")
_LEAVES: Final = len(TOKEN_CLASSES)
_FRESH, _CACHED, _TEXT, _REASONING = (
    Usage.__struct_fields__.index(name) for name in ("input_fresh", "cache_read", "output_text", "reasoning")
)
_MICRO: Final = 1_000_000


def _microseconds(bounds: Iterable[float]) -> tuple[int, ...]:
    return tuple(round(bound * _MICRO) for bound in bounds)


_DURATION_US: Final = _microseconds(genai.DURATION_BOUNDS)
_FIRST_TOKEN_US: Final = _microseconds(genai.FIRST_TOKEN_BOUNDS)
_PER_TOKEN_US: Final = _microseconds(genai.PER_TOKEN_BOUNDS)
_OVERHEAD_US: Final = _microseconds(_OVERHEAD_BOUNDS)
_TOKEN_BOUNDS: Final = genai.TOKEN_BOUNDS


class SeriesKey(NamedTuple):
    """What the calls of one series have in common. Its order is that of `_key_of`."""

    proxy: str
    route: str
    provider: str
    operation: str
    provider_dialect: str
    target_model: str
    served_model: str
    status: int
    outcome: str
    error: str
    policy: str
    final: bool
    called: bool
    """Whether a provider was called."""


_key_of: Final = attrgetter(*SeriesKey._fields[:-1], "attempt")


_Counts = list[int]
"""A histogram in the making: a count a bucket, then the sum in whole units, so that it is exact."""


def _counts(bounds: Sequence[float]) -> _Counts:
    return [0] * (len(bounds) + 2)


class _Series:
    """Sums of one key."""

    __slots__ = (
        "estimated",
        "first",
        "input",
        "number",
        "output",
        "overhead",
        "per_token",
        "request",
        "tokens",
        "upstream",
    )

    def __init__(self) -> None:
        self.number = 0
        self.estimated = 0
        self.tokens = [0] * _LEAVES
        self.input = _counts(_TOKEN_BOUNDS)
        self.output = _counts(_TOKEN_BOUNDS)
        self.upstream = _counts(_DURATION_US)
        self.request = _counts(_DURATION_US)
        self.overhead = _counts(_OVERHEAD_US)
        self.first = _counts(_FIRST_TOKEN_US)
        self.per_token = _counts(_PER_TOKEN_US)


class Metrics:
    """The metrics of one worker. All of it runs on the worker's thread."""

    def __init__(
        self,
        clock: Clock,
        *,
        max_series: int = 1000,
        provider_name: Callable[[str], str] = str,
        gauges: Callable[[], Gauges] = Gauges,
    ) -> None:
        """Begin at zero.

        Args:
            clock: tells when the worker started.
            max_series: how many series model names may make.
            provider_name: gives OpenTelemetry's name of one of our providers.
            gauges: asked what the worker is doing, when somebody asks us.
        """
        self.gauges = gauges
        self._started_us = clock.wall_us()
        self._max_series = max_series
        self._provider_name = provider_name
        self._series: dict[tuple[object, ...], _Series] = {}
        self._shadow: dict[tuple[str, str], int] = {}

    def observe(self, record: UsageRecord) -> None:
        """Count one usage record."""
        series = self._series.get(_key_of(record))
        if series is None:
            series = self._new_series(record)
        series.number += 1
        usage = record.usage
        outputs = _count_tokens(series, usage) if usage is not NO_USAGE else 0
        value = record.overhead_us
        counts = series.overhead
        counts[bisect_left(_OVERHEAD_US, value)] += 1
        counts[-1] += value
        value = record.upstream_us
        if value:
            counts = series.upstream
            counts[bisect_left(_DURATION_US, value)] += 1
            counts[-1] += value
            if record.stream:
                _count_stream(series, record, outputs)
        if record.final:
            value = record.ended_us - record.started_us
            counts = series.request
            counts[bisect_left(_DURATION_US, value)] += 1
            counts[-1] += value
        if record.shadow:
            for policy in record.shadow:
                self._shadow[record.proxy, policy] = self._shadow.get((record.proxy, policy), 0) + 1

    def families(self) -> list[Family]:
        """Turn the counts into families, in the catalogue's order."""
        tables = {metric.name: _Table(metric) for metric in CATALOGUE}
        for raw, series in self._series.items():
            key = SeriesKey(*raw[:-1], called=raw[-1] != 0)  # type: ignore[arg-type] - `_key_of` gives them in order
            self._add_series(tables, key, series)
        for (proxy, policy), number in self._shadow.items():
            tables[SHADOW.name].add((proxy, policy), number)
        self._add_gauges(tables)
        return [table.family() for table in tables.values()]

    def dump(self) -> bytes:
        """Write the metrics for `merge`."""
        return exposition.pack(self.families())

    def _new_series(self, record: UsageRecord) -> _Series:
        key = _key_of(record)
        if len(self._series) >= self._max_series:
            key = _key_of(
                msgspec.structs.replace(
                    record,
                    target_model=OTHER if record.target_model else "",
                    served_model=OTHER if record.served_model else "",
                    error=OTHER if record.error else "",
                )
            )
        series = self._series.get(key)
        if series is None:
            series = self._series[key] = _Series()
        return series

    def _add_series(self, tables: "dict[str, _Table]", key: SeriesKey, series: _Series) -> None:
        model = key.served_model or key.target_model
        if key.final:
            status_class = f"{key.status // 100}xx"
            labels = (key.proxy, key.route, key.provider, model, status_class, key.outcome)
            tables[REQUESTS.name].add(labels, series.number)
        if key.called:
            tables[ATTEMPTS.name].add((key.proxy, key.route, key.provider, model, key.outcome), series.number)
        if key.policy:
            tables[REFUSALS.name].add((key.proxy, key.policy), series.number)
        if series.estimated:
            tables[ESTIMATED.name].add((key.proxy, key.provider, model), series.estimated)
        for (_, direction, name), tokens in zip(TOKEN_CLASSES, series.tokens, strict=True):
            if tokens:
                tables[TOKENS.name].add((key.proxy, key.provider, model, direction, name), tokens)
        tables[OVERHEAD.name].add_counts((key.proxy,), series.overhead, _MICRO)
        self._add_genai(tables, key, series)

    def _add_genai(self, tables: "dict[str, _Table]", key: SeriesKey, series: _Series) -> None:
        operation = genai.operation_name(key.operation, key.provider_dialect)
        provider = self._provider_name(key.provider) if key.provider else ""
        labels = (operation, provider, key.target_model, key.served_model)
        tables[REQUEST_DURATION.name].add_counts((*labels, key.error), series.request, _MICRO)
        tables[OPERATION_DURATION.name].add_counts((*labels, key.error), series.upstream, _MICRO)
        series.input[-1] = sum(series.tokens[:_INPUTS])
        series.output[-1] = sum(series.tokens[_INPUTS:])
        tables[TOKEN_USAGE.name].add_counts((*labels, "input"), series.input, 1)
        tables[TOKEN_USAGE.name].add_counts((*labels, "output"), series.output, 1)
        tables[FIRST_TOKEN.name].add_counts(labels, series.first, _MICRO)
        tables[PER_TOKEN.name].add_counts(labels, series.per_token, _MICRO)

    def _add_gauges(self, tables: "dict[str, _Table]") -> None:
        now = self.gauges()
        tables[IN_FLIGHT.name].add((), now.in_flight)
        tables[STREAMS.name].add((), now.streams)
        tables[CONNECTIONS.name].add((), now.connections)
        tables[SPOOL_READY.name].add((), int(now.spool_ready))
        tables[SPOOL_FAILURES.name].add((), now.spool_failures)
        if now.snapshot_version:
            tables[SNAPSHOT.name].add((now.snapshot_version,), 1)
        for upstream in now.upstreams:
            tables[UPSTREAM_HEALTHY.name].least((upstream.name,), int(upstream.healthy))
            tables[UPSTREAM_IN_FLIGHT.name].add((upstream.name,), upstream.in_flight)
        tables[WORKERS.name].add((), 1)
        tables[STARTED.name].add((), self._started_us / _MICRO)


def merge(dumps: Iterable[bytes]) -> str:
    """Write the metrics of all workers, and of others that dump families, as Prometheus text."""
    return exposition.render(exposition.merge(map(exposition.unpack, dumps))).decode()


def fold(dumps: Iterable[bytes]) -> bytes:
    """Make one dump of what workers that are gone have counted; what they were doing is left out."""
    merged = exposition.merge(map(exposition.unpack, dumps))
    return exposition.pack([family for family in merged if family.kind != "gauge"])


def _count_tokens(series: _Series, usage: Usage) -> int:
    """Add the tokens; return how many were output."""
    inputs, outputs = usage.totals()
    fresh, cached, text, reasoning = usage.input_fresh, usage.cache_read, usage.output_text, usage.reasoning
    tokens = series.tokens
    if inputs == fresh + cached and outputs == text + reasoning:
        # Nearly always; adding four numbers costs a third of adding twelve.
        tokens[_FRESH] += fresh
        tokens[_TEXT] += text
        if cached:
            tokens[_CACHED] += cached
        if reasoning:
            tokens[_REASONING] += reasoning
    else:
        series.tokens = list(map(add, tokens, msgspec.structs.astuple(usage)))
    if usage.source == "estimated":
        series.estimated += 1
    # Of these two, the sums are those of `tokens`: they are put in when somebody asks.
    series.input[bisect_left(_TOKEN_BOUNDS, inputs)] += 1
    series.output[bisect_left(_TOKEN_BOUNDS, outputs)] += 1
    return outputs


def _count_stream(series: _Series, record: UsageRecord, outputs: int) -> None:
    first = record.time_to_first_byte_us
    if not first:
        return
    counts = series.first
    counts[bisect_left(_FIRST_TOKEN_US, first)] += 1
    counts[-1] += first
    if outputs > 1:
        value = (record.upstream_us - first) // (outputs - 1)
        counts = series.per_token
        counts[bisect_left(_PER_TOKEN_US, value)] += 1
        counts[-1] += value


class _Table:
    """The series of one metric while they are summed."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric
        self._samples: dict[tuple[str, ...], float] = {}
        self._histograms: dict[tuple[str, ...], tuple[list[int], float]] = {}

    def add(self, values: tuple[str, ...], number: float) -> None:
        """Add to a counter or gauge."""
        self._samples[values] = self._samples.get(values, 0) + number

    def least(self, values: tuple[str, ...], number: float) -> None:
        """Lower a gauge to `number`."""
        self._samples[values] = min(self._samples.get(values, number), number)

    def add_counts(self, values: tuple[str, ...], counts: _Counts, unit: int) -> None:
        """Add to a histogram; nothing is added for one that counted nothing."""
        if not any(counts):
            return
        buckets, total = self._histograms.get(values, ([0] * (len(counts) - 1), 0.0))
        self._histograms[values] = (list(map(add, buckets, counts[:-1])), total + counts[-1] / unit)

    def family(self) -> Family:
        """Give what was summed."""
        metric = self._metric
        return Family(
            metric.name,
            metric.kind,
            metric.help,
            metric.combine,
            [Sample(self._labels(values), number) for values, number in self._samples.items()],
            [
                Buckets(self._labels(values), metric.bounds, tuple(buckets), total)
                for values, (buckets, total) in self._histograms.items()
            ],
        )

    def _labels(self, values: tuple[str, ...]) -> Labels:
        return tuple(zip(self._metric.labels, values, strict=True))
