from typing import Any

import msgspec
import pytest

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Audio, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.cohere_chat.answer import parse_answer, render_answer

_CITATION = {"start": 0, "end": 1, "text": "a", "sources": [{"type": "document", "id": "d"}]}


def _parsed(**more: Any) -> Answer:
    value = {"id": "1", "finish_reason": "COMPLETE", "message": {"role": "assistant"}, **more}
    return parse_answer(msgspec.json.encode(value))


def test_everything_said_is_read_in_its_order() -> None:
    message = {
        "content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}],
        "tool_plan": "p",
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        "citations": [_CITATION],
    }
    answer = _parsed(message=message, finish_reason="TOOL_CALL", usage={"tokens": {"input_tokens": 3}}, brand_new=1)
    assert answer.choices == (
        Choice(
            0,
            (
                Reasoning("hm"),
                Text("a", annotations=(_CITATION,)),
                Text("p", origin={"tool_plan": True}),
                ToolCall("c", "f", "{}"),
            ),
            finish="tool_calls",
        ),
    )
    assert (answer.usage, answer.rest, answer.model) == (Usage(input_fresh=3), {"brand_new": 1}, "")


@pytest.mark.parametrize(
    ("reason", "finish", "native"),
    [
        ("COMPLETE", "stop", None),
        ("STOP_SEQUENCE", "stop_sequence", None),
        ("MAX_TOKENS", "length", None),
        ("TOOL_CALL", "tool_calls", None),
        ("SOMETHING_NEW", "other", "SOMETHING_NEW"),
    ],
)
def test_a_finish_reason_is_read(reason: str, finish: FinishReason, native: str | None) -> None:
    (choice,) = _parsed(finish_reason=reason).choices
    assert (choice.finish, choice.native_finish) == (finish, native)


@pytest.mark.parametrize(("reason", "status"), [("ERROR", 502), ("TIMEOUT", 504)])
def test_an_answer_that_failed_is_an_error(reason: str, status: int) -> None:
    with pytest.raises(UpstreamAnswered) as raised:
        _parsed(finish_reason=reason)
    assert raised.value.status == status


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"message":"x"}'])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body)


def test_probabilities_are_those_of_pieces_of_text() -> None:
    answer = _parsed(logprobs=[{"text": "ab", "token_ids": [1, 2], "logprobs": [-0.5, -0.25]}])
    assert answer.choices[0].logprobs == [{"token": "ab", "logprob": -0.75}]
    again = msgspec.json.decode(render_answer(answer, now=1))
    assert again["logprobs"] == [{"text": "ab", "token_ids": [], "logprobs": [-0.75]}]


def _rendered(*parts: Part, **more: Any) -> dict[str, Any]:
    answer = Answer(id="", model="m", choices=(Choice(0, parts, finish="stop"),), **more)
    return msgspec.json.decode(render_answer(answer, now=5))


def test_an_answer_of_another_api_is_whole() -> None:
    found = _rendered(Text("a", annotations=({"type": "url_citation"},)), dialect="gemini", rest={"x": 1})
    assert (found["id"], found["message"]["content"]) == ("5", [{"type": "text", "text": "a"}])
    assert "x" not in found
    assert "citations" not in found["message"]
    assert found["usage"]["tokens"] == {"input_tokens": 0, "output_tokens": 0}


def test_what_has_no_block_becomes_words() -> None:
    parts = (
        Image(data="QUJD", media_type="image/png"),
        Audio("x", "wav", rest={"transcript": "heard"}),
        Refusal("no"),
        Reasoning(summary=("a", "b")),
        Reasoning(encrypted="x"),
        Opaque("gemini", {"a": 1}),
        Opaque("cohere-chat", {"type": "own"}),
    )
    blocks = _rendered(*parts)["message"]["content"]
    assert [block.get("text") or block.get("thinking") or block["type"] for block in blocks] == [
        "![image](data:image/png;base64,QUJD)",
        "heard",
        "no",
        "a\n\nb",
        "own",
    ]


def test_an_answer_of_its_own_comes_back_as_it_was() -> None:
    value = {
        "id": "1",
        "finish_reason": "TOOL_CALL",
        "message": {
            "role": "assistant",
            "tool_plan": "p",
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        },
        "usage": {
            "billed_units": {"input_tokens": 1, "output_tokens": 2, "search_units": 3},
            "tokens": {"input_tokens": 4, "output_tokens": 2},
            "cached_tokens": 1,
        },
        "new": 1,
    }
    assert msgspec.json.decode(render_answer(parse_answer(msgspec.json.encode(value)), now=1)) == value
