"""The response object, judged by the vendor's types and schemas."""

import pytest

TOOL = {"type": "function", "name": "get_weather", "parameters": {"type": "object", "properties": {}}}
VARIANTS = {
    "plain": {},
    "instructions": {"instructions": "Be brief.", "metadata": {"team": "finance"}},
    "function": {"tools": [TOOL], "tool_choice": "required"},
    "reasoning": {"model": "gpt-5", "reasoning": {"effort": "low", "summary": "auto"}},
    "sealed": {"model": "gpt-5", "include": ["reasoning.encrypted_content"]},
    "incomplete": {"input": "Write 100 words.", "max_output_tokens": 16},
    "refusal": {"model": "sim-refuse"},
    "log probabilities": {"include": ["message.output_text.logprobs"]},
    "image": {
        "input": [
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "What is this?"},
                    {"type": "input_image", "image_url": "data:image/png;base64,AA=="},
                ],
            }
        ]
    },
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_the_vendor_has_no_complaint_about_a_response(call, judge, variant):
    body = {"model": "gpt-4o-mini", "input": "hello"} | variant
    assert judge("openai.response", call("openai").post("/v1/responses", body).json()) == []


def test_what_was_asked_is_told_back(call):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    asked = {
        "model": "gpt-4o-mini",
        "input": "hello",
        "temperature": 0.5,
        "top_p": 0.9,
        "metadata": {"team": "finance"},
        "user": "u-1",
        "tools": [{"type": "web_search"}, TOOL],
        "tool_choice": "none",
        "text": {"format": {"type": "json_schema", "name": "it", "schema": schema}, "verbosity": "low"},
    }
    told = call("openai").post("/v1/responses", asked).json()
    for name in ("temperature", "top_p", "metadata", "user", "tool_choice"):
        assert told[name] == asked[name]
    assert told["tools"] == [{"type": "web_search"}, TOOL | {"description": None, "strict": True}]
    assert told["text"]["format"] == asked["text"]["format"] | {"strict": True}
    assert told["text"]["verbosity"] == "low"


def test_a_response_has_the_members_that_a_recorded_one_has(call, events, recordings):
    path = "simonw+llm/tests/cassettes/test_openai_responses/test_responses_basic_streaming.yaml"
    yaml = pytest.importorskip("yaml")
    recorded = yaml.safe_load((recordings / path).read_text())["interactions"][0]["response"]["body"]["string"]
    final = events(recorded)[-1]["response"]
    made = call("openai").post("/v1/responses", {"model": "gpt-4o-mini", "input": "hello"}).json()
    # `user` is null in the recording, which the vendor's own schema does not allow.
    assert set(final) - {"user", "moderation", "prompt_cache_retention"} == set(made)
    assert set(made["usage"]) == set(final["usage"])
