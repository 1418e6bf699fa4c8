"""What servers of the OpenAI family really sent, read, and written for callers of both OpenAI APIs."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from genai_prices import extract_usage
from tests.support.recordings import Recording, recordings
from tests.support.validators import complaints

from tollway.core.answer import Answer, AnswerEnded, StreamEvent
from tollway.core.conversation import Conversation, Losses, Opaque, Reasoning
from tollway.core.errors import UpstreamAnswered
from tollway.dialects.collect import collect_stream
from tollway.dialects.registry import conversation_dialect, embeddings_dialect
from tollway.interfaces.provider import Provider
from tollway.signing.bearer import Bearer
from tollway.wire.sse import SseDecoder

_PROVIDER = Provider(name="any", title="Any", docs="", base_url=None, conversation={}, signer=Bearer())
_DIALECTS = {"chat": "openai-chat", "responses": "openai-responses"}
_NOT_THIS_API = {"cohere"}
_RECORDINGS = [
    one for endpoint in _DIALECTS for one in recordings(endpoint=endpoint) if one.provider not in _NOT_THIS_API
]


def _holds_error(one: Recording) -> bool:
    """One recorded content-filter refusal came with status 200."""
    return one.status >= 400 or (
        not one.is_stream and "choices" not in (body := msgspec.json.decode(one.body)) and bool(body.get("error"))
    )


_ANSWERS = [one for one in _RECORDINGS if not _holds_error(one)]
_STREAMS = [one for one in _ANSWERS if one.is_stream]
_WHOLE = [one for one in _ANSWERS if not one.is_stream]
_REQUESTS = [one for one in _RECORDINGS if isinstance(one.request_body, dict) and one.status == 200]
_EMBEDDINGS = [one for one in recordings(endpoint="embeddings") if one.provider in {"openai", "mistral"}]

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
    "openai-responses": (
        "openai.response",
        "openai.response.event",
        {
            "model": "m",
            "instructions": "Be brief.",
            "input": "hi",
            "stream": True,
            "tools": [{"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}}],
        },
    ),
}


def _id(recording: Recording) -> str:
    return recording.id


def _events(recording: Recording, cut: int | None = None) -> list[StreamEvent]:
    parser = conversation_dialect(_DIALECTS[recording.endpoint]).stream_parser()
    step = cut or len(recording.body)
    found: list[StreamEvent] = []
    for start in range(0, len(recording.body), step):
        found.extend(parser.feed(recording.body[start : start + step]))
    found.extend(parser.close())
    return found


def _answer(recording: Recording) -> Answer:
    dialect = conversation_dialect(_DIALECTS[recording.endpoint])
    return collect_stream(_events(recording)) if recording.is_stream else dialect.parse_answer(recording.body)


def _request(caller: str) -> Conversation:
    return conversation_dialect(caller).parse_request(
        msgspec.json.encode(_CALLERS[caller][2]), path_model="", stream=False
    )


def _data(stream: bytes) -> list[str]:
    decoder = SseDecoder()
    return [event.data for event in [*decoder.feed(stream), *decoder.close()]]


def _has_builtin_items(answer: Answer) -> bool:
    """A provider's built-in work passes as it came; some recorded items break the newest schemas."""
    return any(isinstance(part, Opaque) for choice in answer.choices for part in choice.parts) or (
        "image_generation" in str(answer.rest) or "code_interpreter" in str(answer.rest)
    )


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _ANSWERS, ids=_id)
def test_an_answer_reaches_both_callers_as_sdk_and_schemas_want_it(recording: Recording, caller: str) -> None:
    answer = _answer(recording)
    body = msgspec.json.decode(conversation_dialect(caller).render_answer(answer, _request(caller), now=1_700_000_000))
    if caller == "openai-responses" and _has_builtin_items(answer):
        assert body["object"] == "response"
        assert [item for item in body["output"] if item["type"] == "message"]
    else:
        assert complaints(_CALLERS[caller][0], body) == []


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_stream_reaches_both_callers_as_sdk_and_schemas_want_it(recording: Recording, caller: str) -> None:
    renderer = conversation_dialect(caller).stream_renderer(
        _request(caller), now=1_700_000_000, new_id="01JAY0000000000000000000", framing="sse"
    )
    out = b"".join(renderer.feed([event]) for event in _events(recording))
    found = _data(out)
    if caller == "openai-chat":
        assert found[-1] == "[DONE]"
        found = found[:-1]
    decoded = [msgspec.json.decode(data) for data in found]
    if caller == "openai-responses":
        assert [event["sequence_number"] for event in decoded] == list(range(len(decoded)))
        assert [event["type"] for event in decoded][:2] == ["response.created", "response.in_progress"]
        assert decoded[-1]["type"] in {"response.completed", "response.incomplete"}
        if _has_builtin_items(_answer(recording)):
            decoded = [event for event in decoded if "item" not in event and "response" not in event]
        else:
            assert complaints("openai.response", decoded[-1]["response"]) == []
    assert [problem for event in decoded for problem in complaints(_CALLERS[caller][1], event)] == []


@pytest.mark.parametrize("recording", [one for one in _ANSWERS if b'"usage"' in one.body], ids=_id)
def test_usage_is_what_a_second_reader_finds(recording: Recording) -> None:
    raw = _raw_usage(recording)
    if raw is None:
        pytest.skip("the provider said `usage: null` throughout")
    usage = _answer(recording).usage
    assert usage is not None
    flavor = recording.endpoint
    expected = extract_usage({"model": "gpt-4o", "usage": raw}, provider_id="openai", api_flavor=flavor).usage
    if usage.anomaly:
        # The recorded breakdown exceeds its own total: the totals must stand.
        assert usage.input_tokens == raw["prompt_tokens"]
        return
    assert usage.input_tokens == (expected.input_tokens or 0)
    beside = usage.reasoning if raw.get("total_tokens") != sum(_totals(raw)) else 0
    assert usage.output_tokens == (expected.output_tokens or 0) + beside
    at_the_top = raw.get("prompt_cache_hit_tokens") or raw.get("num_cached_tokens") or 0
    assert usage.cached_tokens == (expected.cache_read_tokens or at_the_top)
    assert usage.web_searches == (raw.get("server_tool_use_details") or {}).get("web_search_requests", 0)


def _totals(raw: dict[str, Any]) -> tuple[int, int]:
    return raw.get("prompt_tokens", raw.get("input_tokens", 0)), raw.get(
        "completion_tokens", raw.get("output_tokens", 0)
    )


def _raw_usage(recording: Recording) -> dict[str, Any] | None:
    """Find the recorded usage, without the dialect's help."""
    if not recording.is_stream:
        return msgspec.json.decode(recording.body).get("usage")
    found = None
    for data in _data(recording.body):
        if data != "[DONE]":
            event = msgspec.json.decode(data)
            found = (event.get("response") or event).get("usage") or found
    return found


@pytest.mark.parametrize("caller", _CALLERS)
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_stream_says_what_its_whole_twin_says(recording: Recording, caller: str) -> None:
    dialect, request = conversation_dialect(caller), _request(caller)
    renderer = dialect.stream_renderer(request, now=1, new_id="01JAY0000000000000000000", framing="sse")
    events = _events(recording)
    parser = dialect.stream_parser()
    streamed = collect_stream([*parser.feed(renderer.feed(events)), *parser.close()])
    whole = dialect.parse_answer(dialect.render_answer(collect_stream(events), request, now=1))
    assert _said(streamed, caller) == _said(whole, caller)
    assert [choice.finish for choice in streamed.choices] == [choice.finish for choice in whole.choices]
    assert streamed.model == whole.model
    if whole.usage is not None and _answer(recording).usage is not None:
        assert streamed.usage == whole.usage


def _said(answer: Answer, caller: str) -> list[Any]:
    """The parts as far as the caller's API can tell them apart.

    Chat has one field for thinking, whoever wrote it, and no order between words and pictures.
    """
    if caller == "openai-responses":
        return [choice.parts for choice in answer.choices]
    found: list[Any] = []
    for choice in answer.choices:
        thoughts = [part for part in choice.parts if isinstance(part, Reasoning)]
        words = "".join(part.text + "".join(part.summary) for part in thoughts)
        others = [part for part in choice.parts if not isinstance(part, Reasoning)]
        found.append((words.replace("\n", ""), sorted(others, key=lambda part: type(part).__name__)))
    return found


@pytest.mark.parametrize("cut", [1, 7, 1000])
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_a_recorded_stream_says_the_same_however_it_is_cut(recording: Recording, cut: int) -> None:
    events = _events(recording)
    assert isinstance(events[-1], AnswerEnded)
    if cut > 1 or len(recording.body) < 40_000:
        assert _events(recording, cut) == events


@pytest.mark.parametrize("cut", [1, 37, 4096, None])
@pytest.mark.parametrize("recording", _STREAMS, ids=_id)
def test_watching_a_stream_finds_what_reading_it_finds(recording: Recording, cut: int | None) -> None:
    watch = conversation_dialect(_DIALECTS[recording.endpoint]).stream_watch(hide_usage=False)
    step = cut or len(recording.body)
    seen = b"".join(watch.feed(recording.body[at : at + step]) for at in range(0, len(recording.body), step))
    facts, answer = watch.facts(), _answer(recording)
    assert seen == recording.body
    assert watch.ended
    assert not watch.failed
    assert facts.usage == answer.usage
    assert (facts.id, facts.model) == (answer.id, answer.model)
    assert facts.finish


@pytest.mark.parametrize("recording", _WHOLE, ids=_id)
def test_glancing_at_an_answer_finds_what_reading_it_finds(recording: Recording) -> None:
    facts = conversation_dialect(_DIALECTS[recording.endpoint]).facts(recording.body)
    answer = _answer(recording)
    assert facts.usage == answer.usage
    assert (facts.id, facts.model) == (answer.id, answer.model)


@pytest.mark.parametrize("recording", _REQUESTS, ids=_id)
def test_a_recorded_request_comes_back_out_without_loss(recording: Recording) -> None:
    dialect = conversation_dialect(_DIALECTS[recording.endpoint])
    request = dialect.parse_request(msgspec.json.encode(recording.request_body), path_model="", stream=False)
    losses = Losses()
    sent = dialect.render_request(request, _PROVIDER, losses)
    assert losses.fields == []
    again = dialect.parse_request(sent, path_model="", stream=False)
    assert msgspec.structs.replace(again, stream_usage=request.stream_usage) == request
    kept = msgspec.json.decode(sent).keys() | {"max_completion_tokens"}
    assert _set_members(recording.request_body) <= kept


def _set_members(body: dict[str, Any]) -> set[str]:
    says_nothing = (None, False, [], {}, "disabled")
    return {name for name, value in body.items() if value not in says_nothing}


@pytest.mark.parametrize("target", ["openai-chat", "openai-responses"])
@pytest.mark.parametrize("recording", _REQUESTS, ids=_id)
def test_a_recorded_request_for_a_chat_provider_is_one_its_schema_takes(recording: Recording, target: str) -> None:
    source = conversation_dialect(_DIALECTS[recording.endpoint])
    request = source.parse_request(msgspec.json.encode(recording.request_body), path_model="", stream=False)
    if source.name != target and (
        request.essential or (request.count or 1) > 1 or (request.tool_choice and request.tool_choice.opaque)
    ):
        pytest.skip("rightly refused: it continues something only its own provider knows")
    body = msgspec.json.decode(conversation_dialect(target).render_request(request, _PROVIDER, Losses()))
    if target == "openai-chat" and source.name != target:
        assert complaints("openai.chat.request", body) == []
    assert body["model"] == request.model


@pytest.mark.parametrize("recording", [one for one in _RECORDINGS if _holds_error(one)], ids=_id)
def test_a_recorded_error_keeps_its_words_and_meaning(recording: Recording) -> None:
    dialect = conversation_dialect(_DIALECTS[recording.endpoint])
    if recording.status == 200:
        with pytest.raises(UpstreamAnswered) as caught:
            dialect.parse_answer(recording.body)
        error = caught.value
    else:
        error = dialect.parse_error(recording.status, recording.body, recording.headers)
        assert error.status == recording.status
    raw = msgspec.json.decode(recording.body)["error"]
    body = msgspec.json.decode(dialect.render_error(error))
    assert complaints("openai.error", body) == []
    assert body["error"]["message"] == raw["message"]
    assert body["error"]["code"] == raw["code"]


@pytest.mark.parametrize("recording", [one for one in _EMBEDDINGS if one.status == 200], ids=_id)
def test_recorded_embeddings_come_back_as_floats_and_as_base64(recording: Recording) -> None:
    dialect = embeddings_dialect("openai-embeddings")
    asked = {**recording.request_body, "encoding_format": "base64"}
    request = dialect.parse_request(msgspec.json.encode(asked), path_model="", path_action="")
    answer = dialect.parse_answer(recording.body, request)
    as_base64 = dialect.render_answer(answer, request)
    floats = msgspec.structs.replace(request, base64=False)
    as_floats = msgspec.json.decode(dialect.render_answer(answer, floats))
    assert complaints("openai.embeddings", as_floats) == []
    again = dialect.parse_answer(as_base64, request)
    back = msgspec.json.decode(dialect.render_answer(again, floats))
    for sent, received in zip(as_floats["data"], back["data"], strict=True):
        assert received["embedding"] == pytest.approx(sent["embedding"], rel=1e-6)
    raw = msgspec.json.decode(recording.body)
    assert as_floats["usage"]["total_tokens"] == raw["usage"]["total_tokens"]
    assert dialect.facts(recording.body).usage == answer.usage


@pytest.mark.parametrize("recording", [one for one in _EMBEDDINGS if one.status >= 400], ids=_id)
def test_a_recorded_embeddings_error_keeps_its_words(recording: Recording) -> None:
    error = embeddings_dialect("openai-embeddings").parse_error(recording.status, recording.body, recording.headers)
    assert error.message == msgspec.json.decode(recording.body)["error"]["message"]


def test_the_recordings_hold_many_servers_of_this_family() -> None:
    if not _RECORDINGS:
        pytest.skip("recorded material is absent")
    names: Sequence[str] = sorted({one.provider for one in _ANSWERS})
    assert {"openai", "azure-openai", "groq", "deepseek", "mistral", "openrouter", "ollama"} <= set(names)
    assert len(_STREAMS) > 30
    assert len(_WHOLE) > 60
