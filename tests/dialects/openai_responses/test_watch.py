from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.support.neutral_streams import CUTS, cut

from tollway.core.usage import Usage
from tollway.dialects.openai_responses import DIALECT
from tollway.dialects.openai_responses.watch import ResponsesStreamWatch, facts
from tollway.interfaces.dialect import AnswerFacts

_RESPONSE = {"id": "resp_1", "model": "m", "status": "in_progress", "usage": None, "error": None}
_FINAL = {
    **_RESPONSE,
    "status": "completed",
    "tools": [{"type": "function", "name": "f", "parameters": {"properties": {"usage": {"type": "object"}}}}],
    "output": [{"type": "message", "content": [{"type": "output_text", "text": '"response" "error" [DONE]'}]}],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
    "metadata": {"usage": "x"},
    "service_tier": "flex",
}
_USAGE = Usage(input_fresh=3, output_text=2)


def _event(kind: str, **members: Any) -> bytes:
    return f"event: {kind}\ndata: ".encode() + msgspec.json.encode({"type": kind, **members}) + b"\n\n"


_DELTA = _event("response.output_text.delta", delta='event: response.completed "response"')
_STREAM = [
    _event("response.created", response=_RESPONSE),
    _event("response.in_progress", response=_RESPONSE),
    _DELTA,
    _event("response.output_item.done", item={"type": "message"}),
    _event("response.completed", response=_FINAL),
]
_FOUND = AnswerFacts(usage=_USAGE, model="m", id="resp_1", finish="completed", service_tier="flex")


def test_what_the_meter_wants_is_found_without_touching_a_byte() -> None:
    watch = ResponsesStreamWatch()
    assert b"".join(watch.feed(piece) for piece in _STREAM) == b"".join(_STREAM)
    assert watch.ended
    assert not watch.failed
    assert watch.facts() == _FOUND


@given(CUTS)
def test_any_cut_of_a_stream_is_watched_alike(sizes: list[int]) -> None:
    body = b"".join(_STREAM)
    watch = ResponsesStreamWatch()
    assert b"".join(watch.feed(piece) for piece in cut(body, sizes)) == body
    assert watch.ended
    assert watch.facts() == _FOUND


@pytest.mark.parametrize(
    "change", [(b"\n", b"\r\n"), (b'":', b'": '), (b"event: ", b": ")], ids=["crlf", "spaces", "unnamed"]
)
def test_other_ways_to_write_the_same_stream_are_understood(change: tuple[bytes, bytes]) -> None:
    watch = ResponsesStreamWatch()
    for piece in _STREAM:
        watch.feed(piece.replace(*change))
    assert watch.facts() == _FOUND
    assert watch.ended


@pytest.mark.parametrize(
    ("event", "ended"),
    [
        (_event("error", code="x", message="m", param=None), False),
        (b'event: error\ndata: {"type":"error","error":{"message":"m"}}\n\n', False),
        (_event("response.failed", response={**_RESPONSE, "status": "failed", "error": {"code": "x"}}), True),
    ],
    ids=["flat", "nested", "failed"],
)
def test_an_error_in_the_stream_is_seen(event: bytes, ended: bool) -> None:
    watch = ResponsesStreamWatch()
    for piece in (*_STREAM[:3], event):
        watch.feed(piece)
    assert (watch.failed, watch.ended) == (True, ended)


def test_a_stream_that_was_cut_still_tells_model_and_id() -> None:
    watch = ResponsesStreamWatch()
    for piece in _STREAM[:3]:
        watch.feed(piece)
    assert not watch.ended
    assert (watch.facts().id, watch.facts().model, watch.facts().usage) == ("resp_1", "m", None)


def test_an_incomplete_response_has_ended_and_says_why() -> None:
    watch = ResponsesStreamWatch()
    response = {**_FINAL, "status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}}
    watch.feed(_event("response.incomplete", response=response))
    assert (watch.ended, watch.facts().finish) == (True, "max_output_tokens")


def test_a_whole_answers_usage_is_found() -> None:
    assert facts(msgspec.json.encode(_FINAL)) == _FOUND


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"usage":3}', b"[" * 100_000])
def test_glancing_never_fails(body: bytes) -> None:
    assert facts(body) == AnswerFacts()


def test_usage_needs_no_asking_and_the_model_of_a_raw_request_is_set() -> None:
    members = {"model": msgspec.Raw(b'"a"'), "input": msgspec.Raw(b'"x"')}
    assert DIALECT.ask_for_usage(members) is False
    DIALECT.rewrite_model(members, "b")
    assert msgspec.json.encode(members) == b'{"model":"b","input":"x"}'


def test_a_lifecycle_event_that_cannot_be_read_is_passed_on() -> None:
    watch = ResponsesStreamWatch()
    odd = b'data: {"type":"response.created","response":7}\n\n'
    assert watch.feed(odd) == odd
    assert watch.facts() == AnswerFacts()
