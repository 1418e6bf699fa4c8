from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from tollway.core.conversation import Image, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.gemini.answer import parse_answer
from tollway.dialects.gemini.stream_in import GeminiParser
from tollway.wire.sse import sse_event

_GROUNDING = {
    "groundingChunks": [{"web": {"uri": "https://a", "title": "A"}}],
    "groundingSupports": [{"segment": {"endIndex": 2}, "groundingChunkIndices": [0]}],
    "webSearchQueries": ["q"],
}


def _chunk(*parts: dict[str, Any], **candidate: Any) -> dict[str, Any]:
    return {
        "candidates": [{"content": {"parts": list(parts), "role": "model"}} | candidate],
        "responseId": "r1",
        "modelVersion": "gemini-x",
    }


def _read(*chunks: Any) -> list[StreamEvent]:
    parser = GeminiParser()
    data = b"".join(sse_event(msgspec.json.encode(chunk)) for chunk in chunks)
    return [*parser.feed(data), *parser.close()]


def test_a_stream_is_started_filled_counted_finished_and_ended() -> None:
    events = _read(
        _chunk({"text": "Pa"}) | {"usageMetadata": {"promptTokenCount": 5}},
        _chunk({"text": "ris"}, finishReason="STOP")
        | {"usageMetadata": {"promptTokenCount": 4, "candidatesTokenCount": 2}},
    )
    assert events == [
        AnswerStarted("r1", "gemini-x", dialect="gemini"),
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "Pa"),
        UsageReported(Usage(input_fresh=5)),
        PartDelta(0, 0, "ris"),
        UsageReported(Usage(input_fresh=4, output_text=2)),
        PartEnded(0, 0),
        ChoiceFinished(0, "stop"),
        AnswerEnded(),
    ]


def test_a_call_is_whole_signed_and_why_it_stopped() -> None:
    call = {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"}
    events = _read(_chunk(call), _chunk({"text": ""}, finishReason="STOP"))
    assert events[1:] == [
        PartStarted(0, 0, "tool_call", id="gemini_call_r1_0_1", name="f", signature="c2ln"),
        PartDelta(0, 0, '{"a":1}'),
        PartEnded(0, 0, signature="c2ln"),
        ChoiceFinished(0, "tool_calls"),
        AnswerEnded(),
    ]


def test_a_signature_in_an_empty_piece_belongs_to_the_words_before() -> None:
    answer = collect_stream(
        _read(_chunk({"text": "a"}), _chunk({"text": "", "thoughtSignature": "c2ln"}, finishReason="STOP"))
    )
    assert answer.choices[0].parts == (Text("a", signature="c2ln"),)


def test_grounding_of_the_last_piece_cites_the_words() -> None:
    answer = collect_stream(
        _read(_chunk({"text": "Sé"}), _chunk({"text": "!"}, finishReason="STOP", groundingMetadata=_GROUNDING))
    )
    text = answer.choices[0].parts[0]
    assert isinstance(text, Text)
    assert text.annotations == ({"uri": "https://a", "title": "A", "startIndex": 0, "endIndex": 1},)
    assert answer.choices[0].rest == {"groundingMetadata": _GROUNDING}


@pytest.mark.parametrize(
    ("parts", "finish"),
    [
        ([{"text": "a"}, {"text": "b"}, {"text": "c", "thoughtSignature": "c2ln"}, {"text": "d"}], {}),
        ([{"text": "h", "thought": True}, {"text": "m", "thought": True}, {"text": "so"}], {"avgLogprobs": -1}),
        (
            [{"functionCall": {"name": "f", "args": {}}}, {"functionCall": {"name": "g"}, "thoughtSignature": "c2ln"}],
            {},
        ),
        ([{"text": "see"}, {"inlineData": {"mimeType": "image/png", "data": "aGk="}}, {"text": "that"}], {}),
        ([{"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}], {}),
        ([{"executableCode": {"code": "1"}}, {"codeExecutionResult": {"output": "1"}}, {"text": "1"}], {}),
        ([{"text": "a"}, {"text": "b", "partMetadata": {"x": 1}}, {"text": "c"}], {"groundingMetadata": _GROUNDING}),
    ],
    ids=["signed", "thoughts", "calls", "pictures", "sound", "code", "extras"],
)
def test_a_streamed_answer_is_its_non_streamed_twin(parts: list[dict[str, Any]], finish: dict[str, Any]) -> None:
    whole = parse_answer(msgspec.json.encode(_chunk(*parts, finishReason="STOP", **finish)))
    pieces = [_chunk(part) for part in parts[:-1]] + [_chunk(parts[-1], finishReason="STOP", **finish)]
    assert collect_stream(_read(*pieces)) == whole


def test_several_candidates_are_several_choices() -> None:
    chunk = {
        "candidates": [
            {"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP"},
            {"content": {"parts": [{"text": "b"}]}, "index": 1, "finishReason": "MAX_TOKENS"},
        ]
    }
    answer = collect_stream(_read(chunk))
    assert [(choice.parts, choice.finish) for choice in answer.choices] == [
        ((Text("a"),), "stop"),
        ((Text("b"),), "length"),
    ]


def test_probabilities_ride_on_the_words_they_are_of() -> None:
    result = {"chosenCandidates": [{"token": "a", "logProbability": -1.0}]}
    events = _read(_chunk({"text": "a"}, logprobsResult=result))
    assert events[2] == PartDelta(
        0, 0, "a", logprobs=[{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]
    )


def test_a_blocked_prompt_is_an_ended_answer() -> None:
    events = _read({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 3}})
    assert events[-2:] == [ChoiceFinished(0, "content_filter", native_finish="SAFETY"), AnswerEnded()]


def test_an_error_ends_the_stream() -> None:
    error = {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}
    for wrapped in (error, [error]):
        assert _read(_chunk({"text": "a"}), wrapped, _chunk({"text": "b"}))[-1] == StreamFailed(
            "busy", status=503, kind="UNAVAILABLE"
        )


def test_a_stream_cut_short_never_says_it_ended() -> None:
    events = _read(_chunk({"text": "a"}))
    assert not any(isinstance(event, AnswerEnded | ChoiceFinished) for event in events)
    assert not any(isinstance(event, AnswerEnded) for event in GeminiParser().close())


def test_usage_after_the_finish_counts() -> None:
    answer = collect_stream(
        _read(_chunk({"text": "a"}, finishReason="STOP"), {"usageMetadata": {"promptTokenCount": 9}})
    )
    assert answer.usage == Usage(input_fresh=9)


def test_data_that_is_not_json_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        GeminiParser().feed(b"data: {nope\n\n")


def test_an_endless_event_is_garbled() -> None:
    with pytest.raises(UpstreamGarbled):
        GeminiParser().feed(b"x" * (16 * 1024 * 1024 + 1))


def test_a_picture_is_one_part() -> None:
    part = {"inlineData": {"mimeType": "image/png", "data": "aGk="}}
    assert collect_stream(_read(_chunk(part, finishReason="STOP"))).choices[0].parts == (
        Image(data="aGk=", media_type="image/png"),
    )


def test_a_file_by_address_is_no_part() -> None:
    part = {"fileData": {"fileUri": "https://a/b.mp4", "mimeType": "video/mp4"}}
    assert collect_stream(_read(_chunk(part, finishReason="STOP"))).choices[0].parts == ()


def test_a_call_keeps_its_own_id() -> None:
    part = {"functionCall": {"id": "own", "name": "f"}}
    assert collect_stream(_read(_chunk(part, finishReason="STOP"))).choices[0].parts == (ToolCall("own", "f", "{}"),)


_PIECE = st.fixed_dictionaries(
    {"text": st.text(max_size=4)}, optional={"thought": st.booleans(), "thoughtSignature": st.just("c2ln")}
)


@given(st.lists(_PIECE, max_size=6), st.lists(st.integers(0, 1), min_size=6, max_size=6))
def test_a_plain_event_says_what_one_with_more_in_it_says(pieces: list[dict[str, Any]], indexes: list[int]) -> None:
    chunks = [_chunk(piece, index=index) for piece, index in zip(pieces, indexes, strict=False)]
    # A member of the candidate that says nothing makes an event one that is looked at closely.
    looked_at = [{**chunk, "candidates": [{**chunk["candidates"][0], "avgLogprobs": {}}]} for chunk in chunks]
    assert _read(*chunks) == _read(*looked_at)


def test_usage_beside_the_words_is_not_overlooked() -> None:
    events = _read(_chunk({"text": "a"}), _chunk({"text": "b"}) | {"usageMetadata": {"promptTokenCount": 3}})
    assert [event.usage.input_tokens for event in events if isinstance(event, UsageReported)] == [3]
