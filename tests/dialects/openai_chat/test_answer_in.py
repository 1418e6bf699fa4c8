from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.answer import Answer, Choice
from tollway.core.conversation import Image, Opaque, Part, Reasoning, Refusal, Text, ToolCall
from tollway.core.errors import UpstreamAnswered, UpstreamGarbled
from tollway.core.usage import Usage
from tollway.dialects.openai_chat.answer_in import parse_answer


def _answer(message: Any, finish: Any = "stop", **fields: Any) -> Answer:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    return parse_answer(msgspec.json.encode({"id": "i", "model": "m", "choices": [choice], **fields}))


@pytest.mark.parametrize(
    ("message", "parts"),
    [
        ({"role": "assistant", "content": "a"}, (Text("a"),)),
        ({"content": None}, ()),
        ({"content": ""}, ()),
        (
            {"content": "a", "annotations": [{"type": "url_citation"}]},
            (Text("a", annotations=({"type": "url_citation"},)),),
        ),
        ({"content": None, "refusal": "no"}, (Refusal("no"),)),
        ({"content": "a", "reasoning_content": "r"}, (Reasoning("r"), Text("a"))),
        (
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "r"}]},
                    {"type": "text", "text": "a"},
                ]
            },
            (Reasoning("r"), Text("a")),
        ),
        (
            {
                "content": None,
                "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            (ToolCall("c", "f", "{}"),),
        ),
        (
            {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]},
            (ToolCall("call_0", "f", '{"a":1}'), ToolCall("call_1", "g", "")),
        ),
        (
            {"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "p", "input": "x"}}]},
            (ToolCall("c", "p", "x", custom=True),),
        ),
        (
            {
                "tool_calls": [
                    {
                        "id": "c",
                        "function": {"name": "f", "arguments": "{}"},
                        "extra_content": {"google": {"thought_signature": "s"}},
                    }
                ]
            },
            (ToolCall("c", "f", "{}", signature="s"),),
        ),
        ({"function_call": {"name": "f", "arguments": "{}"}}, (ToolCall("f", "f", "{}"),)),
        (
            {"content": "a", "images": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}}]},
            (Text("a"), Image(data="QQ==", media_type="image/png")),
        ),
        (
            {"content": None, "audio": {"id": "x", "data": "QQ=="}},
            (Opaque("openai-chat", {"type": "audio", "audio": {"id": "x", "data": "QQ=="}}),),
        ),
        (None, ()),
    ],
)
def test_what_servers_put_into_a_message_is_read(message: Any, parts: tuple[Part, ...]) -> None:
    assert _answer(message).choices[0].parts == parts


_CALLS = {"tool_calls": [{"id": "c", "function": {"name": "f", "arguments": "{}"}}]}


@pytest.mark.parametrize(
    ("message", "native", "finish"),
    [
        ({"content": "a"}, "stop", "stop"),
        ({"content": "a"}, None, "stop"),
        ({"content": "a"}, "length", "length"),
        ({"content": "a"}, "content_filter", "content_filter"),
        ({"content": "a"}, "MAX_TOKENS", "length"),
        ({"content": "a"}, "insufficient_system_resource", "other"),
        (_CALLS, "tool_calls", "tool_calls"),
        (_CALLS, "stop", "tool_calls"),
        (_CALLS, "length", "length"),
        ({"function_call": {"name": "f"}}, "function_call", "tool_calls"),
        ({"refusal": "no"}, "stop", "refusal"),
    ],
)
def test_why_the_model_stopped_is_told(message: Any, native: Any, finish: str) -> None:
    choice = _answer(message, native).choices[0]
    assert (choice.finish, choice.native_finish) == (finish, native)


def test_everything_else_is_kept_where_it_stood() -> None:
    answer = parse_answer(
        msgspec.json.encode(
            {
                "id": "i",
                "object": "chat.completion",
                "created": 5,
                "model": "m",
                "choices": [
                    {
                        "index": 1,
                        "message": {"role": "assistant", "content": "a", "phase": "p"},
                        "logprobs": {"content": [{"token": "a", "logprob": -0.1}], "refusal": None},
                        "finish_reason": "stop",
                        "content_filter_results": {"hate": {}},
                    }
                ],
                "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "queue_time": 0.1},
                "service_tier": "default",
                "system_fingerprint": "fp",
                "prompt_filter_results": [],
            }
        )
    )
    assert answer == Answer(
        id="i",
        model="m",
        created=5,
        choices=(
            Choice(
                1,
                (Text("a"),),
                "stop",
                "stop",
                logprobs=[{"token": "a", "logprob": -0.1}],
                rest={"content_filter_results": {"hate": {}}, "message": {"phase": "p"}},
            ),
        ),
        usage=Usage(input_fresh=1, output_text=2),
        usage_rest={"queue_time": 0.1},
        service_tier="default",
        system_fingerprint="fp",
        rest={"prompt_filter_results": []},
        dialect="openai-chat",
    )


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"choices":null}', b'{"choices":{}}'])
def test_what_is_no_answer_is_the_providers_error(body: bytes) -> None:
    with pytest.raises(UpstreamGarbled):
        parse_answer(body)


def test_an_error_sent_as_a_success_keeps_its_meaning() -> None:
    with pytest.raises(UpstreamAnswered) as caught:
        parse_answer(b'{"error":{"message":"slow down","code":429}}')
    assert (caught.value.status, caught.value.message) == (429, "slow down")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=6,
)
_NAMES = ("content", "refusal", "tool_calls", "function_call", "annotations", "images", "audio", "reasoning_details")


@given(st.fixed_dictionaries({}, optional=dict.fromkeys(_NAMES, _JSON)), _JSON, _JSON)
def test_however_loose_a_server_is_its_answer_is_read(message: dict[str, Any], finish: Any, usage: Any) -> None:
    assert _answer(message, finish, usage=usage).choices[0].finish is not None


def test_references_between_pieces_of_a_text_become_its_annotations() -> None:
    reference = {"type": "reference", "reference_ids": [1]}
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "r"}, reference], "signature": "s"}
    said = [thought, {"type": "text", "text": "a"}, reference, {"type": "text", "text": "b"}]
    assert _answer({"content": said}).choices[0].parts == (
        Reasoning("r", signature="s"),
        Text("ab", annotations=(reference,)),
    )


@pytest.mark.parametrize("content", ["a", [{"type": "text", "text": "a"}]], ids=["string", "parts"])
def test_pages_told_beside_the_text_are_its_citations(content: Any) -> None:
    body = {"choices": [{"message": {"content": content}}], "citations": ["https://a"]}
    (text,) = parse_answer(msgspec.json.encode(body)).choices[0].parts
    assert isinstance(text, Text)
    assert text.annotations == ({"type": "url_citation", "url_citation": {"url": "https://a", "title": ""}},)


def test_a_provider_that_cites_for_itself_is_not_added_to() -> None:
    own = {"type": "url_citation", "url_citation": {"url": "https://b"}}
    body = {"choices": [{"message": {"content": "a", "annotations": [own]}}], "citations": ["https://a"]}
    assert parse_answer(msgspec.json.encode(body)).choices[0].parts == (Text("a", annotations=(own,)),)


def test_content_in_parts_of_every_kind_is_read() -> None:
    unknown = {"type": "resource", "ids": [1]}
    picture = {"type": "image_url", "image_url": "https://x/a.png"}
    nothing = {"type": "image_url", "image_url": {}}
    said = [{"type": "thinking", "thinking": "r"}, {"type": "refusal", "refusal": "no"}, picture, nothing, unknown, 7]
    assert _answer({"content": said}).choices[0].parts == (
        Reasoning("r"),
        Refusal("no"),
        Image(url="https://x/a.png"),
        Opaque("openai-chat", unknown),
    )
