from typing import Any

import msgspec
import pytest

from tollway.core.conversation import Conversation, Losses, Message, Opaque, Text, Tool, ToolChoice
from tollway.core.errors import BadRequest
from tollway.dialects.carrying import (
    carried_modalities,
    carried_specific,
    carried_tools,
    drop_set_fields,
    effort_for_budget,
    refuse_content,
    refuse_field,
)

_REQUEST = Conversation(dialect="openai-responses", model="m", messages=(Message("user", (Text("x"),)),))
_SEARCH = Tool(builtin=Opaque("openai-responses", {"type": "web_search"}))
_FUNCTION = Tool("f")


def _with(**fields: Any) -> Conversation:
    return msgspec.structs.replace(_REQUEST, **fields)


def test_specific_fields_reach_a_provider_of_the_same_dialect_unchanged() -> None:
    losses = Losses()
    request = _with(specific={"conversation": "c", "truncation": "auto"}, essential=("conversation",))
    assert carried_specific(request, "openai-responses", losses) == request.specific
    assert losses.fields == []


def test_specific_fields_are_dropped_and_reported_for_another() -> None:
    losses = Losses()
    assert carried_specific(_with(specific={"truncation": "auto", "include": []}), "openai-chat", losses) == {}
    assert losses.fields == ["truncation", "include"]


def test_an_essential_field_is_refused_by_name() -> None:
    request = _with(specific={"conversation": "c"}, essential=("conversation",))
    with pytest.raises(BadRequest) as caught:
        carried_specific(request, "openai-chat", Losses())
    assert (caught.value.param, caught.value.code) == ("conversation", "unsupported_parameter")


def test_built_in_tools_of_another_dialect_are_dropped_and_named() -> None:
    losses = Losses()
    assert carried_tools(_with(tools=(_SEARCH, _FUNCTION)), "openai-chat", losses) == (_FUNCTION,)
    assert losses.fields == ["tools[web_search]"]


def test_built_in_tools_stay_at_home() -> None:
    losses = Losses()
    assert carried_tools(_with(tools=(_SEARCH,)), "openai-responses", losses) == (_SEARCH,)
    assert losses.fields == []


@pytest.mark.parametrize(
    "choice",
    [
        ToolChoice("opaque", opaque=Opaque("openai-responses", {"type": "web_search"})),
        ToolChoice("required"),
        ToolChoice("allowed", names=("x",), required=True),
    ],
    ids=["by-type", "any", "one-of"],
)
def test_a_demand_for_a_dropped_tool_is_refused(choice: ToolChoice) -> None:
    with pytest.raises(BadRequest) as caught:
        carried_tools(_with(tools=(_SEARCH,), tool_choice=choice), "openai-chat", Losses())
    assert caught.value.param == "tool_choice"


def test_a_demand_that_another_tool_can_meet_is_not() -> None:
    request = _with(tools=(_SEARCH, _FUNCTION), tool_choice=ToolChoice("required"))
    assert carried_tools(request, "openai-chat", Losses()) == (_FUNCTION,)


@pytest.mark.parametrize(
    ("budget", "effort"), [(1, "low"), (2048, "low"), (2049, "medium"), (10240, "medium"), (99_999, "high")]
)
def test_a_thinking_budget_stands_near_an_effort(budget: int, effort: str) -> None:
    assert effort_for_budget(budget) == effort


def test_only_fields_that_were_set_are_reported() -> None:
    losses = Losses()
    drop_set_fields(_with(seed=0, stop=()), ("seed", "stop", "top_k"), losses)
    assert losses.fields == ["seed"]


@pytest.mark.parametrize(
    ("modalities", "lost"),
    [((), []), (("text",), []), (("TEXT", "IMAGE"), ["modalities"])],
    ids=["none", "text", "both"],
)
def test_wishes_for_more_than_text_are_reported(modalities: tuple[str, ...], lost: list[str]) -> None:
    losses = Losses()
    carried_modalities(_with(modalities=modalities), losses)
    assert losses.fields == lost


def test_a_wish_for_no_text_at_all_is_refused() -> None:
    with pytest.raises(BadRequest, match="modalities"):
        carried_modalities(_with(modalities=("audio",)), Losses())


def test_refusals_use_the_callers_own_words() -> None:
    with pytest.raises(BadRequest) as field:
        refuse_field(_with(dialect="gemini"), "count", "why")
    with pytest.raises(BadRequest) as content:
        refuse_content(_REQUEST, "why")
    assert field.value.message == "generationConfig.candidateCount: why"
    assert content.value.param == "input"
