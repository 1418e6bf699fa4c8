"""What a call becomes for its provider, and what the provider's answer becomes for the caller."""

import re
from typing import Any

import msgspec
import pytest

from tollway.core.usage import Usage
from tollway.snapshot.document import Retries
from tollway.testing import script
from tollway.testing.sim.app import RunningSim
from tollway.testing.upstream import ScriptedUpstream

from .serving import CHAT, KEY, MESSAGES, OK, STREAM, in_time, proxy, route, serving

PRODUCTION_LOOP = True

NO_REPEATS: dict[str, Any] = {"retries": Retries(attempts=0)}


async def test_a_call_in_the_providers_own_dialect_passes_with_nothing_but_its_model_changed() -> None:
    body = b'{"zz_unknown":{"a":[1,2.50,1e3]},"model":"x","messages":[{"role":"user","content":"\\u00e9"}],"seed":7}'
    async with ScriptedUpstream() as up, serving(proxy(route(up, target_model="y"))) as served:
        up.on(OK)
        answer = await served.ask(raw=body)
        assert answer.body == OK.body
        assert up.requests[0].body == body.replace(b'"model":"x"', b'"model":"y"')


@pytest.mark.parametrize(
    ("options", "shown"),
    [({}, False), ({"stream_options": {"include_usage": True}}, True), ({"stream_options": None}, False)],
    ids=["not asked for", "asked for", "null"],
)
async def test_a_stream_is_asked_for_its_usage_and_the_caller_sees_it_only_where_it_asked(
    options: dict[str, Any], shown: bool
) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        up.on(STREAM)
        answer = await served.ask(body={**CHAT, "stream": True, **options})
        assert up.requests[0].json()["stream_options"]["include_usage"] is True  # type: ignore[index]
        assert (b'"usage":{' in answer.body) == shown
        assert served.record.usage.total_tokens == 50


async def test_a_provider_that_tells_its_usage_anyway_is_not_asked() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="mistral"))) as served:
        up.on(STREAM)
        answer = await served.ask(body={**CHAT, "stream": True})
        assert "stream_options" not in up.requests[0].json()  # type: ignore[operator]
        assert b'"usage":{' in answer.body
        assert served.record.usage.total_tokens == 50


async def test_what_a_provider_cannot_take_is_refused_in_the_callers_dialect_and_reaches_nobody() -> None:
    document = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": "QQ=="}}
    body = {**MESSAGES, "messages": [{"role": "user", "content": [document]}]}
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="groq"), format="anthropic")) as served:
        answer = await served.ask("/v1/messages", body)
        assert (answer.status, up.requests) == (400, [])
        error = msgspec.json.decode(answer.body)
        assert (error["type"], error["error"]["type"]) == ("error", "invalid_request_error")
        assert error["error"]["message"].startswith("messages: this provider takes no documents")


async def test_ids_of_tool_calls_a_provider_would_refuse_are_replaced_on_the_way_out() -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "r"}
    turns = [{"role": "user", "content": "x"}, {"role": "assistant", "content": [call]}]
    body = {**MESSAGES, "messages": [*turns, {"role": "user", "content": [result]}]}
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="mistral"), format="anthropic")) as served:
        up.on(OK)
        answer = await served.ask("/v1/messages", body)
        assert answer.status == 200
        sent: Any = up.requests[0].json()
        identity = sent["messages"][-1]["tool_call_id"]
        assert re.fullmatch("[A-Za-z0-9]{9}", identity)
        assert sent["messages"][-2]["tool_calls"][0]["id"] == identity


async def test_a_second_attempt_starts_from_what_the_caller_sent() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.failure(503), STREAM)
        async with serving(proxy(route(up), retries=Retries(backoff_seconds=0.001))) as served:
            body = {**CHAT, "stream": True}
            answer = await in_time(served.ask(body=body))
            assert b'"usage":{' not in answer.body
            assert up.requests[0].body == up.requests[1].body


async def test_fields_that_do_not_fit_are_dropped_and_named() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="anthropic")) as served:
        up.on(OK)
        answer = await served.ask("/v1/messages", {**MESSAGES, "top_k": 3})
        assert answer.headers["x-tollway-dropped-fields"] == "top_k"
        assert "top_k" not in up.requests[0].json()  # type: ignore[operator]


async def test_a_field_no_dialect_has_is_refused_and_reaches_nobody() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="anthropic")) as served:
        answer = await served.ask("/v1/messages", {**MESSAGES, "messages": [{"role": "nobody", "content": "x"}]})
        assert (answer.status, up.requests) == (400, [])
        assert msgspec.json.decode(answer.body)["error"]["type"] == "invalid_request_error"


async def test_the_providers_own_error_reaches_a_caller_of_its_dialect_word_for_word() -> None:
    error = {
        "error": {"message": "too long", "type": "invalid_request_error", "param": "messages", "code": "x", "n": 1}
    }
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.failure(400, json=error))
        answer = await served.ask()
        assert (answer.status, msgspec.json.decode(answer.body)) == (400, error)


async def test_the_providers_error_is_translated_for_other_callers() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="anthropic", **NO_REPEATS)) as served:
        up.on(script.failure(429, retry_after=7))
        answer = await served.ask("/v1/messages", MESSAGES)
        body = msgspec.json.decode(answer.body)
        assert (answer.status, body["type"], body["error"]["type"]) == (429, "error", "rate_limit_error")
        assert answer.headers["retry-after"] == "7"


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("api", ["openai", "anthropic"])
async def test_what_a_provider_says_of_the_operators_key_is_not_passed_on(api: str, status: int) -> None:
    path, body = ("/v1/messages", MESSAGES) if api == "anthropic" else ("/v1/chat/completions", CHAT)
    async with ScriptedUpstream() as up, serving(proxy(route(up), format=api, **NO_REPEATS)) as served:
        up.on(script.failure(status, json={"error": {"message": f"bad key {KEY[:12]}"}}))
        answer = await served.ask(path, body)
        assert answer.status == status
        assert KEY[:12].encode() not in answer.body
        assert b"tell the gateway's operator" in answer.body
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    "body", [b"<html>bad gateway</html>", b"", b"{", b'{"error":'], ids=["html", "none", "cut", "half"]
)
async def test_an_error_that_is_no_json_is_told_all_the_same(body: bytes) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), **NO_REPEATS)) as served:
        up.on(script.reply(500, body=body))
        answer = await served.ask()
        assert answer.status == 500
        assert msgspec.json.decode(answer.body)["error"]["message"]


async def test_an_answer_that_cannot_be_translated_is_the_upstreams_fault() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="anthropic", **NO_REPEATS)) as served:
        up.on(script.reply(body=b"<html>"))
        answer = await served.ask("/v1/messages", MESSAGES)
        assert (answer.status, served.record.error) == (502, "upstream_garbled")


GENERATE: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "What is the capital of France?"}]}]}
QUESTION: list[dict[str, Any]] = [{"role": "user", "content": "What is the capital of France?"}]
SPOKEN: dict[str, tuple[str, str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", "/v1/chat/completions", {"messages": QUESTION}),
    "responses": ("/v1/responses", "/v1/responses", {"input": QUESTION}),
    "anthropic": ("/v1/messages", "/v1/messages", {"messages": QUESTION, "max_tokens": 50}),
    "gemini": ("/v1beta/models/m:generateContent", "/v1beta/models/m:streamGenerateContent?alt=sse", GENERATE),
    "cohere": ("/v2/chat", "/v2/chat", {"messages": QUESTION}),
    "ollama": ("/api/chat", "/api/chat", {"messages": QUESTION}),
    "prompt": ("/api/generate", "/api/generate", {"prompt": QUESTION[0]["content"]}),
}
PROVIDERS = {
    "openai": "/openai/v1",
    "anthropic": "/anthropic/v1",
    "gemini": "/gemini/v1beta",
    "cohere": "/cohere",
    "ollama": "/ollama",
    "ollama ": "/ollama/v1",
    "groq": "/compatible/v1",
}
"""Provider → where the simulator speaks it; the second of one is an address as older configurations have it."""
DIALECTS = {
    "openai": "openai-chat",
    "anthropic": "anthropic-messages",
    "gemini": "gemini",
    "cohere": "cohere-chat",
    "ollama": "ollama-chat",
    "groq": "openai-chat",
}
OWN = {
    ("responses", "openai"): "openai-responses",
    ("chat", "ollama"): "openai-chat",
    ("prompt", "ollama"): "ollama-generate",
}
"""Callers whose bytes pass, though it is not what the provider speaks by preference."""


SAID = re.compile(rb'"(?:content|text|delta|response)":\s*"((?:[^"\\]|\\.)*)"')


@pytest.fixture(scope="module")
def sim():
    with RunningSim() as running:
        yield running


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("spoken", SPOKEN)
async def test_every_caller_is_understood_by_every_provider(
    spoken: str, provider: str, streamed: bool, sim: RunningSim
) -> None:
    plain, streaming, body = SPOKEN[spoken]
    base_url, provider = f"{sim.url}{PROVIDERS[provider]}", provider.strip()
    served_by = proxy(route(base_url, provider=provider, target_model="sim"), format="any", **NO_REPEATS)
    async with serving(served_by) as served:
        request = body if spoken == "gemini" else {**body, "model": "m", "stream": streamed}
        answer = await in_time(served.ask(streaming if streamed else plain, request))
        assert (answer.status, answer.whole) == (200, True), answer.body
        assert b"Paris" in b"".join(SAID.findall(answer.body))
        record = served.record
        assert (record.outcome, record.usage.source, record.served_model) == ("ok", "provider", "sim")
        assert record.usage.input_tokens > 0
        assert record.usage.output_tokens > 0
        assert record.provider_dialect == OWN.get((spoken, provider), DIALECTS[provider])


async def test_a_gemini_stream_without_events_is_one_array(sim: RunningSim) -> None:
    target = route(f"{sim.url}/openai/v1", target_model="sim")
    async with serving(proxy(target, format="gemini")) as served:
        answer = await in_time(served.ask("/v1beta/models/m:streamGenerateContent", GENERATE))
        assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
        said = msgspec.json.decode(answer.body)
        assert isinstance(said, list)
        assert said[-1]["candidates"][0]["finishReason"] == "STOP"


EMBEDDING_MODELS = {
    "openai": "text-embedding-3-small",
    "gemini": "gemini-embedding-001",
    "cohere": "embed-v4.0",
    "ollama": "nomic-embed-text",
}
BATCH = {"requests": [{"model": "models/m", "content": {"parts": [{"text": text}]}} for text in "ab"]}
EMBEDDED: dict[str, tuple[str, Any, Any]] = {
    "openai": (
        "/v1/embeddings",
        {"model": "m", "input": ["a", "b"]},
        lambda body: [one["embedding"] for one in body["data"]],
    ),
    "gemini": (
        "/v1beta/models/m:batchEmbedContents",
        BATCH,
        lambda body: [one["values"] for one in body["embeddings"]],
    ),
    "cohere": (
        "/v2/embed",
        {"model": "m", "texts": ["a", "b"], "input_type": "search_query"},
        lambda body: body["embeddings"]["float"],
    ),
    "ollama": ("/api/embed", {"model": "m", "input": ["a", "b"]}, lambda body: body["embeddings"]),
}


@pytest.mark.parametrize("provider", EMBEDDING_MODELS)
@pytest.mark.parametrize("spoken", EMBEDDED)
async def test_embeddings_are_translated_too(spoken: str, provider: str, sim: RunningSim) -> None:
    path, body, vectors = EMBEDDED[spoken]
    model = EMBEDDING_MODELS[provider]
    target = route(f"{sim.url}{PROVIDERS[provider]}", provider=provider, target_model=model)
    async with serving(proxy(target, format="any")) as served:
        answer = await in_time(served.ask(path, body))
        assert answer.status == 200, answer.body
        assert [
            abs(sum(value * value for value in one) - 1) < 0.001 for one in vectors(msgspec.json.decode(answer.body))
        ]
        assert len(vectors(msgspec.json.decode(answer.body))) == 2
        assert served.record.operation == "embeddings"
        assert served.record.usage.input_tokens == 2


async def test_an_embeddings_error_is_translated() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="gemini", **NO_REPEATS)) as served:
        up.on(script.failure(400))
        answer = await served.ask("/v1beta/models/m:embedContent", {"content": {"parts": [{"text": "hi"}]}})
        assert (answer.status, msgspec.json.decode(answer.body)["error"]["code"]) == (400, 400)


RANK: dict[str, Any] = {"model": "m", "query": "q", "documents": ["a", "b"]}


@pytest.mark.parametrize(
    ("api", "path", "results", "translated"),
    [
        ("openai", "/v1/rerank", "results", False),
        ("cohere", "/v2/rerank", "results", True),
        ("openai", "/voyage/v1/rerank", "data", True),
    ],
)
async def test_a_ranking_passes_or_is_translated(api: str, path: str, results: str, translated: bool) -> None:
    answer_of_vllm = {
        "id": "r",
        "model": "m-1",
        "results": [{"index": 1, "relevance_score": 0.5, "extra": 1}],
        "usage": {"total_tokens": 9},
    }
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="vllm"), format=api)) as served:
        up.on(script.reply(json=answer_of_vllm))
        answer = await served.ask(path, RANK)
        assert (answer.status, up.requests[0].request.target) == (200, "/v1/rerank")
        (shown,) = msgspec.json.decode(answer.body)[results]
        assert (shown["index"], shown["relevance_score"], "extra" in shown) == (1, 0.5, not translated)
        record = served.record
        assert (record.operation, record.provider_dialect, record.usage) == (
            "rerank",
            "jina-rerank",
            Usage(input_fresh=9),
        )


async def test_a_provider_that_ranks_nothing_is_refused_before_anything_is_sent() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        answer = await served.ask("/v1/rerank", RANK)
        assert answer.status == 400
        assert msgspec.json.decode(answer.body)["error"]["code"] == "operation_not_supported"
        assert up.requests == []


@pytest.mark.parametrize(("provider", "path"), [("cohere", "/v2/rerank"), ("jina", "/rerank"), ("voyage", "/rerank")])
async def test_a_vendor_that_ranks_is_asked_in_its_own_way(provider: str, path: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up.url, provider=provider), format="any")) as served:
        up.on(script.reply(json={"results": [], "data": []}))
        answer = await served.ask("/v2/rerank", {**RANK, "top_n": 1})
        assert (answer.status, up.requests[0].request.target) == (200, path)
        assert served.record.provider_dialect == f"{provider}-rerank"
