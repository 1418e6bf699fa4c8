from typing import Any

import msgspec

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
from tollway.dialects.bedrock_converse.content import NAME
from tollway.dialects.bedrock_converse.stream_out import ConverseRenderer
from tollway.dialects.carried_proof import CarriedProof, pack
from tollway.wire.aws_event_stream import FrameDecoder, event_name


def _written(*events: StreamEvent, renderer: ConverseRenderer | None = None) -> list[tuple[str, dict[str, Any]]]:
    out = (renderer or ConverseRenderer()).feed(events)
    return [(event_name(frame), msgspec.json.decode(frame.payload)) for frame in FrameDecoder().feed(out)]


def _deltas(*events: StreamEvent) -> list[dict[str, Any]]:
    return [event["delta"] for name, event in _written(*events) if name == "contentBlockDelta"]


def test_a_stream_has_the_apis_own_order() -> None:
    written = _written(
        AnswerStarted("id", "m"),
        PartStarted(0, 0, "text"),
        PartDelta(0, 0, "hi"),
        PartEnded(0, 0),
        PartStarted(0, 1, "tool_call", id="call.1", name="f"),
        PartDelta(0, 1, "{}"),
        PartEnded(0, 1),
        ChoiceFinished(0, "tool_calls"),
        UsageReported(Usage(input_fresh=1, output_text=2)),
        AnswerEnded(),
    )
    assert [name for name, _ in written] == [
        "messageStart",
        "contentBlockDelta",
        "contentBlockStop",
        "contentBlockStart",
        "contentBlockDelta",
        "contentBlockStop",
        "messageStop",
        "metadata",
    ]
    assert written[3][1] == {"contentBlockIndex": 1, "start": {"toolUse": {"toolUseId": "call_1", "name": "f"}}}
    assert written[6][1] == {"stopReason": "tool_use"}
    assert written[7][1]["usage"] == {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3}


def test_parts_that_overlap_wait_for_their_turn() -> None:
    written = _written(
        PartStarted(0, 0, "tool_call", id="1", name="f"),
        PartStarted(0, 1, "tool_call", id="2", name="g"),
        PartDelta(0, 1, "[2]"),
        PartDelta(0, 0, "[1]"),
        PartEnded(0, 1),
        PartEnded(0, 0),
        AnswerEnded(),
    )
    indexes = [event["contentBlockIndex"] for _, event in written if "contentBlockIndex" in event]
    assert indexes == sorted(indexes)
    assert [event["delta"]["toolUse"]["input"] for name, event in written if name == "contentBlockDelta"] == [
        "[1]",
        "[2]",
    ]


def test_thinking_is_proved_at_its_end() -> None:
    assert _deltas(PartStarted(0, 0, "reasoning"), PartDelta(0, 0, "hm"), PartEnded(0, 0, signature="EqQB")) == [
        {"reasoningContent": {"text": "hm"}},
        {"reasoningContent": {"signature": "EqQB"}},
    ]
    sealed = pack(CarriedProof(encrypted="gAAA", id="rs"))
    assert _deltas(PartStarted(0, 0, "summary", item_id="rs"), PartEnded(0, 0, encrypted="gAAA")) == [
        {"reasoningContent": {"signature": sealed}}
    ]
    redacted = PartStarted(0, 0, "reasoning", encrypted="AA==")
    assert _deltas(AnswerStarted("", "", dialect=NAME), redacted, PartEnded(0, 0)) == [
        {"reasoningContent": {"redactedContent": "AA=="}}
    ]


def test_a_foreign_proof_of_a_call_stands_before_it() -> None:
    written = _written(PartStarted(0, 0, "tool_call", id="1", name="f", signature="Z29v"), PartEnded(0, 0))
    assert written[1][1]["delta"] == {"reasoningContent": {"signature": pack(CarriedProof(part_signature="Z29v"))}}
    assert written[3][0] == "contentBlockStart"


def test_a_custom_tools_words_become_its_input() -> None:
    parts = (PartStarted(0, 0, "tool_call", id="1", name="f", custom=True), PartDelta(0, 0, "a"), PartDelta(0, 0, "b"))
    assert _deltas(*parts, PartEnded(0, 0)) == [{"toolUse": {"input": '{"input":"ab"}'}}]


def test_pictures_are_written_at_their_end() -> None:
    started = PartStarted(0, 0, "image", media_type="image/png")
    written = _written(started, PartDelta(0, 0, "iV"), PartDelta(0, 0, "BO"), PartEnded(0, 0))
    assert written[1][1]["start"] == {"image": {"format": "png"}}
    assert written[2][1]["delta"] == {"image": {"source": {"bytes": "iVBO"}}}
    other = PartStarted(0, 0, "image", media_type="image/tiff")
    assert "text" in _deltas(other, PartDelta(0, 0, "AA"), PartEnded(0, 0))[0]


def test_what_a_provider_of_this_api_did_by_itself_is_written_whole() -> None:
    use = Opaque(NAME, {"toolUse": {"toolUseId": "1", "name": "s", "type": "server_tool_use", "input": {"q": 1}}})
    result = Opaque(NAME, {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}]}})
    foreign = Opaque("gemini", {"executableCode": {}})
    events = [
        one
        for number, value in enumerate((use, result, foreign))
        for one in (PartStarted(0, number, "opaque", opaque=value), PartEnded(0, number))
    ]
    assert _deltas(*events) == [{"toolUse": {"input": '{"q":1}'}}, {"toolResult": [{"text": "x"}]}]


def test_only_the_first_choice_is_written() -> None:
    assert _deltas(PartStarted(1, 0, "text"), PartDelta(1, 0, "no"), ChoiceFinished(1, "stop")) == []


def test_a_part_that_never_ended_ends_with_the_answer() -> None:
    written = _written(PartStarted(0, 0, "text"), PartDelta(0, 0, "a"), AnswerEnded())
    assert [name for name, _ in written][-3:] == ["contentBlockStop", "messageStop", "metadata"]


def test_errors_are_frames_of_their_own() -> None:
    renderer = ConverseRenderer()
    assert _written(StreamFailed("slow", status=429), renderer=renderer)[0][0] == "exception:throttlingException"
    (frame,) = FrameDecoder().feed(renderer.fail(UpstreamCut("it stopped")))
    assert event_name(frame) == "exception:modelStreamErrorException"
