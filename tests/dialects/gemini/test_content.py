from typing import Any

import pytest

from tollway.core.conversation import Audio, File, Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from tollway.core.errors import BadRequest
from tollway.dialects.carried_proof import CarriedProof, pack
from tollway.dialects.gemini.content import ANY_SIGNATURE, PartWriter, answer_part, media_type_of, named_calls, part_of

_PAIRS: list[tuple[str, dict[str, Any], Part]] = [
    ("text", {"text": "hi"}, Text("hi")),
    ("signed text", {"text": "hi", "thoughtSignature": "c2ln"}, Text("hi", signature="c2ln")),
    ("thought", {"text": "hm", "thought": True}, Reasoning("hm")),
    (
        "inline image",
        {"inlineData": {"mimeType": "image/png", "data": "aGk="}},
        Image(data="aGk=", media_type="image/png"),
    ),
    (
        "named image",
        {"inlineData": {"mimeType": "image/png", "data": "aGk=", "displayName": "a.png"}},
        Image(data="aGk=", media_type="image/png", rest={"displayName": "a.png"}),
    ),
    ("inline sound", {"inlineData": {"mimeType": "audio/wav", "data": "aGk="}}, Audio("aGk=", "wav")),
    (
        "inline document",
        {"inlineData": {"mimeType": "application/pdf", "data": "aGk=", "displayName": "a.pdf"}},
        File(data="aGk=", media_type="application/pdf", filename="a.pdf"),
    ),
    (
        "image by address",
        {"fileData": {"fileUri": "https://a/b", "mimeType": "image/png"}},
        Image(url="https://a/b", media_type="image/png"),
    ),
    (
        "film by address",
        {"fileData": {"fileUri": "https://a/b", "mimeType": "video/mp4"}, "videoMetadata": {"fps": 2}},
        File(url="https://a/b", media_type="video/mp4", rest={"videoMetadata": {"fps": 2}}),
    ),
    ("file without a type", {"fileData": {"fileUri": "https://a/b"}}, File(url="https://a/b")),
    (
        "call",
        {"functionCall": {"id": "c", "name": "f", "args": {"a": [1]}}, "thoughtSignature": "c2ln"},
        ToolCall("c", "f", '{"a":[1]}', signature="c2ln"),
    ),
    (
        "call with more to it",
        {"functionCall": {"id": "c", "name": "f", "args": {}, "willContinue": True}, "partMetadata": {"x": 1}},
        ToolCall("c", "f", "{}", rest={"partMetadata": {"x": 1}, "functionCall": {"willContinue": True}}),
    ),
    (
        "result",
        {"functionResponse": {"id": "c", "name": "f", "response": {"a": 1}}},
        ToolResult("c", (Text('{"a":1}'),), name="f", structured=True),
    ),
    (
        "failed result",
        {"functionResponse": {"id": "c", "name": "f", "response": {"error": "no"}}},
        ToolResult("c", (Text('{"error":"no"}'),), name="f", structured=True, is_error=True),
    ),
    (
        "result with a picture",
        {
            "functionResponse": {
                "id": "c",
                "name": "f",
                "response": {},
                "parts": [{"inlineData": {"mimeType": "image/png", "data": "aGk="}}],
            }
        },
        ToolResult("c", (Text("{}"), Image(data="aGk=", media_type="image/png")), name="f", structured=True),
    ),
    ("code", {"executableCode": {"code": "1"}}, Opaque("gemini", {"executableCode": {"code": "1"}})),
    ("from tomorrow", {"hologram": {"x": 1}}, Opaque("gemini", {"hologram": {"x": 1}})),
]


def _write(
    *parts: Part, own: bool = False, sign: bool = False, names: dict[str, str] | None = None
) -> list[dict[str, Any]]:
    return PartWriter(own=own, sign=sign, names=names or {}).parts(parts)


@pytest.mark.parametrize(("raw", "part"), [pair[1:] for pair in _PAIRS], ids=[pair[0] for pair in _PAIRS])
def test_a_part_in_either_form_is_the_same_thing(raw: dict[str, Any], part: Part) -> None:
    assert part_of(raw, "p", "made") == part
    assert _write(part, own=True) == [raw]


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        ({"inline_data": {"mime_type": "image/png", "data": "-_8"}}, Image(data="+/8=", media_type="image/png")),
        ({"function_call": {"name": "f", "args": {"my_key": 1}}}, ToolCall("made", "f", '{"my_key":1}')),
        ({"text": "", "thought_signature": "_-8"}, Text("", signature="/+8=")),
        ({"thoughtSignature": "c2ln"}, Text("", signature="c2ln")),
    ],
)
def test_both_spellings_and_both_alphabets_are_read(raw: dict[str, Any], part: Part) -> None:
    assert part_of(raw, "p", "made") == part


@pytest.mark.parametrize(
    ("raw", "param"),
    [
        ({"text": 7}, "p.text"),
        ({"inlineData": {"data": "x"}}, "p.inlineData.mimeType"),
        ({"inlineData": "x"}, "p.inlineData"),
        ({"fileData": {}}, "p.fileData.fileUri"),
        ({"functionCall": {"args": {}}}, "p.functionCall.name"),
        ({"functionCall": {"name": "f", "args": []}}, "p.functionCall.args"),
        ({"functionResponse": {"name": "f", "response": "x"}}, "p.functionResponse.response"),
        ("hi", "p"),
    ],
)
def test_a_callers_mistake_is_named(raw: object, param: str) -> None:
    with pytest.raises(BadRequest) as refused:
        part_of(raw, "p", "")
    assert refused.value.param == param


def test_a_providers_strange_part_is_kept_whole() -> None:
    assert answer_part({"functionCall": {"args": {}}}, "") == Opaque("gemini", {"functionCall": {"args": {}}})


def test_a_picture_in_the_thoughts_stays_this_apis_own() -> None:
    raw = {"thought": True, "inlineData": {"mimeType": "image/png", "data": "aGk="}}
    assert answer_part(raw, "") == Opaque("gemini", raw)


def test_carried_encrypted_thinking_returns() -> None:
    signature = pack(CarriedProof(encrypted="e", id="rs_1"))
    raw = {"text": "short", "thought": True, "thoughtSignature": signature}
    assert part_of(raw, "p", "") == Reasoning(summary=("short",), encrypted="e", id="rs_1")


@pytest.mark.parametrize(
    ("part", "raw"),
    [
        (Refusal("no"), {"text": "no"}),
        (File(plain="words"), {"text": "words"}),
        (Image(url="data:image/gif;base64,aGk="), {"inlineData": {"mimeType": "image/gif", "data": "aGk="}}),
        (
            Image(url="https://a/b.webp?x=1"),
            {"fileData": {"fileUri": "https://a/b.webp?x=1", "mimeType": "image/webp"}},
        ),
        (File(data="aGk=", filename="a.pdf"), {"inlineData": {"mimeType": "application/pdf", "data": "aGk="}}),
        (Audio("aGk=", "mp3"), {"inlineData": {"mimeType": "audio/mp3", "data": "aGk="}}),
        (Text("hi", rest={"x": 1}), {"text": "hi"}),
        (
            ToolCall("c", "f", "raw", rest={"caller": 1}),
            {"functionCall": {"id": "c", "name": "f", "args": {"input": "raw"}}},
        ),
        (
            ToolResult("c", (Text("18 °C"),)),
            {"functionResponse": {"id": "c", "name": "get_weather", "response": {"output": "18 °C"}}},
        ),
        (
            ToolResult("c", (Text('{"a":1}'),)),
            {"functionResponse": {"id": "c", "name": "get_weather", "response": {"a": 1}}},
        ),
        (
            ToolResult("c", (Text("no"),), is_error=True),
            {"functionResponse": {"id": "c", "name": "get_weather", "response": {"error": "no"}}},
        ),
        (
            ToolResult("c", (Text('{"a":1}'),), is_error=True),
            {"functionResponse": {"id": "c", "name": "get_weather", "response": {"error": {"a": 1}}}},
        ),
        (
            ToolResult("z", ()),
            {"functionResponse": {"id": "z", "name": "unknown", "response": {"output": ""}}},
        ),
    ],
)
def test_other_apis_parts_are_mended(part: Part, raw: dict[str, Any]) -> None:
    assert _write(part, names={"c": "get_weather"}) == [raw]


def test_pictures_of_a_result_lie_beside_it() -> None:
    written = _write(ToolResult("c", (Text("see"), Image(data="aGk=", media_type="image/png")), name="f"))
    assert [next(iter(part)) for part in written] == ["functionResponse", "inlineData"]


def test_calls_of_other_models_get_googles_word_where_a_signature_is_demanded() -> None:
    calls = (ToolCall("a", "f", "{}"), ToolCall("b", "f", "{}"))
    assert [part.get("thoughtSignature") for part in _write(*calls, sign=True)] == [ANY_SIGNATURE, None]
    signed = (ToolCall("a", "f", "{}", signature="c2ln"), ToolCall("b", "f", "{}"))
    assert [part.get("thoughtSignature") for part in _write(*signed, sign=True)] == ["c2ln", None]
    assert [part.get("thoughtSignature") for part in _write(*calls)] == [None, None]


@pytest.mark.parametrize(
    ("part", "lost"),
    [
        (Reasoning("hm", signature="anthropic's"), "thinking"),
        (Reasoning(encrypted="e"), "thinking"),
        (Opaque("anthropic-messages", {"type": "server_tool_use"}), "content[server_tool_use]"),
    ],
)
def test_what_cannot_be_sent_is_noted(part: Part, lost: str) -> None:
    writer = PartWriter(own=False, sign=False, names={})
    assert writer.parts([part]) == []
    assert writer.lost == [lost]


@pytest.mark.parametrize("part", [Text(""), Refusal(""), Reasoning()])
def test_empty_parts_are_left_out(part: Part) -> None:
    assert _write(part) == []


@pytest.mark.parametrize("part", [Image(file_id="file-1"), File(file_id="file-1")])
def test_a_file_of_another_provider_is_refused(part: Part) -> None:
    with pytest.raises(BadRequest) as refused:
        _write(part)
    assert refused.value.param == "file_id"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a.PDF", "application/pdf"),
        ("https://a/b.jpg?x=.png", "image/jpeg"),
        ("https://a/b#c.png", None),
        (None, None),
        ("a", None),
    ],
)
def test_a_media_type_is_guessed_from_a_name(name: str | None, expected: str | None) -> None:
    assert media_type_of(name) == expected


def test_every_calls_name_is_known_by_its_id() -> None:
    assert named_calls([(ToolCall("a", "f", ""), Text("x")), (ToolCall("b", "g", ""),)]) == {"a": "f", "b": "g"}
