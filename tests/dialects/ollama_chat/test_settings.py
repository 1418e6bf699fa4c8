from typing import Any

import pytest

from tollway.core.conversation import Conversation, Losses, OutputFormat, ReasoningRequest
from tollway.core.errors import BadRequest
from tollway.core.json_value import JsonObject
from tollway.dialects.caller_fields import Fields
from tollway.dialects.ollama_chat.settings import read_settings, write_settings


def test_options_with_a_counterpart_become_one_and_others_keep_their_full_name() -> None:
    specific: JsonObject = {}
    options = {"num_predict": 9, "temperature": 0.1, "top_p": 0.2, "top_k": 3, "seed": 4, "stop": "x", "num_ctx": 8}
    settings = read_settings(Fields({"options": {**options, "numa": None}}), specific)
    assert (settings.max_output_tokens, settings.temperature, settings.top_p, settings.top_k) == (9, 0.1, 0.2, 3)
    assert (settings.seed, settings.stop) == (4, ("x",))
    assert specific == {"options.num_ctx": 8}


@pytest.mark.parametrize("most", [-1, -2])
def test_a_limit_below_nothing_is_a_word_of_this_api(most: int) -> None:
    specific: JsonObject = {}
    assert read_settings(Fields({"options": {"num_predict": most}}), specific).max_output_tokens is None
    assert specific == {"options.num_predict": most}


@pytest.mark.parametrize(
    ("written", "output"),
    [
        (None, None),
        ("", None),
        ("json", OutputFormat("json")),
        ({"type": "object"}, OutputFormat("schema", schema={"type": "object"})),
    ],
)
def test_a_format_is_read_and_written(written: Any, output: OutputFormat | None) -> None:
    assert read_settings(Fields({"format": written}), {}).output == output
    assert _written(output=output).get("format") == (written or None)


@pytest.mark.parametrize(
    ("written", "reasoning"),
    [
        (None, None),
        ("", None),
        (True, ReasoningRequest(enabled=True, show=True)),
        (False, ReasoningRequest(enabled=False)),
        ("high", ReasoningRequest(effort="high", show=True)),
    ],
)
def test_thinking_is_read_and_written(written: Any, reasoning: ReasoningRequest | None) -> None:
    assert read_settings(Fields({"think": written}), {}).reasoning == reasoning
    assert _written(reasoning=reasoning).get("think") == (None if written == "" else written)


@pytest.mark.parametrize(
    ("reasoning", "think"),
    [
        (ReasoningRequest(effort="none"), False),
        (ReasoningRequest(effort="minimal"), "low"),
        (ReasoningRequest(effort="xhigh"), "high"),
        (ReasoningRequest(effort="beyond"), "medium"),
        (ReasoningRequest(budget_tokens=0), False),
        (ReasoningRequest(budget_tokens=5000), "medium"),
        (ReasoningRequest(budget_tokens=-1), True),
        (ReasoningRequest(adaptive=True), True),
        (ReasoningRequest(show=True), None),
    ],
)
def test_another_apis_effort_is_a_level(reasoning: ReasoningRequest, think: Any) -> None:
    assert _written(dialect="openai-chat", reasoning=reasoning).get("think") == think


def test_what_cannot_be_said_of_thinking_is_named() -> None:
    losses = Losses()
    _written(losses, dialect="openai-chat", reasoning=ReasoningRequest(effort="low", summary="auto", rest={"x": 1}))
    assert losses.fields == ["reasoning_effort.summary", "reasoning_effort.x"]


def test_own_options_go_back_among_the_others() -> None:
    body: JsonObject = {}
    request = Conversation(dialect="ollama-chat", model="m", messages=(), temperature=0.5, logprobs=False)
    write_settings(body, request, {"options.num_ctx": 8, "keep_alive": "5m"}, Losses(), own=True)
    assert body == {"options": {"num_ctx": 8, "temperature": 0.5}, "keep_alive": "5m", "logprobs": False}


@pytest.mark.parametrize(
    ("value", "param"),
    [
        ({"format": "xml"}, "format"),
        ({"format": 7}, "format"),
        ({"think": 7}, "think"),
        ({"options": []}, "options"),
        ({"options": {"stop": [1]}}, "options.stop"),
        ({"options": {"top_k": "x"}}, "options.top_k"),
    ],
)
def test_what_is_wrong_is_named(value: Any, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        read_settings(Fields(value), {})
    assert refused.value.param == param


def _written(losses: Losses | None = None, *, dialect: str = "ollama-chat", **more: Any) -> JsonObject:
    body: JsonObject = {}
    request = Conversation(dialect=dialect, model="m", messages=(), **more)
    write_settings(body, request, {}, losses or Losses(), own=dialect == "ollama-chat")
    return body
