from typing import Any

import msgspec
import pytest

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Audio, File, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.bedrock_converse.answer import (
    answer_blocks,
    native_finish,
    neutral_finish,
    parse_answer,
    render_answer,
    stop_reason,
)
from tollway.dialects.bedrock_converse.content import NAME
from tollway.dialects.carried_proof import CarriedProof, pack

_BODY: dict[str, Any] = {
    "output": {"message": {"role": "assistant", "content": [{"text": "hi"}]}},
    "stopReason": "end_turn",
    "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "serverToolUsage": {}},
    "metrics": {"latencyMs": 5},
    "serviceTier": {"type": "flex"},
    "trace": {"guardrail": {}},
    "additionalModelResponseFields": {"stop_sequence": "END"},
}


def test_an_answer_is_read_whole_and_written_again() -> None:
    answer = parse_answer(msgspec.json.encode(_BODY))
    assert answer.choices[0].parts == (Text("hi"),)
    assert (answer.usage, answer.service_tier) == (Usage(input_fresh=1, output_text=2), "flex")
    assert answer.choices[0].stop_sequence == "END"
    assert msgspec.json.decode(render_answer(answer)) == _BODY


@pytest.mark.parametrize("body", [b"{}", b"[]", b"x", b'{"output":{"message":{"content":1}}}'])
def test_what_is_no_answer_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body)


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop_sequence"),
        ("max_tokens", "length"),
        ("tool_use", "tool_calls"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("malformed_tool_use", "other"),
    ],
)
def test_stop_reasons_come_back_as_they_were(reason: str, finish: FinishReason) -> None:
    assert neutral_finish(reason) == finish
    assert stop_reason(finish, native_finish(reason)) == reason


def test_another_apis_word_is_not_taken_over() -> None:
    assert stop_reason("stop", "end_of_story") == "end_turn"
    assert stop_reason(None, None) == "end_turn"
    assert (neutral_finish("later"), native_finish("later")) == ("other", "later")


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        (Text("a"), [{"text": "a"}]),
        (Refusal("no"), [{"text": "no"}]),
        (Reasoning("hm", signature="s"), [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}]),
        (Reasoning(summary=("a", "b")), [{"reasoningContent": {"reasoningText": {"text": "a\n\nb"}}}]),
        (
            Reasoning(summary=("a",), encrypted="gAAA", id="rs"),
            [
                {
                    "reasoningContent": {
                        "reasoningText": {"text": "a", "signature": pack(CarriedProof(encrypted="gAAA", id="rs"))}
                    }
                }
            ],
        ),
        (ToolCall("1", "f", '{"a":1}'), [{"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}}}]),
        (
            ToolCall("1", "f", "", signature="Z29v"),
            [
                {
                    "reasoningContent": {
                        "reasoningText": {"text": "", "signature": pack(CarriedProof(part_signature="Z29v"))}
                    }
                },
                {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}},
            ],
        ),
        (Image(data="AA==", media_type="image/png"), [{"image": {"format": "png", "source": {"bytes": "AA=="}}}]),
        (Image(url="https://example.com/a.png"), [{"text": "![image](https://example.com/a.png)"}]),
        (Audio("AA==", "mp3", rest={"transcript": "la"}), [{"text": "la"}]),
        (Audio("AA==", "mp3"), []),
        (Opaque("gemini", {"executableCode": {}}), []),
        (Opaque(NAME, {"searchResult": {}}), [{"searchResult": {}}]),
        (File(data="AA=="), []),
    ],
)
def test_every_part_of_another_apis_answer_is_written(part: Part, blocks: list[dict[str, Any]]) -> None:
    assert answer_blocks(part, own=False) == blocks


def test_its_own_redacted_thoughts_stay_redacted() -> None:
    assert answer_blocks(Reasoning(encrypted="AA=="), own=True) == [{"reasoningContent": {"redactedContent": "AA=="}}]


def test_an_answer_without_choices_is_an_empty_one() -> None:
    body = msgspec.json.decode(render_answer(Answer(id="", model="", choices=(), rest={"x": 1}, dialect="gemini")))
    assert (body["output"]["message"]["content"], body["metrics"]) == ([], {"latencyMs": 0})
    assert "x" not in body


def test_only_the_first_choice_is_written() -> None:
    answer = Answer(id="", model="", choices=(Choice(0, (Text("a"),)), Choice(1, (Text("b"),))))
    assert b'"b"' not in render_answer(answer)
