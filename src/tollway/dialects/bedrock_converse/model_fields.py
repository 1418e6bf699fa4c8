"""Members of `additionalModelRequestFields`: what each model family calls sampling and thinking.

Rules of this file:
- What is understood here leaves the members; the others reach a provider of this API as they are.
- A request for thinking that was read from this dialect is written back as it was.

Claude has `thinking` and `top_k`; Nova `reasoningConfig` and `inferenceConfig.topK`; models of OpenAI
`reasoning_effort`; Cohere `k`; Mistral `top_k`.
"""

from typing import Final

from tollway.core.conversation import Conversation, ReasoningRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.anthropic_messages.thinking import plan_thinking
from tollway.dialects.caller_fields import as_count, as_object, as_text
from tollway.dialects.carrying import effort_for_budget

_THINKING: Final = ("thinking", "reasoning_config", "reasoningConfig", "reasoning_effort", "output_config")
_NOVA_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}
_OPENAI_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "high"}


def take_top_k(additional: JsonObject) -> int | None:
    """Take `top_k` out of the members, under whichever name."""
    for name in ("top_k", "k"):
        value = additional.get(name)
        if isinstance(value, int) and not isinstance(value, bool):
            del additional[name]
            return value
    nested = as_object(additional.get("inferenceConfig"))
    value = nested.get("topK")
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    kept: JsonObject = {name: member for name, member in nested.items() if name != "topK"}
    if kept:
        additional["inferenceConfig"] = kept
    else:
        del additional["inferenceConfig"]
    return value


def read_reasoning(additional: JsonObject, effort: str | None) -> ReasoningRequest | None:
    """Take the request for thinking out of the members. `effort` is what `outputConfig` says of it."""
    written: JsonObject = {name: additional.pop(name) for name in _THINKING if name in additional}
    if effort is not None:
        written["outputConfig.effort"] = effort
    if not written:
        return None
    thinking = as_object(written.get("thinking")) or as_object(written.get("reasoning_config"))
    nova = as_object(written.get("reasoningConfig"))
    kind = as_text(thinking.get("type")) or as_text(nova.get("type"))
    word = (
        effort
        or as_text(written.get("reasoning_effort"))
        or as_text(nova.get("maxReasoningEffort"))
        or as_text(as_object(written.get("output_config")).get("effort"))
    )
    return ReasoningRequest(
        effort=word or None,
        budget_tokens=as_count(thinking.get("budget_tokens")) or None,
        enabled={"enabled": True, "adaptive": True, "disabled": False}.get(kind),
        adaptive=kind == "adaptive",
        rest=written,
    )


def own_reasoning(reasoning: ReasoningRequest) -> tuple[JsonObject, str | None]:
    """Write back what `read_reasoning` read: members, and the effort of `outputConfig`."""
    members: JsonObject = {name: value for name, value in reasoning.rest.items() if name in _THINKING}
    effort = reasoning.rest.get("outputConfig.effort")
    return members, effort if isinstance(effort, str) else None


def write_top_k(model: str, top_k: int) -> JsonObject | None:
    """Write `top_k` as the model's family calls it; None where the family has no such thing."""
    if "amazon.nova" in model:
        return {"inferenceConfig": {"topK": top_k}}
    if "cohere." in model:
        return {"k": top_k}
    return {"top_k": top_k} if "anthropic." in model or "mistral." in model or ":" not in model else None


def write_reasoning(request: Conversation, reasoning: ReasoningRequest) -> JsonObject | None:
    """Write another dialect's request for thinking as the model's family wants it; None where it cannot be asked."""
    model = request.model
    if reasoning.enabled is False or reasoning.effort == "none" or reasoning.budget_tokens == 0:
        return {}  # not to think is what these models do unasked
    wanted = reasoning.effort or (effort_for_budget(reasoning.budget_tokens) if reasoning.budget_tokens else None)
    if wanted is None and not reasoning.enabled:
        return {}
    if "anthropic." in model or "claude" in model:
        plan = plan_thinking(reasoning, model, request.max_output_tokens)
        if plan.lost:
            return None
        found: JsonObject = {} if plan.thinking is None else {"thinking": plan.thinking}
        return found if plan.effort is None else found | {"output_config": {"effort": plan.effort}}
    if "amazon.nova-2" in model:
        effort = _NOVA_EFFORTS.get(wanted or "medium", "high")
        return {"reasoningConfig": {"type": "enabled", "maxReasoningEffort": effort}}
    if "openai." in model:
        return {"reasoning_effort": _OPENAI_EFFORTS.get(wanted or "medium", "high")}
    return None
