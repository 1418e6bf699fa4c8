"""A value of another type at every place of every request of the corpus, and of every event of a stream.

The drawn documents of `test_targets.py` reach a place now and then; here none is left out.
"""

import copy
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

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
from tollway.core.conversation import Conversation
from tollway.core.usage import Usage
from tollway.dialects.registry import conversation_dialect

from .targets import CORPUS, targets

_TARGETS = targets()
_REQUESTS = [
    pytest.param(f"{path.parent.name.replace('_', '-')}-request", path, id=f"{path.parent.name}/{path.stem}")
    for path in sorted(CORPUS.glob("*/*.json"))
    if f"{path.parent.name.replace('_', '-')}-request" in _TARGETS
]
_IN_PLACE: list[Any] = [[], [1], ["x"], {"a": []}, 7, None, True, "x"]
_STREAMED = ["openai-chat", "openai-responses", "anthropic-messages", "gemini", "cohere-chat"]
_EVENTS: list[StreamEvent] = [
    AnswerStarted("id", "m"),
    PartStarted(0, 0, "reasoning"),
    PartDelta(0, 0, "hm"),
    PartEnded(0, 0),
    PartStarted(0, 1, "text"),
    PartDelta(0, 1, "hello"),
    PartEnded(0, 1),
    PartStarted(0, 2, "tool_call", id="call_1", name="look_up"),
    PartDelta(0, 2, '{"a":1}'),
    PartEnded(0, 2),
    ChoiceFinished(0, "tool_calls"),
    UsageReported(Usage(input_fresh=3, output_text=4)),
    AnswerEnded(),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below `value`, innermost first."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*path, key))
        yield (*path, key)


def _with_others(document: Any) -> Iterator[bytes]:
    """The document with one place holding something else, for each place and each other thing."""
    for path in _places(document):
        changed = copy.deepcopy(document)
        holder = changed
        for key in path[:-1]:
            holder = holder[key]
        for other in _IN_PLACE:
            holder[path[-1]] = other
            yield msgspec.json.encode(changed)


@pytest.mark.parametrize(("name", "path"), _REQUESTS)
def test_no_type_at_any_place_of_a_request_breaks_its_reader(name: str, path: Any) -> None:
    read = 0
    for changed in _with_others(msgspec.json.decode(path.read_bytes())):
        _TARGETS[name](changed)
        read += 1
    assert read


@pytest.mark.parametrize("name", _STREAMED)
def test_no_type_at_any_place_of_an_event_breaks_the_reader_of_its_stream(name: str) -> None:
    dialect = conversation_dialect(name)
    asked = Conversation(dialect=name, model="m", messages=(), stream=True, stream_usage=True)
    lines = dialect.stream_renderer(asked, now=1, new_id="01ID", framing="sse").feed(_EVENTS).split(b"\n")
    read = 0
    for number, line in enumerate(lines):
        if not line.startswith(b"data: {"):
            continue
        for changed in _with_others(msgspec.json.decode(line[6:])):
            _TARGETS[f"{name}-stream"](b"\n".join([*lines[:number], b"data: " + changed, *lines[number + 1 :]]))
            read += 1
    assert read
