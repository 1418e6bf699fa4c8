"""Pictures are counted in tokens where the model says so, else one by one."""

from typing import Any

import msgspec
import pytest

from tollway.core.usage import NO_USAGE, Usage
from tollway.dialects.openai_images import DIALECT

GENERATIONS, EDITS, VARIATIONS = DIALECT.endpoints
TOKENS = {
    "input_tokens": 50,
    "output_tokens": 100,
    "total_tokens": 150,
    "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
}
PICTURES = Usage(input_fresh=10, input_image=40, output_image=100)


def event(kind: str, **more: Any) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), msgspec.json.encode({"type": kind, "b64_json": "AAAA", **more}))


@pytest.mark.parametrize(
    ("answer", "usage"),
    [
        ({"data": [{}, {}], "usage": TOKENS}, PICTURES),
        ({"data": [{}, {}]}, Usage(output_images=2)),
        (
            {"data": [{}], "usage": {**TOKENS, "output_tokens_details": {"image_tokens": 90, "text_tokens": 10}}},
            Usage(input_fresh=10, input_image=40, output_image=90, output_text=10),
        ),
        ({}, Usage()),
    ],
    ids=["tokens", "pictures", "both kinds of tokens", "nothing"],
)
def test_usage_of_a_whole_answer(answer: Any, usage: Usage) -> None:
    assert DIALECT.passed_facts(GENERATIONS, {}, msgspec.json.encode(answer)).usage == usage


def test_a_stream_says_what_its_whole_twin_says() -> None:
    watch = DIALECT.passed_watch(GENERATIONS, hide_usage=False)
    watch.feed(event("image_generation.partial_image", partial_image_index=0))
    assert not watch.ended
    watch.feed(event("image_generation.completed", usage=TOKENS))
    assert (watch.ended, watch.failed, watch.facts().usage) == (True, False, PICTURES)


def test_a_stream_without_tokens_is_one_picture_once_it_is_there() -> None:
    watch = DIALECT.passed_watch(EDITS, hide_usage=False)
    watch.feed(event("image_edit.partial_image"))
    assert watch.facts().usage == NO_USAGE
    watch.feed(event("image_edit.completed"))
    assert watch.facts().usage == Usage(output_images=1)


def test_forms_and_json_are_told_apart() -> None:
    assert [one.body for one in (GENERATIONS, EDITS, VARIATIONS)] == ["json", "form", "form"]
