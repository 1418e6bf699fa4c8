"""What Amazon Bedrock really sent, read, and written for callers of every dialect."""

from typing import Any

import msgspec
import pytest
from tests.support.recordings import Recording, recordings
from tests.support.validators import complaints

from tollway.core.answer import Answer, AnswerEnded, StreamEvent
from tollway.core.conversation import Conversation, Losses, Text, ToolCall
from tollway.core.usage import Usage
from tollway.dialects.aws_envelope import chunk_event
from tollway.dialects.bedrock_invoke.usage import header_usage
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer
from tollway.wire.aws_event_stream import FrameDecoder, event_name
from tollway.wire.sse import SseDecoder

_PROVIDER = Provider(name="any", title="Any", docs="", base_url=None, conversation={}, signer=Bearer())
_CONVERSE = conversation_dialect("bedrock-converse")
_INVOKE = conversation_dialect("bedrock-invoke")
_RECORDINGS = recordings("bedrock", "converse")
_ANSWERS = [one for one in _RECORDINGS if one.status == 200]
_STREAMS = [one for one in _ANSWERS if one.is_stream]
_INVOKED = recordings("bedrock", "invoke")
_ERRORS = [one for one in _RECORDINGS if one.status >= 400]

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


def _events(recording: Recording, cut: int | None = None) -> list[StreamEvent]:
    parser = _CONVERSE.stream_parser()
    step = cut or len(recording.body)
    found: list[StreamEvent] = []
    for start in range(0, len(recording.body), step):
        found.extend(parser.feed(recording.body[start : start + step]))
    found.extend(parser.close())
    return found


def _answer(recording: Recording) -> Answer:
    return collect_stream(_events(recording)) if recording.is_stream else _CONVERSE.parse_answer(recording.body)


def _raw_usage(recording: Recording) -> dict[str, Any]:
    """Find the recorded usage, without the dialect's help."""
    if not recording.is_stream:
        return msgspec.json.decode(recording.body)["usage"]
    (told,) = [one.payload for one in FrameDecoder().feed(recording.body) if event_name(one) == "metadata"]
    return msgspec.json.decode(told)["usage"]


def _request(caller: str) -> Conversation:
    body = msgspec.json.encode(_CALLERS[caller][2])
    return conversation_dialect(caller).parse_request(body, path_model="m", stream=True)


@pytest.mark.parametrize("recording", _ANSWERS, ids=_id)
def test_usage_is_the_recorded_one_and_sums_to_its_total(recording: Recording) -> None:
    raw, usage = _raw_usage(recording), _answer(recording).usage
    assert usage is not None
    assert usage.total_tokens == raw["totalTokens"]
    assert usage.output_tokens == raw["outputTokens"]
    assert usage.cached_tokens == raw.get("cacheReadInputTokens", 0)
    assert usage.cache_write_tokens == raw.get("cacheWriteInputTokens", 0)
    assert usage.input_fresh == raw["inputTokens"]


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _ANSWERS, ids=_id)
def test_an_answer_reaches_every_caller_as_its_sdk_wants_it(recording: Recording, caller: str) -> None:
    kind = _CALLERS[caller][0]
    written = conversation_dialect(caller).render_answer(_answer(recording), _request(caller), now=1_700_000_000)
    assert complaints(kind, msgspec.json.decode(written)) == []


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_stream_reaches_every_caller_as_its_sdk_wants_it(recording: Recording, caller: str) -> None:
    dialect = conversation_dialect(caller)
    renderer = dialect.stream_renderer(
        _request(caller), now=1_700_000_000, new_id="01JAY0000000000000000000", framing="sse"
    )
    out = b"".join(renderer.feed([event]) for event in _events(recording))
    decoder = SseDecoder()
    found = [event.data for event in [*decoder.feed(out), *decoder.close()] if event.data != "[DONE]"]
    assert found
    kind = _CALLERS[caller][1]
    assert [problem for data in found for problem in complaints(kind, msgspec.json.decode(data))] == []
    parser = dialect.stream_parser()
    again = collect_stream([*parser.feed(out), *parser.close()])
    assert _said(again) == _said(_answer(recording))


def _said(answer: Answer) -> tuple[str, list[tuple[str, Any]], tuple[int, int] | None]:
    parts = answer.choices[0].parts
    words = "".join(part.text for part in parts if isinstance(part, Text))
    calls = [(part.name, msgspec.json.decode(part.arguments)) for part in parts if isinstance(part, ToolCall)]
    usage = answer.usage
    return words, calls, None if usage is None else (usage.input_tokens, usage.output_tokens)


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_recorded_stream_says_the_same_however_it_is_cut(recording: Recording, cut: int) -> None:
    events = _events(recording)
    assert isinstance(events[-1], AnswerEnded)
    assert _events(recording, cut) == events


@pytest.mark.parametrize("cut", [1, 37, 4096, None])
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_watching_a_stream_finds_what_reading_it_finds(recording: Recording, cut: int | None) -> None:
    watch = _CONVERSE.stream_watch(hide_usage=False)
    step = cut or len(recording.body)
    seen = b"".join(watch.feed(recording.body[at : at + step]) for at in range(0, len(recording.body), step))
    assert seen == recording.body
    assert (watch.ended, watch.failed) == (True, False)
    assert watch.facts().usage == _answer(recording).usage


@pytest.mark.parametrize("recording", [one for one in _ANSWERS if not one.is_stream], ids=_id)
def test_glancing_at_an_answer_finds_what_reading_it_finds(recording: Recording) -> None:
    assert _CONVERSE.facts(recording.body).usage == _answer(recording).usage


@pytest.mark.parametrize("recording", [one for one in _RECORDINGS if one.request_body], ids=_id)
def test_a_recorded_request_comes_back_out_without_loss(recording: Recording) -> None:
    request = _CONVERSE.parse_request(msgspec.json.encode(recording.request_body), path_model="m", stream=False)
    losses = Losses()
    sent = _CONVERSE.render_request(request, _PROVIDER, losses)
    assert losses.fields == []
    assert _CONVERSE.parse_request(sent, path_model="m", stream=False) == request
    kept = {name for name, value in recording.request_body.items() if value not in ([], {})}
    assert kept <= msgspec.json.decode(sent).keys()


@pytest.mark.parametrize("recording", _ERRORS, ids=_id)
def test_a_recorded_error_keeps_its_words_for_every_caller(recording: Recording) -> None:
    error = _CONVERSE.parse_error(recording.status, recording.body, recording.headers)
    words = msgspec.json.decode(recording.body)["message"]
    assert (error.status, error.message) == (recording.status, words)
    assert error.kind in {"", "ValidationException"}
    for caller in _CALLERS:
        body = msgspec.json.decode(conversation_dialect(caller).render_error(error))
        assert body["error"]["message"] == words


@pytest.mark.parametrize("recording", _INVOKED, ids=_id)
def test_what_an_invocation_used_is_found_in_body_headers_or_stream(recording: Recording) -> None:
    if recording.is_stream:
        watch = _INVOKE.stream_watch(hide_usage=False)
        assert watch.feed(recording.body) == recording.body
        assert watch.ended
        usage = watch.facts().usage
        last = msgspec.json.decode(chunk_event(FrameDecoder().feed(recording.body)[-1].payload))
        metrics = last["amazon-bedrock-invocationMetrics"]
        expected = (metrics["inputTokenCount"], metrics["outputTokenCount"])
    else:
        told = {name.encode(): value.encode() for name, value in recording.headers.items()}
        usage = _INVOKE.facts(recording.body).usage or header_usage(told)
        expected = (
            int(recording.headers["x-amzn-bedrock-input-token-count"]),
            int(recording.headers.get("x-amzn-bedrock-output-token-count", 0)),
        )
    assert isinstance(usage, Usage)
    assert (usage.input_fresh, usage.output_tokens) == expected


def test_the_recordings_hold_streams_and_whole_answers() -> None:
    if not _RECORDINGS:
        pytest.skip("recorded material is absent")
    assert len(_STREAMS) >= 4
    assert len(_ANSWERS) > 15
    assert len(_INVOKED) == 6
    assert _ERRORS
