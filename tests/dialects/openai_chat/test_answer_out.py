from typing import Any

import msgspec
import pytest
from tests.support.validators import complaints

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import (
    Conversation,
    Image,
    Message,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    Tool,
    ToolCall,
)
from tollway.core.usage import Usage
from tollway.dialects.openai_chat.answer_out import render_answer

_REQUEST = Conversation(dialect="openai-chat", model="asked", messages=(Message("user", (Text("x"),)),))


def _render(answer: Answer, request: Conversation = _REQUEST) -> dict[str, Any]:
    body = msgspec.json.decode(render_answer(answer, request, now=7))
    assert complaints("openai.chat", body) == []
    return body


def _message(*parts: Part, request: Conversation = _REQUEST) -> dict[str, Any]:
    answer = Answer(id="i", model="m", choices=(Choice(0, parts, "stop"),))
    return _render(answer, request)["choices"][0]["message"]


def test_a_whole_answer_has_every_member_the_schemas_demand() -> None:
    usage = Usage(input_fresh=3, cache_read=1, output_text=2, reasoning=1)
    assert _render(Answer(id="i", model="m", created=5, choices=(Choice(0, (Text("a"),), "stop"),), usage=usage)) == {
        "id": "i",
        "object": "chat.completion",
        "created": 5,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "a", "refusal": None, "annotations": []},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "prompt_tokens": 4,
            "completion_tokens": 3,
            "total_tokens": 7,
            "prompt_tokens_details": {"cached_tokens": 1, "cache_write_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": 1,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
    }


def test_what_the_provider_did_not_say_is_made_up() -> None:
    body = _render(Answer(id="", model="", choices=(Choice(0, ()),)))
    assert (body["id"], body["model"], body["created"]) == ("chatcmpl-tollway", "asked", 7)
    assert body["choices"][0]["message"]["content"] == ""
    assert body["choices"][0]["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("finish", "parts", "word"),
    [
        ("stop", (), "stop"),
        ("stop_sequence", (), "stop"),
        ("length", (), "length"),
        ("tool_calls", (ToolCall("c", "f", "{}"),), "tool_calls"),
        ("content_filter", (), "content_filter"),
        ("refusal", (), "content_filter"),
        ("refusal", (Refusal("no"),), "stop"),
        ("pause", (), "stop"),
        ("other", (), "stop"),
        (None, (), "stop"),
    ],
)
def test_every_reason_to_stop_has_a_word(finish: Any, parts: tuple[Part, ...], word: str) -> None:
    body = _render(Answer(id="i", model="m", choices=(Choice(0, parts, finish),)))
    assert body["choices"][0]["finish_reason"] == word


def test_parts_are_gathered_into_one_message() -> None:
    message = _message(
        Reasoning("think", signature="s"),
        Text("a "),
        ToolCall("c", "f", '{"x":1}', signature="g"),
        Text("b", signature="t"),
        Reasoning(encrypted="e"),
        Image(data="QQ==", media_type="image/png"),
        Opaque("anthropic-messages", {"type": "server_tool_use"}),
    )
    assert message["content"] == "a b"
    assert message["reasoning_content"] == "think"
    assert message["reasoning_details"] == [
        {"type": "reasoning.text", "text": "think", "signature": "s", "index": 0},
        {"type": "reasoning.encrypted", "data": "e", "index": 1},
    ]
    assert message["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "g"}}
    assert message["extra_content"] == {"google": {"thought_signature": "t"}}
    assert message["images"][0]["image_url"]["url"] == "data:image/png;base64,QQ=="


def test_an_answer_of_calls_alone_has_no_content() -> None:
    message = _message(ToolCall("c", "f", ""))
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


def test_citations_point_into_the_joined_text() -> None:
    page = {"type": "url_citation", "url": "https://x", "title": "t", "start_index": 0, "end_index": 1}
    whole = {"type": "web_search_result_location", "url": "https://y", "title": "u"}
    message = _message(Text("abc"), Text("de", annotations=(page, whole, {"type": "page_location"})))
    assert message["annotations"] == [
        {"type": "url_citation", "url_citation": {"url": "https://x", "title": "t", "start_index": 3, "end_index": 4}},
        {"type": "url_citation", "url_citation": {"url": "https://y", "title": "u", "start_index": 3, "end_index": 5}},
    ]


def test_log_probabilities_are_written_whole() -> None:
    choice = Choice(0, (Text("a"),), "stop", logprobs=[{"token": "a", "logprob": -0.5}, {"odd": 1}])
    body = _render(Answer(id="i", model="m", choices=(choice,)))
    assert body["choices"][0]["logprobs"] == {
        "content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}],
        "refusal": None,
    }


def test_a_call_of_a_custom_tool_is_unwrapped_for_who_declared_it() -> None:
    request = msgspec.structs.replace(_REQUEST, tools=(Tool("patch", custom_format={}),))
    calls = _message(ToolCall("c", "patch", '{"input":"x"}'), request=request)["tool_calls"]
    assert calls == [{"id": "c", "type": "custom", "custom": {"name": "patch", "input": "x"}}]


def test_a_caller_of_the_older_kind_gets_a_function_call() -> None:
    request = msgspec.structs.replace(_REQUEST, tools=(Tool("f", rest={"legacy_function": True}),))
    body = _render(Answer(id="i", model="m", choices=(Choice(0, (ToolCall("c", "f", "{}"),), "tool_calls"),)), request)
    assert body["choices"][0]["message"]["function_call"] == {"name": "f", "arguments": "{}"}
    assert body["choices"][0]["finish_reason"] == "function_call"


@pytest.mark.parametrize("own", [True, False])
def test_what_a_server_of_this_api_added_comes_along_and_others_additions_do_not(own: bool) -> None:
    answer = Answer(
        id="i",
        model="m",
        choices=(Choice(0, (Text("a"),), "stop", rest={"content_filter_results": {}, "message": {"phase": "p"}}),),
        usage=Usage(input_fresh=1),
        usage_rest={"queue_time": 1},
        service_tier="default" if own else "on_demand",
        system_fingerprint="fp",
        rest={"x_more": 1, "x_null": None},
        dialect="openai-chat" if own else "gemini",
    )
    body = _render(answer)
    assert ("x_more" in body, "x_null" in body) == (own, False)
    assert ("queue_time" in body["usage"]) == own
    assert ("content_filter_results" in body["choices"][0]) == own
    assert ("phase" in body["choices"][0]["message"]) == own
    assert body.get("service_tier") == ("default" if own else None)
