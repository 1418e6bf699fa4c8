from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.openai_responses.answer_in import parse_answer


def _answer(*items: Any, **fields: Any) -> Answer:
    body = {"id": "resp_1", "object": "response", "model": "m", "status": "completed", "output": list(items), **fields}
    return parse_answer(msgspec.json.encode(body))


@pytest.mark.parametrize(
    ("item", "parts"),
    [
        (
            {
                "type": "message",
                "content": [
                    {"type": "output_text", "text": "a", "annotations": [{"type": "file_citation"}]},
                    {"type": "refusal", "refusal": "no"},
                ],
            },
            (Text("a", annotations=({"type": "file_citation"},)), Refusal("no")),
        ),
        (
            {"type": "function_call", "id": "fc", "call_id": "c", "name": "f", "arguments": "{}", "namespace": "n"},
            (ToolCall("c", "f", "{}", item_id="fc", rest={"namespace": "n"}),),
        ),
        (
            {"type": "custom_tool_call", "id": "ctc", "call_id": "c", "name": "p", "input": "x"},
            (ToolCall("c", "p", "x", custom=True, item_id="ctc"),),
        ),
        (
            {
                "type": "reasoning",
                "id": "rs",
                "summary": [{"type": "summary_text", "text": "s"}],
                "content": [{"type": "reasoning_text", "text": "t"}],
                "encrypted_content": "e",
            },
            (Reasoning("t", summary=("s",), encrypted="e", id="rs"),),
        ),
        ({"type": "reasoning", "id": "rs", "summary": []}, ()),
        (
            {"type": "image_generation_call", "id": "ig", "result": "QQ=="},
            (Image(data="QQ==", media_type="image/png"),),
        ),
        (
            {"type": "web_search_call", "id": "ws"},
            (Opaque("openai-responses", {"type": "web_search_call", "id": "ws"}),),
        ),
        ({}, ()),
        (None, ()),
    ],
)
def test_each_kind_of_item_is_read(item: Any, parts: tuple[Part, ...]) -> None:
    assert _answer(item).choices[0].parts == parts


_WORDS = {"type": "message", "content": [{"type": "output_text", "text": "a"}]}


@pytest.mark.parametrize(
    ("items", "fields", "finish", "native"),
    [
        ([_WORDS], {}, "stop", "completed"),
        (
            [_WORDS, {"type": "function_call", "call_id": "c", "name": "f", "arguments": ""}],
            {},
            "tool_calls",
            "completed",
        ),
        ([{"type": "message", "content": [{"type": "refusal", "refusal": "no"}]}], {}, "refusal", "completed"),
        (
            [_WORDS],
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "length",
            "max_output_tokens",
        ),
        (
            [_WORDS],
            {"status": "incomplete", "incomplete_details": {"reason": "content_filter"}},
            "content_filter",
            "content_filter",
        ),
        ([_WORDS], {"status": "incomplete", "incomplete_details": {"reason": "new"}}, "other", "new"),
    ],
)
def test_why_the_model_stopped_is_told(items: list[Any], fields: dict[str, Any], finish: str, native: str) -> None:
    choice = _answer(*items, **fields).choices[0]
    assert (choice.finish, choice.native_finish) == (finish, native)


def test_everything_else_is_kept() -> None:
    logprob = {"token": "a", "logprob": -1}
    words = {"type": "message", "content": [{"type": "output_text", "text": "a", "logprobs": [logprob]}]}
    answer = _answer(
        words,
        created_at=5.0,
        usage={"input_tokens": 1, "output_tokens": 2, "total_tokens": 3, "cost": 1},
        service_tier="default",
        temperature=0.5,
        output_text="a",
    )
    assert answer == Answer(
        id="resp_1",
        model="m",
        created=5,
        choices=(Choice(0, (Text("a"),), "stop", "completed", logprobs=[logprob]),),
        usage=Usage(input_fresh=1, output_text=2),
        usage_rest={"cost": 1},
        service_tier="default",
        rest={"temperature": 0.5},
        dialect="openai-responses",
    )


@pytest.mark.parametrize("status", ["failed", "cancelled"])
def test_a_response_that_failed_is_an_error(status: str) -> None:
    with pytest.raises(UpstreamAnswered) as caught:
        _answer(status=status, error={"code": "rate_limit_exceeded", "message": "slow down"})
    assert (caught.value.status, caught.value.code, caught.value.message) == (429, "rate_limit_exceeded", "slow down")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"output":null}'])
def test_what_is_no_answer_is_the_providers_error(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body)


def test_an_error_sent_as_a_success_keeps_its_meaning() -> None:
    with pytest.raises(UpstreamAnswered, match="no"):
        parse_answer(b'{"error":{"message":"no","code":"invalid_prompt"}}')


_JSON = st.recursive(
    st.none() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
_TYPES = st.sampled_from(["message", "reasoning", "function_call", "image_generation_call", "x"])


@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": _TYPES},
            optional=dict.fromkeys(("content", "summary", "arguments", "call_id", "name", "result", "id"), _JSON),
        )
        | _JSON,
        max_size=3,
    ),
    _JSON,
)
def test_however_loose_a_server_is_its_answer_is_read(items: list[Any], usage: Any) -> None:
    assert _answer(*items, usage=usage).choices[0].finish is not None
