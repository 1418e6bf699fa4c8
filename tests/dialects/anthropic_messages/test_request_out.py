from typing import Any

import msgspec
import pytest

from tollway.core.conversation import (
    Conversation,
    Losses,
    Message,
    Opaque,
    OutputFormat,
    Reasoning,
    ReasoningRequest,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.anthropic_messages.request_out import render_request
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_TOOL = Tool(name="f", parameters={"type": "object", "properties": {}})
_HI = Message("user", (Text("hi"),))


def _conversation(*messages: Message, **members: Any) -> Conversation:
    known: dict[str, Any] = {"dialect": "openai-chat", "model": "claude-sonnet-4-5"} | members
    return Conversation(messages=messages or (_HI,), **known)


def _sent(*messages: Message, **members: Any) -> tuple[dict[str, Any], list[str]]:
    losses = Losses()
    body = render_request(_conversation(*messages, **members), _PROVIDER, losses)
    return msgspec.json.decode(body), losses.fields


def _system(text: str) -> Message:
    return Message("system", (Text(text),))


def _answered(text: str) -> Message:
    return Message("assistant", (Text(text),))


def test_a_limit_is_always_sent() -> None:
    assert _sent()[0]["max_tokens"] == 8192
    assert _sent(max_output_tokens=5)[0]["max_tokens"] == 5
    provider = msgspec.structs.replace(_PROVIDER, default_max_output_tokens=100)
    assert msgspec.json.decode(render_request(_conversation(), provider, Losses()))["max_tokens"] == 100


def test_turns_alternate_and_tool_results_share_one_user_turn() -> None:
    body, losses = _sent(
        _HI,
        Message("user", (Text("there"),)),
        Message("assistant", (ToolCall("a", "f", "{}"),)),
        Message("assistant", (ToolCall("b", "f", '{"x":1}'),)),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        Message("tool", (ToolResult("b", (Text("2"),)),)),
        Message("user", (Text("so?"),)),
    )
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]
    assert [block["type"] for block in body["messages"][2]["content"]] == ["tool_result", "tool_result", "text"]
    assert losses == []


def test_leading_system_and_developer_messages_are_the_system_field() -> None:
    body, _ = _sent(_system("a"), Message("developer", (Text("b"),)), _HI)
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]


def test_a_later_system_message_moves_to_the_system_field() -> None:
    body, _ = _sent(_system("a"), _HI, _answered("yes"), _system("b"), Message("user", (Text("go"),)))
    assert body["system"] == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert [turn["role"] for turn in body["messages"]] == ["user", "assistant", "user"]


def test_a_later_system_message_stays_where_the_model_takes_it() -> None:
    body, _ = _sent(_HI, _system("b"), model="claude-opus-4-8")
    assert body["messages"][1] == {"role": "system", "content": "b"}
    between = _sent(_HI, _system("b"), Message("user", (Text("go"),)), model="claude-opus-4-8")[0]
    assert between["system"] == "b"


def test_system_messages_alone_become_the_users_turn() -> None:
    assert _sent(_system("a"))[0]["messages"] == [{"role": "user", "content": "a"}]


def test_a_conversation_that_begins_with_the_assistant_gets_a_user_turn() -> None:
    body, _ = _sent(_answered("Welcome "), _HI, _answered("So "))
    assert body["messages"][0] == {"role": "user", "content": "Continue."}
    assert body["messages"][-1] == {"role": "assistant", "content": "So"}


def test_empty_messages_are_left_out() -> None:
    body, _ = _sent(_HI, _answered(""), Message("user", (Text("there"),)))
    assert [turn["role"] for turn in body["messages"]] == ["user"]


@pytest.mark.parametrize(
    ("choice", "parallel", "expected"),
    [
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("named", names=("f",)), True, {"type": "tool", "name": "f"}),
        (ToolChoice("allowed", names=("f",), required=True), None, {"type": "any"}),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (None, True, None),
    ],
)
def test_tool_choices_are_written(choice: ToolChoice | None, parallel: bool | None, expected: object) -> None:
    body, _ = _sent(tools=(_TOOL,), tool_choice=choice, parallel_tool_calls=parallel)
    assert body.get("tool_choice") == expected


def test_only_allowed_tools_are_sent() -> None:
    body, _ = _sent(tools=(_TOOL, Tool(name="g")), tool_choice=ToolChoice("allowed", names=("g",)))
    assert [tool["name"] for tool in body["tools"]] == ["g"]


def test_a_choice_without_tools_is_not_sent() -> None:
    assert "tool_choice" not in _sent(tool_choice=ToolChoice("auto"))[0]
    assert _sent(tool_choice=ToolChoice("required"))[1] == ["tool_choice"]


def test_a_schema_gets_the_members_the_api_insists_on() -> None:
    body, _ = _sent(tools=(Tool(name="f"), Tool(name="g", parameters={"$ref": "#/x"}, strict=False)))
    assert body["tools"] == [
        {"name": "f", "input_schema": {"type": "object", "properties": {}}},
        {"name": "g", "input_schema": {"type": "object", "$ref": "#/x", "properties": {}}},
    ]


def test_built_in_tools_of_others_are_dropped_by_name_and_own_ones_sent() -> None:
    body, losses = _sent(
        tools=(
            _TOOL,
            Tool(name="w", builtin=Opaque("openai-responses", {"type": "web_search"})),
            Tool(name="c", builtin=Opaque("anthropic-messages", {"type": "code_execution_20260120", "name": "c"})),
        )
    )
    assert [tool["name"] for tool in body["tools"]] == ["f", "c"]
    assert losses == ["tools[web_search]"]


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    body, _ = _sent(
        _HI, Message("assistant", (ToolCall("a", "p", "raw", custom=True),)), tools=(Tool(name="p", custom_format={}),)
    )
    assert body["tools"][0]["input_schema"]["required"] == ["input"]
    assert body["messages"][1]["content"][0]["input"] == {"input": "raw"}


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"count": 2}, "n"),
        ({"essential": ("previous_response_id",), "specific": {"previous_response_id": "r"}}, "previous_response_id"),
        (
            {
                "tool_choice": ToolChoice("opaque", opaque=Opaque("openai-responses", {"type": "web_search"})),
                "tools": (_TOOL,),
            },
            "tool_choice",
        ),
    ],
)
def test_what_would_become_another_request_is_refused(members: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _sent(**members)
    assert refused.value.param == param


def test_a_choice_of_a_later_version_is_written_back() -> None:
    choice = ToolChoice("opaque", opaque=Opaque("anthropic-messages", {"type": "maybe"}))
    assert _sent(dialect="anthropic-messages", tools=(_TOOL,), tool_choice=choice)[0]["tool_choice"] == {
        "type": "maybe"
    }


def test_thinking_goes_on_after_a_turn_without_tools() -> None:
    body, losses = _sent(
        _HI, _answered("yes"), Message("user", (Text("so?"),)), reasoning=ReasoningRequest(effort="low")
    )
    assert ("thinking" in body, losses) == (True, [])


def test_what_has_no_counterpart_is_reported_under_the_callers_name() -> None:
    _, losses = _sent(
        Message("user", (Text("hi"),), name="ana"),
        presence_penalty=0.1,
        seed=7,
        logprobs=True,
        modalities=("text", "audio"),
        metadata={"a": "b"},
        specific={"prediction": {}},
        service_tier="flex",
        output=OutputFormat(kind="json"),
        stop=("\n", "END"),
    )
    assert losses == [
        "prediction",
        "presence_penalty",
        "seed",
        "metadata",
        "logprobs",
        "modalities",
        "messages.name",
        "stop",
        "response_format",
        "service_tier",
    ]


def test_unknown_fields_pass_through() -> None:
    assert _sent(rest={"from_tomorrow": 1})[0]["from_tomorrow"] == 1


def test_a_field_the_provider_refuses_is_left_out_and_reported() -> None:
    provider = msgspec.structs.replace(_PROVIDER, unsupported=frozenset({"top_k"}))
    losses = Losses()
    body = msgspec.json.decode(render_request(_conversation(top_k=3), provider, losses))
    assert ("top_k" in body, losses.fields) == (False, ["top_k"])


def test_thinking_makes_room_and_switches_sampling_off() -> None:
    body, losses = _sent(reasoning=ReasoningRequest(effort="low"), temperature=0.2, top_p=1)
    assert body["thinking"] == {"type": "enabled", "budget_tokens": 2048}
    assert body["max_tokens"] == 8192 + 2048
    assert "temperature" not in body
    assert losses == ["temperature"]


def test_a_forced_tool_wins_over_thinking() -> None:
    body, losses = _sent(reasoning=ReasoningRequest(effort="low"), tools=(_TOOL,), tool_choice=ToolChoice("required"))
    assert ("thinking" in body, losses) == (False, ["reasoning_effort"])


@pytest.mark.parametrize(
    ("said", "thinks"),
    [((Reasoning("hm", signature="s"), ToolCall("a", "f", "{}")), True), ((ToolCall("a", "f", "{}"),), False)],
    ids=["signed", "unsigned"],
)
def test_a_tool_loop_goes_on_thinking_only_with_its_signed_thoughts(said: tuple[Any, ...], thinks: bool) -> None:
    body, losses = _sent(
        _HI,
        Message("assistant", said),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        reasoning=ReasoningRequest(effort="low"),
    )
    assert ("thinking" in body) == thinks
    assert losses == ([] if thinks else ["reasoning_effort"])


@pytest.mark.parametrize(
    ("model", "given", "sent", "lost"),
    [
        ("claude-3-5-haiku-latest", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5, "top_p": 0.9}, []),
        ("claude-sonnet-4-5", {"temperature": 0.5, "top_p": 0.9}, {"temperature": 0.5}, ["top_p"]),
        ("claude-sonnet-4-5", {"temperature": 1.8}, {"temperature": 1}, ["temperature"]),
        ("claude-sonnet-4-5", {"top_p": 0.9}, {"top_p": 0.9}, []),
        ("claude-opus-4-7", {"temperature": 0.5, "top_k": 3}, {}, ["temperature", "top_k"]),
        ("claude-opus-4-7", {"temperature": 1}, {}, []),
    ],
)
def test_sampling_is_what_the_family_takes(
    model: str, given: dict[str, Any], sent: dict[str, Any], lost: list[str]
) -> None:
    body, losses = _sent(model=model, **given)
    assert {name: body[name] for name in ("temperature", "top_p", "top_k") if name in body} == sent
    assert losses == lost


def test_an_answers_schema_is_closed_everywhere() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"type": "array", "items": {"type": "object", "properties": {"default": {"type": "string"}}}}
        },
        "enum": [{"type": "object"}],
        "anyOf": [{"type": "object"}, True],
        "$defs": {"b": {"type": "object", "additionalProperties": True}},
    }
    body, _ = _sent(output=OutputFormat(kind="schema", schema=schema, name="x"))
    assert body["output_config"]["format"]["schema"] == {
        "type": "object",
        "properties": {
            "a": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {"default": {"type": "string"}},
                    "additionalProperties": False,
                },
            }
        },
        "enum": [{"type": "object"}],
        "anyOf": [{"type": "object", "additionalProperties": False}, True],
        "$defs": {"b": {"type": "object", "additionalProperties": True}},
        "additionalProperties": False,
    }


def test_the_user_is_named_in_the_metadata() -> None:
    assert _sent(user="u")[0]["metadata"] == {"user_id": "u"}
    assert _sent(safety_identifier="s")[0]["metadata"] == {"user_id": "s"}


@pytest.mark.parametrize(("tier", "expected"), [("default", "standard_only"), ("auto", "auto"), ("priority", "auto")])
def test_tiers_are_translated(tier: str, expected: str) -> None:
    assert _sent(service_tier=tier)[0]["service_tier"] == expected
