from typing import Any

import msgspec
import pytest

from tollway.core.conversation import (
    Conversation,
    Losses,
    Message,
    Opaque,
    OutputFormat,
    ReasoningRequest,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.gemini.request_out import render_request
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_HI = Message("user", (Text("hi"),))
_TOOL = Tool(name="f", parameters={"type": "object", "properties": {"a": {"$ref": "#/$defs/b"}}})


def _sent(*messages: Message, **members: Any) -> tuple[dict[str, Any], list[str]]:
    known: dict[str, Any] = {"dialect": "openai-chat", "model": "gemini-2.5-flash"} | members
    losses = Losses()
    body = render_request(Conversation(messages=messages or (_HI,), **known), _PROVIDER, losses)
    return msgspec.json.decode(body), losses.fields


def test_neighbours_of_one_role_are_one_turn() -> None:
    body, losses = _sent(
        _HI,
        Message("assistant", (ToolCall("a", "f", "{}"),)),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        Message("user", (Text("so?"),)),
    )
    assert [(turn["role"], len(turn["parts"])) for turn in body["contents"]] == [("user", 1), ("model", 1), ("user", 2)]
    assert losses == []


def test_all_system_messages_are_the_system_instruction() -> None:
    body, _ = _sent(Message("system", (Text("a"),)), _HI, Message("developer", (Text("b"),)))
    assert body["systemInstruction"] == {"parts": [{"text": "a"}, {"text": "b"}]}
    assert len(body["contents"]) == 1


def test_system_messages_alone_become_the_users_turn() -> None:
    body, _ = _sent(Message("system", (Text("a"),)))
    assert body == {"contents": [{"role": "user", "parts": [{"text": "a"}]}]}


def test_schemas_are_sent_unchanged_as_json_schema() -> None:
    schema = {"type": "object", "additionalProperties": False}
    body, _ = _sent(tools=(_TOOL,), output=OutputFormat(kind="schema", schema=schema))
    assert body["tools"] == [{"functionDeclarations": [{"name": "f", "parametersJsonSchema": _TOOL.parameters}]}]
    assert body["generationConfig"] == {"responseMimeType": "application/json", "responseJsonSchema": schema}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", names=("f",)), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("allowed", names=("f",), required=True), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (ToolChoice("allowed", names=("f",)), {"mode": "VALIDATED", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tool_choices_are_written(choice: ToolChoice, expected: dict[str, Any]) -> None:
    assert _sent(tools=(_TOOL,), tool_choice=choice)[0]["toolConfig"] == {"functionCallingConfig": expected}


def test_a_choice_without_tools_is_not_sent() -> None:
    assert "toolConfig" not in _sent(tool_choice=ToolChoice("auto"))[0]


def test_settings_have_geminis_names() -> None:
    body, losses = _sent(
        temperature=0.1,
        top_p=0.2,
        top_k=3,
        presence_penalty=0.4,
        frequency_penalty=0.5,
        seed=6,
        max_output_tokens=7,
        count=2,
        logprobs=True,
        top_logprobs=3,
        stop=("END",),
        modalities=("text", "image"),
        service_tier="priority",
        output=OutputFormat(kind="json"),
        reasoning=ReasoningRequest(effort="low", show=True),
    )
    assert body["generationConfig"] == {
        "temperature": 0.1,
        "topP": 0.2,
        "topK": 3,
        "presencePenalty": 0.4,
        "frequencyPenalty": 0.5,
        "seed": 6,
        "maxOutputTokens": 7,
        "candidateCount": 2,
        "responseLogprobs": True,
        "logprobs": 3,
        "stopSequences": ["END"],
        "responseModalities": ["TEXT", "IMAGE"],
        "responseMimeType": "application/json",
        "thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True},
    }
    assert (body["serviceTier"], losses) == ("priority", [])


def test_what_has_no_counterpart_is_reported_under_the_callers_name() -> None:
    _, losses = _sent(
        Message("user", (Text("hi", cache={"type": "ephemeral"}),), name="ana"),
        verbosity="low",
        logit_bias={"1": 2},
        user="u",
        metadata={"a": "b"},
        parallel_tool_calls=False,
        store=True,
        service_tier="scale",
        specific={"prediction": {}},
        tools=(
            Tool(name="f", strict=True),
            Tool(name="w", builtin=Opaque("openai-responses", {"type": "web_search"})),
        ),
        reasoning=ReasoningRequest(effort="high"),
        model="gemini-2.0-flash",
    )
    assert losses == [
        "prediction",
        "tools[web_search]",
        "verbosity",
        "logit_bias",
        "user",
        "metadata",
        "parallel_tool_calls",
        "cache_control",
        "messages.name",
        "tools.function.strict",
        "reasoning_effort",
        "service_tier",
        "store",
    ]


def test_what_would_become_another_request_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        _sent(essential=("previous_response_id",), specific={"previous_response_id": "r"})
    assert refused.value.param == "previous_response_id"


def test_a_custom_tool_is_a_function_with_one_string() -> None:
    body, _ = _sent(
        _HI, Message("assistant", (ToolCall("a", "p", "raw", custom=True),)), tools=(Tool(name="p", custom_format={}),)
    )
    declared = body["tools"][0]["functionDeclarations"][0]
    assert declared["parametersJsonSchema"]["required"] == ["input"]
    assert body["contents"][1]["parts"][0]["functionCall"]["args"] == {"input": "raw"}


def test_newer_models_get_a_signature_for_every_step_of_another_model() -> None:
    messages = (
        _HI,
        Message("assistant", (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))),
        Message("tool", (ToolResult("a", (Text("1"),)),)),
        Message("assistant", (ToolCall("c", "f", "{}"),)),
    )
    body, _ = _sent(*messages, model="gemini-3-flash-preview")
    calls = [part for turn in body["contents"] for part in turn["parts"] if "functionCall" in part]
    assert ["thoughtSignature" in call for call in calls] == [True, False, True]


def test_own_settings_are_written_back() -> None:
    choice = ToolChoice("opaque", opaque=Opaque("gemini", {"mode": "FROM_TOMORROW"}))
    body, losses = _sent(
        dialect="gemini",
        tool_choice=choice,
        store=False,
        service_tier="from_tomorrow",
        reasoning=ReasoningRequest(),
        output=OutputFormat(kind="text"),
    )
    assert body["toolConfig"] == {"functionCallingConfig": {"mode": "FROM_TOMORROW"}}
    assert (body["store"], body["serviceTier"], losses) == (False, "from_tomorrow", [])
    assert body["generationConfig"] == {"responseMimeType": "text/plain"}


def test_unknown_fields_pass_through() -> None:
    assert _sent(rest={"fromTomorrow": 1})[0]["fromTomorrow"] == 1


def test_a_field_the_provider_refuses_is_left_out_and_reported() -> None:
    provider = msgspec.structs.replace(_PROVIDER, unsupported=frozenset({"serviceTier"}))
    losses = Losses()
    request = Conversation(dialect="gemini", model="m", messages=(_HI,), service_tier="flex")
    assert "serviceTier" not in msgspec.json.decode(render_request(request, provider, losses))
    assert losses.fields == ["serviceTier"]


def test_streamed_arguments_are_not_asked_for() -> None:
    specific = {"toolConfig.functionCallingConfig.streamFunctionCallArguments": True, "toolConfig.retrievalConfig": {}}
    body, _ = _sent(dialect="gemini", specific=specific)
    assert body["toolConfig"] == {"retrievalConfig": {}}
