"""How much an Anthropic model thinks: the neutral request for reasoning, in both directions.

Rules of this file:
- A request read from this dialect is written back as it was.
- From another dialect, `effort` becomes what the model family understands. Families from 4.6 on
  choose the amount themselves (`thinking: adaptive` with `output_config.effort`); older ones take a
  budget of tokens: minimal 1,024, low 2,048, medium 8,192, high 16,384, xhigh and max 32,768,
  never more than three quarters of `max_tokens` and never under 1,024, the API's least.
- Thinking excludes a forced tool and needs the signed thinking of the turn it continues; where the
  two clash the caller's tool or history wins, and the loss of thinking is reported.
"""

import re
from typing import Final

import msgspec

from tollway.core.conversation import ReasoningRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import Fields, without

LEAST_BUDGET: Final = 1024

_BUDGETS: Final = {
    "minimal": 1024,
    "low": 2048,
    "medium": 8192,
    "high": 16384,
    "xhigh": 32768,
    "max": 32768,
}
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}
_FAMILY: Final = re.compile(r"claude-(?:[a-z]+-)?(\d{1,2})(?:[-.](\d{1,2}))?(?!\d)")


class ThinkingPlan(msgspec.Struct, frozen=True):
    """What goes into the request."""

    thinking: JsonObject | None = None
    effort: str | None = None
    budget: int = 0
    """Tokens of `thinking`'s budget; 0 when the model chooses."""
    lost: bool = False
    """The model cannot be asked for what the caller asked for."""


def model_version(model: str) -> tuple[int, int]:
    """Read the family version out of a model name: `claude-opus-4-6` is (4, 6).

    Cloud names carry prefixes and suffixes around the same words, and dates follow the version. A
    Claude without a number is a new one; any other name is (0, 0).
    """
    found = _FAMILY.search(model)
    if found is None:
        return (5, 0) if "claude" in model else (0, 0)
    return int(found.group(1)), int(found.group(2) or 0)


def read_thinking(thinking: JsonObject | None, effort: str | None) -> ReasoningRequest | None:
    """Read `thinking` and `output_config.effort`."""
    if thinking is None:
        return None if effort is None else ReasoningRequest(effort=effort)
    fields = Fields(thinking, "thinking")
    kind = fields.required_text("type")
    show = fields.text("display")
    rest: JsonObject = {} if show is None else {"display": show}
    match kind:
        case "enabled":
            budget = fields.integer("budget_tokens")
            rest |= fields.rest()
            return ReasoningRequest(
                effort=effort, budget_tokens=budget, enabled=True, show=show != "omitted", rest=rest
            )
        case "adaptive":
            rest |= fields.rest()
            return ReasoningRequest(effort=effort, enabled=True, adaptive=True, show=show != "omitted", rest=rest)
        case "disabled":
            return ReasoningRequest(effort=effort, enabled=False, rest=fields.rest())
        case _:
            return ReasoningRequest(effort=effort, rest=dict(thinking))


def own_thinking(reasoning: ReasoningRequest) -> ThinkingPlan:
    """Write back what `read_thinking` read."""
    if reasoning.enabled is None:
        return ThinkingPlan(thinking=reasoning.rest or None, effort=reasoning.effort)
    if not reasoning.enabled:
        thinking: JsonObject = {"type": "disabled"}
    elif reasoning.adaptive:
        thinking = {"type": "adaptive"}
    else:
        thinking = {"type": "enabled", "budget_tokens": reasoning.budget_tokens}
    return ThinkingPlan(thinking=without(thinking | reasoning.rest), effort=reasoning.effort)


def plan_thinking(reasoning: ReasoningRequest, model: str, max_tokens: int | None) -> ThinkingPlan:
    """Decide the thinking of a request read from another dialect.

    Args:
        reasoning: what the caller asked for.
        model: the model that will think.
        max_tokens: the caller's limit of the whole output, None when it gave none.
    """
    if reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0:
        return ThinkingPlan()  # not to think is what the API does unasked
    if reasoning.effort is None and reasoning.budget_tokens is None and not reasoning.enabled:
        return ThinkingPlan()
    version = model_version(model)
    if version >= (4, 6):
        return ThinkingPlan(thinking=_adaptive(reasoning, version), effort=_effort(reasoning, version))
    wanted = reasoning.budget_tokens or _BUDGETS.get(reasoning.effort or "medium", _BUDGETS["medium"])
    most = wanted if max_tokens is None else max_tokens * 3 // 4
    if (0, 0) < version < (3, 7) or most < LEAST_BUDGET:
        return ThinkingPlan(lost=True)
    budget = max(LEAST_BUDGET, min(wanted, most))
    return ThinkingPlan(thinking={"type": "enabled", "budget_tokens": budget}, budget=budget)


def _adaptive(reasoning: ReasoningRequest, version: tuple[int, int]) -> JsonObject:
    # Families from 4.7 on leave the thoughts out unless asked.
    if reasoning.show and version >= (4, 7):
        return {"type": "adaptive", "display": "summarized"}
    return {"type": "adaptive"}


def _effort(reasoning: ReasoningRequest, version: tuple[int, int]) -> str | None:
    if reasoning.effort is None:
        budget = reasoning.budget_tokens
        if budget is None:
            return None
        return next((word for word, most in _BUDGETS.items() if word != "minimal" and budget <= most), "high")
    word = _EFFORTS.get(reasoning.effort)
    # Recorded: "This model does not support effort level 'xhigh'. Supported levels: high, low, max, medium."
    return "max" if word == "xhigh" and version < (4, 7) else word
