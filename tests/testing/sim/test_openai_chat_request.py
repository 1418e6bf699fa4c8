"""What the chat endpoint refuses, in the vendor's own shape."""

import pytest

from tollway.testing.sim.openai_chat_request import reasoning_budget

USER = [{"role": "user", "content": "hello"}]
GOOD = {"model": "gpt-4o-mini", "messages": USER}
REFUSED = {
    "no json": (b'{"model": ', 400, None, None),
    "no model": ({"messages": USER}, 400, None, None),
    "no messages": ({"model": "gpt-4o-mini"}, 400, "messages", "missing_required_parameter"),
    "empty messages": (GOOD | {"messages": []}, 400, "messages", "empty_array"),
    "message without role": (GOOD | {"messages": [{"content": "x"}]}, 400, "messages[0]", "invalid_type"),
    "unknown model": (GOOD | {"model": "gpt-4.1-nano-wrong"}, 404, None, "model_not_found"),
    "cold": (GOOD | {"temperature": -1}, 400, "temperature", "decimal_below_min_value"),
    "hot": (GOOD | {"temperature": 3}, 400, "temperature", "decimal_above_max_value"),
    "too many choices": (GOOD | {"n": 99}, 400, "n", "invalid_value"),
    "choice without tools": (GOOD | {"tool_choice": "required"}, 400, "tool_choice", None),
}


@pytest.mark.parametrize(("body", "status", "param", "code"), REFUSED.values(), ids=REFUSED)
def test_a_bad_request_is_refused_with_what_was_wrong_and_where(call, judge, body, status, param, code):
    answer = call("openai").post("/v1/chat/completions", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error"
    assert error["message"]
    assert judge("openai.error", answer.json()) == []


def test_unknown_members_are_let_through(call):
    assert call("openai").post("/v1/chat/completions", GOOD | {"a_new_member": {"x": 1}}).status_code == 200


@pytest.mark.parametrize(
    ("served", "effort", "tokens"),
    [
        ("gpt-4o-2024-08-06", "high", 0),
        ("gpt-5-2025-08-07", None, 32),
        ("gpt-5-2025-08-07", "none", 0),
        ("gpt-5.2-2025-12-11", None, 0),
        ("gpt-5.2-2025-12-11", "high", 64),
        ("o3-2025-04-16", "low", 16),
        ("sim", None, 0),
        ("sim", "medium", 32),
    ],
)
def test_only_reasoning_models_reason_and_only_as_much_as_they_are_told(served, effort, tokens):
    assert reasoning_budget(served, effort) == tokens
