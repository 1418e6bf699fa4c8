"""How to reach an OpenTelemetry collector."""

from collections.abc import Mapping

import msgspec

from tollway.core.genai_conventions import Vocabulary


class OtelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where telemetry goes, and in which words."""

    endpoint: str
    """Base URL of OTLP over HTTP, such as `http://localhost:4318`; `/v1/traces` and `/v1/metrics` are added."""
    headers: Mapping[str, str] = {}
    service_name: str = "tollway"
    vocabulary: Vocabulary = "A"
    timeout_seconds: float = 10.0
    """How long to try to deliver one batch."""
    metrics_interval_seconds: float = 60.0
