from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from tests.support.neutral_streams import neutral_streams
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
from tollway.core.conversation import Conversation, Message, Opaque, Text, Tool
from tollway.core.errors import UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.openai_responses import DIALECT
from tollway.dialects.openai_responses.proofs import call_proof
from tollway.dialects.openai_responses.stream_out import ResponsesStreamRenderer
from tollway.wire.sse import SseDecoder

_REQUEST = Conversation(dialect="openai-responses", model="asked", messages=(Message("user", (Text("x"),)),))
_STARTED = AnswerStarted("chatcmpl-1", "m", created=5)
_ENDED = (ChoiceFinished(0, "stop"), UsageReported(Usage(input_fresh=1, output_text=2)), AnswerEnded())


def _renderer(**fields: Any) -> ResponsesStreamRenderer:
    return ResponsesStreamRenderer(msgspec.structs.replace(_REQUEST, **fields), now=7, new_id="NEW")


def _decoded(sent: bytes) -> list[dict[str, Any]]:
    decoder = SseDecoder()
    found: list[dict[str, Any]] = []
    for event in [*decoder.feed(sent), *decoder.close()]:
        value = msgspec.json.decode(event.data)
        assert value["type"] == event.event
        found.append(value)
    return found


def _events(*events: StreamEvent, **fields: Any) -> list[dict[str, Any]]:
    found = _decoded(_renderer(**fields).feed([_STARTED, *events, *_ENDED]))
    assert [event["sequence_number"] for event in found] == list(range(len(found)))
    assert [problem for event in found for problem in complaints("openai.response.event", event)] == []
    assert complaints("openai.response", found[-1]["response"]) == []
    return found


def _middle(*events: StreamEvent, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    """What stands between `in_progress` and the end, shortened."""
    return [(event["type"].removeprefix("response."), event) for event in _events(*events, **fields)[2:-1]]


def test_a_plain_stream_is_the_full_sequence() -> None:
    found = _events(PartStarted(0, 0, "text"), PartDelta(0, 0, "He"), PartDelta(0, 0, "llo"), PartEnded(0, 0))
    assert [event["type"] for event in found] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert found[0]["response"]["status"] == "in_progress"
    assert found[4] | {"sequence_number": 0} == {
        "type": "response.output_text.delta",
        "sequence_number": 0,
        "item_id": "msg_chatcmpl10",
        "output_index": 0,
        "content_index": 0,
        "delta": "He",
        "logprobs": [],
    }
    end = found[-1]["response"]
    assert (end["id"], end["status"], end["usage"]["total_tokens"]) == ("resp_chatcmpl-1", "completed", 3)
    assert end["output"] == [found[-2]["item"]]
    assert end["output"][0]["content"][0]["text"] == "Hello"


@pytest.mark.parametrize(
    ("finish", "kind", "reason"),
    [("length", "incomplete", "max_output_tokens"), ("content_filter", "incomplete", "content_filter")],
)
def test_an_answer_that_was_cut_short_ends_incomplete(finish: Any, kind: str, reason: str) -> None:
    words = [_STARTED, PartStarted(0, 0, "text"), PartDelta(0, 0, "a"), PartEnded(0, 0), ChoiceFinished(0, finish)]
    end = _decoded(_renderer().feed([*words, AnswerEnded()]))[-1]
    assert end["type"] == f"response.{kind}"
    assert end["response"]["incomplete_details"] == {"reason": reason}
    assert end["response"]["output"][0]["status"] == "incomplete"


def test_calls_are_items_of_their_own_even_interleaved() -> None:
    found = _middle(
        PartStarted(0, 0, "tool_call", id="a", name="f"),
        PartStarted(0, 1, "tool_call", id="b", name="g"),
        PartDelta(0, 1, "{}"),
        PartDelta(0, 0, '{"x":1}'),
        PartEnded(0, 1),
        PartEnded(0, 0),
    )
    assert [(kind, event["output_index"]) for kind, event in found] == [
        ("output_item.added", 0),
        ("output_item.added", 1),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.delta", 0),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1),
        ("function_call_arguments.done", 0),
        ("output_item.done", 0),
    ]
    assert found[6][1]["arguments"] == '{"x":1}'
    assert (found[6][1]["name"], found[7][1]["item"]["call_id"]) == ("f", "a")


def test_a_call_without_arguments_has_an_empty_object() -> None:
    found = dict(_middle(PartStarted(0, 0, "tool_call", id="a", name="f"), PartEnded(0, 0)))
    assert found["function_call_arguments.delta"]["delta"] == "{}"
    assert found["output_item.done"]["item"]["arguments"] == "{}"


def test_the_signature_of_a_call_goes_before_it() -> None:
    found = _middle(PartStarted(0, 0, "tool_call", id="a", name="f", signature="s"), PartEnded(0, 0, signature="s"))
    assert found[1][1]["item"]["encrypted_content"] == call_proof("s")
    assert found[2][1]["item"]["type"] == "function_call"


def test_a_custom_tools_call_is_unwrapped_when_it_is_whole() -> None:
    renderer = _renderer(tools=(Tool("patch", custom_format={}),))
    found = _decoded(
        renderer.feed(
            [
                _STARTED,
                PartStarted(0, 0, "tool_call", id="a", name="patch"),
                PartDelta(0, 0, '{"inp'),
                PartDelta(0, 0, 'ut":"x"}'),
                PartEnded(0, 0),
                *_ENDED,
            ]
        )
    )
    assert [(event["type"], event.get("delta")) for event in found[2:6]] == [
        ("response.output_item.added", None),
        ("response.custom_tool_call_input.delta", "x"),
        ("response.custom_tool_call_input.done", None),
        ("response.output_item.done", None),
    ]
    assert found[5]["item"]["input"] == "x"


def test_summaries_and_thinking_of_one_item_are_one_item() -> None:
    found = _middle(
        PartStarted(0, 0, "summary", item_id="rs_1"),
        PartDelta(0, 0, "s"),
        PartEnded(0, 0),
        PartStarted(0, 1, "reasoning", item_id="rs_1"),
        PartDelta(0, 1, "t"),
        PartEnded(0, 1),
        PartStarted(0, 2, "text"),
        PartDelta(0, 2, "a"),
        PartEnded(0, 2),
    )
    assert [kind for kind, _ in found][:10] == [
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "content_part.added",
        "reasoning_text.delta",
        "reasoning_text.done",
        "content_part.done",
        "output_item.done",
    ]
    assert found[9][1]["item"] == {
        "type": "reasoning",
        "id": "rs_1",
        "summary": [{"type": "summary_text", "text": "s"}],
        "content": [{"type": "reasoning_text", "text": "t"}],
    }


def test_thinking_without_words_has_no_content_and_runs_of_it_stand_apart() -> None:
    found = _middle(
        PartStarted(0, 0, "reasoning"),
        PartDelta(0, 0, "t"),
        PartEnded(0, 0, signature="s"),
        PartStarted(0, 1, "reasoning", encrypted="e"),
        PartEnded(0, 1),
    )
    done = [event["item"] for kind, event in found if kind == "output_item.done"]
    assert [("content" in item, "encrypted_content" in item) for item in done] == [(True, True), (False, True)]
    assert done[0]["encrypted_content"] != "s"


def test_refusals_citations_and_log_probabilities_are_written() -> None:
    found = dict(
        _middle(
            PartStarted(0, 0, "text"),
            PartDelta(0, 0, "ab", logprobs=[{"token": "ab", "logprob": -1}]),
            PartDelta(0, 0, "", annotations=({"url": "https://x", "title": "t"},)),
            PartEnded(0, 0),
            PartStarted(0, 1, "refusal"),
            PartDelta(0, 1, "no"),
            PartEnded(0, 1),
        )
    )
    citation = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 2}
    assert found["output_text.annotation.added"]["annotation"] == citation
    assert found["output_text.delta"]["logprobs"][0]["token"] == "ab"
    assert found["refusal.done"]["refusal"] == "no"
    contents = found["output_item.done"]["item"]["content"]
    assert contents[0]["annotations"] == [citation]
    assert contents[1] == {"type": "refusal", "refusal": "no"}


def test_pictures_and_own_items_are_written_and_foreign_ones_are_not() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search", "query": "q"}}
    found = _decoded(
        _renderer().feed(
            [
                _STARTED,
                PartStarted(0, 0, "image", media_type="image/png"),
                PartDelta(0, 0, "QQ=="),
                PartEnded(0, 0),
                PartStarted(0, 1, "opaque", opaque=Opaque("openai-responses", search)),
                PartEnded(0, 1),
                PartStarted(0, 2, "opaque", opaque=Opaque("gemini", {})),
                PartEnded(0, 2),
                PartStarted(0, 3, "audio", media_type="audio/wav"),
                PartDelta(0, 3, "QQ=="),
                PartEnded(0, 3),
                *_ENDED,
            ]
        )
    )
    output = found[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["image_generation_call", "web_search_call"]
    assert output[0]["result"] == "QQ=="


def test_only_the_first_choice_is_told() -> None:
    found = _middle(PartStarted(1, 0, "text"), PartDelta(1, 0, "x"), PartEnded(1, 0), ChoiceFinished(1, "length"))
    assert found == []


@pytest.mark.parametrize(
    "fail",
    [
        lambda renderer: renderer.fail(UpstreamCut("cut")),
        lambda renderer: renderer.feed([StreamFailed("cut", status=502, code="upstream_cut")]),
    ],
    ids=["ours", "the-providers"],
)
def test_an_error_is_told_as_an_event_and_as_a_failed_response(fail: Any) -> None:
    renderer = _renderer()
    renderer.feed([_STARTED, PartStarted(0, 0, "text"), PartDelta(0, 0, "a")])
    error, failed = _decoded(fail(renderer))
    assert error["message"] == error["error"]["message"] == "cut"
    assert (failed["type"], failed["response"]["status"]) == ("response.failed", "failed")
    assert failed["response"]["error"] == {"code": "server_error", "message": "cut"}
    assert failed["sequence_number"] == error["sequence_number"] + 1
    assert [one for event in (error, failed) for one in complaints("openai.response.event", event)] == []
    assert renderer.feed([AnswerEnded()]) == b""


def test_an_error_before_the_answer_began_is_told_the_same_way() -> None:
    error, failed = _decoded(_renderer().fail(UpstreamCut("cut", status=429)))
    assert (error["sequence_number"], failed["response"]["id"]) == (0, "resp_NEW")
    assert failed["response"]["error"]["code"] == "rate_limit_exceeded"


def test_the_error_of_a_passed_through_stream_is_an_event() -> None:
    (error,) = _decoded(DIALECT.render_stream_error(UpstreamCut("cut")))
    assert complaints("openai.response.event", error) == []


@settings(max_examples=25)
@given(neutral_streams(kinds=("reasoning", "text", "tool_call", "refusal", "summary")))
def test_every_event_is_what_the_sdk_and_the_schemas_want(events: Sequence[StreamEvent]) -> None:
    found = _decoded(_renderer().feed(events))
    assert [problem for event in found for problem in complaints("openai.response.event", event)] == []
    assert complaints("openai.response", found[-1]["response"]) == []


@given(neutral_streams(kinds=("reasoning", "text", "tool_call", "refusal", "summary")))
def test_a_stream_and_its_whole_twin_say_the_same(events: Sequence[StreamEvent]) -> None:
    streamed = _decoded(_renderer().feed(events))[-1]["response"]
    whole = msgspec.json.decode(DIALECT.render_answer(collect_stream(events), _REQUEST, now=7))
    assert streamed == whole
