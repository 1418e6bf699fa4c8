import msgspec
import pytest
from msgspec.structs import replace
from tests.support.prometheus_text import ReadFamily, read

from tollway.core.usage import Usage
from tollway.gateway.metrics import CATALOGUE, OTHER, TOKEN_CLASSES, Gauges, Metrics, UpstreamGauge, fold, merge
from tollway.interfaces.usage_record import UsageRecord
from tollway.testing.clock import FrozenClock
from tollway.testing.usage_records import usage_records

RECORD = UsageRecord(
    id="a",
    call_id="b",
    started_us=1_000_000,
    ended_us=3_500_000,
    proxy="llm-proxy",
    route="openai",
    provider="openai",
    operation="conversation",
    provider_dialect="openai-chat",
    target_model="gpt-5",
    served_model="gpt-5-2025",
    status=200,
    attempt=1,
    usage=Usage(input_fresh=10, cache_read=5, output_text=7, reasoning=2),
    upstream_us=2_000_000,
    overhead_us=150,
)
REFUSED = UsageRecord(
    id="a",
    call_id="b",
    started_us=0,
    ended_us=20,
    proxy="llm-proxy",
    requested_model="what a stranger wrote",
    outcome="refused",
    status=429,
    error="rate_limited",
    policy="llm-token-rate-limit",
    overhead_us=20,
)


def scraped(*records: UsageRecord, **options) -> dict[str, ReadFamily]:
    metrics = Metrics(FrozenClock(), **options)
    for record in records:
        metrics.observe(record)
    return read(merge([metrics.dump()]))


def value(families: dict[str, ReadFamily], sample: str, **labels: str) -> float:
    """Sum the samples of that name that have these labels."""
    found = [
        value
        for family in families.values()
        for (name, its), value in family.samples.items()
        if name == sample and set(labels.items()) <= its
    ]
    assert found, f"no {sample} with {labels}"
    return sum(found)


def test_a_call_is_counted_with_its_tokens_and_times():
    families = scraped(RECORD, RECORD)
    call = {"proxy": "llm-proxy", "route": "openai", "provider": "openai", "model": "gpt-5-2025", "outcome": "ok"}
    assert value(families, "tollway_requests_total", **call, status_class="2xx") == 2
    assert value(families, "tollway_upstream_attempts_total", **call) == 2
    tokens = {"proxy": "llm-proxy", "provider": "openai", "model": "gpt-5-2025"}
    assert value(families, "tollway_tokens_total", **tokens, direction="input", **{"class": "fresh"}) == 20
    assert value(families, "tollway_tokens_total", **tokens, direction="input", **{"class": "cache_read"}) == 10
    assert value(families, "tollway_tokens_total", **tokens, direction="output") == 18
    assert value(families, "tollway_overhead_seconds_bucket", proxy="llm-proxy", le="0.0001") == 0
    assert value(families, "tollway_overhead_seconds_bucket", proxy="llm-proxy", le="0.0002") == 2
    assert value(families, "tollway_overhead_seconds_sum", proxy="llm-proxy") == pytest.approx(0.0003)


def test_the_conventions_names_and_labels_are_used():
    families = scraped(RECORD, provider_name=lambda name: f"our {name}")
    labels = {
        "gen_ai_operation_name": "chat",
        "gen_ai_provider_name": "our openai",
        "gen_ai_request_model": "gpt-5",
        "gen_ai_response_model": "gpt-5-2025",
    }
    usage = "gen_ai_client_token_usage"
    assert value(families, f"{usage}_sum", **labels, gen_ai_token_type="input") == 15
    assert value(families, f"{usage}_bucket", **labels, gen_ai_token_type="input", le="4") == 0
    assert value(families, f"{usage}_bucket", **labels, gen_ai_token_type="input", le="16") == 1
    assert value(families, f"{usage}_sum", **labels, gen_ai_token_type="output") == 9
    assert value(families, "gen_ai_client_operation_duration_seconds_sum", **labels, error_type="") == 2
    assert value(families, "gen_ai_server_request_duration_seconds_sum", **labels, error_type="") == 2.5


def test_only_streams_have_a_first_token():
    assert "gen_ai_server_time_to_first_token_seconds" not in scraped(RECORD)
    families = scraped(replace(RECORD, stream=True, time_to_first_byte_us=400_000))
    assert value(families, "gen_ai_server_time_to_first_token_seconds_sum") == pytest.approx(0.4)
    assert value(families, "gen_ai_server_time_per_output_token_seconds_sum") == pytest.approx(1.6 / 8)
    assert value(families, "gen_ai_server_time_per_output_token_seconds_bucket", le="0.2") == 1


def test_a_refused_call_names_its_policy_and_never_what_a_stranger_wrote():
    families = scraped(REFUSED)
    assert value(families, "tollway_policy_refusals_total", proxy="llm-proxy", policy="llm-token-rate-limit") == 1
    assert value(families, "tollway_requests_total", model="", outcome="refused", status_class="4xx") == 1
    assert value(families, "gen_ai_server_request_duration_seconds_count", error_type="rate_limited") == 1
    assert "tollway_upstream_attempts_total" not in families
    metrics = Metrics(FrozenClock())
    metrics.observe(REFUSED)
    assert b"stranger" not in metrics.dump()


def test_an_attempt_that_fell_back_is_no_call():
    families = scraped(replace(RECORD, final=False, outcome="error", status=503), RECORD)
    assert value(families, "tollway_requests_total") == 1
    assert value(families, "tollway_upstream_attempts_total") == 2
    assert value(families, "gen_ai_server_request_duration_seconds_count") == 1


def test_shadow_refusals_are_counted_by_policy():
    families = scraped(replace(RECORD, shadow=("a", "b")), replace(RECORD, shadow=("a",)))
    assert value(families, "tollway_policy_shadow_total", policy="a") == 2
    assert value(families, "tollway_policy_shadow_total", policy="b") == 1


def test_guessed_usage_is_counted():
    families = scraped(replace(RECORD, usage=Usage(output_text=3, source="estimated")), RECORD)
    assert value(families, "tollway_estimated_usage_total", provider="openai") == 1


@pytest.mark.parametrize(("member", "direction", "name"), TOKEN_CLASSES, ids=[member for member, _, _ in TOKEN_CLASSES])
def test_every_class_of_tokens_is_counted_as_itself(member: str, direction: str, name: str):
    families = scraped(replace(RECORD, usage=msgspec.convert({member: 11}, Usage)))
    assert value(families, "tollway_tokens_total", direction=direction, **{"class": name}) == 11
    assert value(families, "tollway_tokens_total") == 11
    assert value(families, "gen_ai_client_token_usage_sum", gen_ai_token_type=direction) == 11


def test_the_classes_are_the_leaves_of_usage():
    assert [member for member, _, _ in TOKEN_CLASSES] == list(
        Usage.__struct_fields__[: Usage.__struct_fields__.index("web_searches")]
    )


def test_models_beyond_the_bound_are_other_and_nothing_is_lost():
    records = [
        replace(RECORD, target_model=f"model-{n}", served_model=f"served-{n}", error=f"e{n}") for n in range(500)
    ]
    families = scraped(*records, *records, max_series=20)
    models = {dict(labels)["model"] for _, labels in families["tollway_requests_total"].samples}
    assert len(models) == 21
    assert OTHER in models
    assert value(families, "tollway_requests_total") == 1000
    assert value(families, "gen_ai_client_operation_duration_seconds_count") == 1000
    assert value(families, "gen_ai_client_operation_duration_seconds_count", error_type=OTHER) == 960


def test_workers_are_merged_and_what_was_counted_is_what_was_seen():
    records = usage_records(300)
    workers = [Metrics(FrozenClock()) for _ in range(3)]
    for number, record in enumerate(records):
        workers[number % 3].observe(record)
    families = read(merge([worker.dump() for worker in workers]))
    assert value(families, "tollway_requests_total") == sum(record.final for record in records)
    assert value(families, "tollway_upstream_attempts_total") == sum(record.attempt > 0 for record in records)
    assert value(families, "tollway_tokens_total") == sum(record.usage.total_tokens for record in records)
    assert value(families, "tollway_overhead_seconds_count") == 300
    assert value(families, "tollway_workers") == 3


def test_gauges_say_what_workers_are_doing_now():
    def gauges(*, healthy: bool, ready: bool) -> Metrics:
        upstreams = (UpstreamGauge("openai", healthy, 2), UpstreamGauge("gemini", healthy=True, in_flight=1))
        now = Gauges(
            in_flight=4, streams=2, connections=9, spool_ready=ready, snapshot_version="abc", upstreams=upstreams
        )
        return Metrics(FrozenClock(), gauges=lambda: now)

    families = read(merge([gauges(healthy=True, ready=True).dump(), gauges(healthy=False, ready=False).dump()]))
    assert value(families, "tollway_in_flight") == 8
    assert value(families, "tollway_streams") == 4
    assert value(families, "tollway_connections") == 18
    assert value(families, "tollway_spool_ready") == 0
    assert value(families, "tollway_snapshot_workers", version="abc") == 2
    assert value(families, "tollway_upstream_healthy", upstream="openai") == 0
    assert value(families, "tollway_upstream_healthy", upstream="gemini") == 1
    assert value(families, "tollway_upstream_in_flight", upstream="openai") == 4


def test_what_a_worker_that_is_gone_had_counted_can_be_kept():
    gone = Metrics(FrozenClock(), gauges=lambda: Gauges(in_flight=3))
    gone.observe(RECORD)
    here = Metrics(FrozenClock())
    here.observe(RECORD)
    kept = fold([fold([gone.dump()]), gone.dump()])
    families = read(merge([kept, here.dump()]))
    assert value(families, "tollway_requests_total") == 3
    assert value(families, "tollway_in_flight") == 0
    assert value(families, "tollway_workers") == 1


def test_labels_of_any_text_are_read_back():
    odd = 'quote " backslash \\ line\nfeed'
    families = scraped(replace(RECORD, served_model=odd))
    assert value(families, "tollway_requests_total", model=odd) == 1


def test_every_family_is_in_the_catalogue_with_its_labels():
    records = [*usage_records(200), replace(RECORD, shadow=("a",)), replace(RECORD, usage=Usage(source="estimated"))]
    now = Gauges(snapshot_version="abc", upstreams=(UpstreamGauge("openai", healthy=True, in_flight=0),))
    families = scraped(*records, gauges=lambda: now)
    assert [*families] == [metric.name for metric in CATALOGUE]
    for metric in CATALOGUE:
        family = families[metric.name]
        assert (family.kind, family.help) == (metric.kind, metric.help)
        for _, labels in family.samples:
            assert {name for name, _ in labels} - {"le"} == set(metric.labels)
