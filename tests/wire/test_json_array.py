import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.wire.json_array import JsonArrayFramer
from tollway.wire.sse import sse_event

_values = st.lists(st.dictionaries(st.text(max_size=5), st.text() | st.integers()), max_size=6)


@given(_values, st.integers(1, 30), st.sampled_from([b"\n", b"\r\n", b"\r"]))
def test_any_cut_of_the_events_gives_the_same_array(values: list[dict[str, object]], cut: int, newline: bytes) -> None:
    stream = b"".join(sse_event(msgspec.json.encode(value)) for value in values).replace(b"\n", newline)
    framer = JsonArrayFramer()
    out = b"".join(framer.feed(stream[at : at + cut]) for at in range(0, len(stream), cut)) + framer.close()
    assert msgspec.json.decode(out) == values


def test_elements_are_the_events_data_byte_for_byte() -> None:
    framer = JsonArrayFramer()
    out = framer.feed('data: {"a":  "Olá \\u00e9"}\r\n\r\n'.encode())
    assert out == '[{"a":  "Olá \\u00e9"}'.encode()


def test_the_first_element_goes_out_at_once() -> None:
    framer = JsonArrayFramer()
    assert framer.feed(b'data: {"a":1}\n\ndata: {"b"') == b'[{"a":1}'
    assert framer.feed(b":2}\n\n") == b',\r\n{"b":2}'
    assert framer.close() == b"\n]"


def test_an_empty_stream_is_an_empty_array() -> None:
    assert JsonArrayFramer().close() == b"[]"


@pytest.mark.parametrize("before", [b"", b'data: {"a":1}\n\n', b'data: {"a":1}\n\ndata: {"cut'])
def test_an_error_is_the_last_element(before: bytes) -> None:
    framer = JsonArrayFramer()
    out = framer.feed(before) + framer.fail(b'{"error":{"code":502}}')
    assert msgspec.json.decode(out)[-1] == {"error": {"code": 502}}
    assert framer.close() == b""
    assert framer.fail(b"{}") == b""
    assert framer.feed(b"data: {}\n\n") == b""


def test_a_done_mark_is_no_element() -> None:
    framer = JsonArrayFramer()
    assert framer.feed(b"data: {}\n\ndata: [DONE]\n\n") + framer.close() == b"[{}\n]"
