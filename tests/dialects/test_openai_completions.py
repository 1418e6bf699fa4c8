"""Completions pass, or are said as a conversation; what no conversation can say is refused."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from openai._models import construct_type
from openai.types import Completion
from tests.support.neutral_streams import neutral_streams

from tollway.core.answer import (
    Answer,
    AnswerEnded,
    AnswerStarted,
    Choice,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import Conversation, Reasoning, Text
from tollway.core.errors import BadRequest, UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.openai_completions import DIALECT, AsConversation
from tollway.wire.sse import SseDecoder

EMULATION = AsConversation()
(COMPLETIONS,) = DIALECT.endpoints
EVENTS: list[StreamEvent] = [
    AnswerStarted("c-1", "m-1"),
    PartStarted(0, 0, "reasoning"),
    PartDelta(0, 0, "hmm"),
    PartEnded(0, 0),
    PartStarted(0, 1, "text"),
    PartDelta(0, 1, "Once "),
    PartDelta(0, 1, "upon"),
    PartEnded(0, 1),
    ChoiceFinished(0, "length"),
    UsageReported(Usage(input_fresh=3, output_text=2)),
    AnswerEnded(),
]


def read(stream: bool = False, **fields: Any) -> Conversation:
    body = msgspec.json.encode({"model": "m", "prompt": "Once", **fields})
    return EMULATION.parse_request(body, path_model="", stream=stream)


def written(request: Conversation, events: list[StreamEvent]) -> list[str]:
    renderer = EMULATION.stream_renderer(request, now=7, new_id="N", framing="sse")
    return [event.data for event in SseDecoder().feed(b"".join(renderer.feed([event]) for event in events))]


def as_sdk(chunk: str) -> Completion:
    """Read a chunk as the SDK does, which knows that the reason to stop comes last."""
    return construct_type(type_=Completion, value=msgspec.json.decode(chunk))  # pyright: ignore[reportReturnType]


def is_text(delta: PartDelta, events: list[StreamEvent]) -> bool:
    starts = [one for one in events if isinstance(one, PartStarted)]
    return any((one.choice, one.part, one.kind) == (delta.choice, delta.part, "text") for one in starts)


@pytest.mark.parametrize("prompt", ["Once", ["Once"]], ids=["a text", "one text in a list"])
def test_a_prompt_is_one_turn(prompt: Any) -> None:
    request = read(
        prompt=prompt,
        max_tokens=5,
        temperature=0.5,
        stop="\n",
        n=2,
        user="u",
        echo=False,
        suffix=None,
        best_of=1,
        logprobs=None,
        min_p=0.1,
    )
    assert [(message.role, message.parts) for message in request.messages] == [("user", (Text("Once"),))]
    assert (request.model, request.max_output_tokens, request.temperature, request.count) == ("m", 5, 0.5, 2)
    assert (request.stop, request.user, request.rest) == (("\n",), "u", {"min_p": 0.1})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("prompt", None),
        ("prompt", ["a", "b"]),
        ("prompt", [1, 2]),
        ("prompt", [[1, 2]]),
        ("echo", True),
        ("suffix", "end"),
        ("best_of", 3),
        ("logprobs", 2),
        ("stop", 3),
        ("stop", [1]),
        ("max_tokens", "x"),
    ],
)
def test_what_no_conversation_can_say_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(BadRequest) as caught:
        read(**{name: value})
    assert caught.value.param == name


def test_a_whole_answer_is_a_completion() -> None:
    answer = Answer(
        id="c-1",
        model="m-1",
        choices=(Choice(0, (Reasoning("hmm"), Text("Once "), Text("upon")), "length"), Choice(1, (), "stop")),
        usage=Usage(input_fresh=3, output_text=2),
    )
    body = msgspec.json.decode(EMULATION.render_answer(answer, read(), now=7))
    completion = Completion.model_validate(body, strict=True)
    assert [(one.text, one.finish_reason) for one in completion.choices] == [("Once upon", "length"), ("", "stop")]
    assert completion.usage is not None
    assert (completion.created, completion.usage.total_tokens) == (7, 5)


@pytest.mark.parametrize("wanted", [True, False], ids=["usage wanted", "usage not wanted"])
def test_a_stream_says_what_its_whole_twin_says(wanted: bool) -> None:
    *chunks, done = written(read(stream=True, stream_options={"include_usage": wanted}), EVENTS)
    assert done == "[DONE]"
    read_back = [as_sdk(one) for one in chunks]
    texts = [one.choices[0].text for one in read_back if one.choices]
    assert texts == ["Once ", "upon", ""]
    assert {one.id for one in read_back} == {"c-1"}
    assert [one.choices[0].finish_reason for one in read_back if one.choices][-1] == "length"
    assert [one.usage.total_tokens for one in read_back if one.usage] == ([5] if wanted else [])


@given(neutral_streams())
def test_any_stream_is_chunks_and_an_end(events: list[StreamEvent]) -> None:
    *chunks, done = written(read(stream=True), events)
    assert done == "[DONE]"
    read_back = [as_sdk(one) for one in chunks]
    assert {one.object for one in read_back} <= {"text_completion"}
    said = [event.text for event in events if isinstance(event, PartDelta) and is_text(event, events)]
    assert "".join(one.choices[0].text for one in read_back if one.choices) == "".join(said)


def test_a_failure_in_a_stream_is_an_error_without_an_end() -> None:
    (error,) = written(read(stream=True), [StreamFailed("broke", status=503, kind="server_error")])
    assert msgspec.json.decode(error)["error"]["message"] == "broke"
    renderer = EMULATION.stream_renderer(read(), now=7, new_id="N", framing="sse")
    assert b"[DONE]" not in renderer.fail(UpstreamCut("cut"))
    assert EMULATION.render_stream_error(UpstreamCut("cut")) == renderer.fail(UpstreamCut("cut"))
    assert EMULATION.stream_framing("") == "sse"


def test_usage_is_asked_for_and_kept_from_those_who_did_not() -> None:
    members = {"stream_options": msgspec.Raw(b'{"a":1}')}
    assert DIALECT.ask_for_usage(members)
    assert msgspec.json.decode(members["stream_options"]) == {"a": 1, "include_usage": True}
    assert not DIALECT.ask_for_usage(members)
    watch = DIALECT.passed_watch(COMPLETIONS, hide_usage=True)
    chunk = b'data: {"id":"c","model":"m","choices":[{"text":"a","finish_reason":"stop"}]}\n\n'
    counted = b'{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3}'
    usage = b'data: {"id":"c","model":"m","choices":[],"usage":%b}\n\n' % counted
    assert watch.feed(chunk + usage + b"data: [DONE]\n\n") == chunk + b"data: [DONE]\n\n"
    assert (watch.ended, watch.facts().usage) == (True, Usage(input_fresh=1, output_text=2))


def test_facts_of_a_whole_answer() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    body = {"id": "c", "model": "m", "choices": [{"text": "a", "finish_reason": "stop"}], "usage": usage}
    facts = DIALECT.passed_facts(COMPLETIONS, {}, msgspec.json.encode(body))
    assert (facts.id, facts.model, facts.finish, facts.usage) == ("c", "m", "stop", Usage(input_fresh=1, output_text=2))
