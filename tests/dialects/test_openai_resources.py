"""What OpenAI keeps costs nothing by the call; a batch's lines cost what they say."""

from typing import Any

import msgspec
import pytest

from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.openai_files import DIALECT
from tollway.dialects.registry import passed_dialects
from tollway.interfaces.passed import PassedEndpoint

KEPT = [(one, shape) for one in passed_dialects() for shape in one.endpoints if shape.governs is not None]
FILE = DIALECT.endpoints[0]


@pytest.mark.parametrize(
    "shape", [shape for _, shape in KEPT], ids=lambda one: f"{one.dialect} {one.method} {one.path}"
)
def test_every_id_in_a_path_is_checked_or_below_one_that_is(shape: PassedEndpoint) -> None:
    governs = shape.governs
    assert governs is not None
    names = [part.strip("{}") for part in shape.path.split("/") if part.startswith("{")]
    assert governs.ids == tuple(names[: len(governs.ids)])
    assert bool(governs.ids) == bool(names), "what has an id in its path looks whose it is"
    assert governs.ids or governs.lists or governs.claims, "what makes something claims it, and a list shows one's own"
    assert governs.releases == (shape.method == "DELETE" and len(names) == 1)


@pytest.mark.parametrize(
    "shape", [shape for _, shape in KEPT], ids=lambda one: f"{one.dialect} {one.method} {one.path}"
)
def test_only_what_reads_is_repeated_after_any_failure(shape: PassedEndpoint) -> None:
    assert shape.repeatable == (shape.method == "GET")
    assert shape.names_model is False


@pytest.mark.parametrize(
    ("body", "operation", "usage"),
    [
        (
            {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}},
            "conversation",
            Usage(input_fresh=3, output_text=4),
        ),
        (
            {"output": [], "usage": {"input_tokens": 3, "output_tokens": 4, "total_tokens": 7}},
            "conversation",
            Usage(input_fresh=3, output_text=4),
        ),
        ({"data": [], "usage": {"prompt_tokens": 3, "total_tokens": 3}}, "embeddings", Usage(input_fresh=3)),
        ({"error": {}}, "conversation", NO_USAGE),
    ],
    ids=["chat", "responses", "embeddings", "an error"],
)
def test_a_line_says_what_it_used(body: Any, operation: str, usage: Usage) -> None:
    response = {"status_code": 200, "body": {"id": "x", "model": "m", **body}}
    line = DIALECT.batch_line(msgspec.json.encode({"id": "r", "custom_id": "c", "response": response}))
    assert line is not None
    assert (line.custom_id, line.status, line.model, line.response_id) == ("c", 200, "m", "x")
    assert (line.operation, line.usage) == (operation, usage)


@pytest.mark.parametrize(
    "line", [b"", b"x", b"[]", b"{}", b'{"custom_id":"c"}', b'{"custom_id":"c","response":null,"error":{}}']
)
def test_a_line_that_holds_no_response_is_none(line: bytes) -> None:
    assert DIALECT.batch_line(line) is None


def test_facts_hold_the_id_and_no_usage() -> None:
    facts = DIALECT.passed_facts(FILE, {}, b'{"id":"file-1"}')
    assert (facts.id, facts.usage) == ("file-1", NO_USAGE)


def test_a_response_that_is_streamed_again_ends_as_it_did_and_counts_nothing() -> None:
    watch = DIALECT.passed_watch(FILE, hide_usage=False)
    watch.feed(b'event: response.output_text.done\ndata: {"type":"response.output_text.done","text":"x"}\n\n')
    assert not watch.ended
    usage = b'{"input_tokens":1,"output_tokens":2,"total_tokens":3}'
    end = b'{"type":"response.completed","response":{"id":"r","status":"completed","usage":%b}}' % usage
    watch.feed(b"event: response.completed\ndata: %b\n\n" % end)
    assert (watch.ended, watch.facts().usage) == (True, NO_USAGE)
