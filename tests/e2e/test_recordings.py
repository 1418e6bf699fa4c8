"""What providers really sent, replayed through a running gateway to callers of every dialect."""

import re
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
from genai_prices import extract_usage
from tests.support.recordings import Recording, recordings
from tests.support.running import Gateway, key_file, routes_to
from tests.support.validators import complaints

from tollway.core.usage import Usage
from tollway.dialects.registry import conversation_dialect
from tollway.gateway.kept import ids_in
from tollway.interfaces.usage_record import UsageRecord
from tollway.snapshot.plugins import provider, provider_names
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream
from tollway.wire.sse import SseDecoder

_ENDPOINTS = {
    "chat": "openai-chat",
    "responses": "openai-responses",
    "messages": "anthropic-messages",
    "generate": "gemini",
    "ollama-chat": "ollama-chat",
    "ollama-generate": "ollama-generate",
}
_RECORDINGS = [one for endpoint in _ENDPOINTS for one in recordings(endpoint=endpoint)]
_EMBEDDINGS = [one for one in recordings(endpoint="embeddings") if one.provider in {"openai", "mistral"}]
_NAMES = {"azure": "azureopenai", "azure-openai": "azureopenai"}
"""What recordings call a provider → what we do, where the two differ."""
_SIZES = (1, 3, 17, 251, 64, 2)
_PASSED = re.compile(r"x-request-id|request-id|apim-request-id|openai-processing-ms|(x|anthropic)-ratelimit-.*")
_PATHS = {
    "openai-chat": "/v1/chat/completions",
    "openai-responses": "/v1/responses",
    "anthropic-messages": "/v1/messages",
    "cohere-chat": "/v2/chat",
    "ollama-chat": "/api/chat",
    "ollama-generate": "/api/generate",
}
_WHOLE_KIND = {
    "openai-chat": "openai.chat",
    "openai-responses": "openai.response",
    "anthropic-messages": "anthropic.message",
    "gemini": "gemini.response",
    "cohere-chat": "cohere.chat",
    "ollama-chat": "ollama.chat",
}
_EVENT_KIND = {
    "openai-chat": "openai.chat.chunk",
    "openai-responses": "openai.response.event",
    "anthropic-messages": "anthropic.event",
    "gemini": "gemini.response",
    "cohere-chat": "cohere.event",
    "ollama-chat": "ollama.chat",
}
_LINES = {"ollama-chat", "ollama-generate"}
"""Dialects whose streams are lines."""


def _dialect(recording: Recording) -> str:
    return "cohere-chat" if recording.provider == "cohere" else _ENDPOINTS[recording.endpoint]


def _id(recording: Recording) -> str:
    return recording.id


def _route(recording: Recording) -> str:
    if recording.endpoint == "messages":
        return "anthropic"
    if recording.endpoint == "generate":
        return "vertex" if recording.provider == "vertex" else "gemini"
    name = _NAMES.get(recording.provider, recording.provider)
    if name in provider_names() and _dialect(recording) in provider(name).conversation:
        return name
    # Any server of the Responses API is reached as OpenAI's own is.
    return "openai" if recording.endpoint == "responses" else "openai-compatible"


def _holds_error(one: Recording) -> bool:
    """One recorded content-filter refusal came with status 200."""
    return one.status >= 400 or (
        not one.is_stream and "choices" not in (body := msgspec.json.decode(one.body)) and bool(body.get("error"))
    )


_ANSWERS = [one for one in _RECORDINGS if not _holds_error(one)]
_ERRORS = [one for one in _RECORDINGS if one.status >= 400]


class Replay:
    """A gateway in front of an upstream that gives one recorded answer after another."""

    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream, client: httpx.Client) -> None:
        """Put the parts together."""
        self.gateway = gateway
        self.upstream = upstream
        self.client = client

    def ask(self, recording: Recording, path: str, body: dict[str, Any]) -> tuple[httpx.Response, UsageRecord]:
        """Send a request that the upstream answers with the recording; give the answer and its usage record."""
        self.upstream.forget()
        self.upstream.on(_recorded_answer(recording))
        correlation = uuid.uuid4().hex
        answer = self.client.post(f"/p{path}", json=body, headers={"x-correlation-id": correlation})
        assert answer.headers["x-correlation-id"] == correlation
        return answer, self.gateway.record(correlation)


@pytest.fixture(scope="module")
def replay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replay]:
    folder = tmp_path_factory.mktemp("replay")
    with ScriptedUpstream() as upstream:
        routes = routes_to(
            {name: f"{upstream.url}/{name}" for name in provider_names()},
            health={"minimum_calls": 100_000},
        )
        proxy = {"name": "p", "base_path": "/p", "format": "any", "routes": routes, "retries": {"attempts": 0}}
        resources = {"credentials": [{"name": "key", "values": key_file(folder)}], "llm_proxies": [proxy]}
        with Gateway(folder, resources) as gateway, httpx.Client(base_url=gateway.url, timeout=30) as client:
            yield Replay(gateway, upstream, client)


def _recorded_answer(recording: Recording) -> script.Answer:
    """Answer with the recorded status, type and body; streams are cut where no event ends."""
    kind = recording.headers.get("content-type", "application/json")
    headers = [("content-type", kind), *((n, v) for n, v in recording.headers.items() if _PASSED.fullmatch(n))]
    if not recording.is_stream:
        return script.Answer(status=recording.status, headers=headers, acts=[script.Send(recording.body)])
    if "ndjson" not in kind:
        headers[0] = ("content-type", kind if "event-stream" in kind else "text/event-stream")
    body, grain = recording.body, 1 + len(recording.body) // 20_000
    parts: list[bytes] = []
    at = 0
    while at < len(body):
        size = _SIZES[len(parts) % len(_SIZES)] * grain
        parts.append(body[at : at + size])
        at += size
    return script.Answer(headers=headers, acts=script.chunks(parts), framing="chunked")


def _own_request(recording: Recording) -> tuple[str, dict[str, Any]]:
    """Ask in the provider's own dialect, with the recorded request where there is one."""
    dialect = _dialect(recording)
    path, body = _request(dialect, f"{_route(recording)}/recorded", stream=recording.is_stream)
    kept: frozenset[str] = getattr(conversation_dialect(dialect), "kept_members", frozenset())
    # What names a file or an answer that some key's owner has made is refused: here nobody has made it.
    if isinstance(recording.request_body, dict) and not tuple(ids_in(recording.request_body, kept)):
        chosen = {name: body[name] for name in ("model", "stream", "stream_options") if name in body}
        body = {name: v for name, v in recording.request_body.items() if name != "stream"} | chosen
    return path, body


def _request(dialect: str, model: str, *, stream: bool) -> tuple[str, dict[str, Any]]:
    """Ask shortly in any dialect."""
    if dialect == "gemini":
        action = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return f"/v1beta/models/{model}:{action}", {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    body: dict[str, Any] = {"model": model}
    if dialect in _LINES:
        body["stream"] = stream
    if dialect == "openai-responses":
        body["input"] = "hi"
    elif dialect == "ollama-generate":
        body["prompt"] = "hi"
    else:
        body["messages"] = [{"role": "user", "content": "hi"}]
    if dialect == "anthropic-messages":
        body["max_tokens"] = 1000
    if stream:
        body["stream"] = True
        if dialect == "openai-chat":
            body["stream_options"] = {"include_usage": True}
    return _PATHS[dialect], body


def _data(stream: bytes) -> list[str]:
    if stream.startswith(b"{"):
        return stream.decode().splitlines()
    decoder = SseDecoder()
    return [event.data for event in [*decoder.feed(stream), *decoder.close()]]


def _bodies(data: bytes, *, streamed: bool) -> list[dict[str, Any]]:
    """The JSON values of an answer: one, or one for each event."""
    texts = [one for one in _data(data) if one != "[DONE]"] if streamed else [data.decode()]
    return [msgspec.json.decode(text) for text in texts]


def _raw_usage(bodies: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Find the last usage an answer reports, in any dialect, without the gateway's help."""
    found: dict[str, Any] | None = None
    for body in bodies:
        inner = body.get("response") or body.get("message") or body.get("delta") or {}
        if "eval_count" in body:
            found = {name: body.get(name, 0) for name in ("prompt_eval_count", "eval_count")}
            continue
        if isinstance(inner, str):
            continue
        one = (
            body.get("usage") or body.get("usageMetadata") or inner.get("usage") or body.get("x_groq", {}).get("usage")
        )
        if one and body.get("type") in {"message_start", "message_delta"}:
            found = (found or {}) | {name: value for name, value in one.items() if value is not None}
        elif one:
            found = one
    return found


def _second_opinion(dialect: str, raw: dict[str, Any]) -> tuple[int, int, int, int]:
    """Read input, output, cached and reasoning tokens with other people's code."""
    if dialect in _LINES:
        return raw["prompt_eval_count"], raw["eval_count"], 0, 0
    if dialect == "cohere-chat":
        body, provider, flavor = {"model": "command-r-08-2024", "usage": raw}, "cohere", "tokens"
    elif dialect == "gemini":
        body, provider, flavor = {"modelVersion": "gemini-2.5-flash", "usageMetadata": raw}, "google", "default"
    elif dialect == "anthropic-messages":
        body, provider, flavor = {"model": "claude-sonnet-4-5", "usage": raw}, "anthropic", "default"
    else:
        flavor = "chat" if dialect == "openai-chat" else "responses"
        body, provider = {"model": "gpt-4o", "usage": raw}, "openai"
    usage = extract_usage(body, provider_id=provider, api_flavor=flavor).usage
    return (
        usage.input_tokens or 0,
        usage.output_tokens or 0,
        usage.cache_read_tokens or 0,
        usage.output_reasoning_tokens or 0,
    )


def _assert_metered(recording: Recording, usage: Usage) -> None:
    """The ledger has what the recording says."""
    raw = _raw_usage(_bodies(recording.body, streamed=recording.is_stream))
    if raw is None:
        assert usage.source != "provider"
        return
    assert usage.source == "provider"
    expected_in, expected_out, cached, reasoning = _second_opinion(_dialect(recording), raw)
    if recording.provider == "cohere":
        cached = int(raw.get("cached_tokens", 0))
        billed = extract_usage({"model": "command-r-08-2024", "usage": raw}, provider_id="cohere").usage
        charged = usage.billed_input, usage.output_tokens if usage.billed_output is None else usage.billed_output
        assert charged == (billed.input_tokens, billed.output_tokens)
    if recording.endpoint in _LINES:
        assert bool(usage.anomaly) == (b"prompt_eval_count" not in recording.body)
    if usage.anomaly and "prompt_tokens" in raw:
        # The recorded breakdown exceeds its own total: the totals must stand.
        assert usage.input_tokens == raw["prompt_tokens"]
        return
    if recording.endpoint == "messages":
        # The totals leave out what a compaction used on the way; it is billed all the same.
        beside = [one for one in raw.get("iterations") or () if one["type"] == "compaction"]
        expected_in += sum(
            one["input_tokens"] + one["cache_creation_input_tokens"] + one["cache_read_input_tokens"] for one in beside
        )
        expected_out += sum(one["output_tokens"] for one in beside)
        cached += sum(one["cache_read_input_tokens"] for one in beside)
    if recording.endpoint == "chat" and recording.provider != "cohere":
        if raw.get("total_tokens") != raw["prompt_tokens"] + raw["completion_tokens"]:
            expected_out += usage.reasoning  # this server counts its reasoning beside its completion
        cached = cached or raw.get("prompt_cache_hit_tokens") or raw.get("num_cached_tokens") or 0
        assert usage.web_searches == (raw.get("server_tool_use_details") or {}).get("web_search_requests", 0)
    assert (usage.input_tokens, usage.output_tokens, usage.cached_tokens) == (expected_in, expected_out, cached)
    if recording.endpoint in {"generate", "messages"}:
        assert usage.reasoning == reasoning


@pytest.mark.parametrize("recording", _RECORDINGS, ids=_id)
def test_a_caller_of_the_same_dialect_gets_the_recorded_bytes(replay: Replay, recording: Recording) -> None:
    path, body = _own_request(recording)
    answer, record = replay.ask(recording, path, body)
    assert answer.status_code == recording.status
    if recording.is_stream:
        kind = "application/x-ndjson" if _dialect(recording) in _LINES else "text/event-stream"
        assert answer.headers["content-type"].startswith(kind)
        assert answer.content.rstrip() == recording.body.rstrip()
    else:
        assert answer.content == recording.body
    for name, value in recording.headers.items():
        if _PASSED.fullmatch(name):
            assert answer.headers[name] == value
    assert (record.outcome, record.upstream_status) == (
        ("ok" if recording.status == 200 else "error"),
        recording.status,
    )
    if recording.status == 200:
        _assert_metered(recording, record.usage)
    (sent,) = replay.upstream.requests
    assert _upstream_body(sent.json()) == _upstream_body(body)


def _upstream_body(body: Any) -> dict[str, Any]:
    """A request without what the gateway is there to change."""
    return {name: value for name, value in body.items() if name not in {"model", "stream_options"}}


# No provider's preferred dialect is Responses or a lone prompt: such answers are only ever asked for by such callers.
_OTHER_CALLERS = [
    pytest.param(recording, caller, id=f"{recording.id} to {caller}")
    for recording in _ANSWERS
    for caller in _WHOLE_KIND
    if caller != _dialect(recording)
    and recording.endpoint not in {"responses", "ollama-generate"}
    # Such callers are passed to the server's other API, unread.
    and (recording.endpoint, caller) != ("ollama-chat", "openai-chat")
]


@pytest.mark.parametrize(("recording", "caller"), _OTHER_CALLERS)
def test_a_caller_of_another_dialect_gets_what_its_sdk_takes(replay: Replay, recording: Recording, caller: str) -> None:
    route = _route(recording)
    spoken = list(provider(route).conversation)
    # Where bytes would pass, or another API of the provider be asked, it takes a server of Chat alone to translate.
    if recording.endpoint == "chat" and (caller in spoken or spoken[0] != _dialect(recording)):
        route = "openai-compatible"
    path, body = _request(caller, f"{route}/recorded", stream=recording.is_stream)
    answer, record = replay.ask(recording, path, body)
    assert answer.status_code == 200, answer.text
    kind = (_EVENT_KIND if recording.is_stream else _WHOLE_KIND)[caller]
    bodies = _bodies(answer.content, streamed=recording.is_stream)
    assert bodies
    assert [problem for one in bodies for problem in complaints(kind, one)] == []
    _assert_metered(recording, record.usage)
    raw = _raw_usage(bodies)
    if record.usage.source == "provider":
        assert raw is not None
        told = _second_opinion(caller, raw)
        assert told[:2] == (record.usage.input_tokens, record.usage.output_tokens)


@pytest.mark.parametrize("caller", _WHOLE_KIND)
@pytest.mark.parametrize("recording", _ERRORS, ids=_id)
def test_a_recorded_error_keeps_its_status_and_words_for_every_caller(
    replay: Replay, recording: Recording, caller: str
) -> None:
    path, body = _request(caller, f"{_route(recording)}/recorded", stream=False)
    answer, record = replay.ask(recording, path, body)
    assert (answer.status_code, record.status, record.outcome) == (recording.status, recording.status, "error")
    said = answer.json()
    error = said.get("error", said)
    message = error if isinstance(error, str) else error["message"]
    assert message == msgspec.json.decode(recording.body)["error"]["message"]
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("recording", _EMBEDDINGS, ids=_id)
def test_embeddings_pass_as_they_came(replay: Replay, recording: Recording) -> None:
    route = recording.provider
    answer, record = replay.ask(recording, "/v1/embeddings", {**recording.request_body, "model": f"{route}/recorded"})
    assert (answer.status_code, answer.content) == (recording.status, recording.body)
    if recording.status == 200:
        assert record.usage.input_tokens == msgspec.json.decode(recording.body)["usage"]["total_tokens"]
    assert record.operation == "embeddings"


def test_recordings_of_many_providers_go_to_the_provider_itself() -> None:
    if not _RECORDINGS:
        pytest.skip("recorded material is absent")
    routed = {_route(one) for one in _ANSWERS}
    assert {"azureopenai", "cerebras", "deepseek", "groq", "huggingface", "mistral", "openrouter", "xai"} <= routed


def test_there_are_recordings_of_every_dialect() -> None:
    if not _RECORDINGS:
        pytest.skip("recorded material is absent")
    assert {one.endpoint for one in _ANSWERS if one.is_stream} == set(_ENDPOINTS)
    assert {one.endpoint for one in _ANSWERS if not one.is_stream} == set(_ENDPOINTS)
