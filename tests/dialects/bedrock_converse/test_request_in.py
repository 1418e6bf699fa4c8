from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Conversation, Message, OutputFormat, Text, Tool, ToolChoice, ToolResult
from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_converse.request_in import parse_request

_HI: dict[str, Any] = {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}


def _read(**members: Any) -> Conversation:
    return parse_request(msgspec.json.encode(_HI | members), model="m", stream=True)


def test_the_path_says_model_and_stream() -> None:
    request = _read()
    assert (request.model, request.stream, request.messages) == ("m", True, (Message("user", (Text("hi"),)),))


def test_settings_have_neutral_names() -> None:
    request = _read(
        inferenceConfig={"maxTokens": 5, "temperature": 1, "topP": 0.5, "stopSequences": ["a"], "later": 1},
        additionalModelRequestFields={"top_k": 4, "other": 2},
        requestMetadata={"a": "b"},
        serviceTier={"type": "flex"},
        performanceConfig={"latency": "optimized"},
        brand_new=1,
    )
    assert (request.max_output_tokens, request.temperature, request.top_p, request.top_k) == (5, 1, 0.5, 4)
    assert (request.stop, request.metadata, request.service_tier) == (("a",), {"a": "b"}, "flex")
    assert request.specific == {
        "performanceConfig": {"latency": "optimized"},
        "inferenceConfig.later": 1,
        "additionalModelRequestFields.other": 2,
    }
    assert request.rest == {"brand_new": 1}


def test_a_guardrail_is_essential() -> None:
    assert _read(guardrailConfig={"guardrailIdentifier": "g"}).essential == ("guardrailConfig",)


def test_tool_results_are_messages_of_their_own() -> None:
    content = [{"text": "a"}, {"toolResult": {"toolUseId": "1", "content": []}}, {"text": "b"}]
    request = _read(messages=[{"role": "user", "content": content, "later": 1}])
    assert request.messages == (
        Message("user", (Text("a"),)),
        Message("tool", (ToolResult("1", ()),)),
        Message("user", (Text("b"),), rest={"later": 1}),
    )


@pytest.mark.parametrize(
    ("choice", "neutral"),
    [
        ({"auto": {}}, ToolChoice("auto")),
        ({"any": {}}, ToolChoice("required")),
        ({"tool": {"name": "f"}}, ToolChoice("named", names=("f",))),
    ],
)
def test_tools_and_their_choice_are_read(choice: dict[str, Any], neutral: ToolChoice) -> None:
    spec = {"name": "f", "description": "d", "inputSchema": {"json": {"type": "object"}}, "strict": True}
    request = _read(
        toolConfig={"tools": [{"toolSpec": spec}, {"cachePoint": {"type": "default"}}], "toolChoice": choice}
    )
    assert request.tools == (Tool("f", "d", {"type": "object"}, strict=True, cache={"type": "ephemeral"}),)
    assert request.tool_choice == neutral


def test_a_choice_of_a_later_version_is_kept() -> None:
    choice = _read(toolConfig={"toolChoice": {"later": {}}}).tool_choice
    assert choice is not None
    assert choice.mode == "opaque"


def test_a_schema_is_read_from_its_text() -> None:
    form = {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}', "name": "n"}}}
    assert _read(outputConfig={"textFormat": form}).output == OutputFormat(
        "schema", name="n", schema={"type": "object"}, strict=True
    )


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": [{"role": "robot", "content": []}]}, "messages[0].role"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": 1}, "messages"),
        ({"system": "words"}, "system"),
        ({"inferenceConfig": {"maxTokens": "5"}}, "inferenceConfig.maxTokens"),
        ({"inferenceConfig": {"stopSequences": [1]}}, "inferenceConfig.stopSequences[0]"),
        ({"toolConfig": {"tools": [{"toolSpec": {}}]}}, "toolConfig.tools[0].toolSpec.name"),
        ({"outputConfig": {"textFormat": {"type": "xml"}}}, "outputConfig.textFormat.type"),
        (
            {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {"schema": "["}}}}},
            "outputConfig.textFormat.structure.jsonSchema.schema",
        ),
    ],
)
def test_a_callers_mistake_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        _read(**members)
    assert caught.value.param == param
