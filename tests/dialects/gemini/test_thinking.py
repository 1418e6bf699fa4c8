from typing import Any

import pytest

from tollway.core.conversation import ReasoningRequest
from tollway.dialects.caller_fields import Fields
from tollway.dialects.gemini.thinking import (
    demands_signature,
    model_version,
    own_thinking,
    plan_thinking,
    read_thinking,
)


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", (2, 5)),
        ("gemini-3-pro-preview", (3, 0)),
        ("gemini-3.1-flash-lite", (3, 1)),
        ("models/gemini-4-argon", (4, 0)),
        ("gemini-flash-latest", (0, 0)),
        ("gemma-3", (0, 0)),
    ],
)
def test_a_models_version_is_in_its_name(model: str, expected: tuple[int, int]) -> None:
    assert model_version(model) == expected


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("gemini-2.5-flash", False),
        ("gemini-2.0-flash", False),
        ("gemini-3-flash-preview", True),
        ("gemini-flash-latest", True),
        ("gemma-3", False),
    ],
)
def test_models_from_three_on_demand_signatures(model: str, expected: bool) -> None:
    assert demands_signature(model) is expected


@pytest.mark.parametrize(
    "config",
    [
        {"thinkingBudget": 1024, "includeThoughts": True},
        {"thinkingBudget": 0},
        {"thinkingBudget": -1, "includeThoughts": False},
        {"thinkingLevel": "HIGH"},
        {"fromTomorrow": 1},
    ],
)
def test_thinking_of_this_dialect_is_written_as_it_was_read(config: dict[str, Any]) -> None:
    assert own_thinking(read_thinking(Fields(config, "c"))) == config


@pytest.mark.parametrize(
    ("effort", "model", "expected"),
    [
        ("none", "gemini-2.5-flash", {"thinkingBudget": 0}),
        ("none", "gemini-2.5-pro", {"thinkingBudget": 128}),
        ("minimal", "gemini-2.5-flash", {"thinkingBudget": 1024}),
        ("low", "gemini-2.5-flash", {"thinkingBudget": 1024}),
        ("medium", "gemini-2.5-flash", {"thinkingBudget": 8192}),
        ("high", "gemini-2.5-pro", {"thinkingBudget": 24576}),
        ("xhigh", "gemini-flash-latest", {"thinkingBudget": 24576}),
        ("none", "gemini-3-flash-preview", {"thinkingLevel": "minimal"}),
        ("minimal", "gemini-3.1-pro-preview", {"thinkingLevel": "low"}),
        ("medium", "gemini-3.1-pro-preview", {"thinkingLevel": "medium"}),
        ("max", "gemini-3.8-flash", {"thinkingLevel": "high"}),
    ],
)
def test_an_effort_becomes_what_the_model_understands(effort: str, model: str, expected: dict[str, Any]) -> None:
    assert plan_thinking(ReasoningRequest(effort=effort), model) == expected


@pytest.mark.parametrize(
    ("reasoning", "model", "expected"),
    [
        (
            ReasoningRequest(enabled=True, budget_tokens=50_000, show=True),
            "gemini-2.5-flash",
            {"thinkingBudget": 24576, "includeThoughts": True},
        ),
        (ReasoningRequest(enabled=True, budget_tokens=50_000), "gemini-2.5-pro", {"thinkingBudget": 32768}),
        (ReasoningRequest(enabled=True, adaptive=True), "gemini-2.5-flash", {"thinkingBudget": -1}),
        (ReasoningRequest(enabled=True, adaptive=True), "gemini-3-flash-preview", {}),
        (ReasoningRequest(enabled=False, show=True), "gemini-2.5-flash", {"thinkingBudget": 0}),
        (ReasoningRequest(effort="high"), "gemini-2.0-flash", None),
        (ReasoningRequest(effort="none"), "gemini-2.0-flash", {}),
    ],
)
def test_budgets_are_kept_within_the_models_limits(reasoning: ReasoningRequest, model: str, expected: object) -> None:
    assert plan_thinking(reasoning, model) == expected
