from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.support.neutral_streams import neutral_streams

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import ToolCall
from tollway.core.errors import UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.ollama_chat.lines import chat_words, prompt_words
from tollway.dialects.ollama_chat.stream_in import LineParser
from tollway.dialects.ollama_chat.stream_out import LineRenderer

_START = AnswerStarted("1", "served", created=1716582406, dialect="gemini")


def _renderer(write: Any = chat_words) -> LineRenderer:
    return LineRenderer("asked", write, now=5, dialect="ollama-chat")


def _lines(*events: StreamEvent, write: Any = chat_words) -> list[dict[str, Any]]:
    return [msgspec.json.decode(line) for line in _renderer(write).feed(events).splitlines()]


def _part(number: int, kind: Any, *texts: str, **more: Any) -> list[StreamEvent]:
    return [PartStarted(0, number, kind, **more), *(PartDelta(0, number, text) for text in texts), PartEnded(0, number)]


def test_words_go_out_as_they_come_and_calls_whole() -> None:
    call = _part(2, "tool_call", '{"x"', ":1}", id="c", name="f")
    lines = _lines(_START, *_part(0, "reasoning", "h"), *_part(1, "text", "a", "b"), *call)
    assert [line["message"].get("thinking", line["message"]["content"]) for line in lines] == ["h", "a", "b", ""]
    assert lines[-1]["message"]["tool_calls"] == [{"id": "c", "function": {"name": "f", "arguments": {"x": 1}}}]
    assert {(line["model"], line["created_at"], line["done"]) for line in lines} == {
        ("served", "2024-05-24T20:26:46Z", False)
    }


def test_the_last_line_waits_for_usage() -> None:
    usage = UsageReported(Usage(input_fresh=1, output_text=2), rest={"total_duration": 3})
    (line,) = _lines(_START, ChoiceFinished(0, "length"), usage, AnswerEnded())
    assert (line["done"], line["done_reason"], line["prompt_eval_count"], line["eval_count"]) == (True, "length", 1, 2)
    assert "total_duration" not in line
    (own,) = _lines(AnswerStarted("", "m", dialect="ollama-chat"), usage, AnswerEnded())
    assert own["total_duration"] == 3


@given(events=neutral_streams())
def test_what_is_written_is_read_again(events: list[StreamEvent]) -> None:
    read = collect_stream(LineParser("ollama-chat").feed(_renderer().feed(events)))
    expected = collect_stream(events)
    assert read.choices[0].parts == expected.choices[0].parts
    called = any(isinstance(part, ToolCall) for part in expected.choices[0].parts)
    finish = expected.choices[0].finish
    assert read.choices[0].finish == ("length" if finish == "length" else "tool_calls" if called else "stop")
    totals = None if expected.usage is None else expected.usage.totals()
    assert (None if read.usage is None else read.usage.totals()) == totals


def test_a_prompts_answer_has_its_words_at_the_top() -> None:
    lines = _lines(_START, *_part(0, "reasoning", "h"), *_part(1, "text", "a"), AnswerEnded(), write=prompt_words)
    assert [line["response"] for line in lines] == ["", "a", ""]
    assert lines[0]["thinking"] == "h"


def test_a_picture_is_words() -> None:
    (line,) = _lines(_START, *_part(0, "image", "QU", "JD", media_type="image/png"))
    assert line["message"]["content"] == "![image](data:image/png;base64,QUJD)"


def test_a_call_whose_end_never_came_is_written_at_the_end() -> None:
    lines = _lines(_START, PartStarted(0, 0, "tool_call", id="c", name="f"), PartDelta(0, 0, "{}"), AnswerEnded())
    assert ["tool_calls" in line["message"] for line in lines] == [True, False]


def test_other_choices_are_not_written() -> None:
    assert _lines(_START, PartStarted(1, 0, "text"), PartDelta(1, 0, "a"), ChoiceFinished(1, "length")) == []


def test_probabilities_come_with_their_words() -> None:
    entries = [{"token": "a", "logprob": -1}]
    (line,) = _lines(_START, PartStarted(0, 0, "text"), PartDelta(0, 0, "a", logprobs=entries))
    assert line["logprobs"] == entries


def test_an_answer_that_never_began_is_the_asked_models() -> None:
    (line,) = _lines(AnswerEnded())
    assert (line["model"], line["created_at"]) == ("asked", "1970-01-01T00:00:05Z")


@pytest.mark.parametrize("streamed", [True, False])
def test_a_failure_is_an_error_line(streamed: bool) -> None:
    renderer = _renderer()
    wire = renderer.feed([StreamFailed("broken")]) if streamed else renderer.fail(UpstreamCut("broken"))
    assert wire == b'{"error":"broken"}\n'
