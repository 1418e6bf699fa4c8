"""Made-up conversations, answers and streams through every pair of dialects: what was said arrives, whole.

Whatever a dialect, `tests/dialects/test_goldens.py` shows what one request becomes; here any request, answer and
stream must keep its words, its calls and their results, and its counts. What a pair cannot carry is refused or named.
"""

import base64
from collections.abc import Sequence
from itertools import product
from typing import NamedTuple

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
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
from tollway.core.conversation import (
    Conversation,
    Image,
    Losses,
    Message,
    Part,
    Reasoning,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import all_dialects, conversation_dialect
from tollway.interfaces.dialect import ConversationDialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer

_PROVIDER = Provider(
    name="p", title="P", docs="", base_url=None, conversation={}, signer=Bearer(), default_max_output_tokens=1_000
)
_ONE_PROMPT = {"ollama-generate"}
"""APIs without a history and without tools, whose own tests say what they carry."""
_NAMES = [one.name for one in all_dialects() if hasattr(one, "stream_parser") and one.name not in _ONE_PROMPT]
_PAIRS = [pytest.param(*pair, id=" to ".join(pair)) for pair in product(_NAMES, repeat=2)]
_SETTINGS = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# --- what is made up

_words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12).filter(str.strip)
_value = st.none() | st.booleans() | st.integers(-9, 9) | st.text(st.characters(codec="utf-8"), max_size=6)
_arguments = st.dictionaries(
    st.sampled_from(["a", "ü", "long name"]), _value | st.lists(_value, max_size=2), max_size=3
)
_huge = st.builds(lambda letter: {"a": letter * 70_000}, st.sampled_from("x\u00e9\U0001f600"))
_json = (_arguments | _huge).map(lambda value: msgspec.json.encode(value).decode())
_name = st.sampled_from(["look_up", "f", "send-mail"])
_picture = st.binary(min_size=1, max_size=9).map(
    lambda raw: Image(data=base64.b64encode(raw).decode(), media_type="image/png")
)


class _Exchanged(NamedTuple):
    """Calls the model made together, and what each gave."""

    calls: tuple[ToolCall, ...]
    results: tuple[ToolResult, ...]


@st.composite
def _exchanges(draw: st.DrawFn, start: int) -> _Exchanged:
    made = draw(st.lists(st.tuples(_name, _json, _words), min_size=1, max_size=3))
    calls = tuple(ToolCall(f"call_{start}_{n}", name, arguments) for n, (name, arguments, _) in enumerate(made))
    results = tuple(
        ToolResult(call.id, (Text(words),), name=call.name) for call, (_, _, words) in zip(calls, made, strict=True)
    )
    return _Exchanged(calls, results)


@st.composite
def _conversations(draw: st.DrawFn) -> tuple[Message, ...]:
    messages = [Message("system", (Text(draw(_words)),))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 3))):
        pictures = draw(st.lists(_picture, max_size=1))
        messages.append(Message("user", (Text(draw(_words)), *pictures)))
        said = [Text(words) for words in draw(st.lists(_words, max_size=1))]
        if draw(st.booleans()):
            exchanged = draw(_exchanges(turn))
            messages.append(Message("assistant", (*said, *exchanged.calls)))
            messages.append(Message("tool", exchanged.results))
        messages.append(Message("assistant", (Text(draw(_words)),)))
    messages.append(Message("user", (Text(draw(_words)),)))
    return tuple(messages)


_TOOLS = tuple(
    Tool(name=name, description=name, parameters={"type": "object", "properties": {"a": {"type": "string"}}})
    for name in ("look_up", "f", "send-mail")
)


def _as_caller(messages: tuple[Message, ...], dialect: ConversationDialect) -> Conversation:
    """The conversation as a caller of this dialect has it: written in its words, and read."""
    neutral = Conversation(dialect=dialect.name, model="m", messages=messages, tools=_TOOLS, max_output_tokens=100)
    body = dialect.render_request(neutral, _PROVIDER, Losses())
    return dialect.parse_request(body, path_model="m", stream=False)


# --- what was said


def _words_of(messages: Sequence[Message], *roles: str) -> list[str]:
    texts = [
        part.text for message in messages if message.role in roles for part in message.parts if isinstance(part, Text)
    ]
    return [text.strip() for text in texts if text.strip()]


def _parts_of(messages: Sequence[Message]) -> list[Part]:
    return [part for message in messages for part in message.parts]


def _calls_of(parts: Sequence[Part]) -> list[tuple[str, object]]:
    return [(one.name, msgspec.json.decode(one.arguments or "{}")) for one in parts if isinstance(one, ToolCall)]


def _results_of(parts: Sequence[Part]) -> list[str]:
    return [
        "".join(one.text for one in part.parts if isinstance(one, Text))
        for part in parts
        if isinstance(part, ToolResult)
    ]


def _pictures_of(parts: Sequence[Part]) -> list[str]:
    return [str(one.data or one.url).rpartition(",")[2] for one in parts if isinstance(one, Image)]


@pytest.mark.parametrize(("inbound", "outbound"), _PAIRS)
@_SETTINGS
@given(messages=_conversations())
def test_what_a_caller_says_reaches_the_provider(inbound: str, outbound: str, messages: tuple[Message, ...]) -> None:
    caller, target = conversation_dialect(inbound), conversation_dialect(outbound)
    request = _as_caller(messages, caller)
    losses = Losses()
    body = target.render_request(request, _PROVIDER, losses)
    received = target.parse_request(body, path_model="m", stream=False)
    sent, got = _parts_of(request.messages), _parts_of(received.messages)
    for roles in (("user",), ("assistant",), ("system", "developer")):
        assert "".join(_words_of(received.messages, *roles)) == "".join(_words_of(request.messages, *roles))
    assert _calls_of(got) == _calls_of(sent)
    assert [_unwrapped(text) for text in _results_of(got)] == [_unwrapped(text) for text in _results_of(sent)]
    assert _pictures_of(got) == _pictures_of(sent)
    assert [tool.name for tool in received.tools] == [tool.name for tool in request.tools]
    assert losses.fields == []


def _unwrapped(text: str) -> str:
    """A result's words, without the object some APIs demand around them."""
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
    return value["output"] if isinstance(value, dict) and value.keys() == {"output"} else text


# --- answers

_finish = st.sampled_from(["stop", "length", "tool_calls"])
_usage = st.builds(Usage, input_fresh=st.integers(1, 99), output_text=st.integers(1, 99))


@st.composite
def _answers(draw: st.DrawFn) -> Answer:
    parts: list[Part] = [Text(words) for words in draw(st.lists(_words, max_size=1))]
    calls = draw(st.lists(st.tuples(_name, _json), max_size=3))
    parts += [ToolCall(f"call_{n}", name, arguments) for n, (name, arguments) in enumerate(calls)]
    finish: FinishReason = "tool_calls" if calls else draw(st.sampled_from(["stop", "length"]))
    return Answer(id="a1", model="m", choices=(Choice(0, tuple(parts), finish=finish),), usage=draw(_usage))


def _asked(dialect: ConversationDialect, *, stream: bool) -> Conversation:
    messages = (Message("user", (Text("hi"),)),)
    neutral = Conversation(
        dialect=dialect.name, model="m", messages=messages, tools=_TOOLS, max_output_tokens=100, stream=stream
    )
    body = dialect.render_request(neutral, _PROVIDER, Losses())
    request = dialect.parse_request(body, path_model="m", stream=stream)
    return msgspec.structs.replace(request, stream_usage=True)


def _told(answer: Answer) -> tuple[str, list[tuple[str, object]], FinishReason | None, tuple[int, int] | None]:
    choice = answer.choices[0]
    words = "".join(part.text for part in choice.parts if isinstance(part, Text))
    counts = None if answer.usage is None else answer.usage.totals()
    return words, _calls_of(choice.parts), choice.finish, counts


@pytest.mark.parametrize(("inbound", "outbound"), _PAIRS)
@_SETTINGS
@given(answer=_answers())
def test_what_a_provider_answers_reaches_the_caller(inbound: str, outbound: str, answer: Answer) -> None:
    caller, target = conversation_dialect(inbound), conversation_dialect(outbound)
    given_by_provider = target.parse_answer(target.render_answer(answer, _asked(target, stream=False), now=1))
    shown = caller.render_answer(given_by_provider, _asked(caller, stream=False), now=1)
    assert _told(caller.parse_answer(shown)) == _told(answer)


# --- streams


def _streamed(answer: Answer, size: int) -> list[StreamEvent]:
    events: list[StreamEvent] = [AnswerStarted(answer.id, answer.model)]
    for number, part in enumerate(answer.choices[0].parts):
        match part:
            case Text():
                started, text = PartStarted(0, number, "text"), part.text
            case Reasoning():
                started, text = PartStarted(0, number, "reasoning"), part.text
            case ToolCall():
                started, text = PartStarted(0, number, "tool_call", id=part.id, name=part.name), part.arguments
            case _:
                raise AssertionError(part)
        events.append(started)
        step = max(size, len(text) // 8)
        events.extend(PartDelta(0, number, text[at : at + step]) for at in range(0, len(text), step))
        events.append(PartEnded(0, number))
    assert answer.choices[0].finish is not None
    assert answer.usage is not None
    return [*events, ChoiceFinished(0, answer.choices[0].finish), UsageReported(answer.usage), AnswerEnded()]


def _read(dialect: ConversationDialect, wire: bytes, cut: int) -> list[StreamEvent]:
    parser = dialect.stream_parser()
    step = max(cut, len(wire) // 200)
    events: list[StreamEvent] = []
    for at in range(0, len(wire), step):
        events.extend(parser.feed(wire[at : at + step]))
    return [*events, *parser.close()]


def _written(dialect: ConversationDialect, events: Sequence[StreamEvent], batch: int) -> bytes:
    renderer = dialect.stream_renderer(
        _asked(dialect, stream=True), now=1, new_id="01NEW", framing=dialect.provider_framing
    )
    return b"".join(renderer.feed(events[at : at + batch]) for at in range(0, len(events), batch))


@pytest.mark.parametrize(("inbound", "outbound"), _PAIRS)
@_SETTINGS
@given(
    answer=_answers(),
    size=st.integers(1, 8),
    batch=st.integers(1, 4),
    cuts=st.tuples(st.integers(1, 60), st.integers(1, 60)),
)
def test_a_stream_reaches_the_caller_however_it_is_cut(
    inbound: str, outbound: str, answer: Answer, size: int, batch: int, cuts: tuple[int, int]
) -> None:
    caller, target = conversation_dialect(inbound), conversation_dialect(outbound)
    wire = _written(target, _streamed(answer, size), batch)
    seen = [collect_stream(_read(caller, _written(caller, _read(target, wire, cut), batch), cut)) for cut in cuts]
    assert _told(seen[0]) == _told(seen[1]) == _told(answer)


# --- refusals


_ONE_SCHEMA = {"anthropic-messages", "bedrock-invoke"}
"""The one is the other in an envelope: whatever the one says, the other can."""


@pytest.mark.parametrize(("inbound", "outbound"), _PAIRS)
def test_what_cannot_be_carried_is_refused_by_name_or_reported(inbound: str, outbound: str) -> None:
    caller, target = conversation_dialect(inbound), conversation_dialect(outbound)
    request = msgspec.structs.replace(
        _asked(caller, stream=False),
        specific={"unheard_of": True},
        essential=() if inbound == outbound else ("unheard_of",),
    )
    losses = Losses()
    if {inbound, outbound} <= _ONE_SCHEMA:
        request = msgspec.structs.replace(request, essential=())
    if inbound == outbound or {inbound, outbound} <= _ONE_SCHEMA:
        body = target.render_request(request, _PROVIDER, losses)
        assert b"unheard_of" in body
        assert losses.fields == []
        return
    with pytest.raises(BadRequest) as refused:
        target.render_request(request, _PROVIDER, losses)
    assert refused.value.param == "unheard_of"
    target.render_request(msgspec.structs.replace(request, essential=()), _PROVIDER, losses)
    assert losses.fields == ["unheard_of"]
