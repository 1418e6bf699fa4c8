from typing import Any

import pytest
from msgspec.structs import replace
from tests.support.otlp_receiver import OtlpReceiver, otlp_receiver, plain

from tollway.core.genai_conventions import Vocabulary
from tollway.core.ids import ulid
from tollway.core.trace_ids import span_id_of
from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.otel_export import OtlpExport
from tollway.metering.otel_settings import OtelSettings

CALL = ulid(1_767_225_600_000, 12345)
RECORD = UsageRecord(
    id=ulid(1_767_225_600_000, 1),
    call_id=CALL,
    correlation_id="corr",
    started_us=1_767_225_600_000_000,
    ended_us=1_767_225_602_500_000,
    gateway="gw-1",
    proxy="llm-proxy",
    route="gemini",
    provider="gemini",
    client_id="3f8a",
    client_name="checkout",
    business_group="retail",
    operation="conversation",
    inbound_dialect="openai-chat",
    provider_dialect="openai-chat",
    requested_model="gemini/gemini-2.5-flash",
    target_model="gemini-2.5-flash",
    served_model="gemini-2.5-flash-001",
    service_tier="default",
    response_id="resp-1",
    stream=True,
    status=200,
    upstream_status=200,
    stop_reason="stop",
    attempt=1,
    losses=("logit_bias",),
    usage=Usage(input_fresh=100, cache_read=20, cache_write_5m=3, output_text=40, reasoning=10),
    time_to_first_byte_us=400_000,
    upstream_us=2_400_000,
    overhead_us=150,
)


def export(*records: UsageRecord, vocabulary: Vocabulary = "A") -> OtlpReceiver:
    with otlp_receiver() as receiver:
        settings = OtelSettings(
            endpoint=receiver.url + "/",
            headers={"authorization": "Bearer collector"},
            service_name="our gateway",
            vocabulary=vocabulary,
        )
        exporter = OtlpExport(settings, {"gemini": "gcp.gemini"}.__getitem__)
        assert exporter.deliver(records)
        exporter.close()
    return receiver


def spans_of(*records: UsageRecord, vocabulary: Vocabulary = "A") -> tuple[list[Any], list[Any]]:
    """The spans of attempts and those of calls."""
    spans = export(*records, vocabulary=vocabulary).spans
    return (
        [span for span in spans if span.kind == span.SPAN_KIND_CLIENT],
        [span for span in spans if span.kind == span.SPAN_KIND_SERVER],
    )


def test_a_call_is_a_span_and_its_attempt_a_child_with_their_own_times():
    (attempt,), (call,) = spans_of(RECORD)
    assert attempt.trace_id == call.trace_id == (1_767_225_600_000 << 80 | 12345).to_bytes(16)
    assert attempt.parent_span_id == call.span_id == span_id_of(CALL).to_bytes(8)
    assert attempt.span_id == span_id_of(RECORD.id).to_bytes(8)
    assert call.parent_span_id == b""
    assert (call.start_time_unix_nano, call.end_time_unix_nano) == (RECORD.started_us * 1000, RECORD.ended_us * 1000)
    assert attempt.end_time_unix_nano == RECORD.ended_us * 1000
    assert attempt.end_time_unix_nano - attempt.start_time_unix_nano == 2_400_000_000
    assert attempt.name == "chat gemini-2.5-flash"
    assert call.name == "llm-proxy chat"


@pytest.mark.parametrize(
    ("vocabulary", "cache_write"),
    [("A", "gen_ai.usage.cache_creation.input_tokens"), ("B", "gen_ai.usage.cache_write.input_tokens")],
)
def test_an_attempt_has_the_conventions_attributes(vocabulary: Vocabulary, cache_write: str):
    (attempt,), _ = spans_of(RECORD, vocabulary=vocabulary)
    attributes = plain(attempt.attributes)
    ours = {name: value for name, value in attributes.items() if name.startswith("tollway.")}
    assert {name: value for name, value in attributes.items() if name not in ours} == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "gcp.gemini",
        "gen_ai.request.model": "gemini-2.5-flash",
        "gen_ai.request.stream": True,
        "gen_ai.response.model": "gemini-2.5-flash-001",
        "gen_ai.response.id": "resp-1",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.response.time_to_first_chunk": 0.4,
        "gen_ai.usage.input_tokens": 123,
        "gen_ai.usage.output_tokens": 50,
        "gen_ai.usage.cache_read.input_tokens": 20,
        cache_write: 3,
        "gen_ai.usage.reasoning.output_tokens": 10,
        "openai.response.service_tier": "default",
        "http.response.status_code": 200,
    }
    assert ours == {
        "tollway.record.id": RECORD.id,
        "tollway.call.id": CALL,
        "tollway.correlation_id": "corr",
        "tollway.gateway": "gw-1",
        "tollway.proxy": "llm-proxy",
        "tollway.route": "gemini",
        "tollway.attempt": 1,
        "tollway.outcome": "ok",
        "tollway.losses": ["logit_bias"],
        "tollway.client.id": "3f8a",
        "tollway.client.name": "checkout",
        "tollway.business_group": "retail",
        "tollway.overhead_us": 150,
        "tollway.usage.source": "provider",
    }


def test_a_caller_s_trace_goes_on():
    caller = replace(RECORD, trace_id="0af7651916cd43dd8448eb211c80319c", parent_span_id="b7ad6b7169203331")
    (attempt,), (call,) = spans_of(caller)
    assert call.trace_id.hex() == attempt.trace_id.hex() == "0af7651916cd43dd8448eb211c80319c"
    assert call.parent_span_id.hex() == "b7ad6b7169203331"


@pytest.mark.parametrize("trace_id", ["0" * 32, "no hex", "f" * 33], ids=["zeros", "no digits", "too long"])
def test_a_trace_id_that_is_none_is_replaced(trace_id: str):
    _, (call,) = spans_of(replace(RECORD, trace_id=trace_id, parent_span_id="0" * 16))
    assert call.trace_id == (1_767_225_600_000 << 80 | 12345).to_bytes(16)
    assert call.parent_span_id == b""


def test_a_call_that_fell_back_is_one_span_with_two_children():
    first = replace(
        RECORD, id="one", final=False, outcome="error", status=503, upstream_status=503, error="upstream_error"
    )
    second = replace(RECORD, id="two", attempt=2)
    attempts, (call,) = spans_of(first, second)
    assert [attempt.parent_span_id for attempt in attempts] == [call.span_id] * 2
    assert [attempt.status.code for attempt in attempts] == [2, 0]
    assert plain(attempts[0].attributes)["error.type"] == "upstream_error"
    assert call.status.code == 0


def test_a_refused_call_has_no_attempt():
    refused = UsageRecord(
        id="a",
        call_id="b",
        started_us=1_000_000,
        ended_us=1_000_020,
        proxy="llm-proxy",
        operation="conversation",
        requested_model="m",
        outcome="refused",
        status=429,
        error="rate_limited",
        policy="llm-token-rate-limit",
    )
    attempts, (call,) = spans_of(refused)
    assert attempts == []
    attributes = plain(call.attributes)
    assert attributes["error.type"] == "rate_limited"
    assert attributes["http.response.status_code"] == 429
    assert attributes["tollway.policy"] == "llm-token-rate-limit"
    assert attributes["gen_ai.request.model"] == "m"
    assert call.status.code == 0, "a refusal is no failure of the server"


def test_usage_that_nobody_counted_is_not_told_as_zero():
    (attempt,), _ = spans_of(replace(RECORD, usage=Usage(source="none"), outcome="cancelled"))
    assert not [pair.key for pair in attempt.attributes if pair.key.startswith("gen_ai.usage")]


def test_the_collector_is_told_who_we_are_and_gets_its_headers():
    receiver = export(RECORD)
    assert all(headers["authorization"] == "Bearer collector" for headers in receiver.headers)
    for request in receiver.traces:
        assert plain(request.resource_spans[0].resource.attributes)["service.name"] == "our gateway"
    for request in receiver.metrics:
        assert plain(request.resource_metrics[0].resource.attributes)["service.name"] == "our gateway"


def test_the_same_record_is_the_same_span_whenever_it_is_exported():
    assert spans_of(RECORD) == spans_of(RECORD)
