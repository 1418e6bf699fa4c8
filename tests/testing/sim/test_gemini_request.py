"""How a Gemini request is read: both spellings, and no names that the vendor does not know."""

import pytest

CONTENTS = [{"role": "user", "parts": [{"text": "hello"}]}]
GENERATE = "/v1beta/models/gemini-2.5-flash:generateContent"


def test_both_spellings_of_a_name_mean_the_same(call):
    camel = {
        "contents": CONTENTS,
        "systemInstruction": {"parts": [{"text": "Answer in one word."}]},
        "generationConfig": {"maxOutputTokens": 500, "thinkingConfig": {"thinkingBudget": 0}},
    }
    snake = {
        "contents": CONTENTS,
        "system_instruction": {"parts": [{"text": "Answer in one word."}]},
        "generation_config": {"max_output_tokens": 500, "thinking_config": {"thinking_budget": 0}},
    }
    answers = [call("gemini").post(GENERATE, body).json() for body in (camel, snake)]
    assert answers[0]["candidates"] == answers[1]["candidates"]
    assert answers[0]["usageMetadata"] == answers[1]["usageMetadata"]


def test_names_inside_the_callers_own_schema_are_left_alone(call):
    schema = {"type": "object", "properties": {"first_name": {"type": "string"}}, "required": ["first_name"]}
    body = {
        "contents": CONTENTS,
        "tools": [{"functionDeclarations": [{"name": "greet", "parameters": schema}]}],
        "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
    }
    part = call("gemini").post(GENERATE, body).json()["candidates"][0]["content"]["parts"][0]
    assert list(part["functionCall"]["args"]) == ["first_name"]


REFUSED = {
    "no json": (b"{", None),
    "no contents": ({}, "contents"),
    "no parts": ({"contents": [{"role": "user", "parts": []}]}, "contents[0].parts"),
    "odd role": ({"contents": [{"role": "assistant", "parts": [{"text": "x"}]}]}, "contents[0].role"),
    "unknown member": ({"contents": CONTENTS, "messages": []}, "messages"),
    "unknown setting": ({"contents": CONTENTS, "generationConfig": {"max_tokens": 5}}, "generation_config"),
    "hot": ({"contents": CONTENTS, "generationConfig": {"temperature": 9}}, "generation_config.temperature"),
    "too many": (
        {"contents": CONTENTS, "generationConfig": {"candidateCount": 99}},
        "generation_config.candidate_count",
    ),
    "wrong type": ({"contents": "hello"}, "contents"),
}


@pytest.mark.parametrize(("body", "field"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_is_refused_with_the_field_at_fault(call, body, field):
    answer = call("gemini").post(GENERATE, body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (400, 400, "INVALID_ARGUMENT")
    violations = [v["field"] for detail in error.get("details", []) for v in detail["fieldViolations"]]
    assert violations == ([field] if field else [])
