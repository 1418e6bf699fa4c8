from typing import Any

import msgspec
import pytest

from tollway.core.conversation import (
    Conversation,
    Losses,
    Message,
    OutputFormat,
    ReasoningRequest,
    Text,
    Tool,
    ToolChoice,
)
from tollway.core.errors import BadRequest
from tollway.dialects.openai_responses.request_out import render_request
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_USER = Message("user", (Text("hi"),))
_SYSTEM = Message("system", (Text("Be brief."),))


def _render(
    *messages: Message, provider: Provider = _PROVIDER, dialect: str = "anthropic-messages", **fields: Any
) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=messages or (_USER,), **fields)  # pyright: ignore[reportArgumentType]
    return msgspec.json.decode(render_request(request, provider, losses)), losses.fields


def _fields(**fields: Any) -> tuple[dict[str, Any], list[str]]:
    body, lost = _render(**fields)
    assert body.pop("model") == "m"
    assert body.pop("input") == [{"type": "message", "role": "user", "content": "hi"}]
    if fields.get("dialect") != "openai-responses":
        assert body.pop("store") is (fields.get("store") or False)
    return body, lost


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (
            {"temperature": 0.0, "top_p": 0.5, "max_output_tokens": 9},
            {"temperature": 0.0, "top_p": 0.5, "max_output_tokens": 9},
        ),
        ({"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 2, "include": ["message.output_text.logprobs"]}),
        ({"output": OutputFormat("text")}, {}),
        ({"output": OutputFormat("json")}, {"text": {"format": {"type": "json_object"}}}),
        (
            {"output": OutputFormat("schema", schema={"a": 1}, strict=True, description="d"), "verbosity": "low"},
            {
                "text": {
                    "format": {
                        "type": "json_schema",
                        "name": "answer",
                        "schema": {"a": 1},
                        "description": "d",
                        "strict": True,
                    },
                    "verbosity": "low",
                }
            },
        ),
        ({"reasoning": ReasoningRequest(effort="high")}, {"reasoning": {"effort": "high"}}),
        (
            {"reasoning": ReasoningRequest(budget_tokens=4096, show=True)},
            {"reasoning": {"effort": "medium", "summary": "auto"}},
        ),
        ({"metadata": {"a": "b"}, "store": True}, {"metadata": {"a": "b"}}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"stream": True}, {"stream": True}),
        ({"count": 1, "rest": {"x": 1}}, {"x": 1}),
    ],
)
def test_a_field_is_written_in_this_apis_words(fields: dict[str, Any], written: dict[str, Any]) -> None:
    assert _fields(**fields) == (written, [])


def test_what_this_api_has_no_word_for_is_reported() -> None:
    _, lost = _fields(
        dialect="openai-chat",
        top_k=1,
        seed=2,
        stop=("a",),
        logit_bias={"1": 1},
        presence_penalty=0.1,
        frequency_penalty=0.1,
        modalities=("text", "audio"),
        service_tier="gold",
        reasoning=ReasoningRequest(enabled=False, rest={"x": 1}),
        specific={"prediction": {}},
    )
    assert lost == [
        "prediction",
        "top_k",
        "seed",
        "stop",
        "logit_bias",
        "presence_penalty",
        "frequency_penalty",
        "modalities",
        "reasoning_effort",
        "reasoning_effort.x",
        "service_tier",
    ]


def test_many_answers_are_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        _render(dialect="openai-chat", count=2)
    assert caught.value.param == "n"


def test_an_answer_is_not_kept_unless_the_caller_said_so() -> None:
    assert _render()[0]["store"] is False
    assert _render(store=True)[0]["store"] is True
    assert "store" not in _render(dialect="openai-responses")[0]


@pytest.mark.parametrize(
    ("messages", "dialect", "instructions", "items"),
    [
        ((_SYSTEM, _USER), "openai-chat", "Be brief.", 1),
        ((_SYSTEM, _USER), "openai-responses", None, 2),
        ((Message("system", (Text("x"),), id="instructions"), _USER), "openai-responses", "x", 1),
        ((_SYSTEM,), "openai-chat", None, 1),
        ((Message("system", (Text("a"), Text("b"))), _USER), "openai-chat", None, 2),
        ((Message("developer", (Text("a"),)), _USER), "openai-chat", None, 2),
        ((_USER, _SYSTEM), "openai-chat", None, 2),
    ],
    ids=["system", "own-item", "own-field", "alone", "in-parts", "developer", "later"],
)
def test_the_first_system_words_become_instructions(
    messages: tuple[Message, ...], dialect: str, instructions: str | None, items: int
) -> None:
    body, _ = _render(*messages, dialect=dialect)
    assert (body.get("instructions"), len(body["input"])) == (instructions, items)


def test_tools_and_their_choice_are_written_flat() -> None:
    body, lost = _fields(
        tools=(Tool("f", cache={"type": "ephemeral"}), Tool("c", custom_format={})),
        tool_choice=ToolChoice("named", names=("c",)),
        parallel_tool_calls=False,
    )
    assert [tool["type"] for tool in body["tools"]] == ["function", "custom"]
    assert body["tool_choice"] == {"type": "custom", "name": "c"}
    assert body["parallel_tool_calls"] is False
    assert lost == ["cache_control"]


def test_what_a_provider_refuses_is_left_out_and_reported() -> None:
    provider = msgspec.structs.replace(_PROVIDER, unsupported=frozenset({"text", "user"}))
    body, lost = _render(provider=provider, dialect="openai-chat", output=OutputFormat("json"), user="u")
    assert "text" not in body
    assert lost == ["user", "response_format"]


def test_a_caller_of_this_api_keeps_its_own_fields() -> None:
    specific = {"truncation": "auto", "include": ["reasoning.encrypted_content"], "text": {"x": 1}}
    body, lost = _fields(
        dialect="openai-responses",
        specific=specific,
        presence_penalty=0.5,
        output=OutputFormat("text"),
        reasoning=ReasoningRequest(effort="low", rest={"context": "auto"}),
        logprobs=True,
    )
    assert lost == []
    assert body == {
        "truncation": "auto",
        "include": ["reasoning.encrypted_content", "message.output_text.logprobs"],
        "text": {"x": 1, "format": {"type": "text"}},
        "presence_penalty": 0.5,
        "reasoning": {"context": "auto", "effort": "low"},
    }


def test_a_stored_prompt_needs_no_input() -> None:
    losses = Losses()
    request = Conversation(dialect="openai-responses", model="m", messages=(), specific={"prompt": {"id": "p"}})
    body = msgspec.json.decode(render_request(request, _PROVIDER, losses))
    assert body == {"model": "m", "prompt": {"id": "p"}}
