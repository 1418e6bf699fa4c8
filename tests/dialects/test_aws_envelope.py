import base64

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import UpstreamAnswered
from tollway.dialects.aws_envelope import AwsEnvelope, as_server_sent, chunk_event, chunk_frame
from tollway.wire.aws_event_stream import encode_exception, encode_frame


def _opened(data: bytes, cut: int) -> list[bytes | UpstreamAnswered]:
    unwrapper = AwsEnvelope().unwrapper()
    return [piece for at in range(0, len(data), cut) for piece in unwrapper.feed(data[at : at + cut])]


@given(st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=9)), max_size=4), st.integers(1, 60))
def test_chunks_become_server_sent_events_however_they_are_cut(events: list[dict[str, str]], cut: int) -> None:
    written = [msgspec.json.encode(event) for event in events]
    assert _opened(b"".join(map(chunk_frame, written)), cut) == [as_server_sent(event) for event in written]


def test_an_event_is_named_by_its_type() -> None:
    assert as_server_sent(b'{"type":"message_stop"}') == b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
    assert as_server_sent(b'{"generation":"a"}') == b'data: {"generation":"a"}\n\n'
    assert as_server_sent(b"[1]") == b"data: [1]\n\n"


@given(st.lists(st.binary(max_size=20), max_size=4), st.integers(1, 40))
def test_parts_of_a_payload_are_given_as_they_are(parts: list[bytes], cut: int) -> None:
    headers = {":event-type": "PayloadPart", ":message-type": "event"}
    assert _opened(b"".join(encode_frame(headers, part) for part in parts), cut) == parts


def test_an_exception_is_an_error() -> None:
    (error,) = _opened(encode_exception("throttlingException", b'{"message":"slow down"}'), 7)
    assert isinstance(error, UpstreamAnswered)
    assert (error.status, error.kind, error.message) == (429, "ThrottlingException", "slow down")


def test_frames_of_later_versions_are_passed_over() -> None:
    assert _opened(encode_frame({":event-type": "initial-response", ":message-type": "event"}, b"{}"), 9) == []


@pytest.mark.parametrize("payload", [b"", b"{}x", b'{"bytes":"%%%"}', b'{"bytes":1}'])
def test_a_chunk_without_base64_is_an_error(payload: bytes) -> None:
    with pytest.raises(ValueError, match="base64"):
        chunk_event(payload)


def test_a_chunk_may_say_more_than_its_bytes() -> None:
    payload = msgspec.json.encode({"bytes": base64.b64encode(b"{}").decode(), "p": "abc"})
    assert chunk_event(payload) == b"{}"


def test_an_envelope_says_how_it_is_framed() -> None:
    assert AwsEnvelope().framing == "aws-event-stream"
