from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Message, OutputFormat, Text, ToolChoice, ToolResult
from tollway.core.errors import BadRequest
from tollway.dialects.gemini.request_in import parse_request

_LEAST: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


def _parse(**members: Any) -> Any:
    return parse_request(msgspec.json.encode(_LEAST | members), model="gemini-x", stream=False)


def test_the_least_request_is_contents() -> None:
    request = _parse()
    assert (request.model, request.stream, request.messages) == ("gemini-x", False, (Message("user", (Text("hi"),)),))


def test_the_paths_model_and_action_count() -> None:
    request = parse_request(msgspec.json.encode(_LEAST | {"model": "models/other"}), model="gemini-x", stream=True)
    assert (request.model, request.stream, request.rest) == ("gemini-x", True, {})


@pytest.mark.parametrize(
    "contents",
    ["hi", {"parts": {"text": "hi"}}, ["hi"], [{"parts": [{"text": "hi"}]}]],
    ids=["a string", "one object", "a list of strings", "no role"],
)
def test_contents_may_be_short(contents: object) -> None:
    assert _parse(contents=contents).messages == (Message("user", (Text("hi"),)),)


def test_the_system_instruction_may_be_short_or_empty() -> None:
    assert _parse(systemInstruction="be kind").messages[0] == Message("system", (Text("be kind"),))
    assert len(_parse(systemInstruction={"parts": []}).messages) == 1
    assert len(_parse(systemInstruction={}).messages) == 1


def test_words_before_a_result_keep_their_place() -> None:
    parts = [{"text": "a"}, {"functionResponse": {"id": "c", "name": "f"}}, {"text": "b"}]
    assert [message.role for message in _parse(contents=[{"parts": parts}]).messages] == ["user", "tool", "user"]


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"contents": None}, "contents"),
        ({"contents": []}, "contents"),
        ({"contents": [7]}, "contents[0]"),
        ({"contents": [{"role": "assistant", "parts": []}]}, "contents[0].role"),
        ({"contents": [{"parts": [{"text": 7}]}]}, "contents[0].parts[0].text"),
        ({"systemInstruction": {"parts": [7]}}, "systemInstruction.parts[0]"),
        ({"generationConfig": []}, "generationConfig"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"generation_config": {"top_k": 1.5}}, "generationConfig.topK"),
        ({"generationConfig": {"stopSequences": [1]}}, "generationConfig.stopSequences[0]"),
        ({"generationConfig": {"thinkingConfig": 7}}, "generationConfig.thinkingConfig"),
        (
            {"generationConfig": {"thinkingConfig": {"thinkingBudget": "x"}}},
            "generationConfig.thinkingConfig.thinkingBudget",
        ),
        ({"tools": [7]}, "tools[0]"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0].name"),
        ({"toolConfig": {"functionCallingConfig": {"mode": 1}}}, "toolConfig.functionCallingConfig.mode"),
    ],
)
def test_a_callers_mistake_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        _parse(**members)
    assert refused.value.param == param


def test_results_without_ids_belong_to_the_calls_of_their_name_in_order() -> None:
    def call(name: str) -> dict[str, Any]:
        return {"functionCall": {"name": name}}

    def result(name: str) -> dict[str, Any]:
        return {"functionResponse": {"name": name, "response": {}}}

    request = _parse(
        contents=[
            {"role": "model", "parts": [call("f"), call("g"), call("f")]},
            {"role": "function", "parts": [result("g"), result("f"), result("f"), result("f")]},
        ]
    )
    calls = [part.id for part in request.messages[0].parts]
    results = [
        part.call_id for message in request.messages[1:] for part in message.parts if isinstance(part, ToolResult)
    ]
    assert calls == ["gemini_call_1", "gemini_call_2", "gemini_call_3"]
    assert results == ["gemini_call_2", "gemini_call_1", "gemini_call_3", "gemini_call_4"]


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"mode": "AUTO"}, ToolChoice("auto")),
        ({"mode": "NONE"}, ToolChoice("none")),
        ({"mode": "ANY"}, ToolChoice("required")),
        ({"mode": "any", "allowedFunctionNames": ["f"]}, ToolChoice("named", names=("f",))),
        ({"mode": "ANY", "allowed_function_names": ["f", "g"]}, ToolChoice("allowed", names=("f", "g"), required=True)),
        ({"mode": "VALIDATED", "allowedFunctionNames": ["f"]}, ToolChoice("allowed", names=("f",))),
        ({}, None),
    ],
)
def test_tool_choices_are_read(config: dict[str, Any], expected: ToolChoice | None) -> None:
    assert _parse(toolConfig={"functionCallingConfig": config}).tool_choice == expected


def test_validated_calls_are_automatic_for_others() -> None:
    choice = _parse(toolConfig={"functionCallingConfig": {"mode": "VALIDATED"}}).tool_choice
    assert (choice.mode, choice.opaque.value) == ("auto", {"mode": "VALIDATED"})


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"responseMimeType": "application/json"}, OutputFormat(kind="json")),
        ({"responseMimeType": "text/plain"}, OutputFormat(kind="text")),
        (
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
            OutputFormat(kind="schema", schema={"type": "object"}, strict=True),
        ),
        ({"response_schema": {"type": "OBJECT"}}, OutputFormat(kind="schema", schema={"type": "object"}, strict=True)),
        ({}, None),
    ],
)
def test_answer_formats_are_read(config: dict[str, Any], expected: OutputFormat | None) -> None:
    assert _parse(generationConfig=config).output == expected


def test_a_format_of_this_api_alone_is_kept_as_written() -> None:
    request = _parse(generationConfig={"responseMimeType": "text/x.enum", "responseSchema": {"type": "STRING"}})
    assert request.output is None
    assert request.specific == {
        "generationConfig.responseMimeType": "text/x.enum",
        "generationConfig.responseSchema": {"type": "STRING"},
    }


def test_fields_of_this_api_alone_and_unknown_ones_are_kept_apart() -> None:
    request = _parse(
        safety_settings=[],
        cachedContent="c",
        fromTomorrow=1,
        generationConfig={"speechConfig": {}, "topK": 40.0},
        toolConfig={"retrievalConfig": {}, "functionCallingConfig": {"streamFunctionCallArguments": True}},
    )
    assert request.specific == {
        "safetySettings": [],
        "cachedContent": "c",
        "generationConfig.speechConfig": {},
        "toolConfig.retrievalConfig": {},
        "toolConfig.functionCallingConfig.streamFunctionCallArguments": True,
    }
    assert (request.rest, request.essential, request.top_k) == ({"fromTomorrow": 1}, ("cachedContent",), 40)


def test_built_in_tools_are_kept_one_by_one() -> None:
    tools = _parse(tools=[{"google_search": {}, "functionDeclarations": [{"name": "f"}], "codeExecution": None}]).tools
    assert [(tool.name, tool.builtin is None) for tool in tools] == [("f", True), ("googleSearch", False)]


@pytest.mark.parametrize(("tier", "expected"), [("STANDARD", "default"), ("flex", "flex"), ("new", "new")])
def test_tiers_are_translated(tier: str, expected: str) -> None:
    assert _parse(serviceTier=tier).service_tier == expected
