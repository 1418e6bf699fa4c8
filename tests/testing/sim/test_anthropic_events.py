"""The events of a streamed message: names and order."""

import itertools

import pytest
import yaml

TOOL = {"name": "get_weather", "input_schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
BODY = {
    "model": "claude-sonnet-4-6",
    "max_tokens": 2000,
    "messages": [{"role": "user", "content": "hello"}],
    "stream": True,
}
VARIANTS = {
    "text": {},
    "tools": {"tools": [TOOL], "tool_choice": {"type": "any"}},
    "preface and tools": {"tools": [TOOL], "messages": [{"role": "user", "content": "weather in Rome and Paris"}]},
    "thinking": {"thinking": {"type": "adaptive"}},
    "cut off": {"max_tokens": 2},
    "refusal": {"model": "sim-refuse"},
}


def shape(events):
    """Event names, with the type of block or delta, repeats taken together."""
    kinds = [(e["type"], (e.get("content_block") or e.get("delta") or {}).get("type")) for e in events]
    return [kind for kind, _ in itertools.groupby(kinds)]


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_every_block_is_opened_filled_and_closed_in_turn(call, events, judge, variant):
    made = events(call("anthropic").post("/v1/messages", BODY | variant).text)
    assert [made[0]["type"], made[-2]["type"], made[-1]["type"]] == ["message_start", "message_delta", "message_stop"]
    assert [e["type"] for e in made].count("ping") == 1
    inner = [e for e in made if e["type"].startswith("content_block")]
    open_at = None
    for event in inner:
        if event["type"] == "content_block_start":
            assert open_at is None
            open_at = event["index"]
        assert event["index"] == open_at
        if event["type"] == "content_block_stop":
            open_at = None
    assert open_at is None
    assert [c for e in made if e["type"] != "ping" for c in judge("anthropic.event", e)] == []


def test_a_text_stream_is_shaped_like_a_recorded_one(call, events, recordings):
    path = (
        "pydantic+pydantic-ai/tests/models/cassettes/test_anthropic/"
        "test_request_stream_fallback_for_high_max_tokens.yaml"
    )
    recorded = yaml.safe_load((recordings / path).read_text())["interactions"][0]["response"]["body"]["string"]
    made = events(call("anthropic").post("/v1/messages", BODY).text)
    theirs = events(recorded)
    assert shape(made) == shape(theirs)
    assert set(made[0]["message"]) - {"stop_details"} == set(theirs[0]["message"])
    assert set(made[0]["message"]["usage"]) == set(theirs[0]["message"]["usage"])


def test_lines_end_in_blanks_of_several_lengths_as_the_real_ones_do(call):
    lines = [line for line in call("anthropic").post("/v1/messages", BODY).text.split("\n") if line.startswith("data:")]
    blanks = {len(line.rstrip("}")) - len(line.rstrip("} ")) for line in lines}
    assert len(blanks) > 1
