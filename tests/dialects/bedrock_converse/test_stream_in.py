from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.answer import AnswerEnded, ChoiceFinished, StreamEvent, StreamFailed
from tollway.core.conversation import Image, Opaque, Reasoning, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.bedrock_converse.content import NAME
from tollway.dialects.bedrock_converse.stream_in import ConverseParser
from tollway.dialects.collect import collect_stream
from tollway.wire.aws_event_stream import encode_event, encode_exception

_CITATION = {"title": "A", "location": {"web": {"url": "https://example.com"}}}


def _delta(index: int, **delta: Any) -> tuple[str, dict[str, Any]]:
    return "contentBlockDelta", {"contentBlockIndex": index, "delta": delta, "p": "abc"}


def _start(index: int, **start: Any) -> tuple[str, dict[str, Any]]:
    return "contentBlockStart", {"contentBlockIndex": index, "start": start}


def _stop(index: int) -> tuple[str, dict[str, Any]]:
    return "contentBlockStop", {"contentBlockIndex": index}


_END = ("messageStop", {"stopReason": "end_turn", "p": "a", "additionalModelResponseFields": {"stop_sequence": "X"}})
_METADATA = ("metadata", {"usage": {"inputTokens": 3, "outputTokens": 2}, "metrics": {"latencyMs": 5}})
_STREAM = [
    ("messageStart", {"role": "assistant"}),
    _delta(0, reasoningContent={"text": "h"}),
    _delta(0, reasoningContent={"text": "m"}),
    _delta(0, reasoningContent={"signature": "EqQB"}),
    _stop(0),
    _delta(1, text="He"),
    _delta(1, text="llo"),
    _delta(1, citation=_CITATION),
    _stop(1),
    _delta(2, reasoningContent={"redactedContent": "AA=="}),
    _stop(2),
    _start(3, toolUse={"toolUseId": "1", "name": "f"}),
    _delta(3, toolUse={"input": '{"a"'}),
    _delta(3, toolUse={"input": ":1}"}),
    _stop(3),
    _start(4, toolUse={"toolUseId": "2", "name": "g"}),
    _stop(4),
    _start(5, image={"format": "png"}),
    _delta(5, image={"source": {"bytes": "iVBO"}}),
    _stop(5),
    _start(6, toolUse={"toolUseId": "3", "name": "nova_grounding", "type": "server_tool_use"}),
    _delta(6, toolUse={"input": '{"q":1}'}),
    _stop(6),
    _start(7, toolResult={"toolUseId": "3"}),
    _delta(7, toolResult=[{"text": "found"}]),
    _stop(7),
    ("later", {}),
    _END,
    _METADATA,
]


def _wire(events: list[tuple[str, dict[str, Any]]]) -> bytes:
    return b"".join(encode_event(name, msgspec.json.encode(event)) for name, event in events)


def _read(data: bytes, cut: int = 0) -> list[StreamEvent]:
    parser = ConverseParser()
    step = cut or len(data) or 1
    found = [event for at in range(0, len(data), step) for event in parser.feed(data[at : at + step])]
    return [*found, *parser.close()]


def test_every_block_becomes_its_part() -> None:
    events = _read(_wire(_STREAM))
    answer = collect_stream(events)
    use = {"toolUseId": "3", "name": "nova_grounding", "type": "server_tool_use", "input": {"q": 1}}
    assert answer.choices[0].parts == (
        Reasoning("hm", signature="EqQB"),
        Text("Hello", annotations=(_CITATION,)),
        Reasoning(encrypted="AA=="),
        ToolCall("1", "f", '{"a":1}'),
        ToolCall("2", "g", "{}"),
        Image(data="iVBO", media_type="image/png"),
        Opaque(NAME, {"toolUse": use}),
        Opaque(NAME, {"toolResult": {"toolUseId": "3", "content": [{"text": "found"}]}}),
    )
    assert answer.choices[0].stop_sequence == "X"
    assert answer.usage == Usage(input_fresh=3, output_text=2)
    assert isinstance(events[-1], AnswerEnded)


@given(st.integers(1, 400))
def test_any_cut_gives_the_same_events(cut: int) -> None:
    wire = _wire(_STREAM)
    assert _read(wire, cut) == _read(wire)


def test_the_end_may_come_in_either_order_and_without_counts() -> None:
    turned = _read(_wire([_delta(0, text="a"), _METADATA, _END]))
    assert isinstance(turned[-1], AnswerEnded)
    assert collect_stream(turned).usage == Usage(input_fresh=3, output_text=2)
    assert isinstance(_read(_wire([_delta(0, text="a"), _END]))[-1], AnswerEnded)


def test_a_stream_that_stops_anywhere_else_does_not_end() -> None:
    wire = _wire([_delta(0, text="a"), _END])
    assert not isinstance(_read(wire[:-1])[-1], AnswerEnded)
    assert not isinstance(_read(_wire([_delta(0, text="a"), _METADATA]))[-1], AnswerEnded)
    assert not any(isinstance(event, AnswerEnded) for event in _read(wire + _wire([_METADATA])[:5]))


def test_blocks_that_never_stopped_end_with_the_message() -> None:
    events = _read(_wire([_delta(0, text="a"), _END, _METADATA]))
    assert collect_stream(events).choices[0].parts == (Text("a"),)
    assert any(isinstance(event, ChoiceFinished) for event in events)


def test_an_exception_ends_the_stream() -> None:
    wire = _wire([_delta(0, text="a")]) + encode_exception("throttlingException", b'{"message":"slow"}')
    events = _read(wire + _wire([_END]))
    assert events[-1] == StreamFailed("slow", status=429, kind="ThrottlingException")


@pytest.mark.parametrize("data", [b"data: hello there\n\n", encode_event("messageStart", b"{")])
def test_what_is_no_such_stream_is_garbled(data: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        _read(data)
