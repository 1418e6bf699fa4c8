from typing import Any

import msgspec
import pytest
from tests.support.validators import complaints

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Audio, File, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.anthropic_messages.answer import message_id, parse_answer, render_answer, stop_reason

_CITATION = {
    "type": "char_location",
    "cited_text": "x",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 0,
    "end_char_index": 1,
}


def _rendered(*parts: Part, **members: Any) -> dict[str, Any]:
    choice = Choice(0, parts, **{"finish": "stop", **members})
    body = render_answer(Answer(id="msg_1", model="m", choices=(choice,), usage=Usage(input_fresh=1)), "asked", now=5)
    found = msgspec.json.decode(body)
    assert complaints("anthropic.message", found) == []
    return found


_FULL: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-x",
    "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "redacted_thinking", "data": "d"},
        {"type": "text", "text": "see", "citations": [_CITATION]},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "q"}},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}, "caller": {"type": "direct"}},
    ],
    "stop_reason": "refusal",
    "stop_sequence": None,
    "stop_details": {"type": "refusal", "category": "cyber", "explanation": "no"},
    "container": {"id": "c", "expires_at": "2026-01-01T00:00:00Z"},
    "usage": {
        "input_tokens": 4,
        "output_tokens": 5,
        "cache_read_input_tokens": 6,
        "cache_creation_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "service_tier": "standard",
        "inference_geo": "us",
    },
}


def test_an_answer_comes_back_out_as_it_came_in() -> None:
    answer = parse_answer(msgspec.json.encode(_FULL))
    rendered = msgspec.json.decode(render_answer(answer, "asked", now=5))
    assert rendered == _FULL
    assert complaints("anthropic.message", rendered) == []
    assert answer.usage == Usage(input_fresh=4, cache_read=6, output_text=5)
    assert (answer.service_tier, answer.dialect) == ("default", "anthropic-messages")


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"content":"words"}', b'{"type":"error"}'])
def test_a_body_without_content_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body)


def test_a_sparse_answer_is_read() -> None:
    answer = parse_answer(b'{"content":[]}')
    assert (answer.id, answer.usage, answer.choices[0].finish) == ("", None, None)


@pytest.mark.parametrize(
    ("reason", "finish", "native"),
    [
        ("end_turn", "stop", None),
        ("max_tokens", "length", None),
        ("stop_sequence", "stop_sequence", None),
        ("tool_use", "tool_calls", None),
        ("pause_turn", "pause", None),
        ("refusal", "refusal", None),
        ("model_context_window_exceeded", "length", "model_context_window_exceeded"),
        ("compaction", "other", "compaction"),
    ],
)
def test_every_stop_reason_has_a_neutral_one(reason: str, finish: FinishReason, native: str | None) -> None:
    body = msgspec.json.encode({"content": [], "stop_reason": reason})
    choice = parse_answer(body).choices[0]
    assert (choice.finish, choice.native_finish) == (finish, native)


@pytest.mark.parametrize(
    ("finish", "native", "expected"),
    [
        ("content_filter", "SAFETY", "refusal"),
        ("other", "MALFORMED_FUNCTION_CALL", "end_turn"),
        ("length", "model_context_window_exceeded", "model_context_window_exceeded"),
        (None, None, "end_turn"),
    ],
)
def test_only_words_of_this_api_are_written(finish: FinishReason | None, native: str | None, expected: str) -> None:
    assert stop_reason(finish, native) == expected


@pytest.mark.parametrize(
    ("part", "blocks"),
    [
        (
            Text("a", annotations=({"type": "url_citation"}, _CITATION)),
            [{"type": "text", "text": "a", "citations": [_CITATION]}],
        ),
        (Text("a"), [{"type": "text", "text": "a"}]),
        (Refusal("no"), [{"type": "text", "text": "no"}]),
        (Reasoning("hm"), [{"type": "thinking", "thinking": "hm", "signature": ""}]),
        (Reasoning(summary=("a", "b")), [{"type": "thinking", "thinking": "a\n\nb", "signature": ""}]),
        (ToolCall("call 1", "f", ""), [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]),
        (
            Image(data="aGk=", media_type="image/png"),
            [{"type": "text", "text": "![image](data:image/png;base64,aGk=)"}],
        ),
        (Image(url="https://a/b"), [{"type": "text", "text": "![image](https://a/b)"}]),
        (Audio("aGk=", "wav", rest={"transcript": "hi"}), [{"type": "text", "text": "hi"}]),
        (Audio("aGk=", "wav"), []),
        (Opaque("gemini", {"executableCode": {}}), []),
        (File(plain="x"), []),
    ],
    ids=[
        "text",
        "text without sources",
        "refusal",
        "thinking",
        "summaries",
        "call",
        "inline picture",
        "picture by address",
        "sound with words",
        "sound",
        "another API's part",
        "a file",
    ],
)
def test_parts_of_other_apis_become_blocks_the_sdk_takes(part: Part, blocks: list[dict[str, Any]]) -> None:
    assert _rendered(part)["content"] == blocks


def test_a_call_signature_rides_before_its_call_and_returns() -> None:
    call = ToolCall("t", "f", "{}", signature="sig")
    body = _rendered(call)
    assert [block["type"] for block in body["content"]] == ["thinking", "tool_use"]
    assert parse_answer(msgspec.json.encode(body)).choices[0].parts == (call,)


def test_encrypted_thinking_of_another_provider_rides_and_returns() -> None:
    thinking = Reasoning(summary=("short",), encrypted="opaque", id="rs_1")
    body = _rendered(thinking)
    assert parse_answer(msgspec.json.encode(body)).choices[0].parts == (thinking,)


def test_fields_of_another_api_are_left_out() -> None:
    choice = Choice(0, (Text("a"),), finish="stop", rest={"safetyRatings": []})
    answer = Answer(id="", model="", choices=(choice,), rest={"promptFeedback": {}}, dialect="gemini")
    body = msgspec.json.decode(render_answer(answer, "asked", now=5))
    assert "safetyRatings" not in body
    assert "promptFeedback" not in body
    assert (body["id"], body["model"]) == ("msg_5", "asked")


def test_an_answer_without_choices_is_empty() -> None:
    body = msgspec.json.decode(render_answer(Answer(id="x", model="m", choices=()), "m", now=5))
    assert body["content"] == []
    assert complaints("anthropic.message", body) == []


@pytest.mark.parametrize(("given", "expected"), [("msg_1", "msg_1"), ("chatcmpl-1", "msg_chatcmpl-1"), ("", "msg_new")])
def test_an_id_looks_like_the_apis_own(given: str, expected: str) -> None:
    assert message_id(given, "new") == expected
