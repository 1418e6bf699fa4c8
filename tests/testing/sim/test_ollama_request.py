import msgspec
import pytest

from tollway.testing.sim.ollama_request import ChatRequest, GenerateRequest, RequestError, as_chat, ask_of, check

USER = {"role": "user", "content": "hi"}


def read(**more):
    return msgspec.json.decode(msgspec.json.encode({"model": "sim", "messages": [USER], **more}), type=ChatRequest)


def ask(**more):
    return ask_of(read(**more), more.get("model", "sim"), refuse=False)


def test_the_question_is_the_last_users():
    turns = [{"role": "system", "content": "s"}, USER, {"role": "user", "content": "q", "images": ["AAAA"]}]
    found = ask(messages=turns)
    assert (found.prompt, found.system, found.images, found.messages) == ("q", "s", 1, 3)


@pytest.mark.parametrize(
    ("options", "most", "stop"),
    [
        (None, None, []),
        ({"num_predict": 9, "stop": "x"}, 9, ["x"]),
        ({"num_predict": -1, "stop": ["x", "y"]}, None, ["x", "y"]),
    ],
)
def test_options_bound_the_answer(options, most, stop):
    found = ask(options=options)
    assert (found.max_tokens, found.stop) == (most, stop)


@pytest.mark.parametrize(
    ("form", "free", "schema"),
    [("json", True, None), ("", False, None), (None, False, None), ({"type": "object"}, False, {"type": "object"})],
)
def test_a_format_is_a_schema_or_any_object(form, free, schema):
    found = ask(format=form)
    assert (found.json_object, found.schema) == (free, schema)


def test_results_at_the_end_are_the_tools_words():
    assert ask(messages=[USER, *({"role": "tool", "content": text} for text in "ab")]).tool_results == ["a", "b"]


@pytest.mark.parametrize(
    ("model", "think", "thinks"),
    [("qwen3", None, True), ("qwen3", False, False), ("llama3.2", None, False), ("sim", "low", True)],
)
def test_who_thinks(model, think, thinks):
    assert bool(ask(model=model, think=think).reasoning_tokens) == thinks


def test_what_the_server_refuses_is_refused():
    with pytest.raises(RequestError, match="does not support thinking"):
        check(read(think=True), "llama3.2")
    with pytest.raises(RequestError, match="invalid role"):
        check(read(messages=[{"role": "nobody"}]), "sim")
    check(read(think=True), "qwen3")


def test_a_prompt_is_a_chat_of_one_message():
    turns = as_chat(GenerateRequest(prompt="p", system="s", images=["AAAA"])).messages
    assert turns is not None
    assert [(turn.role, turn.content) for turn in turns] == [("system", "s"), ("user", "p")]
    assert as_chat(GenerateRequest()).messages == []
