"""What the simulator says, whatever the format."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.testing.sim.answers import Ask, Tool, answer, grouped, tokens

SAYS = {
    "capital": ("What is the capital of France?", "The capital of France is Paris."),
    "capital of two words": ("And the capital of the united kingdom?", "The capital of the united kingdom is London."),
    "sum": ("What is 12 * 12?", "12 * 12 = 144."),
    "difference": ("3-5", "3-5 = -2."),
    "verbatim": ("Reply with exactly: pong 🏓", "pong 🏓"),
    "repeat": ("Repeat after me: hello", "hello"),
    "nothing": ("", "There was no question, so here is a greeting: hello, and welcome."),
}


@pytest.mark.parametrize(("prompt", "said"), SAYS.values(), ids=SAYS)
def test_some_prompts_have_their_own_answer(prompt, said):
    assert answer(Ask(prompt=prompt)).text == said


def test_any_other_prompt_is_quoted_and_answered_the_same_each_time():
    ask = Ask(prompt="Summarize the key trends in Q3 earnings.")
    assert "“Summarize the key trends in Q3 earnings.”" in answer(ask).text
    assert answer(ask) == answer(ask)


def test_some_answers_have_characters_of_several_bytes():
    texts = [answer(Ask(prompt=f"question {i}")).text for i in range(40)]
    closings = {text.partition("”. ")[2] for text in texts}
    assert any(ord(character) > 0xFFFF for text in closings for character in text)
    assert any(text.isascii() for text in closings)


@pytest.mark.parametrize(
    ("system", "said"),
    [
        ("Answer in uppercase.", "THE CAPITAL OF FRANCE IS PARIS."),
        ("Answer in one word.", "Paris"),
        ("Talk like a pirate.", "Arr! The capital of France is Paris."),
        ("You are a helpful assistant.", "The capital of France is Paris."),
    ],
)
def test_plain_instructions_are_obeyed(system, said):
    assert answer(Ask(prompt="What is the capital of France?", system=system)).text == said


def test_the_system_prompt_can_be_asked_for():
    assert answer(Ask(prompt="Repeat your instructions.", system="Be kind — toujours.")).text == "Be kind — toujours."


def test_a_number_of_words_is_kept():
    assert len(answer(Ask(prompt="Write 300 words.")).text.split()) == 300


FUNCTIONS = [Tool("get_weather", {"type": "object"}), Tool("bookFlight", {"type": "object"})]
CALLS = {
    "nothing fits": (Ask(prompt="hello", tools=FUNCTIONS), []),
    "the name fits": (Ask(prompt="the weather?", tools=FUNCTIONS), ["get_weather"]),
    "a name in camel case fits": (Ask(prompt="a flight please", tools=FUNCTIONS), ["bookFlight"]),
    "told to use the tool": (Ask(prompt="use the tool", tools=FUNCTIONS), ["get_weather", "bookFlight"]),
    "one at a time": (Ask(prompt="use the tool", tools=FUNCTIONS, parallel=False), ["get_weather"]),
    "forbidden": (Ask(prompt="the weather?", tools=FUNCTIONS, tool_use="none"), []),
    "required": (Ask(prompt="hello", tools=FUNCTIONS, tool_use="required"), ["get_weather", "bookFlight"]),
    "named": (Ask(prompt="hello", tools=FUNCTIONS, tool_use="required", tool_named="bookFlight"), ["bookFlight"]),
    "named but unknown": (Ask(prompt="hello", tools=FUNCTIONS, tool_use="required", tool_named="sing"), []),
    "twice for two places": (Ask(prompt="weather in Rome and Oslo", tools=FUNCTIONS[:1]), ["get_weather"] * 2),
    "answered already": (Ask(prompt="the weather?", tools=FUNCTIONS, tool_results=["rain"]), []),
}


@pytest.mark.parametrize(("ask", "names"), CALLS.values(), ids=CALLS)
def test_tools_are_called_when_they_fit_or_must_be(ask, names):
    reply = answer(ask)
    assert [call.name for call in reply.calls] == names
    assert reply.finish == ("tool_calls" if names else "stop")


def test_a_json_answer_is_json():
    assert answer(Ask(prompt="2+2", json_object=True)).text == '{"answer":"2+2 = 4."}'


@given(prompt=st.text(max_size=200), limit=st.integers(0, 40), reasoning=st.integers(0, 40))
def test_no_reply_is_longer_than_its_limit_and_reasoning_is_spent_first(prompt, limit, reasoning):
    free = answer(Ask(prompt=prompt, reasoning_tokens=reasoning))
    cut = answer(Ask(prompt=prompt, reasoning_tokens=reasoning, max_tokens=limit))
    assert cut.output_tokens == min(free.output_tokens, limit)
    assert free.text.startswith(cut.text)
    assert (cut.finish == "length") == (free.output_tokens > limit)
    assert cut.reasoning_tokens == min(free.reasoning_tokens, limit)


@given(prompt=st.text(max_size=100), stop=st.text(min_size=1, max_size=3))
def test_a_stop_sequence_never_appears_in_the_answer(prompt, stop):
    reply = answer(Ask(prompt=prompt, stop=[stop]))
    assert stop not in reply.text
    assert (reply.stop_sequence == stop) == (reply.finish == "stop_sequence")


@given(pieces=st.lists(st.text(min_size=1)), size=st.integers(1, 5))
def test_grouping_loses_nothing(pieces, size):
    assert "".join(grouped(pieces, size)) == "".join(pieces)


@pytest.mark.parametrize(("text", "count"), [("", 0), ("a", 1), ("four", 1), ("fives", 2)])
def test_a_token_is_about_four_characters(text, count):
    assert tokens(text) == count
