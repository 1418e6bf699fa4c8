from typing import Any

import msgspec
import pytest

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import Audio, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.ollama_chat.answer import parse_answer, render_answer
from tollway.dialects.ollama_chat.lines import chat_words, prompt_words

_NAME = "ollama-chat"
_LINE = {
    "model": "m",
    "created_at": "2024-05-24T20:26:46Z",
    "message": {
        "role": "assistant",
        "content": "a",
        "thinking": "hm",
        "tool_calls": [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}],
    },
    "done": True,
    "done_reason": "stop",
    "prompt_eval_count": 3,
    "eval_count": 2,
    "total_duration": 7,
    "logprobs": [{"token": "a", "logprob": -1}],
    "brand_new": 1,
}


def test_everything_said_is_read() -> None:
    answer = parse_answer(msgspec.json.encode(_LINE), _NAME)
    (choice,) = answer.choices
    assert choice.parts == (Reasoning("hm"), Text("a"), ToolCall("c", "f", '{"x":1}'))
    assert (choice.finish, choice.logprobs) == ("tool_calls", [{"token": "a", "logprob": -1}])
    assert (answer.model, answer.created, answer.usage) == ("m", 1716582406, Usage(input_fresh=3, output_text=2))
    assert (answer.rest, answer.usage_rest) == ({"brand_new": 1}, {"total_duration": 7})


def test_an_answer_of_its_own_comes_back_as_it_was() -> None:
    answer = parse_answer(msgspec.json.encode(_LINE), _NAME)
    assert msgspec.json.decode(render_answer(answer, "other", chat_words, now=1, dialect=_NAME)) == _LINE


def _rendered(*parts: Part, **more: Any) -> dict[str, Any]:
    answer = Answer(id="", model="", choices=(Choice(0, parts, finish="length"),), **more)
    return msgspec.json.decode(render_answer(answer, "m", chat_words, now=1716582406, dialect=_NAME))


def test_an_answer_of_another_api_is_whole() -> None:
    found = _rendered(Text("a"), Text("b"), dialect="gemini", rest={"x": 1}, usage_rest={"y": 1})
    assert found == {
        "model": "m",
        "created_at": "2024-05-24T20:26:46Z",
        "message": {"role": "assistant", "content": "ab"},
        "done": True,
        "done_reason": "length",
    }


def test_what_has_no_member_becomes_words() -> None:
    parts = (
        Image(data="QUJD", media_type="image/png"),
        Audio("x", "wav", rest={"transcript": "heard"}),
        Refusal("no"),
        Reasoning(summary=("a", "b")),
        Opaque("gemini", {"a": 1}),
    )
    assert _rendered(*parts)["message"] == {
        "role": "assistant",
        "content": "![image](data:image/png;base64,QUJD)heardno",
        "thinking": "a\n\nb",
    }


def test_a_prompts_answer_has_its_words_at_the_top() -> None:
    answer = parse_answer(b'{"model":"m","response":"a","thinking":"hm","done":true}', "ollama-generate")
    assert answer.choices[0].parts == (Reasoning("hm"), Text("a"))
    found = msgspec.json.decode(render_answer(answer, "m", prompt_words, now=1, dialect="ollama-generate"))
    assert (found["response"], found["thinking"]) == ("a", "hm")


def test_an_error_sent_as_a_success_is_one() -> None:
    with pytest.raises(UpstreamAnswered, match="broken"):
        parse_answer(b'{"error":"broken"}', _NAME)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"done":true}'])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body, _NAME)
