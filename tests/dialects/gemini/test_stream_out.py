from typing import Any

import msgspec
import pytest
from tests.support.validators import complaints

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
from tollway.core.conversation import Opaque
from tollway.core.errors import UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.carried_proof import CarriedProof, unpack
from tollway.dialects.gemini.stream_out import GeminiRenderer
from tollway.interfaces.dialect import StreamFraming
from tollway.wire.sse import SseDecoder

_STARTED = AnswerStarted("chatcmpl-1", "gpt-x")
_END: list[StreamEvent] = [ChoiceFinished(0, "stop"), UsageReported(Usage(input_fresh=3, output_text=4)), AnswerEnded()]


def _written(*events: StreamEvent, framing: StreamFraming = "sse", one_by_one: bool = True) -> list[dict[str, Any]]:
    renderer = GeminiRenderer("asked", "01NEW", framing)
    out = b"".join(renderer.feed([event]) for event in events) if one_by_one else renderer.feed(events)
    if framing == "json-array":
        found: list[dict[str, Any]] = msgspec.json.decode(out)
    else:
        found = [msgspec.json.decode(event.data) for event in SseDecoder().feed(out)]
    for one in found:
        if "error" not in one:
            assert complaints("gemini.response", one) == []
    return found


def _parts(written: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for one in written for part in one["candidates"][0]["content"]["parts"]]


@pytest.mark.parametrize("framing", ["sse", "json-array"])
def test_words_go_out_as_they_come_and_the_last_chunk_finishes(framing: StreamFraming) -> None:
    written = _written(
        _STARTED,
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "Pa"),
        PartDelta(0, 0, "ris"),
        PartEnded(0, 0),
        *_END,
        framing=framing,
    )
    assert _parts(written) == [{"text": "Pa"}, {"text": "ris"}, {"text": ""}]
    assert [one["candidates"][0].get("finishReason") for one in written] == [None, None, "STOP"]
    assert written[-1]["usageMetadata"] == {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7}
    assert {(one["responseId"], one["modelVersion"]) for one in written} == {("chatcmpl-1", "gpt-x")}


def test_what_came_together_goes_out_together() -> None:
    written = _written(
        _STARTED, PartStarted(0, 0, "text"), PartDelta(0, 0, "Pa"), PartDelta(0, 0, "ris"), *_END, one_by_one=False
    )
    assert len(written) == 1
    assert _parts(written) == [{"text": "Paris"}]


def test_a_call_is_written_whole_at_its_end() -> None:
    written = _written(
        _STARTED,
        PartStarted(0, 0, "tool_call", id="c", name="f"),
        PartDelta(0, 0, '{"a":'),
        PartDelta(0, 0, "1}"),
        PartEnded(0, 0, signature="c2ln"),
        *_END,
    )
    assert _parts(written)[0] == {
        "functionCall": {"id": "c", "name": "f", "args": {"a": 1}},
        "thoughtSignature": "c2ln",
    }


@pytest.mark.parametrize(
    ("events", "parts"),
    [
        ([PartStarted(0, 0, "refusal"), PartDelta(0, 0, "no"), PartEnded(0, 0)], [{"text": "no"}]),
        (
            [PartStarted(0, 0, "reasoning"), PartDelta(0, 0, "hm"), PartEnded(0, 0, signature="c2ln")],
            [{"text": "hm", "thought": True}, {"text": "", "thought": True, "thoughtSignature": "c2ln"}],
        ),
        (
            [PartStarted(0, 0, "text"), PartDelta(0, 0, "a"), PartEnded(0, 0, signature="c2ln")],
            [{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}],
        ),
        (
            [
                PartStarted(0, 0, "image", media_type="image/webp"),
                PartDelta(0, 0, "aG"),
                PartDelta(0, 0, "k="),
                PartEnded(0, 0),
            ],
            [{"inlineData": {"mimeType": "image/webp", "data": "aGk="}}],
        ),
        (
            [PartStarted(0, 0, "audio", media_type="audio/wav"), PartDelta(0, 0, "aGk="), PartEnded(0, 0)],
            [{"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}],
        ),
        (
            [PartStarted(0, 0, "opaque", opaque=Opaque("gemini", {"executableCode": {"code": "1"}})), PartEnded(0, 0)],
            [{"executableCode": {"code": "1"}}],
        ),
        ([PartStarted(0, 0, "opaque", opaque=Opaque("anthropic-messages", {"type": "x"})), PartEnded(0, 0)], []),
    ],
    ids=["refusal", "signed thoughts", "signed words", "picture", "sound", "own part", "another API's part"],
)
def test_parts_of_any_kind_are_written(events: list[StreamEvent], parts: list[dict[str, Any]]) -> None:
    assert _parts(_written(_STARTED, *events, *_END))[:-1] == parts


def test_encrypted_thinking_rides_in_the_signature() -> None:
    events = [PartStarted(0, 0, "summary", item_id="rs"), PartDelta(0, 0, "short"), PartEnded(0, 0, encrypted="e")]
    parts = _parts(_written(_STARTED, *events, *_END))
    assert unpack(parts[1]["thoughtSignature"]) == CarriedProof(encrypted="e", id="rs")


def test_choices_finish_together() -> None:
    written = _written(
        _STARTED,
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "a"),
        PartStarted(1, 0, "text"),
        PartDelta(1, 0, "b"),
        ChoiceFinished(1, "length"),
        *_END,
    )
    assert [(one["index"], one["finishReason"]) for one in written[-1]["candidates"]] == [
        (0, "STOP"),
        (1, "MAX_TOKENS"),
    ]


def test_probabilities_are_written() -> None:
    logprobs = [{"token": "a", "logprob": -1.0, "bytes": [97], "top_logprobs": []}]
    written = _written(_STARTED, PartStarted(0, 0, "text"), PartDelta(0, 0, "a", logprobs=logprobs), *_END)
    assert written[0]["candidates"][0]["logprobsResult"]["chosenCandidates"] == [{"token": "a", "logProbability": -1.0}]


def test_a_strange_part_is_ignored() -> None:
    nothing = [PartDelta(0, 9, "x"), PartEnded(0, 9), PartStarted(0, 0, "text"), PartDelta(0, 0, "")]
    assert _parts(_written(_STARTED, *nothing, *_END)) == [{"text": ""}]


def test_an_answer_that_only_ended_is_finished() -> None:
    assert _written(AnswerEnded())[0]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize("framing", ["sse", "json-array"])
def test_a_reported_failure_is_the_last_thing(framing: StreamFraming) -> None:
    written = _written(
        _STARTED,
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "a"),
        StreamFailed("busy", status=503),
        AnswerEnded(),
        framing=framing,
    )
    assert written[-1] == {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}


@pytest.mark.parametrize(
    ("framing", "expected"),
    [
        ("sse", b'data: {"error":{"code":502,"message":"it stopped","status":"UNAVAILABLE"}}\n\n'),
        ("json-array", b'[{"error":{"code":502,"message":"it stopped","status":"UNAVAILABLE"}}\n]'),
    ],
)
def test_a_cut_stream_ends_in_an_error(framing: StreamFraming, expected: bytes) -> None:
    renderer = GeminiRenderer("m", "01NEW", framing)
    assert renderer.fail(UpstreamCut("it stopped")) == expected
    assert renderer.fail(UpstreamCut("again")) == b""


def test_own_extras_are_written_and_others_are_not() -> None:
    finish = ChoiceFinished(0, "stop", rest={"safetyRatings": []})
    own = _written(
        AnswerStarted("1", "m", rest={"createTime": "2025-10-10T15:55:50Z"}, dialect="gemini"), finish, AnswerEnded()
    )
    assert (own[0]["createTime"], own[0]["candidates"][0]["safetyRatings"]) == ("2025-10-10T15:55:50Z", [])
    other = _written(AnswerStarted("1", "m", rest={"x": 1}, dialect="openai-chat"), finish, AnswerEnded())
    assert "x" not in other[0]
    assert "safetyRatings" not in other[0]["candidates"][0]
