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
from tollway.dialects.openai_chat import DIALECT
from tollway.dialects.openai_chat.stream_out import ChatStreamRenderer
from tollway.wire.sse import SseDecoder

_REQUEST = Conversation(dialect="openai-chat", model="asked", messages=(Message("user", (Text("x"),)),))
_STARTED = AnswerStarted("i", "m", created=5)


def _renderer(**fields: Any) -> ChatStreamRenderer:
    return ChatStreamRenderer(msgspec.structs.replace(_REQUEST, **fields), now=7, new_id="NEW")


def _data(sent: bytes) -> list[Any]:
    decoder = SseDecoder()
    found = [event.data for event in [*decoder.feed(sent), *decoder.close()]]
    return [data if data == "[DONE]" else msgspec.json.decode(data) for data in found]


def _deltas(*events: StreamEvent, **fields: Any) -> list[Any]:
    """What follows the role."""
    chunks = _data(_renderer(**fields).feed([_STARTED, *events]))
    return [chunk["choices"][0]["delta"] for chunk in chunks][1:]


def test_a_plain_stream_is_what_openai_itself_would_send() -> None:
    events = [
        _STARTED,
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "hi"),
        PartEnded(0, 0),
        ChoiceFinished(0, "stop"),
        UsageReported(Usage(input_fresh=1, output_text=2)),
        AnswerEnded(),
    ]
    role, words, finish, usage, done = _data(_renderer(stream_usage=True).feed(events))
    head = {"id": "i", "object": "chat.completion.chunk", "created": 5, "model": "m"}
    empty = {"index": 0, "logprobs": None, "finish_reason": None}
    assert role == head | {
        "choices": [{**empty, "delta": {"role": "assistant", "content": "", "refusal": None}}],
        "usage": None,
    }
    assert words == head | {"choices": [{**empty, "delta": {"content": "hi"}}], "usage": None}
    assert finish == head | {"choices": [{**empty, "delta": {}, "finish_reason": "stop"}], "usage": None}
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 3
    assert done == "[DONE]"


def test_usage_is_told_only_to_who_asked() -> None:
    events = [_STARTED, ChoiceFinished(0, "stop"), UsageReported(Usage(input_fresh=1)), AnswerEnded()]
    chunks = _data(_renderer().feed(events))
    assert chunks[-1] == "[DONE]"
    assert not any("usage" in chunk for chunk in chunks[:-1])


def test_what_the_provider_did_not_say_is_made_up() -> None:
    chunk = _data(_renderer().feed([AnswerStarted("", "")]))[0]
    assert (chunk["id"], chunk["model"], chunk["created"]) == ("chatcmpl-NEW", "asked", 7)


def test_calls_are_numbered_and_stream_their_arguments() -> None:
    deltas = _deltas(
        PartStarted(0, 0, "tool_call", id="a", name="f"),
        PartStarted(0, 1, "tool_call", id="b", name="g", signature="s"),
        PartDelta(0, 1, '{"x"'),
        PartDelta(0, 0, "{}"),
        PartDelta(0, 1, ":1}"),
        PartEnded(0, 0),
        PartEnded(0, 1, signature="s"),
    )
    assert [delta["tool_calls"][0] for delta in deltas] == [
        {"index": 0, "id": "a", "type": "function", "function": {"name": "f", "arguments": ""}},
        {
            "index": 1,
            "id": "b",
            "type": "function",
            "function": {"name": "g", "arguments": ""},
            "extra_content": {"google": {"thought_signature": "s"}},
        },
        {"index": 1, "function": {"arguments": '{"x"'}},
        {"index": 0, "function": {"arguments": "{}"}},
        {"index": 1, "function": {"arguments": ":1}"}},
    ]


def test_a_call_without_arguments_ends_as_an_empty_object_and_a_late_signature_follows() -> None:
    deltas = _deltas(PartStarted(0, 0, "tool_call", id="a", name="f"), PartEnded(0, 0, signature="s"))
    assert deltas[1:] == [
        {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        {"tool_calls": [{"index": 0, "extra_content": {"google": {"thought_signature": "s"}}}]},
    ]


def test_a_custom_tools_call_is_unwrapped_when_it_is_whole() -> None:
    deltas = _deltas(
        PartStarted(0, 0, "tool_call", id="a", name="patch"),
        PartDelta(0, 0, '{"inp'),
        PartDelta(0, 0, 'ut":"x"}'),
        PartEnded(0, 0),
        tools=(Tool("patch", custom_format={}),),
    )
    assert deltas == [
        {"tool_calls": [{"index": 0, "id": "a", "type": "custom", "custom": {"name": "patch", "input": ""}}]},
        {"tool_calls": [{"index": 0, "custom": {"input": "x"}}]},
    ]


def test_a_caller_of_the_older_kind_gets_a_function_call() -> None:
    chunks = _data(
        _renderer(tools=(Tool("f", rest={"legacy_function": True}),)).feed(
            [
                _STARTED,
                PartStarted(0, 0, "tool_call", id="a", name="f"),
                PartDelta(0, 0, "{}"),
                PartEnded(0, 0),
                ChoiceFinished(0, "tool_calls"),
            ]
        )
    )
    assert [chunk["choices"][0]["delta"] for chunk in chunks[1:3]] == [
        {"function_call": {"name": "f", "arguments": ""}},
        {"function_call": {"arguments": "{}"}},
    ]
    assert chunks[-1]["choices"][0]["finish_reason"] == "function_call"


def test_thinking_streams_as_words_and_its_proof_follows() -> None:
    deltas = _deltas(
        PartStarted(0, 0, "reasoning"),
        PartDelta(0, 0, "a"),
        PartEnded(0, 0, signature="s"),
        PartStarted(0, 1, "reasoning", encrypted="e"),
        PartEnded(0, 1),
        PartStarted(0, 2, "summary", item_id="rs"),
        PartDelta(0, 2, "b"),
        PartEnded(0, 2),
    )
    assert deltas == [
        {"reasoning_content": "a"},
        {"reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "s", "index": 0}]},
        {"reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "index": 1}]},
        {"reasoning_content": "\n\nb"},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "b", "id": "rs", "index": 2}]},
    ]


def test_refusals_pictures_signed_text_and_citations_are_written() -> None:
    page = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 1}
    deltas = _deltas(
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "ab"),
        PartEnded(0, 0, signature="s"),
        PartStarted(0, 1, "text"),
        PartDelta(0, 1, "c", annotations=(page,)),
        PartEnded(0, 1),
        PartStarted(0, 2, "refusal"),
        PartDelta(0, 2, "no"),
        PartEnded(0, 2),
        PartStarted(0, 3, "image", media_type="image/png"),
        PartDelta(0, 3, "QQ"),
        PartDelta(0, 3, "=="),
        PartEnded(0, 3),
        PartStarted(0, 4, "opaque", opaque=Opaque("gemini", {"executableCode": {}})),
        PartEnded(0, 4),
        PartStarted(0, 5, "opaque", opaque=Opaque("openai-chat", {"type": "audio", "audio": {"id": "x"}})),
        PartEnded(0, 5),
    )
    citation = {"url": "https://x", "title": "t", "start_index": 2, "end_index": 3}
    assert deltas == [
        {"content": "ab"},
        {"extra_content": {"google": {"thought_signature": "s"}}},
        {"content": "c", "annotations": [{"type": "url_citation", "url_citation": citation}]},
        {"refusal": "no"},
        {"images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}, "index": 0}]},
        {"audio": {"id": "x"}},
    ]


@pytest.mark.parametrize(
    "fail",
    [
        lambda renderer: renderer.fail(UpstreamCut("cut")),
        lambda renderer: renderer.feed([StreamFailed("cut", status=502, code="upstream_cut")]),
    ],
    ids=["ours", "the-providers"],
)
def test_an_error_ends_the_stream_without_done(fail: Any) -> None:
    renderer = _renderer()
    renderer.feed([_STARTED])
    (event,) = _data(fail(renderer))
    assert event["error"]["message"] == "cut"
    assert complaints("openai.error", event) == []
    assert renderer.feed([PartStarted(0, 0, "text"), AnswerEnded()]) == b""


def test_the_error_of_a_passed_through_stream_is_the_same() -> None:
    error = UpstreamCut("cut")
    assert DIALECT.render_stream_error(error) == _renderer().fail(error)


@settings(max_examples=30)
@given(neutral_streams(choices=2))
def test_every_chunk_is_what_the_sdk_and_the_schema_want(events: Sequence[StreamEvent]) -> None:
    chunks = _data(_renderer(stream_usage=True).feed(events))
    assert chunks.pop() == "[DONE]"
    assert [problem for chunk in chunks for problem in complaints("openai.chat.chunk", chunk)] == []


@given(neutral_streams(kinds=("reasoning", "text", "tool_call", "summary")))
def test_a_stream_and_its_whole_twin_say_the_same(events: Sequence[StreamEvent]) -> None:
    parser = DIALECT.stream_parser()
    streamed = collect_stream([*parser.feed(_renderer(stream_usage=True).feed(events)), *parser.close()])
    whole = DIALECT.parse_answer(DIALECT.render_answer(collect_stream(events), _REQUEST, now=7))
    assert _summed(streamed) == _summed(whole)


def _summed(answer: Any) -> list[Any]:
    """Chat's whole message has no order between thinking, words and calls; its stream has."""
    found = []
    for choice in answer.choices:
        names = ("text", "name", "arguments")
        by_kind: dict[str, list[Any]] = {}
        for part in choice.parts:
            by_kind.setdefault(type(part).__name__, []).append([getattr(part, name, "") for name in names])
        words = {kind: "".join(one[0].replace("\n", "") for one in parts) for kind, parts in by_kind.items()}
        found.append((words, by_kind.get("ToolCall", []), choice.finish))
    return [*found, answer.usage]


def test_the_tier_and_the_fingerprint_are_in_every_chunk_and_own_members_come_along() -> None:
    started = AnswerStarted("i", "m", service_tier="default", system_fingerprint="fp", dialect="openai-chat")
    finished = ChoiceFinished(0, "stop", rest={"content_filter_results": {}})
    picture = Opaque("openai-chat", {"type": "image_url", "image_url": {"url": "u"}})
    shown = [PartStarted(0, 0, "opaque", opaque=picture), PartEnded(0, 0)]
    chunks = _data(_renderer().feed([started, *shown, finished]))
    assert {(chunk["service_tier"], chunk["system_fingerprint"]) for chunk in chunks} == {("default", "fp")}
    assert chunks[1]["choices"][0]["delta"]["images"][0]["image_url"] == {"url": "u"}
    assert chunks[-1]["choices"][0]["content_filter_results"] == {}
