from typing import Any

import msgspec
import pytest
from tests.support.validators import complaints

from tollway.core.answer import Answer, Choice, FinishReason
from tollway.core.conversation import Audio, File, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from tollway.core.errors import UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.gemini.answer import finish_word, parse_answer, render_answer

_GROUNDING = {
    "groundingChunks": [
        {"web": {"uri": "https://a", "title": "A"}},
        {"retrievedContext": {"uri": "https://b"}},
        {"maps": {}},
    ],
    "groundingSupports": [
        {"segment": {"startIndex": 0, "endIndex": 3}, "groundingChunkIndices": [0, 2, 9]},
        {"segment": {"startIndex": 4, "endIndex": 6}, "groundingChunkIndices": [1]},
    ],
    "webSearchQueries": ["q"],
}

_FULL: dict[str, Any] = {
    "candidates": [
        {
            "content": {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True},
                    {"text": "Sé 1"},
                    {"functionCall": {"id": "c", "name": "f", "args": {"a": 1}}, "thoughtSignature": "c2ln"},
                    {"executableCode": {"code": "1", "language": "PYTHON"}},
                ],
            },
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.5,
            "safetyRatings": [{"category": "HARM_CATEGORY_HARASSMENT", "probability": "LOW"}],
            "logprobsResult": {
                "chosenCandidates": [{"token": "Sé", "logProbability": -0.1}],
                "topCandidates": [{"candidates": [{"token": "Sé", "logProbability": -0.1}]}],
            },
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 4,
        "candidatesTokenCount": 5,
        "totalTokenCount": 15,
        "thoughtsTokenCount": 6,
        "trafficType": "ON_DEMAND",
    },
    "modelVersion": "gemini-x",
    "responseId": "r1",
    "createTime": "2025-10-10T15:55:50.511529Z",
}


def _rendered(*parts: Part, **members: Any) -> dict[str, Any]:
    choice = Choice(0, parts, **{"finish": "stop", **members})
    answer = Answer(id="1", model="m", choices=(choice,), usage=Usage(input_fresh=1))
    found = msgspec.json.decode(render_answer(answer, "asked"))
    assert complaints("gemini.response", found) == []
    return found


def _parsed(**candidate: Any) -> Choice:
    return parse_answer(msgspec.json.encode({"candidates": [candidate], "responseId": "r-1/ü"})).choices[0]


def test_an_answer_comes_back_out_as_it_came_in() -> None:
    answer = parse_answer(msgspec.json.encode(_FULL))
    rendered = msgspec.json.decode(render_answer(answer, "asked"))
    assert rendered == _FULL
    assert complaints("gemini.response", rendered) == []
    assert (answer.created, answer.usage) == (1760111750, Usage(input_fresh=4, output_text=5, reasoning=6))
    assert answer.choices[0].logprobs == [
        {
            "token": "Sé",
            "logprob": -0.1,
            "bytes": [83, 195, 169],
            "top_logprobs": [{"token": "Sé", "logprob": -0.1, "bytes": [83, 195, 169]}],
        }
    ]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"candidates":"x"}', b'{"error":{}}'])
def test_a_body_without_candidates_is_garbled(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body)


def test_a_blocked_prompt_is_an_answer() -> None:
    body = {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {"promptTokenCount": 4}}
    answer = parse_answer(msgspec.json.encode(body))
    assert answer.choices == (Choice(0, (), finish="content_filter", native_finish="PROHIBITED_CONTENT"),)
    rendered = msgspec.json.decode(render_answer(answer, "m"))
    assert rendered["promptFeedback"] == {"blockReason": "PROHIBITED_CONTENT"}
    assert "candidates" not in rendered


@pytest.mark.parametrize(
    ("reason", "finish", "native"),
    [
        ("STOP", "stop", None),
        ("MAX_TOKENS", "length", None),
        ("SAFETY", "content_filter", "SAFETY"),
        ("RECITATION", "content_filter", "RECITATION"),
        ("MALFORMED_FUNCTION_CALL", "other", "MALFORMED_FUNCTION_CALL"),
        ("FROM_TOMORROW", "other", "FROM_TOMORROW"),
    ],
)
def test_every_finish_reason_has_a_neutral_one(reason: str, finish: FinishReason, native: str | None) -> None:
    choice = _parsed(finishReason=reason, content={})
    assert (choice.finish, choice.native_finish) == (finish, native)


def test_calling_tools_is_why_it_stopped() -> None:
    choice = _parsed(finishReason="STOP", content={"parts": [{"functionCall": {"name": "f"}}]})
    assert choice.finish == "tool_calls"


def test_calls_without_ids_get_one_from_the_answers_id_and_their_order() -> None:
    parts = [
        {"functionCall": {"name": "f"}},
        {"functionCall": {"name": "f"}},
        {"functionCall": {"id": "own", "name": "f"}},
    ]
    found = [part.id for part in _parsed(content={"parts": parts}).parts if isinstance(part, ToolCall)]
    assert found == ["gemini_call_r-1_0_1", "gemini_call_r-1_0_2", "own"]
    assert _rendered(ToolCall(found[0], "f", "{}"))["candidates"][0]["content"]["parts"] == [
        {"functionCall": {"name": "f", "args": {}}}
    ]


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([{"text": "a"}, {"text": "b"}], (Text("ab"),)),
        ([{"text": "a"}, {"text": "", "thoughtSignature": "c2ln"}], (Text("a", signature="c2ln"),)),
        ([{"text": "a", "thoughtSignature": "c2ln"}, {"text": "b"}], (Text("a", signature="c2ln"), Text("b"))),
        ([{"text": "h", "thought": True}, {"text": "m", "thought": True}, {"text": "a"}], (Reasoning("hm"), Text("a"))),
        (
            [{"text": "a"}, {"text": "b", "partMetadata": {"x": 1}}],
            (Text("a"), Text("b", rest={"partMetadata": {"x": 1}})),
        ),
        ([{"text": ""}], ()),
    ],
)
def test_pieces_are_joined_until_a_signature(parts: list[dict[str, Any]], joined: tuple[Part, ...]) -> None:
    assert _parsed(content={"parts": parts}).parts == joined


def test_grounding_cites_characters_not_bytes() -> None:
    choice = _parsed(content={"parts": [{"text": "Sé 1 2"}]}, groundingMetadata=_GROUNDING)
    text = choice.parts[0]
    assert isinstance(text, Text)
    assert text.annotations == (
        {"uri": "https://a", "title": "A", "startIndex": 0, "endIndex": 2},
        {"uri": "https://b", "title": "", "startIndex": 3, "endIndex": 5},
    )


@pytest.mark.parametrize(
    ("finish", "native", "expected"),
    [
        ("stop", None, "STOP"),
        ("tool_calls", None, "STOP"),
        ("length", "model_context_window_exceeded", "MAX_TOKENS"),
        ("content_filter", None, "SAFETY"),
        ("refusal", None, "SAFETY"),
        ("pause", None, "OTHER"),
        ("other", "MALFORMED_FUNCTION_CALL", "MALFORMED_FUNCTION_CALL"),
    ],
)
def test_only_words_of_this_api_are_written(finish: FinishReason, native: str | None, expected: str) -> None:
    assert finish_word(finish, native) == expected


@pytest.mark.parametrize(
    ("part", "parts"),
    [
        (Refusal("no"), [{"text": "no"}]),
        (Reasoning("hm", signature="c2ln"), [{"text": "hm", "thought": True, "thoughtSignature": "c2ln"}]),
        (Reasoning(summary=("a", "b")), [{"text": "a\n\nb", "thought": True}]),
        (Reasoning(), []),
        (ToolCall("c", "f", ""), [{"functionCall": {"id": "c", "name": "f", "args": {}}}]),
        (Image(data="aGk="), [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}]),
        (Image(url="https://a/b"), [{"fileData": {"fileUri": "https://a/b", "mimeType": "image/png"}}]),
        (Audio("aGk=", "wav"), [{"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}]),
        (File(data="aGk="), [{"inlineData": {"mimeType": "application/octet-stream", "data": "aGk="}}]),
        (ToolResult("c", ()), []),
        (Opaque("anthropic-messages", {"type": "compaction"}), []),
    ],
)
def test_parts_of_other_apis_become_parts_the_sdk_takes(part: Part, parts: list[dict[str, Any]]) -> None:
    assert _rendered(part)["candidates"][0]["content"]["parts"] == parts


def test_encrypted_thinking_of_another_provider_rides_and_returns() -> None:
    thinking = Reasoning(summary=("short",), encrypted="opaque", id="rs_1")
    body = _rendered(thinking)
    assert parse_answer(msgspec.json.encode(body)).choices[0].parts == (thinking,)


def test_fields_of_another_api_are_left_out() -> None:
    choice = Choice(0, (Text("a", rest={"x": 1}),), rest={"stop_details": {}})
    answer = Answer(id="1", model="", choices=(choice,), rest={"container": {}}, dialect="anthropic-messages")
    body = msgspec.json.decode(render_answer(answer, "asked"))
    assert body == {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "a"}]}, "index": 0}],
        "modelVersion": "asked",
        "responseId": "1",
    }
    assert complaints("gemini.response", body) == []
