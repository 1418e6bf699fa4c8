from typing import Any

import msgspec
import pytest
from tests.support.validators import complaints

from tollway.core.conversation import (
    Conversation,
    Losses,
    Message,
    Opaque,
    OutputFormat,
    ReasoningRequest,
    Text,
    Tool,
    ToolChoice,
)
from tollway.core.errors import BadRequest
from tollway.dialects.openai_chat.request_out import render_request
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_MESSAGES = (Message("user", (Text("hi"),)),)


def _render(
    provider: Provider = _PROVIDER, dialect: str = "anthropic-messages", **fields: Any
) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=_MESSAGES, **fields)  # pyright: ignore[reportArgumentType]
    body = msgspec.json.decode(render_request(request, provider, losses))
    assert body.pop("model") == "m"
    assert body.pop("messages") == [{"role": "user", "content": "hi"}]
    return body, losses.fields


def _lacking(*names: str, **fields: Any) -> Provider:
    return msgspec.structs.replace(_PROVIDER, unsupported=frozenset(names), **fields)


@pytest.mark.parametrize(
    ("fields", "written"),
    [
        (
            {"temperature": 0.0, "top_p": 0.1, "top_k": 4, "seed": 1},
            {"temperature": 0.0, "top_p": 0.1, "top_k": 4, "seed": 1},
        ),
        ({"stop": ("a",)}, {"stop": ["a"]}),
        ({"count": 3}, {"n": 3}),
        ({"max_output_tokens": 5}, {"max_tokens": 5}),
        ({"output": OutputFormat("text")}, {}),
        ({"output": OutputFormat("json")}, {"response_format": {"type": "json_object"}}),
        (
            {"output": OutputFormat("json", schema={"type": "object"})},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "answer", "schema": {"type": "object"}},
                }
            },
        ),
        (
            {"output": OutputFormat("schema", "n", "d", {}, strict=True)},
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "n", "description": "d", "schema": {"type": "object"}, "strict": True},
                }
            },
        ),
        ({"stream": True}, {"stream": True, "stream_options": {"include_usage": True}}),
        ({"reasoning": ReasoningRequest(effort="high")}, {"reasoning_effort": "high"}),
        ({"reasoning": ReasoningRequest(budget_tokens=1024)}, {"reasoning_effort": "low"}),
        ({"reasoning": ReasoningRequest(adaptive=True, enabled=True)}, {}),
        ({"metadata": {"a": "b"}, "store": True}, {"metadata": {"a": "b"}, "store": True}),
        ({"service_tier": "standard_only"}, {"service_tier": "default"}),
        ({"modalities": ("TEXT",)}, {}),
        ({"rest": {"min_p": 0.1, "model": "other"}}, {"min_p": 0.1}),
    ],
)
def test_a_field_is_written_in_this_apis_words(fields: dict[str, Any], written: dict[str, Any]) -> None:
    assert _render(**fields) == (written, [])


@pytest.mark.parametrize(
    ("fields", "written", "lost"),
    [
        ({"metadata": {"a": "b"}}, {}, ["metadata"]),
        ({"service_tier": "gold"}, {}, ["service_tier"]),
        ({"reasoning": ReasoningRequest(enabled=False)}, {}, ["thinking"]),
        ({"reasoning": ReasoningRequest(summary="auto", rest={"x": 1})}, {}, ["thinking.x", "thinking.summary"]),
        ({"specific": {"container": "c"}}, {}, ["container"]),
        ({"modalities": ("text", "image")}, {}, ["modalities"]),
    ],
)
def test_what_this_api_has_no_word_for_is_reported(
    fields: dict[str, Any], written: dict[str, Any], lost: list[str]
) -> None:
    assert _render(**fields) == (written, lost)


def test_a_caller_of_this_api_keeps_its_own_fields() -> None:
    body, lost = _render(
        dialect="openai-chat",
        metadata={"a": "b"},
        service_tier="gold",
        modalities=("text", "audio"),
        output=OutputFormat("text"),
        specific={"audio": {"voice": "alloy"}, "stream_options": {"include_obfuscation": False}},
        stream=True,
    )
    assert lost == []
    assert body == {
        "metadata": {"a": "b"},
        "service_tier": "gold",
        "modalities": ["text", "audio"],
        "response_format": {"type": "text"},
        "audio": {"voice": "alloy"},
        "stream": True,
        "stream_options": {"include_obfuscation": False, "include_usage": True},
    }


def test_what_a_provider_refuses_is_left_out_and_reported_in_the_callers_words() -> None:
    provider = _lacking("reasoning_effort", "seed", "min_p")
    body, lost = _render(
        provider,
        dialect="gemini",
        reasoning=ReasoningRequest(effort="low"),
        seed=3,
        rest={"min_p": 1},
    )
    assert body == {}
    assert lost == [
        "generationConfig.seed",
        "generationConfig.thinkingConfig",
        "min_p",
    ]


def test_leaving_out_what_asked_for_nothing_is_no_loss() -> None:
    provider = _lacking("store", "n", "stream_options", "parallel_tool_calls")
    assert _render(provider, store=False, count=1, stream=True) == ({"stream": True}, [])


def test_many_answers_from_a_provider_that_gives_one_are_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        _render(_lacking("n"), dialect="gemini", count=2)
    assert caught.value.param == "generationConfig.candidateCount"


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_limit_is_written_under_the_providers_name(name: str) -> None:
    assert _render(_lacking(max_tokens_field=name), max_output_tokens=7) == ({name: 7}, [])


_F, _G = Tool("f"), Tool("g")


def _names(body: dict[str, Any]) -> list[str]:
    return [tool["function"]["name"] for tool in body["tools"]]


@pytest.mark.parametrize(
    ("choice", "names", "written"),
    [
        (ToolChoice("allowed", names=("g",), required=True), ["g"], "required"),
        (ToolChoice("allowed", names=("g",)), ["g"], "auto"),
        (ToolChoice("named", names=("f",)), ["f", "g"], {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_tools_are_narrowed_where_a_provider_knows_no_allowed_tools(
    choice: ToolChoice, names: list[str], written: Any
) -> None:
    body, lost = _render(_lacking("allowed_tools"), tools=(_F, _G), tool_choice=choice)
    assert (_names(body), body["tool_choice"], lost) == (names, written, [])


@pytest.mark.parametrize(
    ("mode", "shown", "lost"), [("none", False, []), ("auto", True, []), ("required", True, ["tool_choice"])]
)
def test_a_provider_without_tool_choice_is_not_shown_tools_it_must_not_call(
    mode: Any, shown: bool, lost: list[str]
) -> None:
    body, reported = _render(_lacking("tool_choice"), tools=(_F,), tool_choice=ToolChoice(mode))
    assert (("tools" in body), "tool_choice" in body, reported) == (shown, False, lost)


def test_tool_choice_goes_with_its_tools() -> None:
    search = Tool(builtin=Opaque("anthropic-messages", {"type": "web_search_20250305", "name": "web_search"}))
    body, lost = _render(tools=(search,), tool_choice=ToolChoice("auto"), parallel_tool_calls=True)
    assert (body, lost) == ({}, ["tools[web_search_20250305]"])


def test_custom_tools_become_functions_where_a_provider_has_none() -> None:
    tool = Tool("patch", custom_format={})
    choice = ToolChoice("named", names=("patch",))
    body, _ = _render(_lacking("custom_tools"), tools=(tool,), tool_choice=choice)
    assert body["tool_choice"] == {"type": "function", "function": {"name": "patch"}}
    assert body["tools"][0]["function"]["parameters"]["required"] == ["input"]
    kept, _ = _render(tools=(tool,), tool_choice=choice)
    assert kept["tools"] == [{"type": "custom", "custom": {"name": "patch"}}]
    assert kept["tool_choice"] == {"type": "custom", "custom": {"name": "patch"}}


def test_a_cache_mark_on_a_tool_of_another_caller_is_reported() -> None:
    _, lost = _render(tools=(Tool("f", cache={"type": "ephemeral"}),))
    assert lost == ["cache_control"]


def test_a_full_request_is_one_the_schema_takes() -> None:
    request = Conversation(
        dialect="anthropic-messages",
        model="m",
        messages=_MESSAGES,
        tools=(_F, Tool("c", custom_format={"type": "grammar", "syntax": "lark", "definition": "x"})),
        tool_choice=ToolChoice("allowed", names=("f", "c")),
        output=OutputFormat("schema", schema={"type": "object"}),
        reasoning=ReasoningRequest(effort="low"),
        stream=True,
        stop=("a", "b"),
    )
    assert complaints("openai.chat.request", msgspec.json.decode(render_request(request, _PROVIDER, Losses()))) == []


@pytest.mark.parametrize(
    "reasoning",
    [ReasoningRequest(enabled=False), ReasoningRequest(effort="none")],
    ids=["switched-off", "no-effort"],
)
def test_thinking_is_switched_off_in_the_providers_own_words(reasoning: ReasoningRequest) -> None:
    off = {"thinking": {"type": "disabled"}}
    assert _render(_lacking(thinking_off=off), reasoning=reasoning) == (off, [])
    thinks = _render(_lacking(thinking_off=off), reasoning=ReasoningRequest(effort="low"))
    assert thinks == ({"reasoning_effort": "low"}, [])


def test_a_field_has_the_providers_own_name() -> None:
    assert _render(_lacking(renamed={"seed": "random_seed"}), seed=7) == ({"random_seed": 7}, [])
    dropped = _render(_lacking("seed", renamed={"seed": "random_seed"}), seed=7)
    assert dropped == ({}, ["seed"])
