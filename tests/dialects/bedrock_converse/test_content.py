from typing import Any

import pytest

from tollway.core.conversation import (
    Audio,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_converse.content import (
    GUARDED,
    NAME,
    answer_parts,
    cache_mark,
    cache_point,
    own_citations,
    part_of,
    parts_of,
)
from tollway.dialects.carried_proof import CarriedProof, pack

_CITATION = {"title": "A", "location": {"documentChar": {"documentIndex": 0, "start": 1, "end": 2}}}
_S3 = {"s3Location": {"uri": "s3://bucket/key"}}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"text": "hi"}, Text("hi")),
        ({"image": {"format": "jpeg", "source": {"bytes": "AA=="}}}, Image(data="AA==", media_type="image/jpeg")),
        (
            {"document": {"format": "docx", "name": "d", "source": {"bytes": "AA=="}, "context": "c"}},
            File(
                data="AA==",
                media_type="application/vnd.openxmlformats-officedocument.wordprocessingml.document",
                filename="d",
                rest={"context": "c"},
            ),
        ),
        (
            {"document": {"name": "d", "source": {"text": "words"}}},
            File(plain="words", media_type="text/plain", filename="d"),
        ),
        ({"video": {"format": "mp4", "source": {"bytes": "AA=="}}}, File(data="AA==", media_type="video/mp4")),
        ({"audio": {"format": "wav", "source": {"bytes": "AA=="}}}, Audio("AA==", "wav")),
        (
            {"toolUse": {"toolUseId": "1", "name": "f", "input": {"a": 1}, "type": "tool_use"}},
            ToolCall("1", "f", '{"a":1}'),
        ),
        ({"toolUse": {"toolUseId": "1", "name": "f"}}, ToolCall("1", "f", "{}")),
        (
            {"toolResult": {"toolUseId": "1", "content": [{"text": "x"}], "status": "error"}},
            ToolResult("1", (Text("x"),), is_error=True),
        ),
        (
            {"toolResult": {"toolUseId": "1", "content": [{"json": {"a": [1]}}]}},
            ToolResult("1", (Text('{"a":[1]}'),), structured=True),
        ),
        (
            {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}},
            Reasoning("hm", signature="EqQB"),
        ),
        ({"reasoningContent": {"redactedContent": "AA=="}}, Reasoning(encrypted="AA==")),
        (
            {"guardContent": {"text": {"text": "x", "qualifiers": ["query"]}}},
            Text("x", rest={GUARDED: {"qualifiers": ["query"]}}),
        ),
        (
            {"guardContent": {"image": {"format": "png", "source": {"bytes": "AA=="}}}},
            Image(data="AA==", media_type="image/png", rest={GUARDED: {}}),
        ),
        (
            {"citationsContent": {"content": [{"text": "a"}, {"text": "b"}], "citations": [_CITATION]}},
            Text("ab", annotations=(_CITATION,)),
        ),
    ],
)
def test_every_block_has_a_neutral_part(block: dict[str, Any], part: Part) -> None:
    assert part_of(block, "content") == part


@pytest.mark.parametrize(
    "block",
    [
        {"image": {"format": "png", "source": _S3}},
        {"document": {"format": "pdf", "name": "d", "source": _S3}},
        {"video": {"format": "mp4", "source": _S3}},
        {"audio": {"format": "wav", "source": _S3}},
        {"toolUse": {"toolUseId": "1", "name": "f", "type": "server_tool_use"}},
        {"guardContent": {"image": {"format": "png", "source": _S3}}},
        {"guardContent": {"later": {}}},
        {"reasoningContent": {"later": 1}},
        {"searchResult": {"source": "s", "title": "t", "content": []}},
        {"two": 1, "members": 2},
    ],
)
def test_what_only_this_api_knows_is_kept_whole(block: dict[str, Any]) -> None:
    assert part_of(block, "content") == Opaque(NAME, block)


@pytest.mark.parametrize(
    ("content", "param"),
    [
        ("words", "content"),
        ([1], "content[0]"),
        ([{}], "content[0]"),
        ([{"text": 1}], "content[0].text"),
        ([{"image": {"source": {"bytes": "A"}}}], "content[0].image.format"),
        ([{"toolUse": {"name": "f"}}], "content[0].toolUse.toolUseId"),
        ([{"toolResult": {"toolUseId": "1", "content": [3]}}], "content[0].toolResult.content[0]"),
    ],
)
def test_a_callers_mistake_is_named(content: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parts_of(content, "content")
    assert caught.value.param == param


def test_a_cache_point_marks_what_stands_before_it() -> None:
    point = {"cachePoint": {"type": "default", "ttl": "1h"}}
    assert parts_of([{"text": "a"}, point, point], "content") == (
        Text("a", cache={"type": "ephemeral", "ttl": "1h"}),
        Opaque(NAME, point),
    )
    assert parts_of([point], "content") == (Opaque(NAME, point),)
    assert cache_point(cache_mark({"type": "default"})) == {"cachePoint": {"type": "default"}}
    assert cache_point({"type": "ephemeral", "ttl": "5m"}) == {"cachePoint": {"type": "default", "ttl": "5m"}}


def test_carried_proofs_come_back_out() -> None:
    call = {"toolUse": {"toolUseId": "1", "name": "f", "input": {}}}
    signed = pack(CarriedProof(part_signature="Z29v"))
    sealed = pack(CarriedProof(encrypted="gAAA", id="rs_1"))
    parts = parts_of(
        [
            {"reasoningContent": {"reasoningText": {"text": "so", "signature": sealed}}},
            {"reasoningContent": {"reasoningText": {"text": "", "signature": signed}}},
            call,
        ],
        "content",
    )
    assert parts == (
        Reasoning(summary=("so",), encrypted="gAAA", id="rs_1"),
        ToolCall("1", "f", "{}", signature="Z29v"),
    )


def test_a_providers_block_that_is_not_as_documented_is_kept() -> None:
    assert answer_parts([{"text": 1}, "no block"]) == (Opaque(NAME, {"text": 1}),)


def test_only_citations_of_this_shape_are_its_own() -> None:
    assert own_citations([_CITATION, {"type": "url_citation"}, 1]) == [_CITATION]
