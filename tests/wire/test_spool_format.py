import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.usage import Usage
from tollway.interfaces.usage_record import UsageRecord
from tollway.testing.usage_records import usage_records
from tollway.wire.spool_format import (
    OwnMembers,
    decode_context,
    decode_line,
    decode_own,
    encode_line,
    join_halves,
    split_line,
)

# Everything that could be mistaken for the cut: quotes, commas, colons, backslashes, the marker itself.
TRICKY = st.text(alphabet=st.sampled_from('",:id\\}{[]\n é\u2028')) | st.sampled_from(
    [',"id":"', '"id":"', "\\", ',"id', '","id":"x', "\n"]
)

RECORDS = st.builds(
    UsageRecord,
    id=TRICKY,
    call_id=TRICKY,
    started_us=st.integers(0, 2**53),
    proxy=TRICKY,
    client_name=TRICKY,
    requested_model=TRICKY,
    shadow=st.lists(TRICKY).map(tuple),
    losses=st.lists(TRICKY).map(tuple),
    final=st.booleans(),
    correlation_id=TRICKY,
    response_id=TRICKY,
    usage=st.builds(Usage, input_fresh=st.integers(0, 2**40), anomaly=TRICKY),
    upstream_us=st.integers(0, 2**40),
)


@given(RECORDS)
def test_a_record_survives_the_line(record: UsageRecord):
    line = encode_line(record)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert decode_line(line) == record


@given(RECORDS)
def test_the_halves_are_the_record_whatever_its_strings_hold(record: UsageRecord):
    line = encode_line(record)[:-1]
    context, own = split_line(line)
    assert join_halves(context, own) == line
    read = decode_own(own)
    expected = {name: getattr(record, name) for name in OwnMembers.__struct_fields__}
    assert msgspec.structs.asdict(read) == expected
    own_names = UsageRecord.__struct_fields__[UsageRecord.__struct_fields__.index("id") :]
    blank = {"id": "", "call_id": "", "started_us": 0}
    blank |= {field.name: field.default for field in msgspec.structs.fields(UsageRecord) if field.name in own_names[2:]}
    blank["started_us"] = 0
    assert decode_context(context) == msgspec.structs.replace(record, **blank)


def test_records_of_one_kind_share_their_context():
    records = usage_records(400, hours=1)
    contexts = {split_line(encode_line(record)[:-1])[0] for record in records}
    assert len(contexts) < len(records) / 2


@pytest.mark.parametrize(
    "line",
    [b"", b"{}", b"[]", b"null", b'{"id":1}', b"\x00\x00\x00", b'{"gateway":"a","id":"x"', b'"id":"', b"\xff\xfe"],
    ids=repr,
)
def test_what_is_no_record_is_refused_by_the_line_and_by_a_half(line: bytes):
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode_line(line)
    context, own = split_line(line)
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        (decode_context(context), decode_own(own))
