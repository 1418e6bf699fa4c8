from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.neutral_streams import CUTS, cut, neutral_streams

from tollway.core.answer import (
    Answer,
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
from tollway.core.conversation import Conversation, Image, Message, Opaque, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.openai_responses import DIALECT
from tollway.dialects.openai_responses.stream_in import ResponsesStreamParser

_RESPONSE = {"id": "resp_1", "object": "response", "created_at": 5, "model": "m", "status": "in_progress", "output": []}
_USAGE = {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3}


def _event(kind: str, **members: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "sequence_number": 0, **members}


_CREATED = _event("created", response=_RESPONSE)


def _completed(*output: Any, kind: str = "completed", **members: Any) -> dict[str, Any]:
    return _event(kind, response={**_RESPONSE, "status": kind, "usage": _USAGE, "output": list(output), **members})


def _sse(*events: dict[str, Any], named: bool = True) -> bytes:
    found: list[bytes] = []
    for event in events:
        name = f"event: {event['type']}\n".encode() if named else b""
        found.append(name + b"data: " + msgspec.json.encode(event) + b"\n\n")
    return b"".join(found)


def _read(*events: dict[str, Any], named: bool = True) -> list[StreamEvent]:
    parser = ResponsesStreamParser()
    return [*parser.feed(_sse(*events, named=named)), *parser.close()]


def _parts(*events: dict[str, Any]) -> Sequence[Any]:
    return collect_stream(_read(_CREATED, *events, _completed())).choices[0].parts


def _at(index: int = 0, **more: Any) -> dict[str, Any]:
    return {"output_index": index, "item_id": f"item_{index}", **more}


def _added(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return _event("output_item.added", output_index=index, item=item)


def _done(item: dict[str, Any], index: int = 0) -> dict[str, Any]:
    return _event("output_item.done", output_index=index, item=item)


_MESSAGE = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
_TEXT = [
    _added(_MESSAGE),
    _event("content_part.added", **_at(content_index=0), part={"type": "output_text", "text": ""}),
    _event("output_text.delta", **_at(content_index=0), delta="He", logprobs=[]),
    _event("output_text.delta", **_at(content_index=0), delta="llo", logprobs=[{"token": "llo", "logprob": -1}]),
    _event("output_text.done", **_at(content_index=0), text="Hello", logprobs=[]),
    _event("content_part.done", **_at(content_index=0), part={"type": "output_text", "text": "Hello"}),
    _done({**_MESSAGE, "content": [{"type": "output_text", "text": "Hello"}]}),
]


@pytest.mark.parametrize("named", [True, False])
def test_a_plain_stream_gives_the_events_in_order(named: bool) -> None:
    assert _read(_CREATED, _event("in_progress", response=_RESPONSE), *_TEXT, _completed(), named=named) == [
        AnswerStarted("resp_1", "m", created=5, dialect="openai-responses"),
        PartStarted(0, 0, "text", item_id="msg_1"),
        PartDelta(0, 0, "He"),
        PartDelta(0, 0, "llo", logprobs=[{"token": "llo", "logprob": -1}]),
        PartEnded(0, 0),
        UsageReported(Usage(input_fresh=1, output_text=2)),
        ChoiceFinished(0, "stop", native_finish="completed"),
        AnswerEnded(),
    ]


@pytest.mark.parametrize(
    "events",
    [
        [one for one in _TEXT if "content_part" not in one["type"]],
        [one for one in _TEXT if "output_item" not in one["type"]],
        [one for one in _TEXT if "delta" not in one["type"]],
        [one for one in _TEXT if "delta" not in one["type"] and "output_text" not in one["type"]],
        [_TEXT[-1]],
        [_TEXT[2], _TEXT[3]],
    ],
    ids=["no-parts", "no-items", "no-deltas", "only-ends", "only-the-item", "only-deltas"],
)
def test_servers_that_leave_events_out_say_the_same(events: list[Any]) -> None:
    assert _parts(*events) == (Text("Hello"),)


def test_items_that_only_the_end_lists_are_read_from_there() -> None:
    item = {**_MESSAGE, "content": [{"type": "output_text", "text": "Hello"}]}
    call = {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}"}
    answer = collect_stream(_read(_CREATED, _completed(item, call)))
    assert answer.choices[0].parts == (Text("Hello"), ToolCall("c", "f", "{}", item_id="fc"))
    assert answer.choices[0].finish == "tool_calls"


def _call(index: int, kind: str = "function_call", **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": f"fc_{index}", "call_id": f"c_{index}", "name": "f", **more}


def test_calls_stream_their_arguments_even_interleaved() -> None:
    parts = _parts(
        _added(_call(0, arguments=""), 0),
        _added(_call(1, "custom_tool_call", input=""), 1),
        _event("function_call_arguments.delta", **_at(0), delta='{"x"'),
        _event("custom_tool_call_input.delta", **_at(1), delta="free "),
        _event("function_call_arguments.delta", **_at(0), delta=":1}"),
        _event("custom_tool_call_input.delta", **_at(1), delta="text"),
        _event("function_call_arguments.done", **_at(0), arguments='{"x":1}'),
        _done(_call(0, arguments='{"x":1}'), 0),
        _event("custom_tool_call_input.done", **_at(1), input="free text"),
        _done(_call(1, "custom_tool_call", input="free text"), 1),
    )
    assert parts == (
        ToolCall("c_0", "f", '{"x":1}', item_id="fc_0"),
        ToolCall("c_1", "f", "free text", custom=True, item_id="fc_1"),
    )


@pytest.mark.parametrize(
    "events",
    [
        [_added(_call(0, arguments="")), _event("function_call_arguments.done", **_at(0), arguments="{}")],
        [_added(_call(0, arguments="")), _done(_call(0, arguments="{}"))],
        [_done(_call(0, arguments="{}"))],
    ],
    ids=["done-only", "item-only", "whole-item"],
)
def test_arguments_that_were_never_streamed_are_taken_from_the_end(events: list[Any]) -> None:
    assert _parts(*events) == (ToolCall("c_0", "f", "{}", item_id="fc_0"),)


_THINKING = {"type": "reasoning", "id": "rs_1", "summary": []}


def test_summaries_and_thinking_end_with_their_item_which_tells_the_proof() -> None:
    events = _read(
        _CREATED,
        _added(_THINKING),
        _event("reasoning_summary_part.added", **_at(summary_index=0), part={"type": "summary_text", "text": ""}),
        _event("reasoning_summary_text.delta", **_at(summary_index=0), delta="first"),
        _event("reasoning_summary_text.done", **_at(summary_index=0), text="first"),
        _event("reasoning_summary_part.added", **_at(summary_index=1), part={"type": "summary_text", "text": ""}),
        _event("reasoning_summary_text.done", **_at(summary_index=1), text="second"),
        _event("reasoning_text.delta", **_at(content_index=0), delta="all"),
        _event("reasoning_text.done", **_at(content_index=0), text="all"),
        _done({**_THINKING, "encrypted_content": "e"}),
        _completed(),
    )
    assert PartEnded(0, 2, encrypted="e") in events
    assert collect_stream(events).choices[0].parts == (
        Reasoning("all", summary=("first", "second"), encrypted="e", id="rs_1"),
    )


@pytest.mark.parametrize("name", ["reasoning_text", "reasoning"])
def test_thinking_is_read_under_both_names(name: str) -> None:
    parts = _parts(_added(_THINKING), _event(f"{name}.delta", **_at(content_index=0), delta="a"), _done(_THINKING))
    assert parts == (Reasoning("a", id="rs_1"),)


def test_thinking_that_is_only_encrypted_is_told_and_empty_thinking_is_not() -> None:
    assert _parts(_added(_THINKING), _done({**_THINKING, "encrypted_content": "e"})) == (
        Reasoning(encrypted="e", id="rs_1"),
    )
    assert collect_stream(_read(_CREATED, _added(_THINKING), _done(_THINKING), *[_TEXT[-1]], _completed())).choices


def test_refusals_citations_pictures_and_built_in_work_are_read() -> None:
    page = {"type": "url_citation", "url": "https://x"}
    search = {"type": "web_search_call", "id": "ws", "status": "completed"}
    parts = _parts(
        _added({"type": "web_search_call", "id": "ws", "status": "in_progress"}, 0),
        _event("web_search_call.searching", **_at(0)),
        _done(search, 0),
        _added(_MESSAGE, 1),
        _event("output_text.delta", **_at(1, content_index=0), delta="a"),
        _event("output_text.annotation.added", **_at(1, content_index=0), annotation=page),
        _event(
            "content_part.done",
            **_at(1, content_index=0),
            part={"type": "output_text", "text": "a", "annotations": [page]},
        ),
        _event("content_part.added", **_at(1, content_index=1), part={"type": "refusal", "refusal": ""}),
        _event("refusal.delta", **_at(1, content_index=1), delta="no"),
        _event("refusal.done", **_at(1, content_index=1), refusal="no"),
        _event("content_part.done", **_at(1, content_index=1), part={"type": "refusal", "refusal": "no"}),
        _done(_MESSAGE, 1),
        _done({"type": "image_generation_call", "id": "ig", "result": "QQ=="}, 2),
    )
    assert parts == (
        Opaque("openai-responses", search),
        Text("a", annotations=(page,)),
        Refusal("no"),
        Image(data="QQ==", media_type="image/png"),
    )


def test_citations_that_only_a_parts_end_tells_are_not_lost() -> None:
    page = {"type": "url_citation", "url": "https://x"}
    end = _event(
        "content_part.done", **_at(content_index=0), part={"type": "output_text", "text": "a", "annotations": [page]}
    )
    assert _parts(_added(_MESSAGE), end) == (Text("a", annotations=(page,)),)


def test_citations_that_only_the_items_end_tells_are_not_lost() -> None:
    page = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
    whole = {**_MESSAGE, "content": [{"type": "output_text", "text": "a", "annotations": [page]}]}
    delta = _event("output_text.delta", **_at(content_index=0), delta="a")
    assert _parts(_added(_MESSAGE), delta, _done(whole)) == (Text("a", annotations=(page,)),)
    begun = _event("content_part.added", **_at(content_index=0), part={"type": "output_text", "text": ""})
    assert _parts(_added(_MESSAGE), begun, _done(whole)) == (Text("a", annotations=(page,)),)


@pytest.mark.parametrize(
    ("event", "finish"),
    [
        (_completed(kind="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (_completed(kind="incomplete", incomplete_details={"reason": "content_filter"}), "content_filter"),
    ],
)
def test_an_incomplete_response_ends_the_answer_and_says_why(event: dict[str, Any], finish: str) -> None:
    answer = collect_stream(_read(_CREATED, *_TEXT[:4], event))
    assert (answer.choices[0].finish, answer.choices[0].parts) == (finish, (Text("Hello"),))


@pytest.mark.parametrize(
    ("event", "failed"),
    [
        (
            _event("failed", response={**_RESPONSE, "error": {"code": "rate_limit_exceeded", "message": "slow"}}),
            StreamFailed("slow", 429, code="rate_limit_exceeded"),
        ),
        (
            {"type": "error", "code": "server_error", "message": "broken", "param": None},
            StreamFailed("broken", 502, code="server_error"),
        ),
        (
            {"type": "error", "error": {"type": "invalid_request_error", "message": "no", "code": None}},
            StreamFailed("no", 400, "invalid_request_error"),
        ),
    ],
    ids=["failed", "flat", "nested"],
)
def test_an_error_ends_the_stream(event: dict[str, Any], failed: StreamFailed) -> None:
    assert _read(_CREATED, event, _completed())[-1] == failed


def test_a_stream_without_its_last_event_was_cut() -> None:
    assert not any(isinstance(event, AnswerEnded) for event in _read(_CREATED, *_TEXT))


def test_chats_closing_word_and_unknown_events_are_no_harm() -> None:
    parser = ResponsesStreamParser()
    sent = _sse(_CREATED, _event("brand.new"), *_TEXT, _completed()) + b"data: [DONE]\n\n"
    assert isinstance(parser.feed(sent)[-1], AnswerEnded)


@pytest.mark.parametrize("sent", [b"data: {\n\n", b"data: 7\n\n", b"data: " + b"[" * 100_000 + b"\n\n"])
def test_what_is_no_event_is_the_providers_error(sent: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        ResponsesStreamParser().feed(sent)


_REQUEST = Conversation(dialect="openai-responses", model="m", messages=(Message("user", (Text("x"),)),))


def _written(events: Sequence[StreamEvent]) -> bytes:
    return DIALECT.stream_renderer(_REQUEST, now=1, new_id="X", framing="sse").feed(events)


def _said(answer: Answer) -> list[Any]:
    """The parts without the ids the writer made up."""
    made_up = {"Reasoning": "id", "ToolCall": "item_id"}
    return [
        msgspec.structs.replace(part, **{name: None}) if (name := made_up.get(type(part).__name__)) else part
        for choice in answer.choices
        for part in choice.parts
    ]


@given(neutral_streams())
def test_a_stream_written_and_read_again_says_the_same(events: Sequence[StreamEvent]) -> None:
    parser = ResponsesStreamParser()
    again, before = collect_stream([*parser.feed(_written(events)), *parser.close()]), collect_stream(events)
    assert _said(again) == _said(before)
    assert again.choices[0].finish == before.choices[0].finish
    assert again.usage == (before.usage or Usage())


@given(neutral_streams(), CUTS)
def test_any_cut_of_the_same_bytes_gives_the_same_events(events: Sequence[StreamEvent], sizes: list[int]) -> None:
    sent = _written(events)
    whole, pieces = ResponsesStreamParser(), ResponsesStreamParser()
    expected = [*whole.feed(sent), *whole.close()]
    assert [event for piece in cut(sent, sizes) for event in pieces.feed(piece)] + [*pieces.close()] == expected


_KINDS = [
    "output_item.added",
    "output_item.done",
    "content_part.added",
    "content_part.done",
    "output_text.delta",
    "output_text.done",
    "refusal.delta",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "reasoning_summary_text.delta",
    "reasoning_text.delta",
    "reasoning_text.done",
]
_ITEMS = st.sampled_from([{}, _MESSAGE, _THINKING, _call(0), _TEXT[-1]["item"], {"type": "x"}])
_LOOSE = st.builds(
    lambda kind, index, item, text: _event(
        kind,
        output_index=index,
        content_index=0,
        summary_index=0,
        item=item,
        delta=text,
        text=text,
        arguments=text,
        part={"type": "output_text", "text": text},
    ),
    st.sampled_from(_KINDS),
    st.integers(0, 2) | st.none(),
    _ITEMS,
    st.sampled_from(["", "a"]) | st.none(),
)


@given(st.lists(_LOOSE, max_size=8))
def test_however_a_server_orders_its_events_the_parts_stay_whole(events: list[Any]) -> None:
    read = _read(_CREATED, *events, _completed())
    open_parts: set[int] = set()
    assert isinstance(read[-1], AnswerEnded)
    for event in read:
        if isinstance(event, PartStarted):
            open_parts.add(event.part)
        elif isinstance(event, PartDelta):
            assert event.part in open_parts
        elif isinstance(event, PartEnded):
            open_parts.remove(event.part)
    assert not open_parts


def test_an_event_without_an_end_is_the_providers_error() -> None:
    parser = ResponsesStreamParser()
    with pytest.raises(UpstreamGarbled, match="larger than"):
        parser.feed(b"data: " + b"x" * (17 * 1024 * 1024))


def test_a_whole_refusal_and_whole_thinking_are_told() -> None:
    refusal = {**_MESSAGE, "content": [{"type": "refusal", "refusal": "no"}]}
    thinking = {**_THINKING, "summary": [{"type": "summary_text", "text": "s"}], "encrypted_content": "e"}
    answer = collect_stream(_read(_CREATED, _done(thinking, 0), _done(refusal, 1), _completed()))
    assert answer.choices[0].parts == (Reasoning(summary=("s",), encrypted="e", id="rs_1"), Refusal("no"))
    assert answer.choices[0].finish == "refusal"


def test_a_refusal_that_was_never_streamed_is_taken_from_its_end() -> None:
    assert _parts(_added(_MESSAGE), _event("refusal.done", **_at(content_index=0), refusal="no")) == (Refusal("no"),)


def test_a_part_of_thinking_may_be_announced() -> None:
    announced = _event("content_part.added", **_at(content_index=0), part={"type": "reasoning_text", "text": ""})
    delta = _event("reasoning_text.delta", **_at(content_index=0), delta="a")
    ended = _event("content_part.done", **_at(content_index=0), part={"type": "reasoning_text", "text": "a"})
    assert _parts(_added(_THINKING), announced, delta, ended, _done(_THINKING)) == (Reasoning("a", id="rs_1"),)


def test_usage_of_a_response_that_failed_is_told_before_the_error() -> None:
    failed = _event("failed", response={**_RESPONSE, "usage": _USAGE, "error": {"code": "x", "message": "m"}})
    assert UsageReported(Usage(input_fresh=1, output_text=2)) in _read(_CREATED, failed)


def test_a_response_without_an_id_of_its_own_is_begun_by_its_first_item() -> None:
    assert _read(*_TEXT)[0] == AnswerStarted("", "", dialect="openai-responses")
