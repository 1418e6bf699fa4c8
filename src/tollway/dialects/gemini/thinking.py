"""How much a Gemini model thinks: the neutral request for reasoning, in both directions.

Rules of this file:
- A request read from this dialect is written back as it was.
- From another dialect, `effort` becomes a level for Gemini 3 and later (minimal, low, medium, high;
  anything above high is high, and a Pro model's least is low), and a budget for every other name:
  none 0 (a Pro model's least is 128), minimal and low 1,024, medium 8,192, high and above 24,576.
- A budget of tokens is sent as it is, at most the model's limit: 24,576, or 32,768 for a Pro model.
- Models before 2.5 do not think; the request for it is dropped and reported.
"""

import re
from typing import Final

from tollway.core.conversation import ReasoningRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import Fields

_VERSION: Final = re.compile(r"gemini-(\d{1,2})(?:\.(\d{1,2}))?")
_BUDGETS: Final = {"none": 0, "minimal": 1024, "low": 1024, "medium": 8192}
_LEVELS: Final = {"none": "minimal", "minimal": "minimal", "low": "low", "medium": "medium"}
_PRO_LEAST: Final = 128


def model_version(model: str) -> tuple[int, int]:
    """Read the version out of a model name: `gemini-2.5-flash` is (2, 5); unknown is (0, 0)."""
    found = _VERSION.search(model)
    return (int(found.group(1)), int(found.group(2) or 0)) if found else (0, 0)


def demands_signature(model: str) -> bool:
    """Tell whether the model refuses a tool call in the history that has no thought signature."""
    return not (0, 0) < model_version(model) < (3, 0) and "gemini" in model


def read_thinking(config: Fields) -> ReasoningRequest:
    """Read `thinkingConfig`."""
    budget, level = config.integer("thinkingBudget"), config.text("thinkingLevel")
    show, rest = config.flag("includeThoughts"), config.rest()
    effort = None if level is None else level.lower()
    if budget is None:
        return ReasoningRequest(effort=effort, show=show, rest=rest)
    if budget < 0:
        return ReasoningRequest(effort=effort, enabled=True, adaptive=True, show=show, rest=rest)
    return ReasoningRequest(effort=effort, enabled=budget > 0, budget_tokens=budget, show=show, rest=rest)


def own_thinking(reasoning: ReasoningRequest) -> JsonObject:
    """Write back what `read_thinking` read."""
    found: JsonObject = dict(reasoning.rest)
    if reasoning.adaptive:
        found["thinkingBudget"] = -1
    elif reasoning.budget_tokens is not None:
        found["thinkingBudget"] = reasoning.budget_tokens
    if reasoning.effort is not None:
        found["thinkingLevel"] = reasoning.effort.upper()
    if reasoning.show is not None:
        found["includeThoughts"] = reasoning.show
    return found


def plan_thinking(reasoning: ReasoningRequest, model: str) -> JsonObject | None:
    """Write `thinkingConfig` for a request read from another dialect; None where the model cannot."""
    version, pro = model_version(model), "pro" in model
    if (0, 0) < version < (2, 5):
        silent = reasoning.enabled is False or reasoning.effort == "none"
        return {} if silent else None
    found: JsonObject = {}
    effort = "none" if reasoning.enabled is False else reasoning.effort
    if reasoning.budget_tokens is not None and reasoning.enabled is not False:
        found["thinkingBudget"] = _bounded(reasoning.budget_tokens, pro=pro)
    elif effort is not None and version >= (3, 0):
        level = _LEVELS.get(effort, "high")
        found["thinkingLevel"] = "low" if pro and level == "minimal" else level
    elif effort is not None:
        found["thinkingBudget"] = _bounded(_BUDGETS.get(effort, 24576), pro=pro)
    elif reasoning.adaptive and version < (3, 0):
        found["thinkingBudget"] = -1
    if reasoning.show is not None and effort != "none":
        found["includeThoughts"] = reasoning.show
    return found


def _bounded(budget: int, *, pro: bool) -> int:
    return min(max(budget, _PRO_LEAST), 32768) if pro else min(budget, 24576)
