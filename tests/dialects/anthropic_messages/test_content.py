from typing import Any

import pytest

from tollway.core.conversation import Audio, File, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from tollway.core.errors import BadRequest
from tollway.dialects.anthropic_messages.content import BlockWriter, answer_parts, parts_of, proof_block, tool_use_id
from tollway.dialects.carried_proof import CarriedProof

_MARK = {"type": "ephemeral"}

_PAIRS: list[tuple[str, dict[str, Any], Part]] = [
    ("text", {"type": "text", "text": "hi"}, Text("hi")),
    ("marked text", {"type": "text", "text": "hi", "cache_control": _MARK}, Text("hi", cache=_MARK)),
    (
        "inline image",
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "aGk="}},
        Image(data="aGk=", media_type="image/png"),
    ),
    ("image by address", {"type": "image", "source": {"type": "url", "url": "https://a/b"}}, Image(url="https://a/b")),
    ("image by id", {"type": "image", "source": {"type": "file", "file_id": "file_1"}}, Image(file_id="file_1")),
    (
        "inline document",
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="},
            "title": "a.pdf",
            "context": "c",
        },
        File(data="aGk=", media_type="application/pdf", filename="a.pdf", rest={"context": "c"}),
    ),
    (
        "plain document",
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "words"}},
        File(plain="words", media_type="text/plain"),
    ),
    ("document by id", {"type": "document", "source": {"type": "file", "file_id": "file_1"}}, File(file_id="file_1")),
    (
        "image of a later version",
        {"type": "image", "source": {"type": "hologram"}},
        Opaque("anthropic-messages", {"type": "image", "source": {"type": "hologram"}}),
    ),
    (
        "document by address",
        {"type": "document", "source": {"type": "url", "url": "https://a/b.pdf"}},
        File(url="https://a/b.pdf"),
    ),
    (
        "tool call",
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": [1]}, "caller": {"type": "direct"}},
        ToolCall("t1", "f", '{"a":[1]}', rest={"caller": {"type": "direct"}}),
    ),
    (
        "tool result",
        {"type": "tool_result", "tool_use_id": "t1", "content": "ok", "is_error": True},
        ToolResult("t1", (Text("ok"),), is_error=True),
    ),
    ("empty tool result", {"type": "tool_result", "tool_use_id": "t1"}, ToolResult("t1", ())),
    ("thinking", {"type": "thinking", "thinking": "hm", "signature": "s"}, Reasoning("hm", signature="s")),
    ("hidden thinking", {"type": "redacted_thinking", "data": "d"}, Reasoning(encrypted="d")),
    (
        "search result",
        {"type": "search_result", "source": "s", "title": "t", "content": []},
        Opaque("anthropic-messages", {"type": "search_result", "source": "s", "title": "t", "content": []}),
    ),
    (
        "document of blocks",
        {"type": "document", "source": {"type": "content", "content": "x"}},
        Opaque("anthropic-messages", {"type": "document", "source": {"type": "content", "content": "x"}}),
    ),
]


@pytest.mark.parametrize(("block", "part"), [pair[1:] for pair in _PAIRS], ids=[pair[0] for pair in _PAIRS])
def test_a_block_and_its_part_are_the_same_thing(block: dict[str, Any], part: Part) -> None:
    assert parts_of([block], "c") == (part,)
    assert BlockWriter(own=True).blocks([part]) == [block]


@pytest.mark.parametrize(
    ("block", "param"),
    [
        ({"type": "text"}, "c[0].text"),
        ({"type": "text", "text": 7}, "c[0].text"),
        ({"type": "image", "source": {"type": "base64", "data": "x"}}, "c[0].source.media_type"),
        ({"type": "image", "source": {}}, "c[0].source.type"),
        ({"type": "image"}, "c[0].source"),
        ({"type": "document", "source": {"type": "url"}}, "c[0].source.url"),
        ({"type": "tool_use", "id": "t", "name": "f", "input": "x"}, "c[0].input"),
        ({"type": "tool_use", "name": "f"}, "c[0].id"),
        ({"type": "tool_result", "content": []}, "c[0].tool_use_id"),
        ({"type": "tool_result", "tool_use_id": "t", "content": 7}, "c[0].content"),
        ({"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text"}]}, "c[0].content[0].text"),
        ({"kind": "text"}, "c[0].type"),
        ("words", "c[0]"),
    ],
)
def test_a_callers_mistake_is_named(block: object, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parts_of([block], "c")
    assert refused.value.param == param


def test_content_is_a_string_or_a_list() -> None:
    assert parts_of("hi", "c") == (Text("hi"),)
    with pytest.raises(BadRequest):
        parts_of(7, "c")


def test_a_providers_strange_block_is_kept_whole() -> None:
    strange = {"type": "tool_use", "name": "no id"}
    assert answer_parts([strange, "no block"]) == (Opaque("anthropic-messages", strange),)


def test_a_carried_call_signature_returns_to_its_call() -> None:
    proof = proof_block("", CarriedProof(part_signature="sig"))
    call = {"type": "tool_use", "id": "t1", "name": "f", "input": {}}
    assert parts_of([proof, call], "c") == (ToolCall("t1", "f", "{}", signature="sig"),)


def test_carried_encrypted_thinking_returns_with_its_summary_and_id() -> None:
    proof = proof_block("in short", CarriedProof(encrypted="opaque", id="rs_1"))
    assert parts_of([proof], "c") == (Reasoning(summary=("in short",), encrypted="opaque", id="rs_1"),)


def test_other_apis_parts_are_mended() -> None:
    writer = BlockWriter(own=False)
    assert writer.blocks(
        [
            Text(""),
            Text("hi", annotations=({"type": "url_citation", "url": "u"},), rest={"x": 1}),
            Refusal("no"),
            Image(url="data:image/gif;base64,aGk="),
            Image(data="aGk=", media_type="image/jpg"),
            Reasoning(),
            File(url="data:application/pdf;base64,aGk="),
            File(data="aGk=", media_type="text/markdown", filename="a.md"),
            ToolCall("call 1/ü", "f", "not json"),
            ToolResult("call 1/ü", (Text("a"), Image(url="https://a/b"))),
        ]
    ) == [
        {"type": "text", "text": "hi"},
        {"type": "text", "text": "no"},
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "aGk="}},
        {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "aGk="}},
        {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "aGk="}},
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hi"}, "title": "a.md"},
        {"type": "tool_use", "id": "call_1__", "name": "f", "input": {"input": "not json"}},
        {
            "type": "tool_result",
            "tool_use_id": "call_1__",
            "content": [
                {"type": "text", "text": "a"},
                {"type": "image", "source": {"type": "url", "url": "https://a/b"}},
            ],
        },
    ]
    assert writer.lost == []


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Reasoning("unsigned"), "thinking"),
        (Reasoning(summary=("s",), encrypted="e", id="rs_1"), "thinking"),
        (Opaque("gemini", {"executableCode": {}}), "content[executableCode]"),
    ],
)
def test_what_cannot_be_sent_is_noted(part: Part, lost: str) -> None:
    writer = BlockWriter(own=False)
    assert writer.blocks([part]) == []
    assert writer.lost == [lost]


def test_thinking_that_anthropic_signed_comes_back_through_any_api() -> None:
    writer = BlockWriter(own=False)
    assert writer.blocks([Reasoning("hm", signature="s"), Reasoning(encrypted="d")]) == [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
    ]


@pytest.mark.parametrize(
    "part",
    [
        Audio("aGk=", "wav"),
        File(url="https://a/b.mp4", media_type="video/mp4"),
        File(data="aGk=", media_type="audio/wav"),
        File(file_id="file-openai"),
        Image(file_id="file-openai"),
    ],
)
def test_what_would_change_the_question_is_refused(part: Part) -> None:
    with pytest.raises(BadRequest) as refused:
        BlockWriter(own=False).blocks([part])
    assert refused.value.param


def test_text_that_is_not_utf_8_stays_base64() -> None:
    blocks = BlockWriter(own=False).blocks([File(data="//8=", media_type="text/plain")])
    assert blocks[0]["source"]["type"] == "base64"


@pytest.mark.parametrize(
    ("given", "expected"), [("call_a-1", "call_a-1"), ("call.1", "call_1"), ("", "call"), ("é", "_")]
)
def test_a_call_id_gets_the_alphabet_the_api_demands(given: str, expected: str) -> None:
    assert tool_use_id(given) == expected
