from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.support.neutral_streams import CUTS, cut
from tests.support.recordings import recordings

from tollway.core.answer import AnswerEnded, PartEnded, PartStarted, StreamEvent, StreamFailed
from tollway.core.conversation import Reasoning, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.ollama_chat.answer import parse_answer
from tollway.dialects.ollama_chat.stream_in import LineParser


def _line(**more: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "created_at": "2024-05-24T20:26:46Z", "done": False, **more}) + b"\n"


def _said(**message: Any) -> bytes:
    return _line(message={"role": "assistant", "content": "", **message})


_CALL = {"function": {"name": "f", "arguments": {"x": 1}}}
_END = _line(message={"content": ""}, done=True, done_reason="stop", prompt_eval_count=3, eval_count=2, eval_duration=9)
_WHOLE = (
    _said(thinking="h")
    + _said(thinking="m")
    + _said(content="a")
    + _said(content='b\n"done": true')
    + _said(tool_calls=[_CALL, _CALL])
    + _said(tool_calls=[_CALL])
    + _END
)


def _read(*chunks: bytes) -> list[StreamEvent]:
    parser = LineParser("ollama-chat")
    found = [event for chunk in chunks for event in parser.feed(chunk)]
    return [*found, *parser.close()]


def test_everything_said_is_read() -> None:
    answer = collect_stream(_read(_WHOLE))
    parts = answer.choices[0].parts
    assert parts[:2] == (Reasoning("hm"), Text('ab\n"done": true'))
    calls = [part for part in parts[2:] if isinstance(part, ToolCall)]
    assert [call.arguments for call in calls] == ['{"x":1}'] * 3
    assert len({call.id for call in calls}) == 3
    assert (answer.choices[0].finish, answer.usage) == ("tool_calls", Usage(input_fresh=3, output_text=2))
    assert (answer.model, answer.created, answer.usage_rest) == ("m", 1716582406, {"eval_duration": 9})


@given(sizes=CUTS)
def test_any_cut_gives_the_same_events(sizes: list[int]) -> None:
    assert _read(*cut(_WHOLE, sizes)) == _read(_WHOLE)


def test_every_part_that_starts_ends_and_nothing_follows_the_end() -> None:
    events = _read(_WHOLE, _WHOLE)
    started = [event.part for event in events if isinstance(event, PartStarted)]
    assert started == [event.part for event in events if isinstance(event, PartEnded)] == [0, 1, 2, 3, 4]
    assert [isinstance(event, AnswerEnded) for event in events].index(True) == len(events) - 1


def test_a_last_line_without_its_end_counts() -> None:
    assert isinstance(_read(_WHOLE.rstrip(b"\n"))[-1], AnswerEnded)


def test_an_error_line_ends_the_stream() -> None:
    events = _read(_said(content="a"), b'{"error":"broken"}\n', _END)
    assert isinstance(events[-1], StreamFailed)
    assert events[-1].message == "broken"


def test_a_stream_that_stops_has_no_end() -> None:
    assert not any(isinstance(event, AnswerEnded) for event in _read(_said(content="a")))


@pytest.mark.parametrize("data", [b"{\n", b"x" * (17 * 1024 * 1024)], ids=["no JSON", "too large"])
def test_what_is_no_line_is_garbled(data: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        _read(data)


def test_a_prompts_lines_are_read() -> None:
    answer = collect_stream(_read(_line(response="a"), _line(response="b", thinking=""), _line(response="", done=True)))
    assert answer.choices[0].parts == (Text("ab"),)


def test_probabilities_come_with_their_words() -> None:
    logprobs = [{"token": "a", "logprob": -1}]
    answer = collect_stream(_read(_line(message={"content": "a"}, logprobs=logprobs), _END))
    assert answer.choices[0].logprobs == logprobs


@pytest.mark.parametrize(
    "recording",
    [*recordings("ollama", "ollama-chat"), *recordings("ollama", "ollama-generate")],
    ids=lambda one: f"{one.endpoint} {'stream' if one.is_stream else 'whole'}",
)
def test_recorded_answers_are_read(recording: Any) -> None:
    if recording.is_stream:
        answer = collect_stream(_read(recording.body))
    else:
        answer = parse_answer(recording.body, recording.endpoint)
    assert answer.model == "llama3"
    assert answer.created > 1_700_000_000
    assert answer.usage is not None
    assert answer.usage.output_tokens > 30
