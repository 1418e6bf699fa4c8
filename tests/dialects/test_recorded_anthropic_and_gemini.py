"""What Anthropic, Gemini and Vertex really sent, read, and written for callers of every dialect."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from genai_prices import extract_usage
from tests.support.recordings import Recording, recordings
from tests.support.validators import complaints

from tollway.core.answer import Answer, AnswerEnded, StreamEvent
from tollway.core.conversation import Conversation, Losses
from tollway.core.errors import BadRequest
from tollway.core.usage import Usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer
from tollway.wire.sse import SseDecoder

_PROVIDER = Provider(name="any", title="Any", docs="", base_url=None, conversation={}, signer=Bearer())
_DIALECTS = {"anthropic": "anthropic-messages", "gemini": "gemini", "vertex": "gemini"}
_RECORDINGS = [
    *recordings("anthropic", "messages"),
    *recordings("gemini", "generate"),
    *recordings("vertex", "generate"),
]
_ANSWERS = [one for one in _RECORDINGS if one.status == 200]
_STREAMS = [one for one in _ANSWERS if one.is_stream]
_WHOLE = [one for one in _ANSWERS if not one.is_stream]

_CALLERS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "openai-chat": (
        "openai.chat",
        "openai.chat.chunk",
        {
            "model": "m",
            "messages": [{"role": "user", "content": "hi"}],
            "stream_options": {"include_usage": True},
            "stream": True,
        },
    ),
    "openai-responses": ("openai.response", "openai.response.event", {"model": "m", "input": "hi", "stream": True}),
    "anthropic-messages": (
        "anthropic.message",
        "anthropic.event",
        {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}], "stream": True},
    ),
    "gemini": ("gemini.response", "gemini.response", {"contents": [{"parts": [{"text": "hi"}]}]}),
}


def _id(recording: Recording) -> str:
    return recording.id


def _answer(recording: Recording) -> Answer:
    dialect = conversation_dialect(_DIALECTS[recording.provider])
    return collect_stream(_events(recording)) if recording.is_stream else dialect.parse_answer(recording.body)


def _events(recording: Recording, cut: int | None = None) -> list[StreamEvent]:
    parser = conversation_dialect(_DIALECTS[recording.provider]).stream_parser()
    step = cut or len(recording.body)
    found: list[StreamEvent] = []
    for start in range(0, len(recording.body), step):
        found.extend(parser.feed(recording.body[start : start + step]))
    found.extend(parser.close())
    return found


def _request(caller: str) -> Conversation:
    body = msgspec.json.encode(_CALLERS[caller][2])
    return conversation_dialect(caller).parse_request(body, path_model="m", stream=True)


def _data(stream: bytes) -> list[str]:
    decoder = SseDecoder()
    return [event.data for event in [*decoder.feed(stream), *decoder.close()]]


def _beta_only(recording: Recording, caller: str) -> bool:
    """Some recorded answers hold blocks that the SDK's stable types do not know, in the original too."""
    return caller == "anthropic-messages" and any(
        name in recording.body for name in (b'"compaction"', b'"advisor', b'"fallback"')
    )


@pytest.mark.parametrize("recording", _ANSWERS, ids=_id)
def test_usage_is_what_a_second_reader_finds(recording: Recording) -> None:
    usage = _answer(recording).usage
    assert usage is not None
    raw = _raw_usage(recording)
    if recording.provider == "anthropic":
        body = {"model": "claude-sonnet-4-5", "usage": raw}
        expected = extract_usage(body, provider_id="anthropic", api_flavor="default").usage
    else:
        body = {"modelVersion": "gemini-2.5-flash", "usageMetadata": raw}
        expected = extract_usage(body, provider_id="google", api_flavor="default").usage
    compactions = [one for one in raw.get("iterations", ()) if one["type"] == "compaction"]
    beside_in = sum(
        one["input_tokens"] + one["cache_creation_input_tokens"] + one["cache_read_input_tokens"] for one in compactions
    )
    assert usage.input_tokens == (expected.input_tokens or 0) + beside_in
    assert usage.output_tokens == (expected.output_tokens or 0) + sum(one["output_tokens"] for one in compactions)
    if not compactions:
        assert usage.cached_tokens == (expected.cache_read_tokens or 0)
        assert usage.cache_write_tokens == (expected.cache_write_tokens or 0)
    assert usage.reasoning == (expected.output_reasoning_tokens or 0)


def _raw_usage(recording: Recording) -> dict[str, Any]:
    """Find the recorded usage, without the dialect's help."""
    if not recording.is_stream:
        body = msgspec.json.decode(recording.body)
        return body.get("usage") or body["usageMetadata"]
    merged: dict[str, Any] = {}
    for data in _data(recording.body):
        event = msgspec.json.decode(data)
        found = event.get("usageMetadata") or event.get("usage") or event.get("message", {}).get("usage") or {}
        if "usageMetadata" in event:
            merged = found
        else:
            merged |= {name: value for name, value in found.items() if value is not None}
    return merged


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _ANSWERS, ids=_id)
def test_an_answer_reaches_every_caller_as_its_sdk_wants_it(recording: Recording, caller: str) -> None:
    kind = _CALLERS[caller][0]
    answer = _answer(recording)
    body = msgspec.json.decode(conversation_dialect(caller).render_answer(answer, _request(caller), now=1_700_000_000))
    if not _beta_only(recording, caller):
        assert complaints(kind, body) == []


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_stream_reaches_every_caller_as_its_sdk_wants_it(recording: Recording, caller: str) -> None:
    kind = _CALLERS[caller][1]
    renderer = conversation_dialect(caller).stream_renderer(
        _request(caller), now=1_700_000_000, new_id="01JAY0000000000000000000", framing="sse"
    )
    events = _events(recording)
    out = b"".join(renderer.feed([event]) for event in events)
    found = [data for data in _data(out) if data != "[DONE]"]
    assert found
    if not _beta_only(recording, caller):
        assert [problem for data in found for problem in complaints(kind, msgspec.json.decode(data))] == []


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_caller_can_put_the_stream_together_to_the_same_words_and_usage(recording: Recording, caller: str) -> None:
    dialect = conversation_dialect(caller)
    renderer = dialect.stream_renderer(_request(caller), now=1, new_id="01JAY0000000000000000000", framing="sse")
    parser = dialect.stream_parser()
    again = collect_stream([*parser.feed(renderer.feed(_events(recording))), *parser.close()])
    answer = _answer(recording)
    assert _words(again) == _words(answer)
    assert _calls(again) == _calls(answer)
    assert again.usage is not None
    assert answer.usage is not None
    assert (again.usage.input_tokens, again.usage.output_tokens) == _totals(answer.usage)


def _totals(usage: Usage) -> tuple[int, int]:
    return usage.input_tokens, usage.output_tokens


def _words(answer: Answer) -> str:
    return "".join(part.text for choice in answer.choices for part in choice.parts if type(part).__name__ == "Text")


def _calls(answer: Answer) -> list[tuple[str, Any]]:
    return [
        (part.name, msgspec.json.decode(part.arguments))
        for choice in answer.choices
        for part in choice.parts
        if type(part).__name__ == "ToolCall"
    ]


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_recorded_stream_says_the_same_however_it_is_cut(recording: Recording, cut: int) -> None:
    events = _events(recording)
    assert isinstance(events[-1], AnswerEnded)
    assert _events(recording, cut) == events


@pytest.mark.parametrize("cut", [1, 37, 4096, None])
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_watching_a_stream_finds_what_reading_it_finds(recording: Recording, cut: int | None) -> None:
    watch = conversation_dialect(_DIALECTS[recording.provider]).stream_watch(hide_usage=False)
    step = cut or len(recording.body)
    seen = b"".join(watch.feed(recording.body[at : at + step]) for at in range(0, len(recording.body), step))
    answer = _answer(recording)
    facts = watch.facts()
    assert seen == recording.body
    assert watch.ended
    assert not watch.failed
    assert facts.usage == answer.usage
    assert facts.id == answer.id


@pytest.mark.parametrize("recording", _WHOLE, ids=_id)
def test_glancing_at_an_answer_finds_what_reading_it_finds(recording: Recording) -> None:
    facts = conversation_dialect(_DIALECTS[recording.provider]).facts(recording.body)
    answer = _answer(recording)
    assert facts.usage == answer.usage
    assert facts.model == answer.model
    assert facts.id == answer.id


@pytest.mark.parametrize("recording", [one for one in _RECORDINGS if one.request_body], ids=_id)
def test_a_recorded_request_comes_back_out_without_loss(recording: Recording) -> None:
    dialect = conversation_dialect(_DIALECTS[recording.provider])
    request = dialect.parse_request(msgspec.json.encode(recording.request_body), path_model="m", stream=False)
    losses = Losses()
    sent = dialect.render_request(request, _PROVIDER, losses)
    assert losses.fields == []
    again = dialect.parse_request(sent, path_model="m", stream=False)
    assert again == request
    kept = msgspec.json.decode(sent).keys()
    assert _set_members(recording.request_body) <= kept


def _set_members(body: dict[str, Any]) -> set[str]:
    return {name for name, value in body.items() if value not in (None, False, [], {})}


@pytest.mark.parametrize("target", _CALLERS)
@pytest.mark.parametrize("recording", [one for one in _RECORDINGS if one.request_body], ids=_id)
def test_a_recorded_request_can_be_written_for_every_provider_dialect(recording: Recording, target: str) -> None:
    source = conversation_dialect(_DIALECTS[recording.provider])
    request = source.parse_request(msgspec.json.encode(recording.request_body), path_model="m", stream=False)
    write = conversation_dialect(target).render_request
    if "video" in str(recording.request_body) and target in {"openai-chat", "anthropic-messages"}:
        with pytest.raises(BadRequest):
            write(request, _PROVIDER, Losses())
    else:
        assert isinstance(msgspec.json.decode(write(request, _PROVIDER, Losses())), dict)


@pytest.mark.parametrize("recording", [one for one in _RECORDINGS if one.status >= 400], ids=_id)
def test_a_recorded_error_keeps_its_words_and_meaning_for_every_caller(recording: Recording) -> None:
    error = conversation_dialect(_DIALECTS[recording.provider]).parse_error(
        recording.status, recording.body, recording.headers
    )
    raw = msgspec.json.decode(recording.body)["error"]
    assert (error.status, error.message) == (recording.status, raw["message"])
    assert error.kind in {raw.get("type"), raw.get("status")}
    for caller in _CALLERS:
        body = msgspec.json.decode(conversation_dialect(caller).render_error(error))
        assert body["error"]["message"] == raw["message"]


def test_the_recordings_hold_streams_and_whole_answers() -> None:
    if not _RECORDINGS:
        pytest.skip("recorded material is absent")
    names: Sequence[str] = sorted({one.provider for one in _STREAMS})
    assert names == ["anthropic", "gemini", "vertex"]
    assert len(_WHOLE) > 20
