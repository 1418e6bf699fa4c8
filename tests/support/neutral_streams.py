"""Made-up neutral streams that keep the promises of `core/answer.py`."""

from collections.abc import Sequence

from hypothesis import strategies as st

from tollway.core.answer import (
    AnswerEnded,
    AnswerStarted,
    ChoiceFinished,
    PartDelta,
    PartEnded,
    PartStarted,
    StreamEvent,
    UsageReported,
)
from tollway.core.usage import Usage

_TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
_TEXTS = st.lists(_TEXT, min_size=1, max_size=3)


def _plain(kind: str) -> st.SearchStrategy[tuple[PartStarted, list[str], PartEnded]]:
    return st.builds(
        lambda texts: (PartStarted(0, 0, kind), texts, PartEnded(0, 0)),  # pyright: ignore[reportArgumentType]
        _TEXTS,
    )


def _call() -> st.SearchStrategy[tuple[PartStarted, list[str], PartEnded]]:
    return st.builds(
        lambda name, value: (
            PartStarted(0, 0, "tool_call", name=name),
            ['{"a":', f"{value}", "}"],
            PartEnded(0, 0),
        ),
        st.sampled_from(["f", "g"]),
        st.integers(-9, 9),
    )


@st.composite
def neutral_streams(
    draw: st.DrawFn, *, kinds: tuple[str, ...] = ("reasoning", "text", "tool_call"), choices: int = 1
) -> Sequence[StreamEvent]:
    """A stream whose parts follow each other; two of a kind never touch, but for tool calls."""
    events: list[StreamEvent] = [AnswerStarted("id-1", "served", created=5)]
    for choice in range(choices):
        previous = ""
        calls = False
        for number in range(draw(st.integers(0, 4))):
            allowed = [kind for kind in kinds if kind == "tool_call" or kind != previous]
            kind = draw(st.sampled_from(allowed))
            previous = kind
            calls = calls or kind == "tool_call"
            started, texts, ended = draw(_call() if kind == "tool_call" else _plain(kind))
            identity = f"call_{choice}_{number}" if kind == "tool_call" else ""
            events.append(PartStarted(choice, number, started.kind, id=identity, name=started.name))
            events += [PartDelta(choice, number, text) for text in texts]
            events.append(PartEnded(choice, number, signature=ended.signature))
        finish = draw(st.sampled_from(["length", "content_filter"])) if draw(st.booleans()) else None
        events.append(ChoiceFinished(choice, finish or ("tool_calls" if calls else "stop")))
    if draw(st.booleans()):
        usage = Usage(input_fresh=draw(st.integers(0, 99)), output_text=draw(st.integers(0, 99)), cache_read=3)
        events.append(UsageReported(usage))
    events.append(AnswerEnded())
    return events


def cut(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces of the given sizes; what is left is the last piece."""
    pieces: list[bytes] = []
    at = 0
    for size in sizes:
        pieces.append(data[at : at + size])
        at += size
    return [*pieces, data[at:]]


CUTS = st.lists(st.integers(1, 200), max_size=60)
