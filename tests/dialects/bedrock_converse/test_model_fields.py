from typing import Any

import pytest

from tollway.core.conversation import Conversation, ReasoningRequest
from tollway.dialects.bedrock_converse.model_fields import (
    own_reasoning,
    read_reasoning,
    take_top_k,
    write_reasoning,
    write_top_k,
)

_CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


@pytest.mark.parametrize(
    ("members", "top_k", "left"),
    [
        ({"top_k": 5, "a": 1}, 5, {"a": 1}),
        ({"k": 5}, 5, {}),
        ({"inferenceConfig": {"topK": 5}}, 5, {}),
        ({"inferenceConfig": {"topK": 5, "b": 2}}, 5, {"inferenceConfig": {"b": 2}}),
        ({"top_k": "five"}, None, {"top_k": "five"}),
        ({"inferenceConfig": {"topK": True}}, None, {"inferenceConfig": {"topK": True}}),
    ],
)
def test_top_k_is_found_under_every_familys_name(
    members: dict[str, Any], top_k: int | None, left: dict[str, Any]
) -> None:
    assert take_top_k(members) == top_k
    assert members == left


@pytest.mark.parametrize(
    ("model", "written"),
    [
        (_CLAUDE, {"top_k": 5}),
        ("eu.amazon.nova-lite-v1:0", {"inferenceConfig": {"topK": 5}}),
        ("cohere.command-r-v1:0", {"k": 5}),
        ("mistral.pixtral-large-2502-v1:0", {"top_k": 5}),
        ("meta.llama3-2-1b-instruct-v1:0", None),
    ],
)
def test_top_k_is_written_as_the_family_calls_it(model: str, written: dict[str, Any] | None) -> None:
    assert write_top_k(model, 5) == written


@pytest.mark.parametrize(
    ("members", "effort", "expected"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 2000}}, None, (None, 2000, True, False)),
        ({"reasoning_config": {"type": "enabled", "budget_tokens": 2000}}, None, (None, 2000, True, False)),
        ({"thinking": {"type": "adaptive"}}, "low", ("low", None, True, True)),
        ({"thinking": {"type": "disabled"}}, None, (None, None, False, False)),
        ({"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}}, None, ("high", None, True, False)),
        ({"reasoning_effort": "medium"}, None, ("medium", None, None, False)),
    ],
)
def test_a_wish_for_thinking_is_read_from_every_family_and_written_back_as_it_was(
    members: dict[str, Any], effort: str | None, expected: tuple[Any, ...]
) -> None:
    written = dict(members)
    found = read_reasoning(members, effort)
    assert found is not None
    assert (found.effort, found.budget_tokens, found.enabled, found.adaptive) == expected
    assert members == {}
    assert own_reasoning(found) == (written, effort)


def test_no_wish_is_none() -> None:
    assert read_reasoning({"a": 1}, None) is None


@pytest.mark.parametrize(
    ("model", "reasoning", "written"),
    [
        (_CLAUDE, ReasoningRequest(effort="low"), {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
        (
            "anthropic.claude-opus-4-6-v1:0",
            ReasoningRequest(effort="low"),
            {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}},
        ),
        ("anthropic.claude-3-haiku-20240307-v1:0", ReasoningRequest(effort="low"), None),
        (
            "us.amazon.nova-2-lite-v1:0",
            ReasoningRequest(effort="xhigh"),
            {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": "high"}},
        ),
        ("openai.gpt-oss-120b-1:0", ReasoningRequest(budget_tokens=500), {"reasoning_effort": "low"}),
        ("openai.gpt-oss-120b-1:0", ReasoningRequest(enabled=True), {"reasoning_effort": "medium"}),
        ("meta.llama3-2-1b-instruct-v1:0", ReasoningRequest(effort="low"), None),
        ("meta.llama3-2-1b-instruct-v1:0", ReasoningRequest(effort="none"), {}),
        ("meta.llama3-2-1b-instruct-v1:0", ReasoningRequest(show=True), {}),
    ],
)
def test_another_dialects_wish_is_written_as_the_family_wants_it(
    model: str, reasoning: ReasoningRequest, written: dict[str, Any] | None
) -> None:
    request = Conversation(dialect="openai-chat", model=model, messages=(), reasoning=reasoning)
    assert write_reasoning(request, reasoning) == written
