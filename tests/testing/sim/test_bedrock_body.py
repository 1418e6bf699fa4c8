import msgspec
import pytest

from tollway.testing.sim.bedrock_body import ConverseRequest, RequestError, ask_of, check


def asked(**members):
    turn = {"role": "user", "content": [{"text": "hi"}]}
    return msgspec.json.decode(msgspec.json.encode({"messages": [turn], **members}), type=ConverseRequest)


def test_a_request_is_read_as_a_question():
    schema = {"type": "json_schema", "structure": {"jsonSchema": {"schema": '{"type":"object"}'}}}
    ask = ask_of(
        asked(
            system=[{"text": "be brief"}, {"cachePoint": {"type": "default"}}],
            inferenceConfig={"maxTokens": 5, "stopSequences": ["X"]},
            toolConfig={
                "tools": [{"toolSpec": {"name": "f", "inputSchema": {"json": {"type": "object"}}}}, {"cachePoint": {}}],
                "toolChoice": {"any": {}},
            },
            outputConfig={"textFormat": schema},
        ),
        refuse=False,
    )
    assert (ask.prompt, ask.system.strip(), ask.max_tokens, ask.stop) == ("hi", "be brief", 5, ["X"])
    assert ([tool.name for tool in ask.tools], ask.tool_use, ask.tool_named) == (["f"], "required", None)
    assert ask.schema == {"type": "object"}


@pytest.mark.parametrize(
    ("turns", "said"),
    [
        ([], "must start with a user message"),
        ([{"role": "assistant", "content": [{"text": "x"}]}], "must start with a user message"),
        ([{"role": "user", "content": []}], "is empty"),
        ([{"role": "user", "content": [{"text": " "}]}], "is blank"),
        ([{"role": "user", "content": [{"toolResult": {"toolUseId": "1"}}]}], "toolConfig field must be defined"),
    ],
)
def test_what_the_service_refuses_is_refused_in_its_words(turns, said):
    with pytest.raises(RequestError, match=said):
        check(asked(messages=turns))
