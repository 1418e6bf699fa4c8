from typing import Any

import pytest
from msgspec.structs import replace
from tests.metering.test_otel_export import RECORD, export
from tests.support.otlp_receiver import plain

from tollway.core.usage import Usage


def points(metric: Any) -> dict[tuple[tuple[str, object], ...], Any]:
    kind = metric.WhichOneof("data")
    return {
        tuple(sorted(plain(point.attributes).items(), key=str)): point for point in getattr(metric, kind).data_points
    }


def only(metric: Any, **labels: object) -> Any:
    found = [point for attributes, point in points(metric).items() if set(labels.items()) <= set(attributes)]
    assert len(found) == 1
    return found[0]


ATTRIBUTES = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "gcp.gemini",
    "gen_ai.request.model": "gemini-2.5-flash",
    "gen_ai.response.model": "gemini-2.5-flash-001",
}


def test_vocabulary_a_has_its_histograms_with_the_advised_bounds():
    metrics = export(RECORD, RECORD).last_metrics
    assert set(metrics) == {
        "gen_ai.client.token.usage",
        "gen_ai.client.operation.duration",
        "gen_ai.client.operation.time_to_first_chunk",
        "gen_ai.server.request.duration",
        "gen_ai.server.time_to_first_token",
        "gen_ai.server.time_per_output_token",
    }
    tokens = metrics["gen_ai.client.token.usage"]
    assert tokens.unit == "{token}"
    inputs = only(tokens, **{"gen_ai.token.type": "input"})
    assert plain(inputs.attributes) == {**ATTRIBUTES, "gen_ai.token.type": "input"}
    assert (inputs.count, inputs.sum) == (2, 246)
    assert list(inputs.explicit_bounds) == [4**n for n in range(14)]
    assert only(tokens, **{"gen_ai.token.type": "output"}).sum == 100
    duration = only(metrics["gen_ai.client.operation.duration"])
    assert plain(duration.attributes) == ATTRIBUTES
    assert (duration.count, duration.sum) == (2, pytest.approx(4.8))
    assert list(duration.explicit_bounds) == pytest.approx([0.01 * 2**n for n in range(14)])
    assert only(metrics["gen_ai.server.request.duration"]).sum == pytest.approx(5.0)
    assert only(metrics["gen_ai.server.time_to_first_token"]).sum == pytest.approx(0.8)
    assert only(metrics["gen_ai.server.time_per_output_token"]).sum == pytest.approx(2 * 2.0 / 49)


def test_vocabulary_b_has_its_histograms_and_counters():
    usage = Usage(input_fresh=100, input_audio=7, cache_read=20, cache_read_audio=2, output_text=40, reasoning=10)
    metrics = export(replace(RECORD, usage=usage), vocabulary="B").last_metrics
    assert only(metrics["gen_ai.client.inference.duration"]).sum == pytest.approx(2.4)
    assert only(metrics["gen_ai.client.inference.time_to_first_chunk"]).sum == pytest.approx(0.4)
    assert only(metrics["gen_ai.client.inference.operation.input_tokens"]).sum == 129
    assert only(metrics["gen_ai.client.inference.operation.output_tokens"]).sum == 50
    counters = {
        (name.removeprefix("gen_ai.client.inference.usage."), dict(attributes)["gen_ai.token.modality"]): point.as_int
        for name, metric in metrics.items()
        if name.startswith("gen_ai.client.inference.usage.")
        for attributes, point in points(metric).items()
    }
    assert counters == {
        ("input_tokens", "unknown"): 120,
        ("input_tokens", "audio"): 9,
        ("cache_read.input_tokens", "unknown"): 20,
        ("cache_read.input_tokens", "audio"): 2,
        ("output_tokens", "text"): 50,
        ("reasoning.output_tokens", "text"): 10,
    }
    assert not any(name.startswith(("gen_ai.client.token", "gen_ai.server")) for name in metrics)


def test_a_failed_call_counts_zero_tokens_in_b_and_none_in_a():
    failed = replace(RECORD, usage=Usage(source="none"), outcome="error", error="upstream_error", stream=False)
    b = export(failed, vocabulary="B").last_metrics
    assert only(b["gen_ai.client.inference.usage.input_tokens"]).as_int == 0
    assert plain(only(b["gen_ai.client.inference.duration"]).attributes)["error.type"] == "upstream_error"
    assert "gen_ai.client.token.usage" not in export(failed).last_metrics


def test_a_refused_call_counts_as_a_request_and_no_operation():
    refused = replace(RECORD, attempt=0, outcome="refused", usage=Usage(source="none"))
    assert set(export(refused).last_metrics) == {"gen_ai.server.request.duration"}
