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
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_converse.request_out import render_request
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
_HI = (Message("user", (Text("hi"),)),)
_TOOL = Tool("f", parameters={"properties": {}})


def _sent(**fields: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    request = Conversation(**({"dialect": "openai-chat", "model": _CLAUDE, "messages": _HI} | fields))
    return msgspec.json.decode(render_request(request, _PROVIDER, losses)), losses.fields


def test_instructions_are_gathered_and_turns_alternate() -> None:
    body, _ = _sent(
        messages=(
            Message("system", (Text("a"),)),
            Message("assistant", (Text("b"),)),
            Message("user", (Text("c"),)),
            Message("tool", (ToolResult("1", (Text("d"),)),)),
            Message("developer", (Text("e"),)),
            Message("user", (Text(" "),)),
        )
    )
    assert body["system"] == [{"text": "a"}, {"text": "e"}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert len(body["messages"][2]["content"]) == 2


def test_instructions_alone_are_the_users_turn() -> None:
    body, _ = _sent(messages=(Message("system", (Text("a"),)), Message("system", (Text("b"),))))
    assert (body["system"], body["messages"]) == ([{"text": "a"}], [{"role": "user", "content": [{"text": "b"}]}])


@pytest.mark.parametrize(
    ("choice", "written"),
    [
        (None, None),
        (ToolChoice("auto"), {"auto": {}}),
        (ToolChoice("required"), {"any": {}}),
        (ToolChoice("named", names=("f",)), {"tool": {"name": "f"}}),
        (ToolChoice("allowed", names=("f",), required=True), {"any": {}}),
    ],
)
def test_tools_are_declared_with_a_type_and_chosen(choice: ToolChoice | None, written: Any) -> None:
    body, losses = _sent(tools=(_TOOL,), tool_choice=choice)
    spec = {"name": "f", "inputSchema": {"json": {"type": "object", "properties": {}}}}
    assert body["toolConfig"]["tools"] == [{"toolSpec": spec}]
    assert body["toolConfig"].get("toolChoice") == written
    assert losses == []


def test_tools_that_must_not_be_called_are_not_sent_unless_the_history_holds_calls() -> None:
    assert "toolConfig" not in _sent(tools=(_TOOL,), tool_choice=ToolChoice("none"))[0]
    history = (*_HI, Message("assistant", (ToolCall("1", "f", "{}"),)))
    body, losses = _sent(messages=history, tools=(_TOOL,), tool_choice=ToolChoice("none"))
    assert len(body["toolConfig"]["tools"]) == 1
    assert losses == ["tool_choice"]


def test_calls_of_the_history_are_declared_because_the_api_demands_it() -> None:
    history = (*_HI, Message("assistant", (ToolCall("1", "g", "{}"),)))
    assert _sent(messages=history)[0]["toolConfig"]["tools"][0]["toolSpec"]["name"] == "g"
    orphan = (*_HI, Message("tool", (ToolResult("1", (Text("x"),)),)))
    assert _sent(messages=orphan)[0]["toolConfig"]["tools"][0]["toolSpec"]["name"] == "unknown"


def test_a_choice_without_tools_is_lost() -> None:
    body, losses = _sent(tool_choice=ToolChoice("required"))
    assert "toolConfig" not in body
    assert losses == ["tool_choice"]


def test_settings_stand_where_the_api_has_them() -> None:
    body, losses = _sent(
        max_output_tokens=9,
        temperature=1.5,
        top_p=0.5,
        top_k=3,
        stop=("END", " "),
        metadata={"a": "b"},
        service_tier="flex",
        output=OutputFormat("schema", name="n", description="d", schema={"type": "object"}),
    )
    assert body["inferenceConfig"] == {"maxTokens": 9, "temperature": 1, "topP": 0.5, "stopSequences": ["END"]}
    assert body["additionalModelRequestFields"] == {"top_k": 3}
    assert (body["requestMetadata"], body["serviceTier"]) == ({"a": "b"}, {"type": "flex"})
    definition = body["outputConfig"]["textFormat"]["structure"]["jsonSchema"]
    assert (definition["name"], definition["description"]) == ("n", "d")
    assert msgspec.json.decode(definition["schema"]) == {"type": "object", "additionalProperties": False}
    assert losses == ["temperature", "stop"]


@pytest.mark.parametrize(
    ("fields", "lost"),
    [
        ({"seed": 1}, ["seed"]),
        ({"user": "u"}, ["user"]),
        ({"logprobs": True}, ["logprobs"]),
        ({"parallel_tool_calls": False}, ["parallel_tool_calls"]),
        ({"metadata": {"a": 1}}, ["metadata"]),
        ({"service_tier": "scale"}, ["service_tier"]),
        ({"output": OutputFormat("json")}, ["response_format"]),
        ({"output": OutputFormat("text")}, []),
        ({"service_tier": "auto"}, []),
        ({"model": "meta.llama3-v1:0", "top_k": 2}, ["top_k"]),
        ({"model": "meta.llama3-v1:0", "reasoning": ReasoningRequest(effort="low")}, ["reasoning_effort"]),
        (
            {"tools": (_TOOL,), "tool_choice": ToolChoice("required"), "reasoning": ReasoningRequest(effort="low")},
            ["reasoning_effort"],
        ),
    ],
)
def test_what_the_api_has_no_word_for_is_reported(fields: dict[str, Any], lost: list[str]) -> None:
    assert _sent(**fields)[1] == lost


def test_several_answers_are_refused() -> None:
    with pytest.raises(BadRequest) as caught:
        _sent(count=2)
    assert caught.value.param == "n"


def test_what_a_provider_refuses_is_left_out() -> None:
    provider = msgspec.structs.replace(_PROVIDER, unsupported=frozenset({"serviceTier"}))
    request = Conversation(dialect="openai-chat", model=_CLAUDE, messages=_HI, service_tier="flex")
    losses = Losses()
    assert "serviceTier" not in msgspec.json.decode(render_request(request, provider, losses))
    assert losses.fields == ["serviceTier"]
