"""The answer, judged by the vendor's types, whole and in parts."""

import pytest

BODY = {"contents": [{"role": "user", "parts": [{"text": "What is the capital of France?"}]}]}
DECLARED = {"functionDeclarations": [{"name": "get_weather", "parameters": {"type": "OBJECT", "properties": {}}}]}
VARIANTS = {
    "plain": {},
    "thoughts": {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}},
    "call": {"tools": [DECLARED], "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
    "two candidates": {"generationConfig": {"candidateCount": 2}},
    "cut off": {"generationConfig": {"maxOutputTokens": 34}},
    "cut off while thinking": {"generationConfig": {"maxOutputTokens": 3}},
    "image": {"contents": [{"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}, {"text": "What?"}]}]},
    "cached": {"contents": [{"parts": [{"text": "stone " * 1000}]}]},
}


@pytest.mark.parametrize("variant", VARIANTS.values(), ids=VARIANTS)
def test_the_vendor_has_no_complaint_and_the_last_part_counts_like_the_whole(call, events, judge, variant):
    whole = call("gemini").post("/v1beta/models/gemini-3-pro:generateContent", BODY | variant).json()
    streamed = call("gemini").post("/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse", BODY | variant)
    parts = events(streamed.text)
    assert [complaint for body in (whole, *parts) for complaint in judge("gemini.response", body)] == []
    assert parts[-1]["usageMetadata"] == whole["usageMetadata"]


def test_images_are_counted_by_their_kind(call):
    whole = call("gemini").post("/v1beta/models/gemini-3-pro:generateContent", BODY | VARIANTS["image"]).json()
    usage = whole["usageMetadata"]
    assert {"modality": "IMAGE", "tokenCount": 258} in usage["promptTokensDetails"]
    assert sum(entry["tokenCount"] for entry in usage["promptTokensDetails"]) == usage["promptTokenCount"]


def test_a_stopped_prompt_has_feedback_and_no_candidates(call, events):
    whole = call("gemini").post("/v1beta/models/sim-refuse:generateContent", BODY).json()
    assert whole["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
    assert "candidates" not in whole
    streamed = call("gemini").post("/v1beta/models/sim-refuse:streamGenerateContent?alt=sse", BODY)
    assert [part["promptFeedback"] for part in events(streamed.text)] == [whole["promptFeedback"]]


def test_a_part_of_a_stream_has_the_members_that_a_recorded_one_has(call, events, recordings):
    yaml = pytest.importorskip("yaml")
    path = "pydantic+pydantic-ai/tests/models/cassettes/test_google/test_google_model_stream.yaml"
    recorded = yaml.safe_load((recordings / path).read_text())["interactions"][0]["response"]["body"]["string"]
    path = "/v1beta/models/gemini-2.0-flash:streamGenerateContent?alt=sse"
    made, theirs = events(call("gemini").post(path, BODY).text), events(recorded)
    assert set(made[0]) == set(theirs[0])
    assert set(theirs[-1]["usageMetadata"]) - set(made[-1]["usageMetadata"]) == {"candidatesTokensDetails"}
