from collections.abc import Sequence

import pytest
from msgspec.structs import replace

from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.metering.rollups import HOUR_US, LEAVES, Rollup, RollupKey, roll_up, rollup_key
from tollway.testing.usage_records import START_US, usage_records
from tollway.wire.spool_format import OwnMembers, decode_own, encode_line, split_line


def own(record: UsageRecord) -> OwnMembers:
    return decode_own(split_line(encode_line(record)[:-1])[1])


def rolled(records: Sequence[UsageRecord]) -> list[Rollup]:
    return roll_up([(record, [own(record)]) for record in records])


def test_the_leaves_are_the_counts_of_usage_and_nothing_else():
    usage = Usage(**dict.fromkeys(LEAVES, 1))
    other = LEAVES[LEAVES.index("web_searches") :]
    assert usage.total_tokens == len(LEAVES) - len(other), "what is billed in other units is no token"
    assert set(other) == {"web_searches", "output_images", "input_audio_ms", "input_characters", "search_units"}
    told = {"provider_total", "billed_input", "billed_output", "source", "anomaly"}
    assert set(Usage.__struct_fields__) - set(LEAVES) == told


def test_sums_are_those_of_the_records():
    records = usage_records(300)
    rollups = rolled(records)
    assert sum(rollup.attempts for rollup in rollups) == 300
    assert sum(rollup.calls for rollup in rollups) == sum(record.final for record in records)
    for index, leaf in enumerate(LEAVES):
        assert sum(rollup.leaves[index] for rollup in rollups) == sum(getattr(record.usage, leaf) for record in records)
    assert sum(rollup.upstream_us.total for rollup in rollups) == sum(record.upstream_us for record in records)
    assert sum(rollup.usage.total_tokens for rollup in rollups) == sum(record.usage.total_tokens for record in records)


def test_an_hour_starts_at_the_whole_hour_of_the_caller_s_request():
    record = usage_records(1)[0]
    hours = [
        rolled([replace(record, started_us=START_US + offset, ended_us=START_US + 9 * HOUR_US)])[0].key.hour
        for offset in (-1, 0, HOUR_US - 1, HOUR_US)
    ]
    first = START_US // HOUR_US
    assert hours == [first - 1, first, first, first + 1]


def test_records_of_one_context_in_two_hours_are_two_rollups():
    record = usage_records(1)[0]
    members = [own(replace(record, started_us=START_US + hour * HOUR_US)) for hour in (0, 1, 0)]
    assert sorted(
        (rollup.key.hour - START_US // HOUR_US, rollup.attempts) for rollup in roll_up([(record, members)])
    ) == [
        (0, 2),
        (1, 1),
    ]


@pytest.mark.parametrize(
    ("served", "targeted", "model"),
    [("gpt-5-2025", "gpt-5", "gpt-5-2025"), ("", "gpt-5", "gpt-5"), ("", "", "")],
    ids=["served", "only targeted", "none called"],
)
def test_the_model_is_the_one_that_served(served: str, targeted: str, model: str):
    record = UsageRecord(
        id="a", call_id="b", started_us=0, requested_model="asked", target_model=targeted, served_model=served
    )
    assert rollup_key(record, 0).model == model


def test_guessed_and_contradictory_usage_is_counted():
    one, *_ = usage_records(1)
    records = [
        replace(one, usage=Usage(output_text=5, source="estimated")),
        replace(one, usage=Usage(output_text=5, anomaly="contradiction")),
        replace(one, usage=Usage(output_text=5)),
    ]
    (rollup,) = rolled(records)
    assert (rollup.attempts, rollup.estimated, rollup.anomalous) == (3, 1, 1)


def test_rollups_merge_whatever_their_keys():
    records = usage_records(100)
    merged = Rollup(RollupKey(0, "", "", "", "", "", "", "ok"))
    for rollup in rolled(records):
        merged.merge(rollup)
    assert merged.attempts == 100
    assert merged.usage.total_tokens == sum(record.usage.total_tokens for record in records)
    assert merged.overhead_us.count == 100
