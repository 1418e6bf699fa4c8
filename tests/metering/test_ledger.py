import msgspec
import pytest

from tollway.metering.ledger import Batch, batch_of
from tollway.testing.usage_records import usage_records
from tollway.wire.spool_format import encode_line


def test_a_batch_gives_back_its_records():
    records = usage_records(50)
    batch = batch_of(records)
    assert len(batch) == 50
    assert {record.id: record for record in batch.records()} == {record.id: record for record in records}
    assert dict(batch.lines()) == {record.id: encode_line(record)[:-1] for record in records}


def test_a_batch_without_some_records_keeps_its_place_in_the_file():
    records = usage_records(10)
    batch = batch_of(records, file="a.jsonl", start=3, end=9)
    rest = batch.without(frozenset({records[0].id, records[9].id}))
    assert {record.id for record in rest.records()} == {record.id for record in records[1:9]}
    assert (rest.file, rest.start, rest.end) == ("a.jsonl", 3, 9)
    assert len(batch) == 10


def test_a_bad_line_leaves_the_batch_as_it_was():
    batch = batch_of(usage_records(3))
    for bad in (b"{", b'{"id":"x"}', b'{"outcome":"odd","id":"x","call_id":"y","started_us":1}'):
        with pytest.raises(msgspec.DecodeError):
            batch.add_lines([bad])
    assert len(batch) == 3


def test_contexts_of_any_length_are_cut_at_the_same_place():
    long, short, shortest = usage_records(3)
    records = [
        msgspec.structs.replace(long, client_name="x" * 500),
        msgspec.structs.replace(short, client_name=""),
        msgspec.structs.replace(shortest, **{f.name: f.default for f in msgspec.structs.fields(type(shortest))[:27]}),
    ]
    for order in (records, records[::-1]):
        batch = Batch()
        batch.add_lines(encode_line(record)[:-1] for record in order)
        assert {record.id: record for record in batch.records()} == {record.id: record for record in records}
