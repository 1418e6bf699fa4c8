from typing import Any

import pytest
from tests.support.validators import complaints

from tollway.core.conversation import Conversation, Message, OutputFormat, ReasoningRequest, Text, Tool, ToolChoice
from tollway.core.usage import Usage
from tollway.dialects.openai_responses.response_object import (
    Outcome,
    item_base,
    outcome_of,
    response_id,
    response_object,
)

_REQUEST = Conversation(dialect="openai-responses", model="m", messages=(Message("user", (Text("x"),)),))


def _outcome(**fields: Any) -> Outcome:
    return Outcome(**{"id": "resp_1", "model": "m", "created": 5, "status": "completed", "output": []} | fields)


def test_a_bare_request_is_answered_with_every_default() -> None:
    body = response_object(_REQUEST, _outcome())
    assert complaints("openai.response", body) == []
    assert (body["temperature"], body["top_p"], body["truncation"], body["store"]) == (1.0, 1.0, "disabled", False)
    assert body["usage"]["input_tokens_details"] == {"cached_tokens": 0, "cache_write_tokens": 0}
    assert "user" not in body


def test_what_was_asked_is_repeated() -> None:
    request = Conversation(
        dialect="openai-responses",
        model="m",
        messages=(Message("system", (Text("Be brief."),), id="instructions"), Message("user", (Text("x"),))),
        tools=(Tool("f", "d", {"type": "object"}, strict=True),),
        tool_choice=ToolChoice("named", names=("f",)),
        parallel_tool_calls=False,
        temperature=0.0,
        max_output_tokens=20,
        top_logprobs=2,
        reasoning=ReasoningRequest(effort="low", summary="auto"),
        output=OutputFormat("json"),
        verbosity="low",
        metadata={"a": "b"},
        user="u",
        service_tier="flex",
        specific={"truncation": "auto", "max_tool_calls": 3, "previous_response_id": "resp_0"},
    )
    body = response_object(request, _outcome(usage=Usage(input_fresh=1, output_text=2)))
    assert complaints("openai.response", body) == []
    assert body["instructions"] == "Be brief."
    assert body["tool_choice"] == {"type": "function", "name": "f"}
    assert body["temperature"] == 0.0
    assert body["text"] == {"format": {"type": "json_object"}, "verbosity": "low"}
    assert body["reasoning"] == {"effort": "low", "summary": "auto"}
    assert (body["truncation"], body["max_tool_calls"], body["previous_response_id"]) == ("auto", 3, "resp_0")
    assert (body["service_tier"], body["parallel_tool_calls"], body["user"]) == ("flex", False, "u")


def test_what_a_provider_of_this_api_said_stands_over_the_echo() -> None:
    rest = {"temperature": 0.3, "store": True, "text": {"verbosity": None, "format": {"type": "text"}}, "tools": None}
    body = response_object(_REQUEST, _outcome(rest=rest, service_tier="priority"))
    assert complaints("openai.response", body) == []
    assert (body["temperature"], body["store"], body["tools"], body["service_tier"]) == (0.3, True, [], "priority")
    assert body["text"] == {"format": {"type": "text"}}


@pytest.mark.parametrize("tier", ["on_demand", "standard", None])
def test_a_tier_this_api_does_not_name_is_the_default(tier: str | None) -> None:
    assert response_object(_REQUEST, _outcome(service_tier=tier))["service_tier"] == "default"


@pytest.mark.parametrize(
    ("finish", "outcome"),
    [
        ("stop", ("completed", None)),
        ("tool_calls", ("completed", None)),
        ("refusal", ("completed", None)),
        (None, ("completed", None)),
        ("length", ("incomplete", "max_output_tokens")),
        ("content_filter", ("incomplete", "content_filter")),
    ],
)
def test_why_the_model_stopped_becomes_a_status(finish: Any, outcome: tuple[str, str | None]) -> None:
    assert outcome_of(finish) == outcome
    body = response_object(_REQUEST, _outcome(status=outcome[0], incomplete=outcome[1]))
    assert complaints("openai.response", body) == []


def test_ids_are_recognisable_and_those_of_this_api_are_kept() -> None:
    assert response_id("resp_1", "x") == "resp_1"
    assert response_id("chatcmpl-1", "x") == "resp_chatcmpl-1"
    assert response_id("", "x") == "resp_x"
    assert item_base("resp_chatcmpl-1_2") == "chatcmpl12"
