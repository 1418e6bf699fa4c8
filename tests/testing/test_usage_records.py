from tollway.testing.usage_records import usage_record, usage_records


def test_records_are_the_same_every_time_and_ids_are_their_own():
    records = usage_records(200, seed=5)
    assert records == usage_records(200, seed=5)
    assert records[7] == usage_record(7, seed=5)
    assert len({record.id for record in records}) == 200


def test_every_outcome_occurs():
    assert {record.outcome for record in usage_records(200)} == {
        "ok",
        "error",
        "refused",
        "cancelled",
        "cut",
        "timeout",
    }
