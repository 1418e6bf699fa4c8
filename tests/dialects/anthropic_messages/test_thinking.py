import pytest

from tollway.core.conversation import ReasoningRequest
from tollway.core.errors import BadRequest
from tollway.dialects.anthropic_messages.thinking import model_version, own_thinking, plan_thinking, read_thinking


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("claude-sonnet-4-5", (4, 5)),
        ("claude-opus-4-20250514", (4, 0)),
        ("claude-haiku-4-5-20251001", (4, 5)),
        ("claude-3-7-sonnet-latest", (3, 7)),
        ("claude-3-haiku-20240307", (3, 0)),
        ("claude-fable-5", (5, 0)),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", (4, 5)),
        ("claude-opus-4-8@20260528", (4, 8)),
        ("claude-mythos-preview", (5, 0)),
        ("kimi-k2", (0, 0)),
    ],
)
def test_a_models_version_is_in_its_name(model: str, expected: tuple[int, int]) -> None:
    assert model_version(model) == expected


@pytest.mark.parametrize(
    ("thinking", "effort"),
    [
        ({"type": "enabled", "budget_tokens": 2000}, None),
        ({"type": "enabled", "budget_tokens": 2000, "display": "omitted"}, None),
        ({"type": "adaptive"}, "high"),
        ({"type": "adaptive", "display": "summarized"}, None),
        ({"type": "disabled"}, "low"),
        ({"type": "between_tools"}, None),
        (None, "max"),
    ],
)
def test_thinking_of_this_dialect_is_written_as_it_was_read(
    thinking: dict[str, object] | None, effort: str | None
) -> None:
    read = read_thinking(thinking, effort)
    assert read is not None
    plan = own_thinking(read)
    assert (plan.thinking, plan.effort) == (thinking, effort)


def test_saying_nothing_asks_for_nothing() -> None:
    assert read_thinking(None, None) is None


def test_thinking_without_a_type_is_refused() -> None:
    with pytest.raises(BadRequest) as refused:
        read_thinking({"budget_tokens": 1024}, None)
    assert refused.value.param == "thinking.type"


@pytest.mark.parametrize(
    ("effort", "budget"), [("minimal", 1024), ("low", 2048), ("medium", 8192), ("high", 16384), ("xhigh", 32768)]
)
def test_an_older_family_gets_a_budget_for_an_effort(effort: str, budget: int) -> None:
    plan = plan_thinking(ReasoningRequest(effort=effort), "claude-sonnet-4-5", None)
    assert plan.thinking == {"type": "enabled", "budget_tokens": budget}
    assert (plan.budget, plan.effort, plan.lost) == (budget, None, False)


@pytest.mark.parametrize(("max_tokens", "budget"), [(20_000, 15_000), (2_000, 1_500), (1_400, 1_050)])
def test_a_budget_leaves_a_quarter_for_the_answer(max_tokens: int, budget: int) -> None:
    plan = plan_thinking(ReasoningRequest(effort="high"), "claude-sonnet-4-5", max_tokens)
    assert plan.budget == budget


def test_no_room_for_the_least_budget_loses_thinking() -> None:
    assert plan_thinking(ReasoningRequest(effort="high"), "claude-sonnet-4-5", 1000).lost


@pytest.mark.parametrize(
    ("model", "effort", "expected"),
    [
        ("claude-opus-4-6", "xhigh", "max"),
        ("claude-opus-4-7", "xhigh", "xhigh"),
        ("claude-sonnet-5", "minimal", "low"),
        ("claude-sonnet-5", "medium", "medium"),
    ],
)
def test_a_newer_family_chooses_the_amount_itself(model: str, effort: str, expected: str) -> None:
    plan = plan_thinking(ReasoningRequest(effort=effort), model, 100)
    assert plan.thinking == {"type": "adaptive"}
    assert plan.effort == expected


def test_a_newer_family_may_be_told_only_to_think() -> None:
    plan = plan_thinking(ReasoningRequest(enabled=True), "claude-sonnet-5", None)
    assert (plan.thinking, plan.effort) == ({"type": "adaptive"}, None)


def test_a_newer_family_shows_its_thoughts_when_asked() -> None:
    plan = plan_thinking(ReasoningRequest(effort="low", show=True), "claude-opus-4-8", None)
    assert plan.thinking == {"type": "adaptive", "display": "summarized"}


@pytest.mark.parametrize(("budget", "effort"), [(1024, "low"), (5000, "medium"), (9000, "high"), (99_999, "high")])
def test_a_budget_becomes_an_effort_where_only_that_is_taken(budget: int, effort: str) -> None:
    assert plan_thinking(ReasoningRequest(budget_tokens=budget), "claude-opus-4-8", None).effort == effort


@pytest.mark.parametrize(
    "reasoning",
    [
        ReasoningRequest(effort="none"),
        ReasoningRequest(enabled=False),
        ReasoningRequest(budget_tokens=0),
        ReasoningRequest(summary="auto"),
    ],
)
def test_not_to_think_needs_no_word(reasoning: ReasoningRequest) -> None:
    plan = plan_thinking(reasoning, "claude-sonnet-4-5", None)
    assert (plan.thinking, plan.effort, plan.lost) == (None, None, False)


def test_a_model_that_cannot_think_loses_it() -> None:
    assert plan_thinking(ReasoningRequest(effort="high"), "claude-3-5-haiku-latest", None).lost
