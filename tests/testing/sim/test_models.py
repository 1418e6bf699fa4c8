"""Which models are known, and under which names they answer."""

import pytest

from tollway.testing.sim import models


@pytest.mark.parametrize(
    ("served", "name", "answers_as"),
    [
        (models.openai_served, "gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        (models.openai_served, "gpt-4o-mini-2024-07-18", "gpt-4o-mini-2024-07-18"),
        (models.openai_served, "gpt-4.1-nano-wrong", None),
        (models.anthropic_served, "claude-haiku-4-5", "claude-haiku-4-5-20251001"),
        (models.anthropic_served, "gpt-4o", None),
        (models.gemini_served, "gemini-flash-latest", "gemini-2.5-flash"),
        (models.gemini_served, "gemini-3.6-flahs", None),
        (models.open_served, "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        (models.open_served, "qwen3:0.6b", "qwen3:0.6b"),
        (models.open_served, "gpt-4o", None),
    ],
)
def test_a_known_name_answers_as_its_dated_self_and_an_unknown_one_not_at_all(served, name, answers_as):
    assert served(name) == answers_as


@pytest.mark.parametrize(
    "served", [models.openai_served, models.anthropic_served, models.gemini_served, models.open_served]
)
def test_the_model_called_sim_is_known_everywhere(served):
    assert served("sim") == "sim"
