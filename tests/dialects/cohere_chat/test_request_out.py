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
from tollway.dialects.cohere_chat.request_out import render_request
from tollway.providers.cohere import PROVIDER

_TOOLS = (Tool("f", parameters={"type": "object"}), Tool("g"))


def _sent(*, dialect: str = "openai-chat", **more: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=(Message("user", (Text("hi"),)),), **more)
    return msgspec.json.decode(render_request(request, PROVIDER, losses)), losses.fields


@pytest.mark.parametrize(
    ("choice", "names", "word"),
    [
        (ToolChoice("auto"), ["f", "g"], None),
        (ToolChoice("none"), ["f", "g"], "NONE"),
        (ToolChoice("required"), ["f", "g"], "REQUIRED"),
        (ToolChoice("named", names=("g",)), ["g"], "REQUIRED"),
        (ToolChoice("allowed", names=("g",)), ["g"], None),
        (ToolChoice("allowed", names=("g",), required=True), ["g"], "REQUIRED"),
    ],
    ids=["auto", "none", "required", "named", "allowed", "allowed and required"],
)
def test_a_choice_narrows_the_tools_and_says_whether_one_must_be_called(
    choice: ToolChoice, names: list[str], word: str | None
) -> None:
    body, lost = _sent(tools=_TOOLS, tool_choice=choice)
    assert [tool["function"]["name"] for tool in body["tools"]] == names
    assert (body.get("tool_choice"), lost) == (word, [])


def test_a_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in _sent(tool_choice=ToolChoice("none"))[0]


def test_a_tool_always_has_parameters() -> None:
    (tool,) = _sent(tools=(Tool("g"),))[0]["tools"]
    assert tool["function"]["parameters"] == {"type": "object", "properties": {}}


@pytest.mark.parametrize(("strict", "sent"), [(True, True), (False, None), (None, None)])
def test_one_strict_tool_makes_all_strict(strict: bool | None, sent: bool | None) -> None:
    assert _sent(tools=(Tool("f", strict=strict), Tool("g")))[0].get("strict_tools") is sent


@pytest.mark.parametrize(
    ("field", "value", "name", "sent", "lost"),
    [
        ("top_p", 1, "p", 0.99, []),
        ("top_p", 0.5, "p", 0.5, []),
        ("top_p", 0, "p", 0.01, []),
        ("top_k", 900, "k", 500, ["top_k"]),
        ("presence_penalty", -1.5, "presence_penalty", 0, ["presence_penalty"]),
        ("frequency_penalty", 1.5, "frequency_penalty", 1, ["frequency_penalty"]),
    ],
)
def test_numbers_move_into_the_apis_ranges(field: str, value: float, name: str, sent: float, lost: list[str]) -> None:
    body, dropped = _sent(**{field: value})
    assert (body[name], dropped) == (sent, lost)


def test_its_own_callers_numbers_are_left_to_the_provider() -> None:
    assert _sent(dialect="cohere-chat", top_p=7)[0]["p"] == 7


@pytest.mark.parametrize(
    ("output", "sent"),
    [
        (OutputFormat("text"), None),
        (OutputFormat("json"), {"type": "json_object"}),
        (OutputFormat("schema", name="a", schema={"a": 1}), {"type": "json_object", "json_schema": {"a": 1}}),
    ],
)
def test_an_output_format_is_written(output: OutputFormat, sent: Any) -> None:
    assert _sent(output=output)[0].get("response_format") == sent


@pytest.mark.parametrize(
    ("reasoning", "sent"),
    [
        (ReasoningRequest(effort="none"), {"type": "disabled"}),
        (ReasoningRequest(enabled=False), {"type": "disabled"}),
        (ReasoningRequest(budget_tokens=0), {"type": "disabled"}),
        (ReasoningRequest(effort="low"), {"type": "enabled", "token_budget": 2048}),
        (ReasoningRequest(effort="beyond"), {"type": "enabled", "token_budget": 10240}),
        (ReasoningRequest(budget_tokens=77), {"type": "enabled", "token_budget": 77}),
        (ReasoningRequest(budget_tokens=-1), {"type": "enabled"}),
        (ReasoningRequest(adaptive=True), {"type": "enabled"}),
        (ReasoningRequest(show=True), None),
    ],
)
def test_an_effort_is_a_budget(reasoning: ReasoningRequest, sent: Any) -> None:
    assert _sent(reasoning=reasoning)[0].get("thinking") == sent


def test_what_has_no_word_is_named() -> None:
    body, lost = _sent(
        user="u", logit_bias={"1": 2}, reasoning=ReasoningRequest(effort="low", summary="auto", rest={"x": 1})
    )
    assert lost == ["logit_bias", "user", "reasoning_effort.summary", "reasoning_effort.x"]
    assert not body.keys() & {"user", "logit_bias"}


def test_several_answers_are_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        _sent(count=2)
    assert refused.value.param == "n"


def test_what_the_provider_refuses_is_left_out() -> None:
    losses = Losses()
    provider = msgspec.structs.replace(PROVIDER, unsupported=frozenset({"seed"}))
    request = Conversation(dialect="openai-chat", model="m", messages=(), seed=1, rest={"new": 1})
    assert msgspec.json.decode(render_request(request, provider, losses)).keys() == {"model", "messages", "new"}
    assert losses.fields == ["seed"]
