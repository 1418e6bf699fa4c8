from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import (
    Conversation,
    Message,
    OutputFormat,
    Reasoning,
    ReasoningRequest,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.openai_chat import DIALECT
from tollway.dialects.openai_chat.request_in import parse_request

_USER = {"role": "user", "content": "hi"}


def _parse(*messages: Any, **fields: Any) -> Conversation:
    return parse_request(msgspec.json.encode({"model": "m", "messages": list(messages) or [_USER], **fields}))


@pytest.mark.parametrize(
    ("written", "message"),
    [
        (_USER, Message("user", (Text("hi"),))),
        ({"role": "developer", "content": "x", "name": "n"}, Message("developer", (Text("x"),), name="n")),
        ({"role": "system", "content": [{"type": "text", "text": "x"}]}, Message("system", (Text("x"),))),
        ({"role": "user", "content": "", "metadata": 1}, Message("user", (Text(""),), rest={"metadata": 1})),
        ({"role": "tool", "tool_call_id": "c", "content": "r"}, Message("tool", (ToolResult("c", (Text("r"),)),))),
        ({"role": "assistant", "content": None, "refusal": "no"}, Message("assistant", (Refusal("no"),))),
        ({"role": "assistant"}, Message("assistant", ())),
        (
            {
                "role": "assistant",
                "content": "a",
                "reasoning_content": "r",
                "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}],
            },
            Message("assistant", (Reasoning("r"), Text("a"), ToolCall("c", "f", "{}"))),
        ),
        (
            {"role": "assistant", "content": "a", "extra_content": {"google": {"thought_signature": "s"}}},
            Message("assistant", (Text("a", signature="s"),)),
        ),
        (
            {"role": "assistant", "content": None, "extra_content": {"google": {"thought_signature": "s"}}},
            Message("assistant", (Text("", signature="s"),)),
        ),
        (
            {"role": "assistant", "function_call": {"name": "f", "arguments": "{}"}},
            Message("assistant", (ToolCall("f", "f", "{}", rest={"legacy_function": True}),)),
        ),
        (
            {"role": "function", "name": "f", "content": "r"},
            Message("tool", (ToolResult("f", (Text("r"),), name="f", rest={"legacy_function": True}),)),
        ),
    ],
)
def test_each_kind_of_message_is_read(written: dict[str, Any], message: Message) -> None:
    assert _parse(written).messages == (message,)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{}]}, "messages[0].role"),
        ({"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [_USER, {"role": "tool", "content": "x"}]}, "messages[1].tool_call_id"),
        ({"messages": [{"role": "assistant", "tool_calls": {}}]}, "messages[0].tool_calls"),
        ({"messages": [_USER], "model": 5}, "model"),
        ({"messages": [_USER], "temperature": "warm"}, "temperature"),
        ({"messages": [_USER], "max_tokens": 1.5}, "max_tokens"),
        ({"messages": [_USER], "stop": 5}, "stop"),
        ({"messages": [_USER], "stop": ["a", 5]}, "stop"),
        ({"messages": [_USER], "n": 0}, "n"),
        ({"messages": [_USER], "stream": "yes"}, "stream"),
        ({"messages": [_USER], "stream_options": True}, "stream_options"),
        ({"messages": [_USER], "response_format": "json"}, "response_format"),
        ({"messages": [_USER], "response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"messages": [_USER], "modalities": ["text", 1]}, "modalities[1]"),
        ({"messages": [_USER], "reasoning_effort": 3}, "reasoning_effort"),
    ],
)
def test_a_field_of_the_wrong_form_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(msgspec.json.encode({"model": "m", **body}))
    assert caught.value.param == param
    assert param in caught.value.message


def test_every_field_finds_its_neutral_place() -> None:
    request = _parse(
        max_completion_tokens=9,
        max_tokens=8,
        temperature=1,
        top_p=0.5,
        top_k=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=4,
        stop="END",
        n=2,
        reasoning_effort="low",
        verbosity="high",
        modalities=["text"],
        logprobs=True,
        top_logprobs=2,
        logit_bias={"1": 5},
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=True,
        prompt_cache_key="k",
        safety_identifier="s",
        parallel_tool_calls=False,
        stream=True,
        stream_options={"include_usage": True, "include_obfuscation": False},
        prediction={"type": "content", "content": "x"},
    )
    assert request == Conversation(
        dialect="openai-chat",
        model="m",
        messages=(Message("user", (Text("hi"),)),),
        max_output_tokens=9,
        temperature=1,
        top_p=0.5,
        top_k=3,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        seed=4,
        stop=("END",),
        count=2,
        reasoning=ReasoningRequest(effort="low"),
        verbosity="high",
        modalities=("text",),
        logprobs=True,
        top_logprobs=2,
        logit_bias={"1": 5},
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=True,
        prompt_cache_key="k",
        safety_identifier="s",
        parallel_tool_calls=False,
        stream=True,
        stream_usage=True,
        specific={
            "prediction": {"type": "content", "content": "x"},
            "stream_options": {"include_obfuscation": False},
        },
    )


@pytest.mark.parametrize(
    ("written", "output", "specific"),
    [
        ({"type": "text"}, OutputFormat("text"), {}),
        ({"type": "json_object"}, OutputFormat("json"), {}),
        ({"type": "json_object", "schema": {"a": 1}}, OutputFormat("json", schema={"a": 1}), {}),
        (
            {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}, "strict": True}},
            OutputFormat("schema", "n", "d", {}, strict=True),
            {},
        ),
        ({"type": "grammar", "x": 1}, None, {"response_format": {"type": "grammar", "x": 1}}),
    ],
    ids=["text", "json", "json-with-schema", "schema", "unknown"],
)
def test_the_shape_of_the_answer_is_read(
    written: dict[str, Any], output: OutputFormat | None, specific: dict[str, Any]
) -> None:
    request = _parse(response_format=written)
    assert (request.output, request.specific) == (output, specific)


def test_a_field_nobody_knows_rides_in_rest_and_known_nulls_say_nothing() -> None:
    request = _parse(chat_template_kwargs={"a": 1}, min_p=None, temperature=None, audio=None)
    assert request.rest == {"chat_template_kwargs": {"a": 1}, "min_p": None}
    assert (request.temperature, request.specific) == (None, {})


def test_a_model_and_a_stream_from_the_path_win() -> None:
    body = msgspec.json.encode({"messages": [_USER]})
    request = DIALECT.parse_request(body, path_model="gpt", stream=True)
    assert (request.model, request.stream) == ("gpt", True)
    assert DIALECT.parse_request(body, path_model="", stream=False).model == ""


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_FIELD = st.sampled_from(
    ["messages", "tools", "tool_choice", "stop", "response_format", "stream_options", "n", "functions", "function_call"]
)
_PART = st.fixed_dictionaries({"type": st.sampled_from(["text", "image_url", "file", "input_audio", "x"])}) | _JSON
_MESSAGE = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "system", "function"]) | _JSON},
    optional={
        name: _JSON | st.lists(_PART, max_size=2) for name in ("content", "tool_calls", "name", "reasoning_details")
    },
)


@given(st.dictionaries(_FIELD, _JSON, max_size=4), st.lists(_MESSAGE, max_size=3))
def test_whatever_a_stranger_sends_is_read_or_refused(fields: dict[str, Any], messages: list[Any]) -> None:
    refusal = _refusal(msgspec.json.encode({"messages": messages, **fields}))
    assert refusal is None or (refusal.param and refusal.message)


def _refusal(body: bytes) -> BadRequest | None:
    try:
        parse_request(body)
    except BadRequest as refusal:
        return refusal
    return None
