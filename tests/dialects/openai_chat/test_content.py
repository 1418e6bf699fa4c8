from typing import Any

import pytest

from tollway.core.conversation import Audio, File, Image, Opaque, Part, Reasoning, Refusal, Text
from tollway.core.errors import BadRequest
from tollway.dialects.openai_chat.content import (
    extra_content,
    file_object,
    google_signature,
    image_object,
    parse_content,
    parse_reasoning,
    reasoning_details,
    reasoning_words,
)


@pytest.mark.parametrize(
    ("written", "part"),
    [
        ("plain", Text("plain")),
        (
            {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}, "x": 1},
            Text("a", cache={"type": "ephemeral"}, rest={"x": 1}),
        ),
        ({"type": "refusal", "refusal": "no"}, Refusal("no")),
        (
            {"type": "image_url", "image_url": {"url": "https://x", "detail": "low"}},
            Image(url="https://x", detail="low"),
        ),
        ({"type": "image_url", "image_url": "https://x"}, Image(url="https://x")),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
            Image(data="QQ==", media_type="image/png"),
        ),
        ({"type": "input_audio", "input_audio": {"data": "QQ==", "format": "wav"}}, Audio("QQ==", "wav")),
        ({"type": "file", "file": {"file_id": "f"}}, File(file_id="f")),
        (
            {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,QQ=="}},
            File(data="QQ==", media_type="application/pdf", filename="a.pdf"),
        ),
        ({"type": "file", "file": {"file_data": "QQ=="}}, File(data="QQ==")),
        ({"type": "file", "file": {"file_data": "https://x/a.pdf"}}, File(url="https://x/a.pdf")),
        ({"type": "video_url", "video_url": {}}, Opaque("openai-chat", {"type": "video_url", "video_url": {}})),
    ],
    ids=[
        "string",
        "text",
        "refusal",
        "image",
        "image-string",
        "image-inline",
        "audio",
        "file-id",
        "file",
        "file-raw",
        "file-url",
        "unknown",
    ],
)
def test_each_kind_of_part_is_read(written: Any, part: Part) -> None:
    assert parse_content([written], "messages[0].content") == (part,)


@pytest.mark.parametrize(
    ("written", "param"),
    [
        (7, "c"),
        ({}, "c"),
        ([7], "c[0]"),
        ([{"text": "a"}], "c[0].type"),
        ([{"type": "text"}], "c[0].text"),
        ([{"type": "text", "text": 1}], "c[0].text"),
        ([{"type": "image_url"}], "c[0].image_url"),
        ([{"type": "image_url", "image_url": {}}], "c[0].image_url.url"),
        ([{"type": "input_audio", "input_audio": {"data": "x"}}], "c[0].input_audio.format"),
        ([{"type": "file", "file": 1}], "c[0].file"),
    ],
)
def test_content_of_the_wrong_form_is_refused_with_its_place(written: Any, param: str) -> None:
    with pytest.raises(BadRequest) as caught:
        parse_content(written, "c")
    assert caught.value.param == param


def test_no_content_is_no_part() -> None:
    assert parse_content(None, "c") == ()
    assert parse_content([], "c") == ()


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (File(file_id="f", filename="n"), {"file_id": "f"}),
        (File(data="QQ=="), {"filename": "document.pdf", "file_data": "QQ=="}),
        (
            File(data="QQ==", media_type="text/csv"),
            {"filename": "document.csv", "file_data": "data:text/csv;base64,QQ=="},
        ),
        (File(url="https://x", filename="a"), {"filename": "a", "file_data": "https://x"}),
    ],
)
def test_a_file_is_written_with_a_name(part: File, written: dict[str, str]) -> None:
    assert file_object(part) == written


def test_an_inline_picture_is_written_as_a_data_url() -> None:
    assert image_object(Image(data="QQ==", media_type="image/gif")) == {"url": "data:image/gif;base64,QQ=="}
    assert image_object(Image(url="u", detail="high")) == {"url": "u", "detail": "high"}


@pytest.mark.parametrize(
    ("message", "thoughts"),
    [
        ({}, ()),
        ({"reasoning_content": None, "reasoning": None}, ()),
        ({"reasoning_content": ""}, ()),
        ({"reasoning_content": "a"}, (Reasoning("a"),)),
        ({"reasoning": "a"}, (Reasoning("a"),)),
        ({"reasoning_content": "a", "reasoning": "a"}, (Reasoning("a"),)),
        (
            {"reasoning": "a", "reasoning_details": [{"type": "reasoning.text", "text": "a", "signature": "s"}]},
            (Reasoning("a", signature="s"),),
        ),
        (
            {"reasoning": "a", "reasoning_details": [{"type": "reasoning.encrypted", "data": "e", "id": "rs_1"}]},
            (Reasoning("a"), Reasoning(encrypted="e", id="rs_1")),
        ),
        ({"reasoning_details": [{"type": "reasoning.summary", "summary": "s"}]}, (Reasoning(summary=("s",)),)),
        (
            {
                "thinking_blocks": [
                    {"type": "thinking", "thinking": "a", "signature": "s"},
                    {"type": "redacted_thinking", "data": "e"},
                ]
            },
            (Reasoning("a", signature="s"), Reasoning(encrypted="e")),
        ),
        ({"reasoning_details": [{"type": "new"}, 3]}, ()),
    ],
    ids=[
        "none",
        "null",
        "empty",
        "content",
        "other-name",
        "both",
        "signed",
        "encrypted",
        "summary",
        "blocks",
        "unknown",
    ],
)
def test_thinking_is_read_under_all_its_names(message: dict[str, Any], thoughts: tuple[Reasoning, ...]) -> None:
    assert parse_reasoning(message) == thoughts
    assert not message


@pytest.mark.parametrize(
    "thought",
    [
        Reasoning("a", signature="s"),
        Reasoning(encrypted="e", id="rs_1"),
        Reasoning(encrypted="e"),
        Reasoning(signature="s"),
    ],
    ids=["signed", "encrypted", "bare", "empty-signed"],
)
def test_what_must_come_back_unchanged_does(thought: Reasoning) -> None:
    details = reasoning_details(thought, 3)
    assert [detail["index"] for detail in details] == [3]
    assert parse_reasoning({"reasoning_details": details}) == (thought,)


def test_plain_thinking_needs_no_details_and_words_are_joined() -> None:
    assert reasoning_details(Reasoning("a"), 0) == []
    assert reasoning_words((Reasoning("a"), Reasoning(encrypted="e"), Reasoning(summary=("b", "c")))) == "a\n\nb\n\nc"


@pytest.mark.parametrize(
    ("value", "signature", "left"),
    [
        ({}, None, {}),
        ({"extra_content": extra_content("s")}, "s", {}),
        (
            {"extra_content": {"google": {"thought_signature": "s", "a": 1}, "b": 2}},
            "s",
            {"extra_content": {"google": {"a": 1}, "b": 2}},
        ),
        ({"extra_content": {"other": 1}}, None, {"extra_content": {"other": 1}}),
        ({"extra_content": "x"}, None, {"extra_content": "x"}),
    ],
    ids=["none", "only", "among-others", "others", "odd"],
)
def test_geminis_signature_is_taken_and_the_rest_left(
    value: dict[str, Any], signature: str | None, left: dict[str, Any]
) -> None:
    assert google_signature(value) == signature
    assert value == left
