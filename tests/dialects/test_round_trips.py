"""What goes through the neutral form and back is what it was, in one dialect and across them."""

import contextlib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.answer import (
    Answer,
    AnswerEnded,
    AnswerStarted,
    Choice,
    ChoiceFinished,
    FinishReason,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    UsageReported,
)
from tollway.core.conversation import Conversation, Losses, Message, Part, Reasoning, Text, ToolCall, ToolResult
from tollway.core.errors import BadRequest
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_CORPUS = Path(__file__).resolve().parents[1] / "corpus"
_PROVIDER = Provider(name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer())
_NATIVE = ["anthropic-messages", "gemini", "bedrock-converse"]
_UNSIGNED = ["cohere-chat", "ollama-chat"]
"""Their thinking bears no proof, and their counts do not tell it from other output."""
_SPOKEN = ["openai-chat", "openai-responses", *_NATIVE, *_UNSIGNED]
_ALL = [*_SPOKEN, "ollama-generate"]
_CASES = sorted(
    path.relative_to(_CORPUS).with_suffix("").as_posix()
    for name in _ALL
    for path in (_CORPUS / name.replace("-", "_")).glob("*.json")
)


def _dialect_of(case: str) -> str:
    return case.partition("/")[0].replace("_", "-")


def _read(case: str) -> Conversation:
    body = (_CORPUS / f"{case}.json").read_bytes()
    return conversation_dialect(_dialect_of(case)).parse_request(body, path_model="gemini-2.5-flash", stream=False)


def _sent(request: Conversation, target: str) -> Conversation:
    body = conversation_dialect(target).render_request(request, _PROVIDER, Losses())
    return conversation_dialect(target).parse_request(body, path_model=request.model, stream=request.stream)


@pytest.mark.parametrize("case", [case for case in _CASES if _dialect_of(case) not in _SPOKEN[:2]])
def test_a_request_comes_back_as_it_went_in_its_own_dialect(case: str) -> None:
    request = _read(case)
    assert _sent(request, request.dialect) == request


@pytest.mark.parametrize("target", _SPOKEN)
@pytest.mark.parametrize("case", _CASES)
def test_words_and_calls_reach_every_dialect_whole(case: str, target: str) -> None:
    request = _read(case)
    try:
        received = _sent(request, target)
    except BadRequest:
        pytest.skip("refused; the golden says why")
    assert _words(received) >= _words(request)
    assert _calls(received) == _calls(request)
    assert _results(received) == _results(request)


def _words(request: Conversation) -> set[str]:
    """The words of users and models; instructions may be gathered in one place."""
    return {
        part.text.strip()
        for message in request.messages
        for part in message.parts
        if isinstance(part, Text) and part.text.strip()
    }


def _calls(request: Conversation) -> list[tuple[str, object]]:
    return [(part.name, _arguments(part)) for part in _parts(request.messages) if isinstance(part, ToolCall)]


def _arguments(call: ToolCall) -> object:
    return {"input": call.arguments} if call.custom else msgspec.json.decode(call.arguments or "{}")


def _results(request: Conversation) -> list[str]:
    """Each result's words, without the object some APIs wrap them in."""
    found: list[str] = []
    for part in _parts(request.messages):
        if isinstance(part, ToolResult):
            text = "".join(one.text for one in part.parts if isinstance(one, Text))
            for wrapper in ("output", "error"):
                try:
                    value: Any = msgspec.json.decode(text)
                except msgspec.DecodeError:
                    continue
                if isinstance(value, dict) and value.keys() == {wrapper}:
                    text = value[wrapper]
            found.append(text.replace("\n", ""))  # some APIs keep the texts of a result apart by lines
    return found


def _parts(messages: tuple[Message, ...]) -> list[Part]:
    return [part for message in messages for part in message.parts]


# --- answers

_text = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
_base64 = st.binary(min_size=1, max_size=9).map(lambda raw: msgspec.json.decode(msgspec.json.encode(raw)))
_arguments_text = st.dictionaries(_text, st.integers(-9, 9) | _text, max_size=2).map(
    lambda value: msgspec.json.encode(value).decode()
)
_part = st.one_of(
    st.builds(Text, _text),
    st.builds(Reasoning, _text, signature=_base64),
    st.builds(
        ToolCall, st.from_regex(r"call_[a-z0-9]{1,6}", fullmatch=True), st.sampled_from(["f", "g"]), _arguments_text
    ),
)
_usage = st.builds(
    Usage,
    input_fresh=st.integers(0, 99),
    cache_read=st.integers(0, 99),
    output_text=st.integers(0, 99),
    reasoning=st.integers(0, 99),
)
_finish = st.sampled_from(["stop", "length", "tool_calls", "content_filter"])


@st.composite
def _answers(draw: st.DrawFn) -> Answer:
    parts = draw(st.lists(_part, max_size=5).map(tuple))
    finish: FinishReason = draw(_finish)
    return Answer(
        id="msg_1", model="m", choices=(Choice(0, parts, finish=finish),), usage=draw(_usage), dialect="openai-chat"
    )


def _streamed(answer: Answer, size: int) -> list[StreamEvent]:
    events: list[StreamEvent] = [AnswerStarted(answer.id, answer.model, dialect=answer.dialect)]
    for number, part in enumerate(answer.choices[0].parts):
        match part:
            case Text():
                started, text, signature = PartStarted(0, number, "text"), part.text, None
            case Reasoning():
                started, text, signature = PartStarted(0, number, "reasoning"), part.text, part.signature
            case ToolCall():
                started = PartStarted(0, number, "tool_call", id=part.id, name=part.name)
                text, signature = part.arguments, None
            case _:
                raise AssertionError(part)
        events.append(started)
        events.extend(PartDelta(0, number, text[at : at + size]) for at in range(0, len(text), size))
        events.append(PartEnded(0, number, signature=signature))
    assert answer.choices[0].finish is not None
    assert answer.usage is not None
    return [*events, ChoiceFinished(0, answer.choices[0].finish), UsageReported(answer.usage), AnswerEnded()]


def _request(dialect: str) -> Conversation:
    return Conversation(dialect="gemini", model=dialect, messages=())


@pytest.mark.parametrize("dialect", _NATIVE)
@given(answer=_answers())
def test_an_answer_written_for_a_caller_can_be_read_again(dialect: str, answer: Answer) -> None:
    one = conversation_dialect(dialect)
    again = one.parse_answer(one.render_answer(answer, _request(dialect), now=1))
    assert again.usage == _tellable(dialect, answer.usage)
    assert _said(again) == _said(answer)


def _tellable(dialect: str, usage: Usage | None) -> Usage | None:
    """What an API can tell of usage: Converse does not count the tokens of thinking apart."""
    if usage is None or dialect != "bedrock-converse":
        return usage
    return msgspec.structs.replace(usage, output_text=usage.output_tokens, reasoning=0)


def _said(answer: Answer) -> list[tuple[str, str]]:
    """What was said, neighbours of one kind joined: a stream may cut words anywhere."""
    found: list[tuple[str, str]] = []
    for part in answer.choices[0].parts if answer.choices else ():
        kind = type(part).__name__
        text = part.arguments if isinstance(part, ToolCall) else part.text if isinstance(part, Text | Reasoning) else ""
        if found and found[-1][0] == kind == "Text":
            found[-1] = (kind, found[-1][1] + text)
        else:
            found.append((kind, text))
    return found


@pytest.mark.parametrize("dialect", _NATIVE)
@given(answer=_answers(), size=st.integers(1, 8), batch=st.integers(1, 4), cut=st.integers(1, 60))
def test_a_stream_however_cut_is_its_non_streamed_twin(
    dialect: str, answer: Answer, size: int, batch: int, cut: int
) -> None:
    one = conversation_dialect(dialect)
    renderer = one.stream_renderer(_request(dialect), now=1, new_id="01NEW", framing="sse")
    events = _streamed(answer, size)
    wire = b"".join(renderer.feed(events[at : at + batch]) for at in range(0, len(events), batch))
    parser = one.stream_parser()
    read: list[StreamEvent] = []
    for at in range(0, len(wire), cut):
        read.extend(parser.feed(wire[at : at + cut]))
    read.extend(parser.close())
    assert isinstance(read[-1], AnswerEnded)
    streamed = collect_stream(read)
    whole = one.parse_answer(one.render_answer(answer, _request(dialect), now=1))
    assert _said(streamed) == _said(whole)
    assert streamed.usage == whole.usage
    assert streamed.choices[0].finish == whole.choices[0].finish
    signatures = [part.signature for part in whole.choices[0].parts if isinstance(part, Reasoning)]
    assert [part.signature for part in streamed.choices[0].parts if isinstance(part, Reasoning)] == signatures


def _kinds(answer: Answer) -> tuple[str, str, list[tuple[str, str]]]:
    """Thinking, words and calls, for APIs that keep each in one place."""
    said = _said(answer)
    thinking, words = ("".join(text for kind, text in said if kind == name) for name in ("Reasoning", "Text"))
    return thinking, words, [one for one in said if one[0] == "ToolCall"]


@pytest.mark.parametrize("dialect", _UNSIGNED)
@given(answer=_answers(), size=st.integers(1, 8), batch=st.integers(1, 4), cut=st.integers(1, 60))
def test_what_an_unsigned_answer_says_comes_back_whole_and_streamed(
    dialect: str, answer: Answer, size: int, batch: int, cut: int
) -> None:
    one = conversation_dialect(dialect)
    whole = one.parse_answer(one.render_answer(answer, _request(dialect), now=1))
    renderer = one.stream_renderer(_request(dialect), now=1, new_id="01NEW", framing="sse")
    events = _streamed(answer, size)
    wire = b"".join(renderer.feed(events[at : at + batch]) for at in range(0, len(events), batch))
    parser = one.stream_parser()
    read: list[StreamEvent] = []
    for at in range(0, len(wire), cut):
        read.extend(parser.feed(wire[at : at + cut]))
    read.extend(parser.close())
    assert isinstance(read[-1], AnswerEnded)
    streamed = collect_stream(read)
    assert _kinds(streamed) == _kinds(whole) == _kinds(answer)
    assert streamed.choices[0].finish == whole.choices[0].finish
    assert streamed.usage == whole.usage
    assert whole.usage is not None
    assert answer.usage is not None
    assert whole.usage.totals() == answer.usage.totals()


@pytest.mark.parametrize("dialect", [*_UNSIGNED, "ollama-generate"])
@given(answer=_answers(), size=st.integers(1, 8), cut=st.integers(1, 400))
def test_a_watch_finds_what_a_reader_finds(dialect: str, answer: Answer, size: int, cut: int) -> None:
    one = conversation_dialect(dialect)
    wire = one.stream_renderer(_request(dialect), now=1, new_id="01NEW", framing="sse").feed(_streamed(answer, size))
    watch = one.stream_watch(hide_usage=False)
    assert b"".join(watch.feed(wire[at : at + cut]) for at in range(0, len(wire), cut)) == wire
    assert (watch.ended, watch.failed) == (True, False)
    assert watch.facts().usage == collect_stream(one.stream_parser().feed(wire)).usage


@pytest.mark.parametrize("dialect", [*_NATIVE, *_UNSIGNED, "ollama-generate"])
@given(
    body=st.binary(max_size=60)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        max_leaves=8,
    ).map(msgspec.json.encode)
)
def test_no_body_of_a_stranger_breaks_the_reader(dialect: str, body: bytes) -> None:
    one = conversation_dialect(dialect)
    with contextlib.suppress(BadRequest):
        one.parse_request(body, path_model="m", stream=False)
    assert one.parse_error(500, body, {}).message
    one.facts(body)
