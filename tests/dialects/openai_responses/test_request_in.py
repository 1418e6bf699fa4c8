from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.conversation import Conversation, Message, OutputFormat, ReasoningRequest, Text
from tollway.core.errors import BadRequest
from tollway.dialects.openai_responses import DIALECT
from tollway.dialects.openai_responses.request_in import parse_request


def _parse(**fields: Any) -> Conversation:
    return parse_request(msgspec.json.encode({"model": "m", "input": "hi", **fields}))


def test_every_field_finds_its_neutral_place() -> None:
    request = _parse(
        instructions="Be brief.",
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.4,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        reasoning={"effort": "low", "summary": "auto", "context": "auto"},
        text={"format": {"type": "json_object"}, "verbosity": "low", "x": 1},
        include=["reasoning.encrypted_content", "message.output_text.logprobs"],
        top_logprobs=3,
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=False,
        prompt_cache_key="k",
        safety_identifier="s",
        parallel_tool_calls=True,
        stream=True,
        truncation="auto",
        client_metadata={"x": "y"},
        brand_new=1,
    )
    assert request == Conversation(
        dialect="openai-responses",
        model="m",
        messages=(Message("system", (Text("Be brief."),), id="instructions"), Message("user", (Text("hi"),))),
        max_output_tokens=9,
        temperature=0.5,
        top_p=0.4,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        reasoning=ReasoningRequest(effort="low", summary="auto", show=True, rest={"context": "auto"}),
        output=OutputFormat("json"),
        verbosity="low",
        logprobs=True,
        top_logprobs=3,
        user="u",
        metadata={"a": "b"},
        service_tier="flex",
        store=False,
        prompt_cache_key="k",
        safety_identifier="s",
        parallel_tool_calls=True,
        stream=True,
        stream_usage=True,
        specific={
            "truncation": "auto",
            "client_metadata": {"x": "y"},
            "include": ["reasoning.encrypted_content"],
            "text": {"x": 1},
        },
        rest={"brand_new": 1},
    )


@pytest.mark.parametrize(
    ("fields", "essential"),
    [
        ({"previous_response_id": "r"}, ("previous_response_id",)),
        ({"conversation": "c"}, ("conversation",)),
        ({"prompt": {"id": "p"}}, ("prompt",)),
        ({"background": True}, ("background",)),
        ({"background": False, "truncation": "disabled", "conversation": None}, ()),
        ({"input": [{"type": "item_reference", "id": "x"}]}, ("input[item_reference]",)),
    ],
)
def test_what_it_cannot_do_without_is_marked(fields: dict[str, Any], essential: tuple[str, ...]) -> None:
    assert _parse(**fields).essential == essential


@pytest.mark.parametrize(
    "fields", [{"background": False}, {"truncation": "disabled"}, {"include": []}, {"reasoning": {}}]
)
def test_a_default_written_out_says_nothing(fields: dict[str, Any]) -> None:
    assert _parse(**fields) == _parse()


@pytest.mark.parametrize(
    ("shape", "output", "specific"),
    [
        ({"type": "text"}, OutputFormat("text"), {}),
        (
            {"type": "json_schema", "name": "n", "schema": {"a": 1}, "strict": True, "description": "d"},
            OutputFormat("schema", "n", "d", {"a": 1}, strict=True),
            {},
        ),
        ({"type": "grammar"}, None, {"text": {"format": {"type": "grammar"}}}),
    ],
)
def test_the_shape_of_the_answer_is_read(
    shape: dict[str, Any], output: OutputFormat | None, specific: dict[str, Any]
) -> None:
    request = _parse(text={"format": shape})
    assert (request.output, request.specific) == (output, specific)


def test_a_prompt_or_an_earlier_response_may_stand_for_the_input() -> None:
    body = {"model": "m", "prompt": {"id": "p"}, "instructions": "x"}
    assert len(parse_request(msgspec.json.encode(body)).messages) == 1


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "input"),
        ({"input": []}, "input"),
        ({"input": "x", "instructions": 5}, "instructions"),
        ({"input": "x", "text": "json"}, "text"),
        ({"input": "x", "text": {"format": "json"}}, "text.format"),
        ({"input": "x", "text": {"format": {"type": "json_schema", "schema": 1}}}, "text.format.schema"),
        ({"input": "x", "reasoning": "high"}, "reasoning"),
        ({"input": "x", "reasoning": {"effort": 1}}, "reasoning.effort"),
        ({"input": "x", "include": "all"}, "include"),
        ({"input": "x", "tools": {}}, "tools"),
        ({"input": "x", "stream": 1}, "stream"),
        ({"input": "x", "max_output_tokens": "9"}, "max_output_tokens"),
    ],
)
def test_a_field_of_the_wrong_form_is_refused_by_name(body: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_request(msgspec.json.encode(body))
    assert caught.value.param == param


def test_a_model_and_a_stream_from_the_path_win() -> None:
    request = DIALECT.parse_request(b'{"input":"x"}', path_model="gpt", stream=True)
    assert (request.model, request.stream) == ("gpt", True)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
_TYPES = ["message", "function_call", "function_call_output", "reasoning", "custom_tool_call", "item_reference", "x"]
_ITEM = st.fixed_dictionaries(
    {"type": st.sampled_from(_TYPES) | st.none()},
    optional=dict.fromkeys(
        ("role", "content", "call_id", "name", "output", "summary", "id"), st.text(max_size=3) | _JSON
    ),
)


@given(
    st.lists(_ITEM | _JSON, max_size=4) | _JSON,
    st.dictionaries(st.sampled_from(["tools", "tool_choice", "text", "include", "reasoning"]), _JSON),
)
def test_whatever_a_stranger_sends_is_read_or_refused(items: Any, fields: dict[str, Any]) -> None:
    refusal = _refusal(msgspec.json.encode({"input": items, **fields}))
    assert refusal is None or (refusal.param and refusal.message)


def _refusal(body: bytes) -> BadRequest | None:
    try:
        parse_request(body)
    except BadRequest as refusal:
        return refusal
    return None
