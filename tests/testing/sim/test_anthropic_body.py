"""The message, judged by the vendor's types."""

import pytest

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {}}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
VARIANTS = {
    "plain": ({}, "end_turn"),
    "tool": ({"tools": [TOOL], "tool_choice": {"type": "any"}}, "tool_use"),
    "thinking": ({"max_tokens": 2000, "thinking": {"type": "enabled", "budget_tokens": 1024}}, "end_turn"),
    "cut off": ({"max_tokens": 2}, "max_tokens"),
    "stopped": ({"stop_sequences": ["Paris"]}, "stop_sequence"),
    "structured": ({"output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}, "end_turn"),
    "refusal": ({"model": "sim-refuse"}, "refusal"),
}


@pytest.mark.parametrize(("variant", "reason"), VARIANTS.values(), ids=VARIANTS)
def test_the_vendor_has_no_complaint_about_a_message(call, judge, france, variant, reason):
    body = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": france}]}
    message = call("anthropic").post("/v1/messages", body | variant).json()
    assert message["stop_reason"] == reason
    assert judge("anthropic.message", message) == []


def test_a_stop_sequence_ends_the_text_before_itself_and_is_told(call, france):
    body = {"model": "claude-sonnet-4-5", "max_tokens": 100, "messages": [{"role": "user", "content": france}]}
    message = call("anthropic").post("/v1/messages", body | {"stop_sequences": ["Paris"]}).json()
    assert (message["content"][0]["text"], message["stop_sequence"]) == ("The capital of France is ", "Paris")


def test_thinking_can_be_left_out_of_the_answer_but_stays_sealed(call, france):
    body = {
        "model": "claude-sonnet-4-6",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": france}],
        "thinking": {"type": "adaptive", "display": "omitted"},
    }
    block = call("anthropic").post("/v1/messages", body).json()["content"][0]
    assert (block["type"], block["thinking"]) == ("thinking", "")
    assert block["signature"]
