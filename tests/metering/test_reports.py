from collections.abc import Callable

import pytest
from msgspec.structs import replace

from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.ledger import batch_of
from tollway.metering.reports import DIMENSIONS, Dimension, report
from tollway.metering.rollups import HOUR_US, Rollup
from tollway.stores.ledger_memory import MemoryLedger
from tollway.testing.usage_records import START_US, usage_records

VALUE_OF: dict[Dimension, Callable[[UsageRecord], str]] = {
    "business-group": lambda record: record.business_group,
    "client": lambda record: record.client_id,
    "model": lambda record: record.served_model or record.target_model,
    "provider": lambda record: record.provider,
    "proxy": lambda record: record.proxy,
    "outcome": lambda record: record.outcome,
}


def rollups_of(records: list[UsageRecord]) -> list[Rollup]:
    ledger = MemoryLedger()
    ledger.add(batch_of(records))
    return list(ledger.rollups(0, 1 << 50))


@pytest.mark.parametrize("dimension", DIMENSIONS)
def test_a_report_by_one_dimension_adds_up(dimension: Dimension):
    records = usage_records(200)
    lines = {line.group[dimension]: line for line in report(rollups_of(records), [dimension])}
    assert set(lines) == {VALUE_OF[dimension](record) for record in records}
    for value, line in lines.items():
        mine = [record for record in records if VALUE_OF[dimension](record) == value]
        assert line.attempts == len(mine)
        assert line.calls == sum(record.final for record in mine)
        assert line.errors == sum(record.final and record.outcome not in {"ok", "cancelled"} for record in mine)
        assert line.input_tokens == sum(record.usage.input_tokens for record in mine)
        assert line.cached_tokens == sum(record.usage.cached_tokens for record in mine)
        assert line.cache_write_tokens == sum(record.usage.cache_write_tokens for record in mine)
        assert line.output_tokens == sum(record.usage.output_tokens for record in mine)
        assert line.reasoning_tokens == sum(record.usage.reasoning for record in mine)
        assert line.total_tokens == sum(record.usage.total_tokens for record in mine)


def test_several_dimensions_are_all_their_combinations():
    records = usage_records(200)
    lines = report(rollups_of(records), ["client", "outcome"])
    assert {(line.group["client"], line.group["outcome"]) for line in lines} == {
        (record.client_id, record.outcome) for record in records
    }
    assert sum(line.attempts for line in lines) == 200


def test_no_dimension_is_the_total_and_nothing_is_no_line():
    (total,) = report(rollups_of(usage_records(50)), [])
    assert (total.attempts, total.group) == (50, {})
    assert report([], ["model"]) == []


def test_percentiles_are_of_all_values_and_not_averages_of_averages():
    one = usage_records(1)[0]
    slow = [replace(one, id=f"slow{n}", started_us=START_US, upstream_us=1_000_000) for n in range(2)]
    fast = [replace(one, id=f"fast{n}", started_us=START_US + HOUR_US, upstream_us=10_000) for n in range(98)]
    (line,) = report(rollups_of(slow + fast), [])
    assert line.upstream_p50_ms == pytest.approx(10, rel=0.01)
    assert line.upstream_p95_ms == pytest.approx(10, rel=0.01)
    (with_more,) = report(rollups_of(slow + fast[:20]), [])
    assert with_more.upstream_p95_ms == pytest.approx(1000, rel=0.01)


def test_those_who_used_most_come_first():
    tokens = [line.total_tokens for line in report(rollups_of(usage_records(200)), ["model"])]
    assert tokens == sorted(tokens, reverse=True)


def test_a_client_has_the_name_it_had_last():
    one = replace(usage_records(1)[0], client_id="c", client_name="old", started_us=START_US)
    renamed = replace(one, id="later", client_name="new", started_us=START_US + HOUR_US)
    (line,) = report(rollups_of([renamed, one]), ["client"])
    assert (line.client_name, line.attempts) == ("new", 2)
    assert report(rollups_of([renamed, one]), ["model"])[0].client_name == ""


def test_an_attempt_that_fell_back_is_no_call_of_its_own_and_its_tokens_count():
    one = replace(usage_records(1)[0], outcome="error", final=False, usage=Usage(output_text=3))
    two = replace(one, id="second", outcome="ok", final=True, usage=Usage(output_text=4))
    (line,) = report(rollups_of([one, two]), [])
    assert (line.attempts, line.calls, line.errors, line.output_tokens) == (2, 1, 0, 7)
