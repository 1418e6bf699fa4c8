from typing import Any

import msgspec
import pytest
from tests.support.validators import complaints

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
from tollway.core.conversation import Opaque, Reasoning, Text, ToolCall
from tollway.core.errors import UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.anthropic_messages.answer import parse_answer, render_answer
from tollway.dialects.anthropic_messages.stream_in import MessagesParser
from tollway.dialects.anthropic_messages.stream_out import MessagesRenderer
from tollway.dialects.collect import collect_stream
from tollway.wire.sse import SseDecoder

_STARTED = AnswerStarted("chatcmpl-1", "gpt-x")
_END: list[StreamEvent] = [ChoiceFinished(0, "stop"), UsageReported(Usage(input_fresh=3, output_text=4)), AnswerEnded()]


def _written(*events: StreamEvent, one_by_one: bool = False) -> list[dict[str, Any]]:
    renderer = MessagesRenderer("asked", "01NEW")
    out = b"".join(renderer.feed([event]) for event in events) if one_by_one else renderer.feed(events)
    found: list[dict[str, Any]] = []
    for event in SseDecoder().feed(out):
        body = msgspec.json.decode(event.data)
        assert event.event == body["type"]
        assert complaints("anthropic.event", body) == []
        found.append(body)
    return found


def _types(written: list[dict[str, Any]]) -> list[str]:
    return [event["type"] for event in written]


def test_a_stream_has_the_apis_order_and_its_usage_at_the_end() -> None:
    written = _written(
        _STARTED, PartStarted(0, 0, "text"), PartDelta(0, 0, "Hi"), PartEnded(0, 0), *_END, one_by_one=True
    )
    assert _types(written) == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    assert written[0]["message"]["id"] == "msg_chatcmpl-1"
    assert written[4]["usage"] == {
        "input_tokens": 3,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "output_tokens": 4,
    }
    assert written[4]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}


def test_words_go_out_as_they_come() -> None:
    renderer = MessagesRenderer("asked", "01NEW")
    renderer.feed([_STARTED, PartStarted(0, 0, "text")])
    assert b'"text_delta","text":"Hi"' in renderer.feed([PartDelta(0, 0, "Hi")])


def test_the_start_knows_the_input_when_the_provider_said_it() -> None:
    written = _written(_STARTED, UsageReported(Usage(input_fresh=9)), *_END)
    assert written[0]["message"]["usage"]["input_tokens"] == 9


def test_parts_that_overlap_are_written_one_after_another() -> None:
    written = _written(
        _STARTED,
        PartStarted(0, 0, "tool_call", id="a", name="f"),
        PartDelta(0, 0, '{"x":'),
        PartStarted(0, 1, "tool_call", id="b", name="g"),
        PartDelta(0, 1, "{}"),
        PartDelta(0, 0, "1}"),
        PartEnded(0, 1),
        PartEnded(0, 0),
        *_END,
    )
    blocks = [(event["type"].removeprefix("content_block_"), event["index"]) for event in written if "index" in event]
    assert blocks == [("start", 0), ("delta", 0), ("delta", 0), ("stop", 0), ("start", 1), ("delta", 1), ("stop", 1)]


@pytest.mark.parametrize(
    ("events", "part"),
    [
        ([PartStarted(0, 0, "refusal"), PartDelta(0, 0, "no"), PartEnded(0, 0)], Text("no")),
        (
            [PartStarted(0, 0, "reasoning"), PartDelta(0, 0, "hm"), PartEnded(0, 0, signature="s")],
            Reasoning("hm", signature="s"),
        ),
        (
            [PartStarted(0, 0, "summary", item_id="rs"), PartDelta(0, 0, "hm"), PartEnded(0, 0, encrypted="e")],
            Reasoning(summary=("hm",), encrypted="e", id="rs"),
        ),
        (
            [PartStarted(0, 0, "reasoning", encrypted="d"), PartEnded(0, 0, encrypted="d")],
            Reasoning(encrypted="d"),
        ),
        (
            [PartStarted(0, 0, "tool_call", id="t", name="f", signature="g"), PartDelta(0, 0, "{}"), PartEnded(0, 0)],
            ToolCall("t", "f", "{}", signature="g"),
        ),
        (
            [
                PartStarted(0, 0, "tool_call", id="t", name="p", custom=True),
                PartDelta(0, 0, "ra"),
                PartDelta(0, 0, "w"),
                PartEnded(0, 0),
            ],
            ToolCall("t", "p", '{"input":"raw"}'),
        ),
        (
            [PartStarted(0, 0, "image", media_type="image/png"), PartDelta(0, 0, "aGk="), PartEnded(0, 0)],
            Text("![image](data:image/png;base64,aGk=)"),
        ),
        (
            [
                PartStarted(
                    0,
                    0,
                    "opaque",
                    opaque=Opaque(
                        "anthropic-messages",
                        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}},
                    ),
                ),
                PartEnded(0, 0),
            ],
            Opaque(
                "anthropic-messages", {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"q": 1}}
            ),
        ),
    ],
    ids=["refusal", "thinking", "summary", "hidden thinking", "signed call", "custom call", "picture", "server tool"],
)
def test_a_part_of_any_kind_can_be_put_together_again(events: list[StreamEvent], part: object) -> None:
    renderer = MessagesRenderer("asked", "01NEW")
    parser = MessagesParser()
    answer = collect_stream(parser.feed(renderer.feed([_STARTED, *events, *_END])))
    assert parse_answer(render_answer(answer, "m", now=1)).choices[0].parts == (part,)


@pytest.mark.parametrize(
    "event",
    [
        PartStarted(0, 0, "audio", media_type="audio/wav"),
        PartStarted(0, 0, "opaque", opaque=Opaque("gemini", {"executableCode": {}})),
    ],
    ids=["sound", "another API's part"],
)
def test_what_the_api_has_no_block_for_is_left_out(event: PartStarted) -> None:
    written = _written(_STARTED, event, PartDelta(0, 0, "aGk="), PartEnded(0, 0), *_END)
    assert _types(written) == ["message_start", "message_delta", "message_stop"]


def test_a_waiting_part_is_written_even_if_it_never_ended() -> None:
    written = _written(_STARTED, PartStarted(0, 0, "text"), PartDelta(0, 0, "Hi"), *_END)
    assert _types(written)[-3:] == ["content_block_stop", "message_delta", "message_stop"]


def test_citations_of_this_api_are_written() -> None:
    citation = {
        "type": "char_location",
        "cited_text": "H",
        "document_index": 0,
        "document_title": None,
        "start_char_index": 0,
        "end_char_index": 1,
    }
    delta = PartDelta(0, 0, "", annotations=({"type": "url_citation"}, citation))
    written = _written(_STARTED, PartStarted(0, 0, "text"), delta, PartEnded(0, 0), *_END)
    assert [event["delta"]["citation"] for event in written if event["type"] == "content_block_delta"] == [citation]


def test_a_part_without_a_start_of_the_stream_begins_it_and_a_strange_one_is_ignored() -> None:
    assert _types(_written(PartStarted(0, 0, "text")))[0] == "message_start"
    assert _types(_written(_STARTED, _STARTED, PartDelta(0, 9, "x"), PartEnded(0, 9))) == ["message_start"]


def test_unsigned_thinking_is_written_unsigned() -> None:
    written = _written(_STARTED, PartStarted(0, 0, "reasoning"), PartDelta(0, 0, "hm"), PartEnded(0, 0), *_END)
    assert [event["delta"]["type"] for event in written if event["type"] == "content_block_delta"] == ["thinking_delta"]


def test_only_the_first_choice_is_written() -> None:
    written = _written(
        _STARTED, PartStarted(1, 0, "text"), PartDelta(1, 0, "other"), ChoiceFinished(1, "length"), *_END
    )
    assert _types(written) == ["message_start", "message_delta", "message_stop"]


def test_an_answer_that_only_ended_still_has_a_start() -> None:
    assert _types(_written(AnswerEnded())) == ["message_start", "message_delta", "message_stop"]


def test_a_reported_failure_is_the_apis_error_event() -> None:
    out = MessagesRenderer("m", "01NEW").feed([_STARTED, StreamFailed("Overloaded", status=529)])
    assert out.endswith(
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}\n\n'
    )


def test_a_cut_stream_ends_in_an_error() -> None:
    out = MessagesRenderer("m", "01NEW").fail(UpstreamCut("it stopped"))
    assert out == b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"it stopped"}}\n\n'


def test_own_extras_are_written_and_others_are_not() -> None:
    finish = ChoiceFinished(0, "refusal", rest={"stop_details": {"type": "refusal"}, "context_management": {}})
    own = _written(AnswerStarted("msg_1", "m", dialect="anthropic-messages"), finish, AnswerEnded())
    assert own[1]["delta"]["stop_details"] == {"type": "refusal"}
    assert own[1]["context_management"] == {}
    other = _written(AnswerStarted("1", "m", dialect="gemini"), finish, AnswerEnded())
    assert "stop_details" not in other[1]["delta"]
