import pytest

from tollway.core.conversation import File, Image, Opaque, Reasoning, Text, ToolCall
from tollway.core.errors import BadRequest
from tollway.dialects.cohere_chat.content import (
    answer_parts,
    call_object,
    document_words,
    image_block,
    merged,
    own_citations,
    parts_of,
    read_call,
    read_document,
    with_citations,
)


def test_a_string_is_one_text() -> None:
    assert parts_of("hi", "content") == (Text("hi"),)


def test_every_known_block_is_read() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://x/a.png", "detail": "low", "z": 1}}
    blocks = [{"type": "text", "text": "a", "z": 1}, {"type": "thinking", "thinking": "b"}, image]
    assert parts_of(blocks, "content") == (
        Text("a", rest={"z": 1}),
        Reasoning("b"),
        Image(url="https://x/a.png", detail="low", rest={"image_url": {"z": 1}}),
    )


def test_a_document_is_its_words_and_keeps_its_origin() -> None:
    block = {"type": "document", "document": {"id": "d", "data": {"a": 1}}}
    assert parts_of([block], "content") == (Text('{"a":1}', origin={"document": block}),)


def test_an_unknown_block_stays_whole() -> None:
    assert parts_of([{"type": "video", "x": 1}], "content") == (Opaque("cohere-chat", {"type": "video", "x": 1}),)


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (7, "c"),
        ([{"text": "x"}], "c[0].type"),
        ([{"type": "text"}], "c[0].text"),
        ([{"type": "image_url", "image_url": "x"}], "c[0].image_url"),
    ],
)
def test_a_block_that_is_not_as_documented_names_its_place(content: object, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        parts_of(content, "c")
    assert refused.value.param == param


def test_a_provider_may_send_blocks_we_do_not_understand() -> None:
    assert answer_parts({"content": [{"type": "text"}]}) == [Opaque("cohere-chat", {"type": "text"})]
    assert answer_parts({"content": "words", "tool_plan": "plan"}) == [
        Text("words"),
        Text("plan", origin={"tool_plan": True}),
    ]


@pytest.mark.parametrize(
    ("index", "cited"), [({}, 1), ({"content_index": 1}, 1), ({"content_index": 2}, 2), ({"content_index": 9}, 1)]
)
def test_a_citation_lies_on_the_text_it_names_else_on_the_first(index: dict[str, int], cited: int) -> None:
    citation = {"sources": [], **index}
    parts = with_citations([Reasoning("r"), Text("a"), Text("b")], [citation])
    assert [getattr(part, "annotations", ()) for part in parts] == [
        (citation,) if position == cited else () for position in range(3)
    ]


def test_a_citation_without_a_text_has_no_place() -> None:
    assert with_citations([], [{"sources": []}]) == []


def test_only_citations_of_this_api_are_written() -> None:
    assert own_citations([{"type": "url_citation"}, {"sources": [1]}, 7]) == [{"sources": [1]}]


def test_a_call_and_what_is_unknown_of_it_come_back() -> None:
    written = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}", "y": 2}, "z": 1}
    call = read_call(written, "c")
    assert call == ToolCall("1", "f", "{}", rest={"z": 1, "function": {"y": 2}})
    assert call_object(call, own=True) == written
    assert call_object(ToolCall("1", "f", ""), own=False)["function"]["arguments"] == "{}"


def test_a_picture_is_an_address_or_a_data_url() -> None:
    assert image_block(Image(url="https://x"))["image_url"] == {"url": "https://x"}
    inline = Image(data="QUJD", media_type="image/jpeg", detail="high")
    assert image_block(inline)["image_url"] == {"url": "data:image/jpeg;base64,QUJD", "detail": "high"}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"text": "a"}, "a"),
        ({"title": "t", "snippet": "a"}, "a"),
        ({"text": "a", "snippet": "b"}, '{"text":"a","snippet":"b"}'),
        ({"text": "a", "year": 1}, '{"text":"a","year":1}'),
        ({}, "{}"),
    ],
)
def test_a_documents_words(data: dict[str, object], words: str) -> None:
    assert document_words({"data": data}) == words


def test_a_document_of_the_request_is_a_text_file() -> None:
    assert read_document("a", "d") == File(plain="a", media_type="text/plain", origin={"document": "a"})
    named = read_document({"id": "7", "data": {"title": "t", "text": "a"}}, "d")
    assert (named.plain, named.filename) == ("a", "t")
    assert read_document({"id": "7", "data": {"a": 1}}, "d").filename == "7"


def test_what_is_merged_keeps_both_sides() -> None:
    assert merged({"a": {"b": 1}, "c": 2}, {"a": {"d": 3}, "e": 4}) == {"a": {"b": 1, "d": 3}, "c": 2, "e": 4}
