"""The events of a streamed response: names, order and numbers."""

import itertools

import pytest
import yaml

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
START = ["response.created", "response.in_progress"]
ITEM = "response.output_item."
PART = "response.content_part."
TEXT = "response.output_text."
MESSAGE = [ITEM + "added", PART + "added", TEXT + "delta", TEXT + "done", PART + "done", ITEM + "done"]
REFUSAL = [name.replace("output_text", "refusal") for name in MESSAGE]
SUMMARY = [f"response.reasoning_summary_{name}" for name in ("part.added", "text.delta", "text.done", "part.done")]
CALL = [f"response.function_call_arguments.{name}" for name in ("delta", "done")]
ORDER = {
    "text": ({}, [*START, *MESSAGE, "response.completed"]),
    "refusal": ({"model": "sim-refuse"}, [*START, *REFUSAL, "response.completed"]),
    "incomplete": (
        {"input": "Write 100 words.", "max_output_tokens": 16},
        [*START, *MESSAGE, "response.incomplete"],
    ),
    "silent reasoning": (
        {"model": "gpt-5"},
        [*START, ITEM + "added", ITEM + "done", *MESSAGE, "response.completed"],
    ),
    "reasoning": (
        {"model": "gpt-5", "reasoning": {"summary": "auto"}},
        [*START, ITEM + "added", *SUMMARY, ITEM + "done", *MESSAGE, "response.completed"],
    ),
    "call": (
        {"tools": [TOOL], "tool_choice": "required", "input": "hello"},
        [*START, ITEM + "added", *CALL, ITEM + "done", "response.completed"],
    ),
}


def names(events):
    return [name for name, _ in itertools.groupby(event["type"] for event in events)]


@pytest.mark.parametrize(("variant", "order"), ORDER.values(), ids=ORDER)
def test_events_come_in_the_vendors_order_and_are_numbered_from_zero(call, events, judge, variant, order):
    body = {"model": "gpt-4o-mini", "input": "What is the capital of France?", "stream": True} | variant
    made = events(call("openai").post("/v1/responses", body).text)
    assert names(made) == order
    assert [event["sequence_number"] for event in made] == list(range(len(made)))
    assert [complaint for event in made for complaint in judge("openai.response.event", event)] == []


def test_the_order_is_that_of_a_recording(call, events, recordings):
    path = "simonw+llm/tests/cassettes/test_openai_responses/test_responses_basic_streaming.yaml"
    recorded = yaml.safe_load((recordings / path).read_text())["interactions"][0]["response"]["body"]["string"]
    body = {"model": "gpt-5.5", "input": "Reply with exactly: pong", "stream": True}
    made = events(call("openai").post("/v1/responses", body).text)
    assert names(made) == names(events(recorded))
    for ours, theirs in zip(made, events(recorded), strict=True):
        assert set(ours) == set(theirs)


def test_every_event_is_named_on_the_wire_as_in_its_body(call):
    body = {"model": "gpt-4o-mini", "input": "hello", "stream": True}
    blocks = call("openai").post("/v1/responses", body).text.strip().split("\n\n")
    assert all(f'"type":"{block.split()[1]}"' in block for block in blocks)
