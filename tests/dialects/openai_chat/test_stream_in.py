from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.neutral_streams import CUTS, cut, neutral_streams

from tollway.core.answer import (
    Answer,
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
from tollway.core.conversation import Conversation, Image, Message, Opaque, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.openai_chat import DIALECT
from tollway.dialects.openai_chat.stream_in import ChatStreamParser

_HEAD = {"id": "i", "object": "chat.completion.chunk", "created": 5, "model": "m"}
_DONE = b"data: [DONE]\n\n"


def _sse(*chunks: dict[str, Any]) -> bytes:
    return b"".join(b"data: " + msgspec.json.encode(chunk) + b"\n\n" for chunk in chunks)


def _delta(finish: str | None = None, index: int = 0, **delta: Any) -> dict[str, Any]:
    return {**_HEAD, "choices": [{"index": index, "delta": delta, "finish_reason": finish}]}


def _call(index: int | None = 0, identity: str | None = None, name: str | None = None, arguments: str = "") -> Any:
    value: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        value["index"] = index
    if identity is not None:
        value |= {"id": identity, "type": "function"}
    if name is not None:
        value["function"]["name"] = name
    return _delta(tool_calls=[value])


def _read(*chunks: dict[str, Any], end: bytes = _DONE) -> list[StreamEvent]:
    parser = ChatStreamParser()
    return [*parser.feed(_sse(*chunks) + end), *parser.close()]


def _parts(*chunks: dict[str, Any]) -> Sequence[Any]:
    return collect_stream(_read(*chunks)).choices[0].parts


def test_a_plain_stream_gives_the_events_in_order() -> None:
    events = _read(
        _delta(role="assistant", content=""),
        _delta(content="He"),
        _delta(content="llo"),
        _delta(finish="stop"),
        {**_HEAD, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}},
    )
    assert events == [
        AnswerStarted("i", "m", created=5, dialect="openai-chat"),
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "He"),
        PartDelta(0, 0, "llo"),
        PartEnded(0, 0),
        ChoiceFinished(0, "stop", native_finish="stop"),
        UsageReported(Usage(input_fresh=1, output_text=2)),
        AnswerEnded(),
    ]


def test_azures_first_chunk_is_kept_for_the_answer_it_precedes() -> None:
    odd = {"choices": [], "created": 0, "id": "", "model": "", "object": "", "prompt_filter_results": [1]}
    started = _read(odd, _delta(content="a"), _delta(finish="stop"))[0]
    assert started == AnswerStarted("i", "m", created=5, rest={"prompt_filter_results": [1]}, dialect="openai-chat")


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
def test_thinking_is_read_under_both_names_and_ends_where_words_begin(name: str) -> None:
    chunks = [_delta(**{name: "a", "content": None}), _delta(**{name: "b"}), _delta(**{name: None, "content": "c"})]
    assert _parts(*chunks, _delta(finish="stop")) == (Reasoning("ab"), Text("c"))


def test_thinking_told_in_two_fields_at_once_is_told_once() -> None:
    chunks = [
        _delta(reasoning=word, reasoning_details=[{"type": "reasoning.text", "text": word, "index": 0}])
        for word in ("a", "b")
    ]
    proof = _delta(reasoning_details=[{"type": "reasoning.text", "signature": "s", "index": 0}])
    assert _parts(*chunks, proof, _delta(content="c")) == (Reasoning("ab", signature="s"), Text("c"))


def test_thinking_that_comes_again_with_its_proof_is_not_told_twice() -> None:
    proof = _delta(reasoning_details=[{"type": "reasoning.text", "text": "ab", "signature": "s"}])
    assert _parts(_delta(reasoning_content="a"), _delta(reasoning_content="b"), proof) == (
        Reasoning("ab", signature="s"),
    )


def test_encrypted_thinking_stands_for_itself() -> None:
    proof = _delta(reasoning_details=[{"type": "reasoning.encrypted", "data": "e", "id": "rs_1"}])
    assert _parts(proof, _delta(content="c")) == (Reasoning(encrypted="e", id="rs_1"), Text("c"))


def test_content_in_parts_is_read() -> None:
    thinking = {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}
    assert _parts(_delta(content=[thinking]), _delta(content=[{"type": "text", "text": "a"}])) == (
        Reasoning("r"),
        Text("a"),
    )


def test_calls_stream_one_after_another() -> None:
    parts = _parts(
        _call(0, "a", "f"),
        _call(0, arguments='{"x"'),
        _call(0, arguments=": 1}"),
        _call(1, "b", "g", "{}"),
        _delta(finish="tool_calls"),
    )
    assert parts == (ToolCall("a", "f", '{"x": 1}'), ToolCall("b", "g", "{}"))


def test_a_call_ends_when_the_next_begins_and_it_is_complete() -> None:
    events = _read(
        _call(0, "a", "f", "{}"), _call(1, "b", "g", "{"), _call(1, arguments="}"), _delta(finish="tool_calls")
    )
    kinds = [(type(event).__name__, getattr(event, "part", None)) for event in events[1:6]]
    assert kinds == [("PartStarted", 0), ("PartDelta", 0), ("PartEnded", 0), ("PartStarted", 1), ("PartDelta", 1)]


def test_interleaved_calls_stay_apart() -> None:
    parts = _parts(
        _call(0, "a", "f", '{"x"'),
        _call(1, "b", "g", '{"y"'),
        _call(0, arguments=":1}"),
        _call(1, arguments=":2}"),
        _delta(finish="tool_calls"),
    )
    assert parts == (ToolCall("a", "f", '{"x":1}'), ToolCall("b", "g", '{"y":2}'))


@pytest.mark.parametrize(
    "chunks",
    [
        [_call(None, "a", "f", "{"), _call(None, arguments="}"), _call(None, "b", "g", "{}")],
        [_call(0, "a", "f", "{"), _call(0, "a", arguments="}"), _call(0, "b", "g", "{}")],
        [_call(0, "a", "f", "{"), _call(0, "", "", "}"), _call(1, "b", "g", "{}")],
        [_call(0, "a", ""), _call(0, None, "f", "{}"), _call(1, "b", "g", "{}")],
        [_call(0, "a", "f", "{}"), _call(0, arguments=""), _call(1, "b", "g", "{}"), _call(0, arguments=" ")],
    ],
    ids=["no-index", "one-index-for-all", "empty-repeats", "late-name", "late-nothing"],
)
def test_servers_that_number_calls_their_own_way_are_understood(chunks: list[Any]) -> None:
    assert _parts(*chunks, _delta(finish="tool_calls")) == (ToolCall("a", "f", "{}"), ToolCall("b", "g", "{}"))


def test_a_call_without_an_id_gets_one_of_its_own() -> None:
    first, second = _parts(_call(0, None, "f", "{}"), _call(1, None, "g", "{}"), _delta(finish="tool_calls"))
    assert first.id
    assert first.id != second.id


def test_a_custom_call_and_a_signed_one_are_read() -> None:
    custom = _delta(tool_calls=[{"index": 0, "id": "a", "type": "custom", "custom": {"name": "p", "input": "x"}}])
    more = _delta(tool_calls=[{"index": 0, "custom": {"input": "y"}}])
    signed = _call(1, "b", "f", "{}")
    signed["choices"][0]["delta"]["tool_calls"][0]["extra_content"] = {"google": {"thought_signature": "s"}}
    assert _parts(custom, more, signed, _delta(finish="tool_calls")) == (
        ToolCall("a", "p", "xy", custom=True),
        ToolCall("b", "f", "{}", signature="s"),
    )


def test_functions_of_the_older_kind_are_calls() -> None:
    chunks = [_delta(function_call={"name": "f", "arguments": ""}), _delta(function_call={"arguments": "{}"})]
    assert _parts(*chunks, _delta(finish="function_call")) == (ToolCall("f", "f", "{}"),)


def test_refusals_pictures_sound_and_signed_text_are_read() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    parts = _parts(
        _delta(content="a", extra_content={"google": {"thought_signature": "s"}}),
        _delta(refusal="no"),
        _delta(images=[picture]),
        _delta(audio={"id": "x", "data": "QQ"}),
        _delta(audio={"data": "==", "expires_at": 5}),
        _delta(finish="stop"),
    )
    assert parts == (
        Text("a", signature="s"),
        Refusal("no"),
        Image(data="QQ==", media_type="image/png"),
        Opaque("openai-chat", {"type": "audio", "audio": {"id": "x", "data": "QQ==", "expires_at": 5}}),
    )


def test_choices_are_kept_apart() -> None:
    answer = collect_stream(
        _read(
            _delta(content="a"),
            _delta(index=1, content="b"),
            _delta("length"),
            _delta("stop", 1),
        )
    )
    assert [(choice.index, choice.parts, choice.finish) for choice in answer.choices] == [
        (0, (Text("a"),), "length"),
        (1, (Text("b"),), "stop"),
    ]


def test_log_probabilities_and_citations_ride_with_their_words() -> None:
    chunk = _delta(content="a", annotations=[{"type": "url_citation"}])
    chunk["choices"][0]["logprobs"] = {"content": [{"token": "a", "logprob": -1}]}
    choice = collect_stream(_read(chunk, _delta(finish="stop"))).choices[0]
    assert choice.parts == (Text("a", annotations=({"type": "url_citation"},)),)
    assert choice.logprobs == [{"token": "a", "logprob": -1}]


@pytest.mark.parametrize(
    "chunks",
    [
        [_delta(content="a"), {**_delta("stop"), "usage": {"prompt_tokens": 1, "completion_tokens": 2}}],
        [_delta(content="a"), _delta("stop"), {**_HEAD, "usage": {"prompt_tokens": 1, "completion_tokens": 2}}],
        [_delta(content="a"), {**_delta("stop"), "x_groq": {"usage": {"prompt_tokens": 1, "completion_tokens": 2}}}],
        [
            {**_delta(content="a"), "usage": {"prompt_tokens": 1, "completion_tokens": 0}},
            {**_delta("stop"), "usage": {"prompt_tokens": 1, "completion_tokens": 2}},
        ],
    ],
    ids=["last-chunk", "no-choices", "groq", "every-chunk"],
)
def test_usage_is_found_wherever_a_server_puts_it(chunks: list[Any]) -> None:
    assert collect_stream(_read(*chunks)).usage == Usage(input_fresh=1, output_text=2)


@pytest.mark.parametrize(
    ("sent", "failed"),
    [
        (
            _sse({"error": {"message": "busy", "type": "overloaded_error", "code": "x"}}),
            StreamFailed("busy", 503, "overloaded_error", "x"),
        ),
        (_sse({**_delta(content=""), "error": {"message": "cut", "code": 502}}), StreamFailed("cut", 502)),
        (b'event: error\ndata: {"message":"m","code":429}\n\n', StreamFailed("m", 429)),
        (_sse({"error": "words"}), StreamFailed("words", 502)),
    ],
    ids=["openai", "openrouter", "named", "string"],
)
def test_an_error_inside_the_stream_ends_it(sent: bytes, failed: StreamFailed) -> None:
    parser = ChatStreamParser()
    events = [*parser.feed(_sse(_delta(content="a")) + sent + _sse(_delta(content="b")) + _DONE), *parser.close()]
    assert events[-1] == failed


def test_a_server_that_finishes_without_done_has_ended_the_answer() -> None:
    assert isinstance(_read(_delta(content="a"), _delta("stop"), end=b"")[-1], AnswerEnded)


@pytest.mark.parametrize(
    "chunks",
    [[], [_delta(content="a")], [_delta("stop"), _delta(index=1, content="b")]],
    ids=["nothing", "no-finish", "one-of-two"],
)
def test_a_server_that_stops_in_the_middle_has_not(chunks: list[Any]) -> None:
    assert not any(isinstance(event, AnswerEnded) for event in _read(*chunks, end=b""))


def test_done_without_a_finish_reason_finishes() -> None:
    events = _read(_delta(content="a"))
    assert events[-2:] == [ChoiceFinished(0, "stop"), AnswerEnded()]


def test_nothing_is_read_after_the_end_or_after_a_finish_reason() -> None:
    events = _read(_delta("stop"), _delta(content="late"), end=_DONE + _sse(_delta(content="later")))
    assert not any(isinstance(event, PartDelta) for event in events)


def test_finish_and_choice_members_of_the_server_ride_along() -> None:
    chunk = _delta("stop")
    chunk["choices"][0]["content_filter_results"] = {"hate": {}}
    assert _read(_delta(content="a"), chunk)[-2] == ChoiceFinished(
        0, "stop", native_finish="stop", rest={"content_filter_results": {"hate": {}}}
    )


@pytest.mark.parametrize(
    "sent", [b"data: {\n\n", b"data: 7\n\n", b"data: []\n\n", _DONE, b"data: " + b"[" * 100_000 + b"\n\n"]
)
def test_what_is_no_chunk_is_the_providers_error(sent: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        ChatStreamParser().feed(sent)


_REQUEST = Conversation(dialect="openai-chat", model="m", messages=(Message("user", (Text("x"),)),), stream_usage=True)


def _written(events: Sequence[StreamEvent]) -> bytes:
    return DIALECT.stream_renderer(_REQUEST, now=1, new_id="X", framing="sse").feed(events)


@given(neutral_streams(choices=2))
def test_a_stream_written_and_read_again_says_the_same(events: Sequence[StreamEvent]) -> None:
    parser = ChatStreamParser()
    again = collect_stream([*parser.feed(_written(events)), *parser.close()])
    before = collect_stream(events)
    assert _said(again) == _said(before)
    assert (again.id, again.model, again.created, again.usage) == (
        before.id,
        before.model,
        before.created,
        before.usage,
    )


def _said(answer: Answer) -> list[Any]:
    """The parts; a blank line parts one run of thinking from an earlier one."""
    return [
        (
            choice.index,
            [Reasoning(part.text.strip("\n")) if isinstance(part, Reasoning) else part for part in choice.parts],
            choice.finish,
        )
        for choice in answer.choices
    ]


@given(neutral_streams(), CUTS)
def test_any_cut_of_the_same_bytes_gives_the_same_events(events: Sequence[StreamEvent], sizes: list[int]) -> None:
    sent = _written(events)
    whole, pieces = ChatStreamParser(), ChatStreamParser()
    expected = [*whole.feed(sent), *whole.close()]
    assert [event for piece in cut(sent, sizes) for event in pieces.feed(piece)] + [*pieces.close()] == expected


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
_WORDS = ("content", "reasoning", "reasoning_details")
_LOOSE = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys((*_WORDS, "tool_calls", "audio", "images", "function_call"), _JSON),
)


@given(st.lists(st.tuples(_LOOSE, st.none() | st.sampled_from(["stop", "x"]) | _JSON), max_size=5), _JSON)
def test_however_loose_a_server_is_its_events_keep_their_order(chunks: list[tuple[Any, Any]], usage: Any) -> None:
    sent = [{"choices": [{"delta": delta, "finish_reason": finish}], "usage": usage} for delta, finish in chunks]
    events = _read({**_HEAD, "choices": [{"index": 0, "delta": {}}]}, *sent)
    open_parts: set[int] = set()
    assert isinstance(events[-1], AnswerEnded)
    for event in events:
        if isinstance(event, PartStarted):
            open_parts.add(event.part)
        elif isinstance(event, PartDelta):
            assert event.part in open_parts
        elif isinstance(event, PartEnded):
            open_parts.remove(event.part)
    assert not open_parts


def test_parts_of_content_of_every_kind_are_read() -> None:
    unknown = {"type": "resource", "ids": [1]}
    picture = {"type": "image_url", "image_url": {"url": "https://x/a.png"}}
    inline = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}
    parts = _parts(
        _delta(content=[{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "no"}, inline, picture, unknown]),
        _delta(finish="stop"),
    )
    assert parts == (
        Text("a"),
        Refusal("no"),
        Image(data="QQ==", media_type="image/png"),
        Opaque("openai-chat", picture),
        Opaque("openai-chat", unknown),
    )


def test_references_between_pieces_of_a_text_become_its_annotations() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    parts = _parts(
        _delta(content=[{"type": "thinking", "thinking": [{"type": "text", "text": "r"}]}]),
        _delta(content=[{"type": "text", "text": "a"}]),
        _delta(content=[reference]),
        _delta(content=[{"type": "text", "text": "b"}]),
        _delta(content="c"),
        _delta(finish="stop"),
    )
    assert parts == (Reasoning("r"), Text("abc", annotations=(reference,)))


def test_pages_told_with_every_chunk_are_cited_once_at_the_end_of_the_text() -> None:
    told = {"citations": ["https://a", "https://b"]}
    chunks = [_delta(content="a") | told, _delta(content="b") | told, _delta(finish="stop") | told]
    (text,) = _parts(*chunks)
    assert isinstance(text, Text)
    assert text.text == "ab"
    assert [one["url_citation"]["url"] for one in text.annotations] == ["https://a", "https://b"]


def test_pages_first_told_in_the_middle_of_a_text_are_not_missed() -> None:
    told = {"search_results": [{"title": "A", "url": "https://a"}]}
    chunks = [_delta(content="a"), _delta(content="b"), _delta(content="c") | told, _delta(finish="stop")]
    (text,) = _parts(*chunks)
    assert isinstance(text, Text)
    assert text.text == "abc"
    assert [one["url_citation"]["title"] for one in text.annotations] == ["A"]


def test_a_provider_that_cites_for_itself_is_not_added_to() -> None:
    own = {"type": "url_citation", "url_citation": {"url": "https://a", "start_index": 0, "end_index": 1}}
    chunks = [_delta(content="a", annotations=[own]), _delta(finish="stop") | {"citations": ["https://b"]}]
    assert _parts(*chunks) == (Text("a", annotations=(own,)),)


def test_a_signature_without_words_signs_an_empty_text() -> None:
    chunk = _delta(extra_content={"google": {"thought_signature": "s"}})
    assert _parts(chunk, _delta(finish="stop")) == (Text("", signature="s"),)


def test_arguments_whose_name_never_came_are_not_lost() -> None:
    assert _parts(_call(0, "a", arguments="{}"), _delta(finish="tool_calls")) == (ToolCall("a", "", "{}"),)


def test_an_announced_call_that_never_came_is_none() -> None:
    assert _parts(_call(0, "a"), _delta(content="b"), _delta(finish="stop")) == (Text("b"),)


def test_an_event_without_an_end_is_the_providers_error() -> None:
    parser = ChatStreamParser()
    with pytest.raises(UpstreamGarbled, match="larger than"):
        parser.feed(b"data: " + b"x" * (17 * 1024 * 1024))


_MORE = st.fixed_dictionaries(
    {"content": st.text(max_size=4)},
    optional={
        "role": st.just("assistant"),
        "refusal": st.none() | st.just("no"),
        "tool_calls": st.none(),
        "reasoning_content": st.none() | st.text(max_size=3),
    },
)


@given(deltas=st.lists(_MORE, max_size=6), indexes=st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_a_plain_chunk_says_what_one_with_more_in_it_says(deltas: list[dict[str, Any]], indexes: list[int]) -> None:
    begun = [_delta(index=index, role="assistant", content="a") for index in (0, 1)]
    chunks = [*begun, *[_delta(index=index, **delta) for index, delta in zip(indexes, deltas, strict=False)]]
    # A member nobody knows makes a chunk one that is looked at closely.
    looked_at = [
        {**chunk, "choices": [{**chunk["choices"][0], "delta": {**chunk["choices"][0]["delta"], "unknown": 1}}]}
        for chunk in chunks
    ]
    assert _read(*chunks) == _read(*looked_at)


@pytest.mark.parametrize(
    "more", [{"usage": {"prompt_tokens": 1}}, {"error": {"message": "no"}}], ids=["usage", "error"]
)
def test_what_comes_beside_the_words_is_not_overlooked(more: dict[str, Any]) -> None:
    events = _read(_delta(content="a"), {**_delta(content="b"), **more})
    assert any(isinstance(event, UsageReported | StreamFailed) for event in events)
