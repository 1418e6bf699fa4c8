from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.neutral_streams import CUTS, cut

from tollway.core.usage import Usage
from tollway.dialects.openai_chat import DIALECT
from tollway.dialects.openai_chat.watch import ChatStreamWatch, facts
from tollway.interfaces.dialect import AnswerFacts

_HEAD = {"id": "i", "object": "chat.completion.chunk", "created": 5, "model": "m"}
_COUNTS = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
_USAGE = Usage(input_fresh=3, output_text=2)


def _sse(chunk: dict[str, Any]) -> bytes:
    return b"data: " + msgspec.json.encode(chunk) + b"\n\n"


def _chunk(text: str = "", finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text} if text else {}, "finish_reason": finish}
    return _sse({**_HEAD, "choices": [choice], **more})


_ONLY_USAGE = _sse({**_HEAD, "choices": [], "usage": _COUNTS})
_DONE = b"data: [DONE]\n\n"
_STREAM = [_chunk("a", usage=None), _chunk("b", usage=None), _chunk(finish="stop", usage=None), _ONLY_USAGE, _DONE]


def _watch(*pieces: bytes, hide: bool = False) -> tuple[ChatStreamWatch, bytes]:
    watch = ChatStreamWatch(hide_usage=hide)
    return watch, b"".join(watch.feed(piece) for piece in pieces)


def test_usage_model_id_and_finish_are_found_without_touching_a_byte() -> None:
    watch, shown = _watch(*_STREAM)
    assert shown == b"".join(_STREAM)
    assert watch.ended
    assert not watch.failed
    assert watch.facts() == AnswerFacts(usage=_USAGE, model="m", id="i", finish="stop")


def test_an_ordinary_chunk_is_passed_on_as_the_same_object() -> None:
    watch = ChatStreamWatch(hide_usage=True)
    chunk = _chunk("a", usage=None)
    assert watch.feed(chunk) is chunk


@pytest.mark.parametrize(
    "pieces",
    [
        [_chunk("a"), _chunk(finish="stop", usage=_COUNTS), _DONE],
        [_chunk("a", usage=_COUNTS), _chunk(finish="stop", usage=_COUNTS), _DONE],
        [_chunk("a"), _chunk(finish="stop", x_groq={"usage": _COUNTS}), _DONE],
        [_chunk("a") + _chunk(finish="stop") + _ONLY_USAGE + _DONE],
        [b"".join(_STREAM).replace(b"\n\n", b"\r\n\r\n")],
        [b"".join(_STREAM).replace(b'":', b'": ')],
        [b": hello\n\n", *_STREAM, b": bye\n\n"],
        [_chunk("a"), _ONLY_USAGE, _chunk(finish="stop", usage=None) + _DONE],
    ],
    ids=["last-chunk", "every-chunk", "groq", "together", "crlf", "spaces", "comments", "early"],
)
def test_usage_is_found_wherever_a_server_puts_it(pieces: list[bytes]) -> None:
    watch, shown = _watch(*pieces)
    assert shown == b"".join(pieces)
    assert (watch.facts().usage, watch.facts().finish, watch.ended) == (_USAGE, "stop", True)


@pytest.mark.parametrize("separate", [True, False])
def test_the_chunk_the_gateway_asked_for_is_kept_from_the_caller_and_nothing_else(separate: bool) -> None:
    watch, shown = _watch(*(_STREAM if separate else [b"".join(_STREAM)]), hide=True)
    assert shown == b"".join(_STREAM).replace(_ONLY_USAGE, b"")
    assert watch.facts().usage == _USAGE


def test_azures_first_chunk_and_usage_beside_words_are_not_hidden() -> None:
    first = _sse({"id": "", "model": "", "choices": [], "prompt_filter_results": []})
    last = _chunk(finish="stop", usage=_COUNTS)
    assert _watch(first, _chunk("a"), last, _DONE, hide=True)[1] == first + _chunk("a") + last + _DONE


_NOISY = [
    _chunk('"usage":{"prompt_tokens":9} [DONE] data: [DONE]'),
    _chunk('{"error": {"message": "no"}}'),
    *_STREAM,
]


@given(CUTS, st.booleans())
def test_any_cut_of_a_stream_is_watched_alike(sizes: list[int], hide: bool) -> None:
    body = b"".join(_NOISY)
    watch, shown = _watch(*cut(body, sizes), hide=hide)
    assert shown == (body.replace(_ONLY_USAGE, b"") if hide else body)
    assert watch.ended
    assert not watch.failed
    assert watch.facts() == AnswerFacts(usage=_USAGE, model="m", id="i", finish="stop")


def test_words_about_the_end_are_not_the_end() -> None:
    watch, _ = _watch(*_NOISY[:2])
    assert not watch.ended
    assert not watch.failed
    assert watch.facts().usage is None


@pytest.mark.parametrize(
    "error",
    [
        _sse({"error": {"message": "no", "code": 429}}),
        _chunk("", error={"message": "no"}),
        b'event: error\ndata: {"message":"no"}\n\n',
    ],
    ids=["alone", "beside-choices", "named"],
)
def test_an_error_in_the_stream_is_seen(error: bytes) -> None:
    watch, shown = _watch(_chunk("a"), error)
    assert shown == _chunk("a") + error
    assert watch.failed
    assert not watch.ended


def test_a_stream_that_was_cut_still_tells_model_and_id() -> None:
    watch, _ = _watch(_chunk("a"), _chunk("b"), b'data: {"id')
    assert not watch.ended
    assert watch.facts() == AnswerFacts(model="m", id="i")


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (_COUNTS, _USAGE),
        ({**_COUNTS, "prompt_tokens_details": None}, _USAGE),
        ({**_COUNTS, "prompt_tokens_details": {"cached_tokens": None}}, _USAGE),
        ({**_COUNTS, "prompt_tokens_details": {"cached_tokens": 1}}, Usage(input_fresh=2, cache_read=1, output_text=2)),
        (None, None),
        ({}, None),
    ],
)
def test_a_whole_answers_usage_is_found(usage: Any, counted: Usage | None) -> None:
    body = {"id": "i", "model": "m", "service_tier": "flex", "usage": usage, "choices": [{"finish_reason": "length"}]}
    expected = AnswerFacts(usage=counted, model="m", id="i", finish="length", service_tier="flex")
    assert facts(msgspec.json.encode(body)) == expected


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"choices":3}', b'{"usage":"x"}', b"[" * 100_000])
def test_glancing_never_fails(body: bytes) -> None:
    assert facts(body) == AnswerFacts()


@pytest.mark.parametrize(
    ("options", "asked", "merged"),
    [
        (None, True, {"include_usage": True}),
        (b"null", True, {"include_usage": True}),
        (b'{"include_usage":false}', True, {"include_usage": True}),
        (b'{"include_obfuscation":false}', True, {"include_obfuscation": False, "include_usage": True}),
        (b'{"include_usage":true}', False, {"include_usage": True}),
    ],
)
def test_usage_is_asked_for_without_losing_other_options(
    options: bytes | None, asked: bool, merged: dict[str, bool]
) -> None:
    members = {"model": msgspec.Raw(b'"m"'), "stream": msgspec.Raw(b"true")}
    if options is not None:
        members["stream_options"] = msgspec.Raw(options)
    assert DIALECT.ask_for_usage(members) is asked
    assert msgspec.json.decode(members["stream_options"]) == merged


def test_the_model_of_a_raw_request_is_set_and_the_rest_survives() -> None:
    body = b'{"model":"openai/m","messages":[{"role":"user","content":"\\u00e9"}],"x":1e2}'
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    DIALECT.rewrite_model(members, "m")
    assert msgspec.json.encode(members) == body.replace(b"openai/m", b"m")
