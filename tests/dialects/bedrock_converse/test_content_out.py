from typing import Any

import pytest

from tollway.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
)
from tollway.core.errors import BadRequest
from tollway.dialects.bedrock_converse.content import NAME
from tollway.dialects.bedrock_converse.content_out import BlockWriter, text_block, tool_use_id
from tollway.dialects.carried_proof import CarriedProof, pack


def _writer(dialect: str = "openai-chat") -> BlockWriter:
    return BlockWriter(Conversation(dialect=dialect, model="m", messages=()))


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        (Text("a", cache={"type": "ephemeral"}), [{"text": "a"}, {"cachePoint": {"type": "default"}}]),
        (Text(" \n"), []),
        (Refusal("no"), [{"text": "no"}]),
        (Image(url="data:image/png;base64,AA=="), [{"image": {"format": "png", "source": {"bytes": "AA=="}}}]),
        (
            File(plain="words", media_type="text/plain", filename="a.txt"),
            [{"document": {"format": "txt", "name": "a txt", "source": {"bytes": "d29yZHM="}}}],
        ),
        (
            File(data="AA==", media_type="video/mp4"),
            [{"video": {"format": "mp4", "source": {"bytes": "AA=="}}}],
        ),
        (Audio("AA==", "mp3"), [{"audio": {"format": "mp3", "source": {"bytes": "AA=="}}}]),
        (
            Reasoning("hm", signature="EqQB"),
            [{"reasoningContent": {"reasoningText": {"text": "hm", "signature": "EqQB"}}}],
        ),
        (
            ToolCall("call.1", "f", "words", custom=True),
            [{"toolUse": {"toolUseId": "call_1", "name": "f", "input": {"input": "words"}}}],
        ),
        (
            ToolResult("1", (Text('{"a":1}'),), structured=True),
            [{"toolResult": {"toolUseId": "1", "content": [{"json": {"a": 1}}]}}],
        ),
        (
            ToolResult("1", (Text("x"), Image(data="AA==", media_type="image/gif")), is_error=True),
            [
                {
                    "toolResult": {
                        "toolUseId": "1",
                        "content": [{"text": "x"}, {"image": {"format": "gif", "source": {"bytes": "AA=="}}}],
                        "status": "error",
                    }
                }
            ],
        ),
    ],
)
def test_a_part_of_another_dialect_is_written_as_blocks(part: Part, blocks: list[dict[str, Any]]) -> None:
    assert _writer().blocks([part]) == blocks


@pytest.mark.parametrize(
    "part",
    [
        Image(url="https://example.com/a.png"),
        Image(file_id="file-1"),
        Image(data="AA==", media_type="image/tiff"),
        File(url="https://example.com/a.pdf"),
        File(file_id="file-1"),
        File(data="AA==", media_type="application/zip"),
        File(url="https://example.com/a.mp4", media_type="video/mp4"),
        Audio("AA==", "midi"),
    ],
)
def test_what_cannot_be_shown_is_refused_not_left_out(part: Part) -> None:
    with pytest.raises(BadRequest) as caught:
        _writer().blocks([part])
    assert caught.value.param == "messages"


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Reasoning("unsigned"), "thinking"),
        (Reasoning("", encrypted="gAAA", id="rs_1"), "thinking"),
        (Reasoning("x", signature=pack(CarriedProof(part_signature="Z29v"))), "thinking"),
        (Opaque("openai-chat", {"type": "video_url"}), "content[video_url]"),
    ],
)
def test_what_is_lost_is_noted(part: Part, lost: str) -> None:
    writer = _writer()
    assert writer.blocks([part]) == []
    assert writer.lost == [lost]


def test_its_own_opaque_parts_and_redacted_thoughts_come_back() -> None:
    block = {"searchResult": {"source": "s"}}
    writer = _writer(NAME)
    assert writer.blocks([Opaque(NAME, block), Reasoning(encrypted="AA==")]) == [
        block,
        {"reasoningContent": {"redactedContent": "AA=="}},
    ]
    assert writer.lost == []


def test_words_with_citations_are_a_block_of_their_own() -> None:
    assert text_block("a", [{"title": "t"}]) == {
        "citationsContent": {"content": [{"text": "a"}], "citations": [{"title": "t"}]}
    }


def test_ids_have_the_alphabet_and_length_that_the_api_demands_and_stay_apart() -> None:
    assert tool_use_id("call_A-1") == "call_A-1"
    assert tool_use_id("") == "call"
    long, other = tool_use_id("x" * 80), tool_use_id("x" * 79)
    assert len(long) == len(other) == 64
    assert long != other
    assert tool_use_id("x" * 80) == long
