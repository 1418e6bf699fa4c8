import pytest

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    Choice,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamFailed,
    UsageReported,
)
from tollway.core.conversation import Audio, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamCut
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream

_STARTED = AnswerStarted("id", "model", created=5, service_tier="flex", rest={"a": 1}, dialect="openai-chat")


def _part(started: PartStarted, *texts: str, ended: PartEnded | None = None) -> Part:
    deltas = [PartDelta(0, 0, text) for text in texts]
    answer = collect_stream([_STARTED, started, *deltas, ended or PartEnded(0, 0)])
    return answer.choices[0].parts[0]


@pytest.mark.parametrize(
    ("started", "ended", "part"),
    [
        (PartStarted(0, 0, "text"), PartEnded(0, 0, signature="s"), Text("ab", signature="s")),
        (PartStarted(0, 0, "refusal"), None, Refusal("ab")),
        (PartStarted(0, 0, "reasoning"), PartEnded(0, 0, signature="s"), Reasoning("ab", signature="s")),
        (PartStarted(0, 0, "reasoning", encrypted="e"), None, Reasoning("ab", encrypted="e")),
        (
            PartStarted(0, 0, "summary", item_id="rs"),
            PartEnded(0, 0, encrypted="e"),
            Reasoning(summary=("ab",), id="rs", encrypted="e"),
        ),
        (
            PartStarted(0, 0, "tool_call", id="c", name="n", item_id="fc", signature="s", rest={"caller": 1}),
            None,
            ToolCall("c", "n", "ab", item_id="fc", signature="s", rest={"caller": 1}),
        ),
        (PartStarted(0, 0, "tool_call", id="c", name="n", custom=True), None, ToolCall("c", "n", "ab", custom=True)),
        (PartStarted(0, 0, "image", media_type="image/png"), None, Image(data="ab", media_type="image/png")),
        (PartStarted(0, 0, "audio", media_type="audio/wav"), None, Audio("ab", "wav")),
    ],
    ids=["text", "refusal", "signed", "encrypted", "summary", "call", "custom", "image", "audio"],
)
def test_each_kind_of_part_is_put_together(started: PartStarted, ended: PartEnded | None, part: Part) -> None:
    assert _part(started, "a", "b", ended=ended) == part


def test_an_opaque_part_is_kept_whole() -> None:
    opaque = Opaque("gemini", {"x": 1})
    assert _part(PartStarted(0, 0, "opaque", opaque=opaque)) == opaque


def test_parts_may_be_interleaved_and_choices_too() -> None:
    answer = collect_stream(
        [
            _STARTED,
            PartStarted(1, 0, "text"),
            PartStarted(0, 0, "tool_call", id="a", name="f"),
            PartStarted(0, 1, "tool_call", id="b", name="g"),
            PartDelta(0, 1, "{}"),
            PartDelta(1, 0, "hi", logprobs=[1], annotations=({"u": 1},)),
            PartDelta(0, 0, "[]"),
            PartEnded(0, 1),
            PartEnded(0, 0),
            PartEnded(1, 0),
            ChoiceFinished(0, "tool_calls", native_finish="stop"),
            ChoiceFinished(1, "stop_sequence", stop_sequence="END", rest={"r": 1}),
            UsageReported(Usage(input_fresh=1)),
            UsageReported(Usage(input_fresh=2), rest={"cost": 1}),
            AnswerEnded(),
        ]
    )
    assert answer.choices == (
        Choice(0, (ToolCall("a", "f", "[]"), ToolCall("b", "g", "{}")), "tool_calls", "stop"),
        Choice(
            1,
            (Text("hi", annotations=({"u": 1},)),),
            "stop_sequence",
            stop_sequence="END",
            logprobs=[1],
            rest={"r": 1},
        ),
    )
    assert (answer.usage, answer.usage_rest) == (Usage(input_fresh=2), {"cost": 1})
    assert (answer.id, answer.created, answer.service_tier, answer.rest) == ("id", 5, "flex", {"a": 1})


def test_summaries_and_thinking_of_one_item_become_one_part_again() -> None:
    answer = collect_stream(
        [
            _STARTED,
            PartStarted(0, 0, "summary", item_id="rs_1"),
            PartDelta(0, 0, "first"),
            PartEnded(0, 0),
            PartStarted(0, 1, "summary", item_id="rs_1"),
            PartDelta(0, 1, "second"),
            PartEnded(0, 1),
            PartStarted(0, 2, "reasoning", item_id="rs_1"),
            PartDelta(0, 2, "all"),
            PartEnded(0, 2, encrypted="e"),
            PartStarted(0, 3, "reasoning", item_id="rs_2"),
            PartEnded(0, 3, encrypted="f"),
        ]
    )
    assert answer.choices[0].parts == (
        Reasoning("all", summary=("first", "second"), encrypted="e", id="rs_1"),
        Reasoning(encrypted="f", id="rs_2"),
    )


def test_signed_thinking_without_an_item_stays_apart() -> None:
    parts = [PartStarted(0, 0, "reasoning"), PartEnded(0, 0, signature="a"), PartStarted(0, 1, "reasoning")]
    answer = collect_stream([_STARTED, *parts, PartEnded(0, 1, signature="b")])
    assert answer.choices[0].parts == (Reasoning(signature="a"), Reasoning(signature="b"))


def test_an_error_in_the_stream_is_raised_with_its_meaning() -> None:
    with pytest.raises(UpstreamAnswered) as caught:
        collect_stream([_STARTED, StreamFailed("busy", status=529, kind="overloaded_error", code="c")])
    assert (caught.value.status, caught.value.kind, caught.value.code) == (529, "overloaded_error", "c")


def test_a_stream_that_never_began_was_cut() -> None:
    with pytest.raises(UpstreamCut):
        collect_stream([])
