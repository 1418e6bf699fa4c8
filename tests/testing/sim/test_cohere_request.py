import msgspec
import pytest

from tollway.testing.sim.cohere_request import ChatRequest, RequestError, ask_of, check

USER = {"role": "user", "content": "hi"}


def read(**more):
    return msgspec.convert({"model": "sim", "messages": [USER], **more}, ChatRequest)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ({"model": None}, "model"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "nobody"}]}, "messages[0].role"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "tool_call_id"),
        ({"stop_sequences": list("abcdef")}, "stop_sequences"),
        ({"tool_choice": "auto"}, "tool_choice"),
        ({"p": 1.0}, "p must"),
        ({"k": 501}, "k must"),
        ({"frequency_penalty": -0.1}, "frequency_penalty"),
        ({"presence_penalty": 1.1}, "presence_penalty"),
    ],
)
def test_what_the_service_refuses_is_refused(more, named):
    with pytest.raises(RequestError, match=named.replace("[", r"\[").replace("]", r"\]")):
        check(read(**more))


def test_a_sound_request_is_let_through():
    check(read(p=0.99, k=500, tool_choice="NONE"))


def test_the_question_is_the_last_users():
    turns = [
        {"role": "system", "content": "s"},
        USER,
        {"role": "assistant", "tool_plan": "p"},
        {**USER, "content": "q"},
    ]
    ask = ask_of(read(messages=turns, max_tokens=9, stop_sequences=["x"]), "sim", refuse=False)
    assert (ask.prompt, ask.system, ask.max_tokens, ask.stop, ask.messages) == ("q", "s", 9, ["x"], 4)


def test_results_at_the_end_are_the_tools_words():
    results = [{"role": "tool", "tool_call_id": "c", "content": [{"type": "text", "text": text}]} for text in "ab"]
    assert ask_of(read(messages=[USER, *results]), "sim", refuse=False).tool_results == ["a", "b"]


@pytest.mark.parametrize(
    ("model", "thinking", "thinks"),
    [
        ("sim", None, False),
        ("sim", {"type": "enabled"}, True),
        ("command-a-reasoning-08-2025", None, True),
        ("command-a-reasoning-08-2025", {"type": "disabled"}, False),
    ],
)
def test_who_thinks(model, thinking, thinks):
    assert bool(ask_of(read(thinking=thinking), model, refuse=False).reasoning_tokens) == thinks


def test_a_budget_bounds_the_thinking():
    assert ask_of(read(thinking={"token_budget": 5}), "sim", refuse=False).reasoning_tokens == 5


def test_a_format_is_a_schema_or_any_object():
    assert ask_of(read(response_format={"type": "json_object"}), "sim", refuse=False).json_object
    request = msgspec.json.decode(
        b'{"model":"sim","messages":[],"response_format":{"type":"json_object","json_schema":{"type":"object"}}}',
        type=ChatRequest,
    )
    assert ask_of(request, "sim", refuse=False).schema == {"type": "object"}
