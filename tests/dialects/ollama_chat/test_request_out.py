from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Conversation, Losses, Message, Opaque, Text, Tool, ToolChoice
from tollway.core.errors import BadRequest
from tollway.dialects.ollama_chat.request_out import render_request
from tollway.providers.ollama import PROVIDER

_TOOLS = (Tool("f", description="d", parameters={"type": "object"}), Tool("g"))


def _sent(*, dialect: str = "openai-chat", **more: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = Conversation(dialect=dialect, model="m", messages=(Message("user", (Text("hi"),)),), **more)
    return msgspec.json.decode(render_request(request, PROVIDER, losses)), losses.fields


@pytest.mark.parametrize("stream", [True, False])
def test_whether_to_stream_is_always_said(stream: bool) -> None:
    assert _sent(stream=stream)[0]["stream"] is stream


@pytest.mark.parametrize(
    ("choice", "names", "lost"),
    [
        (ToolChoice("auto"), ["f", "g"], []),
        (ToolChoice("none"), [], []),
        (ToolChoice("required"), ["f", "g"], ["tool_choice"]),
        (ToolChoice("named", names=("g",)), ["g"], ["tool_choice"]),
        (ToolChoice("allowed", names=("g",)), ["g"], []),
        (ToolChoice("allowed", names=("g",), required=True), ["g"], ["tool_choice"]),
    ],
    ids=["auto", "none", "required", "named", "allowed", "allowed and required"],
)
def test_a_choice_narrows_the_tools_and_a_demand_is_named(
    choice: ToolChoice, names: list[str], lost: list[str]
) -> None:
    body, dropped = _sent(tools=_TOOLS, tool_choice=choice)
    assert [tool["function"]["name"] for tool in body.get("tools", [])] == names
    assert dropped == lost


def test_what_tools_say_beyond_their_schema_is_named() -> None:
    body, lost = _sent(tools=(Tool("f", strict=True, cache={"a": 1}, rest={"x": 1}),))
    assert body["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert lost == ["tools.function.strict", "cache_control"]


def test_its_own_tools_go_back_whole() -> None:
    tools = (Tool("f", rest={"z": 1, "function": {"y": 2}}), Tool(builtin=Opaque("ollama-chat", {"type": "search"})))
    assert _sent(dialect="ollama-chat", tools=tools)[0]["tools"] == [
        {"type": "function", "function": {"name": "f", "y": 2}, "z": 1},
        {"type": "search"},
    ]


def test_what_has_no_word_is_named() -> None:
    assert _sent(user="u", logit_bias={"1": 2}, rest={"new": 1})[1] == ["logit_bias", "user"]


def test_several_answers_are_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        _sent(count=2)
    assert refused.value.param == "n"


def test_what_the_provider_refuses_is_left_out() -> None:
    losses = Losses()
    provider = msgspec.structs.replace(PROVIDER, unsupported=frozenset({"format"}))
    request = Conversation(dialect="openai-chat", model="m", messages=(), rest={"format": "json", "new": 1})
    assert msgspec.json.decode(render_request(request, provider, losses)).keys() == {
        "model",
        "messages",
        "stream",
        "new",
    }
    assert losses.fields == ["format"]
