"""Usage records as OpenTelemetry spans and metrics, delivered as OTLP over HTTP with the OpenTelemetry SDK.

Rules of this file:
- One span an attempt (kind client), and one a call (kind server) that is their parent, with the record's own times.
- Ids come from `core/trace_ids.py`: the same record gives the same span, and attempts find their call's span though
  they were exported before it.
- Content is never exported; records hold none.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tollway.core import genai_conventions as genai
from tollway.core.trace_ids import span_id_of, trace_id_of
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.otel_metrics import CallMetrics, metrics_of
from tollway.metering.otel_settings import OtelSettings

_FAILED: Final = frozenset({"error", "cut", "timeout"})
_SCOPE: Final = "tollway"

Attributes = dict[str, str | bool | int | float | Sequence[str]]


class OtlpExport:
    """Delivers records to one collector."""

    def __init__(self, settings: OtelSettings, provider_name: Callable[[str], str]) -> None:
        """Prepare; nothing is sent before the first record."""
        base = settings.endpoint.rstrip("/")
        headers = dict(settings.headers)
        self._vocabulary: genai.Vocabulary = settings.vocabulary
        self._provider_name = provider_name
        self._resource = Resource.create({"service.name": settings.service_name})
        self._scope = InstrumentationScope(_SCOPE)
        self._spans = OTLPSpanExporter(f"{base}/v1/traces", headers=headers, timeout=settings.timeout_seconds)
        reader = PeriodicExportingMetricReader(
            OTLPMetricExporter(f"{base}/v1/metrics", headers=headers, timeout=settings.timeout_seconds),
            export_interval_millis=settings.metrics_interval_seconds * 1000,
        )
        self._meters = MeterProvider([reader], self._resource, shutdown_on_exit=False)
        self._metrics: CallMetrics = metrics_of(settings.vocabulary, self._meters.get_meter(_SCOPE))

    def deliver(self, records: Sequence[UsageRecord]) -> bool:
        """Send the spans of these records, and count them; False when the collector did not take the spans."""
        spans: list[ReadableSpan] = []
        for record in records:
            attributes = self._genai_attributes(record)
            self._metrics.record(record, attributes)
            if record.attempt:
                spans.append(self._attempt_span(record, attributes))
            if record.final:
                spans.append(self._call_span(record, attributes))
        return not spans or self._spans.export(spans) is SpanExportResult.SUCCESS

    def close(self) -> None:
        """Send the last metrics, and end."""
        self._meters.shutdown()
        self._spans.shutdown()

    def _attempt_span(self, record: UsageRecord, attributes: Attributes) -> ReadableSpan:
        trace_id = _trace_id(record)
        end_us = max(record.ended_us, record.started_us)
        return ReadableSpan(
            f"{attributes[genai.OPERATION_NAME]} {record.target_model}".rstrip(),
            context=_context(trace_id, span_id_of(record.id)),
            parent=_context(trace_id, span_id_of(record.call_id)),
            resource=self._resource,
            attributes={**attributes, **self._usage_attributes(record), **_answer_attributes(record), **_own(record)},
            kind=SpanKind.CLIENT,
            status=_status(record),
            start_time=max(record.started_us, end_us - record.upstream_us) * 1000,
            end_time=end_us * 1000,
            instrumentation_scope=self._scope,
        )

    def _call_span(self, record: UsageRecord, attributes: Attributes) -> ReadableSpan:
        trace_id = _trace_id(record)
        parent = _hexadecimal(record.parent_span_id, 64)
        call: Attributes = {genai.OPERATION_NAME: attributes[genai.OPERATION_NAME], genai.STATUS_CODE: record.status}
        if record.requested_model:
            call[genai.REQUEST_MODEL] = record.requested_model
        if record.error:
            call[genai.ERROR_TYPE] = record.error
        return ReadableSpan(
            f"{record.proxy} {attributes[genai.OPERATION_NAME]}".strip(),
            context=_context(trace_id, span_id_of(record.call_id)),
            parent=_context(trace_id, parent, remote=True) if parent else None,
            resource=self._resource,
            attributes={**call, **_own(record)},
            kind=SpanKind.SERVER,
            status=_status(record),
            start_time=record.started_us * 1000,
            end_time=max(record.ended_us, record.started_us) * 1000,
            instrumentation_scope=self._scope,
        )

    def _genai_attributes(self, record: UsageRecord) -> Attributes:
        attributes: Attributes = {genai.OPERATION_NAME: genai.operation_name(record.operation, record.provider_dialect)}
        named = (
            (genai.PROVIDER_NAME, self._provider_name(record.provider) if record.provider else ""),
            (genai.REQUEST_MODEL, record.target_model),
            (genai.RESPONSE_MODEL, record.served_model),
            (genai.ERROR_TYPE, record.error),
        )
        attributes.update({name: value for name, value in named if value})
        return attributes

    def _usage_attributes(self, record: UsageRecord) -> Attributes:
        usage = record.usage
        if usage.source == "none":
            return {}
        attributes: Attributes = {genai.USAGE_INPUT: usage.input_tokens, genai.USAGE_OUTPUT: usage.output_tokens}
        parts = (
            (genai.USAGE_CACHE_READ, usage.cached_tokens),
            (genai.USAGE_CACHE_WRITE[self._vocabulary], usage.cache_write_tokens),
            (genai.USAGE_REASONING, usage.reasoning),
        )
        attributes.update({name: tokens for name, tokens in parts if tokens})
        return attributes


def _answer_attributes(record: UsageRecord) -> Attributes:
    attributes: Attributes = {genai.REQUEST_STREAM: record.stream}
    if record.upstream_status:
        attributes[genai.STATUS_CODE] = record.upstream_status
    if record.response_id:
        attributes[genai.RESPONSE_ID] = record.response_id
    if record.stop_reason:
        attributes[genai.FINISH_REASONS] = (record.stop_reason,)
    if record.stream and record.time_to_first_byte_us:
        attributes[genai.RESPONSE_TIME_TO_FIRST_CHUNK] = record.time_to_first_byte_us / 1_000_000
    if record.service_tier:
        attributes[genai.SERVICE_TIER] = record.service_tier
    return attributes


_OWN: Final[Mapping[str, str]] = {
    "tollway.record.id": "id",
    "tollway.call.id": "call_id",
    "tollway.correlation_id": "correlation_id",
    "tollway.gateway": "gateway",
    "tollway.proxy": "proxy",
    "tollway.route": "route",
    "tollway.attempt": "attempt",
    "tollway.outcome": "outcome",
    "tollway.policy": "policy",
    "tollway.shadow": "shadow",
    "tollway.losses": "losses",
    "tollway.client.id": "client_id",
    "tollway.client.name": "client_name",
    "tollway.business_group": "business_group",
    "tollway.sla_tier": "sla_tier",
    "tollway.overhead_us": "overhead_us",
}
"""Attribute → member of the record, where OpenTelemetry has no name of its own. Empty ones are left out."""


def _own(record: UsageRecord) -> Attributes:
    attributes: Attributes = {name: getattr(record, member) for name, member in _OWN.items() if getattr(record, member)}
    attributes["tollway.usage.source"] = record.usage.source
    return attributes


def _status(record: UsageRecord) -> Status:
    return Status(StatusCode.ERROR, record.error or record.outcome) if record.outcome in _FAILED else Status()


def _trace_id(record: UsageRecord) -> int:
    return _hexadecimal(record.trace_id, 128) or trace_id_of(record.call_id)


def _hexadecimal(text: str, bits: int) -> int:
    """Read an id of a caller's; 0, which is none, when it is not one."""
    try:
        value = int(text, 16)
    except ValueError:
        return 0
    return value if 0 < value < 1 << bits else 0


def _context(trace_id: int, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace_id, span_id, is_remote=remote, trace_flags=TraceFlags(TraceFlags.SAMPLED))
