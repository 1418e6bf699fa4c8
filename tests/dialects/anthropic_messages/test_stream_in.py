from typing import Any

import msgspec
import pytest

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import Opaque, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.anthropic_messages.stream_in import MessagesParser
from tollway.dialects.collect import collect_stream
from tollway.wire.sse import sse_event

_START: dict[str, Any] = {
    "type": "message_start",
    "message": {"id": "msg_1", "model": "claude-x", "usage": {"input_tokens": 9, "output_tokens": 1}},
}
_STOP: dict[str, Any] = {"type": "message_stop"}


def _wire(*events: dict[str, Any]) -> bytes:
    return b"".join(sse_event(msgspec.json.encode(event), event["type"].encode()) for event in events)


def _read(*events: dict[str, Any]) -> list[StreamEvent]:
    parser = MessagesParser()
    return [*parser.feed(_wire(*events)), *parser.close()]


def _block(index: int, block: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": block},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def _finish(reason: str = "end_turn", **usage: Any) -> list[dict[str, Any]]:
    return [
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {"output_tokens": 30} | usage},
        _STOP,
    ]


def test_a_stream_is_started_filled_finished_counted_and_ended() -> None:
    events = _read(
        _START,
        {"type": "ping"},
        *_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"}),
        *_finish(),
    )
    assert events == [
        AnswerStarted("msg_1", "claude-x", dialect="anthropic-messages"),
        UsageReported(Usage(input_fresh=9)),
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "Hi"),
        PartEnded(0, 0),
        UsageReported(Usage(input_fresh=9, output_text=30)),
        ChoiceFinished(0, "stop"),
        AnswerEnded(),
    ]


@pytest.mark.parametrize(
    ("deltas", "arguments"),
    [
        ([], "{}"),
        ([{"type": "input_json_delta", "partial_json": ""}], "{}"),
        (
            [
                {"type": "input_json_delta", "partial_json": '{"a": '},
                {"type": "input_json_delta", "partial_json": "1}"},
            ],
            '{"a": 1}',
        ),
    ],
    ids=["no delta", "an empty delta", "pieces"],
)
def test_arguments_are_never_less_than_an_empty_object(deltas: list[dict[str, Any]], arguments: str) -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}}
    answer = collect_stream(_read(_START, *_block(0, block, *deltas), *_finish("tool_use")))
    assert answer.choices[0].parts == (ToolCall("t", "f", arguments, rest={"caller": {"type": "direct"}}),)
    assert answer.choices[0].finish == "tool_calls"


def test_arguments_given_at_once_are_kept() -> None:
    block = {"type": "tool_use", "id": "t", "name": "f", "input": {"a": 1}}
    answer = collect_stream(_read(_START, *_block(0, block), *_finish("tool_use")))
    assert answer.choices[0].parts == (ToolCall("t", "f", '{"a":1}'),)


def test_thinking_is_signed_at_its_end() -> None:
    events = _read(
        _START,
        *_block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "hm"},
            {"type": "signature_delta", "signature": "s1"},
        ),
        *_block(1, {"type": "redacted_thinking", "data": "d"}),
        *_finish(),
    )
    assert events[2:7] == [
        PartStarted(0, 0, "reasoning"),
        PartDelta(0, 0, "hm"),
        PartEnded(0, 0, signature="s1"),
        PartStarted(0, 1, "reasoning", encrypted="d"),
        PartEnded(0, 1, encrypted="d"),
    ]


def test_citations_ride_on_deltas() -> None:
    deltas = ({"type": "text_delta", "text": "a"}, {"type": "citations_delta", "citation": {"type": "char_location"}})
    answer = collect_stream(_read(_START, *_block(0, {"type": "text", "text": ""}, *deltas), *_finish()))
    assert answer.choices[0].parts == (Text("a", annotations=({"type": "char_location"},)),)


@pytest.mark.parametrize(
    ("block", "deltas", "whole"),
    [
        (
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
            [{"type": "input_json_delta", "partial_json": '{"q":'}, {"type": "input_json_delta", "partial_json": "1}"}],
            {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
        ),
        (
            {"type": "compaction", "content": None},
            [{"type": "compaction_delta", "content": "In "}, {"type": "compaction_delta", "content": "short"}],
            {"type": "compaction", "content": "In short"},
        ),
        (
            {"type": "from_tomorrow", "list": []},
            [{"type": "x_delta", "list": [1], "none": None}],
            {"type": "from_tomorrow", "list": [1]},
        ),
    ],
    ids=["server tool", "compaction", "unknown"],
)
def test_a_block_of_this_api_alone_is_given_whole(
    block: dict[str, Any], deltas: list[dict[str, Any]], whole: dict[str, Any]
) -> None:
    answer = collect_stream(_read(_START, *_block(0, block, *deltas), *_finish()))
    assert answer.choices[0].parts == (Opaque("anthropic-messages", whole),)


def test_later_usage_replaces_what_it_names() -> None:
    answer = collect_stream(_read(_START, *_finish(input_tokens=50, cache_read_input_tokens=7)))
    assert answer.usage == Usage(input_fresh=50, cache_read=7, output_text=30)


def test_a_second_start_is_ignored() -> None:
    assert sum(isinstance(event, AnswerStarted) for event in _read(_START, _START, *_finish())) == 1


def test_a_stream_without_a_start_is_read_all_the_same() -> None:
    events = _read(*_block(0, {"type": "text", "text": "opening"}), *_finish())
    assert events[:3] == [
        AnswerStarted("", "", dialect="anthropic-messages"),
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "opening"),
    ]


def test_blocks_left_open_are_closed_by_the_finish() -> None:
    events = _read(_START, *_block(0, {"type": "text", "text": ""})[:1], *_finish())
    assert PartEnded(0, 0) in events
    assert isinstance(events[-1], AnswerEnded)


def test_an_error_event_ends_the_stream() -> None:
    error = {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    events = _read(_START, error, *_finish())
    assert events[-1] == StreamFailed("Overloaded", status=529, kind="overloaded_error")


def test_a_stream_cut_short_never_says_it_ended() -> None:
    events = _read(_START, *_block(0, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})[:2])
    assert not any(isinstance(event, AnswerEnded | ChoiceFinished) for event in events)


def test_what_only_the_end_tells_is_kept() -> None:
    delta = {"stop_reason": "end_turn", "stop_details": None, "container": {"id": "c"}}
    event = {
        "type": "message_delta",
        "delta": delta,
        "usage": {"output_tokens": 1},
        "context_management": {"applied_edits": []},
    }
    answer = collect_stream(_read(_START, event, _STOP))
    assert answer.choices[0].rest == {"container": {"id": "c"}, "context_management": {"applied_edits": []}}


def test_events_known_only_by_their_names_are_read() -> None:
    parser = MessagesParser()
    data = b'event: content_block_start\ndata: {"index":0,"content_block":{"type":"text","text":""}}\n\n'
    assert PartStarted(0, 0, "text") in parser.feed(data)


def test_data_that_is_not_json_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        MessagesParser().feed(b"data: {nope\n\n")


def test_an_endless_event_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        MessagesParser().feed(b"x" * (16 * 1024 * 1024 + 1))


def test_usage_without_a_finish_only_counts() -> None:
    events = _read(_START, {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 7}})
    assert events[-1] == UsageReported(Usage(input_fresh=9, output_text=7))
    assert ChoiceFinished(0, "stop") in _read(_START, {"type": "message_delta", "delta": {"stop_reason": "end_turn"}})


def test_unknown_events_and_deltas_change_nothing() -> None:
    events = _read(
        _START,
        {"type": "from_tomorrow"},
        *_block(0, {"type": "text", "text": ""}, {"type": "from_tomorrow"}),
        {"type": "content_block_delta", "index": 9, "delta": {"type": "text_delta", "text": "lost"}},
        *_finish(),
    )
    assert not any(isinstance(event, PartDelta) for event in events)
