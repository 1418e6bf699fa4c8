"""Which endpoint a path is, and how what is none is refused."""

import re
from typing import Any

import msgspec
import pytest

from tollway.core.errors import PolicyRefusal
from tollway.gateway.compiled import path_pattern
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

from .serving import CHAT, MESSAGES, OK, policy, proxy, route, serving

PRODUCTION_LOOP = True

GENERATE: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
CALLS = [
    ("openai", "/v1/chat/completions", CHAT, "openai-chat"),
    ("openai", "/chat/completions", CHAT, "openai-chat"),
    ("openai", "/v1/responses", {"model": "m", "input": "hi"}, "openai-responses"),
    ("openai", "/v1/embeddings", {"model": "m", "input": "hi"}, "openai-embeddings"),
    ("anthropic", "/v1/messages", MESSAGES, "anthropic-messages"),
    ("anthropic", "/messages", MESSAGES, "anthropic-messages"),
    ("gemini", "/v1beta/models/m:generateContent", GENERATE, "gemini"),
    ("gemini", "/v1/models/m:generateContent", GENERATE, "gemini"),
    ("gemini", "/models/m:generateContent", GENERATE, "gemini"),
    ("gemini", "/models/m:embedContent", {"content": {"parts": [{"text": "hi"}]}}, "gemini-embeddings"),
    ("cohere", "/v2/chat", CHAT, "cohere-chat"),
    ("cohere", "/chat", CHAT, "cohere-chat"),
    ("cohere", "/v2/embed", {"model": "m", "texts": ["hi"], "input_type": "search_query"}, "cohere-embeddings"),
    ("ollama", "/api/chat", CHAT, "ollama-chat"),
    ("ollama", "/api/generate", {"model": "m", "prompt": "hi"}, "ollama-generate"),
    ("ollama", "/api/embed", {"model": "m", "input": "hi"}, "ollama-embeddings"),
]
ERRORS = {
    "openai": lambda body: body["error"]["message"],
    "anthropic": lambda body: body["type"] == "error" and body["error"]["message"],
    "gemini": lambda body: (body["error"]["code"], body["error"]["message"])[1],
    "cohere": lambda body: body["message"],
    "ollama": lambda body: body["error"],
}
FORMATS = pytest.mark.parametrize("api", ERRORS)


@pytest.mark.parametrize("base", ["", "/llm-proxy"])
@pytest.mark.parametrize(("api", "path", "body", "dialect"), CALLS, ids=[call[1] for call in CALLS])
@pytest.mark.parametrize("alone", [True, False], ids=["one API", "any API"])
async def test_every_path_of_an_api_is_served(
    alone: bool, api: str, path: str, body: Any, dialect: str, base: str
) -> None:
    served_by = {"format": api if alone else "any", "base_path": base}
    async with ScriptedUpstream() as up, serving(proxy(route(up), **served_by)) as served:
        up.on(OK)
        await served.ask(base + path, body)
        assert (served.record.inbound_dialect, served.record.requested_model) == (dialect, "m")


@pytest.mark.parametrize(
    "path",
    [
        "/openai/deployments/DEPLOYED/chat/completions?api-version=2024-10-21",
        "/openai/deployments/DEPLOYED/embeddings?api-version=2024-10-21",
        "/openai/deployments/DEPLOYED/completions?api-version=2024-10-21",
        "/openai/deployments/DEPLOYED/images/generations?api-version=2024-10-21",
        "/openai/v1/chat/completions",
        "/openai/v1/responses",
        "/openai/responses?api-version=2025-04-01-preview",
        "/openai/v1/embeddings",
    ],
)
@pytest.mark.parametrize("base", ["", "/llm-proxy", "/openai"])
async def test_paths_of_a_cloud_and_of_servers_beside_other_apis_are_served(base: str, path: str) -> None:
    settings = {"format": "openai", "base_path": base}
    async with ScriptedUpstream() as up, serving(proxy(route(up, target_model=None), **settings)) as served:
        up.on(OK)
        await served.ask(base + path, {**CHAT, "input": "hi", "prompt": "hi", "model": "inside"})
        expected = "DEPLOYED" if "DEPLOYED" in path else "inside"
        assert (served.record.requested_model, served.record.target_model) == (expected, expected)
        assert "api-version" not in up.requests[0].request.target


@pytest.mark.parametrize("inner_first", [True, False])
@pytest.mark.parametrize(
    "path", ["/openai/v1/chat/completions", "/openai/chat/completions", "/openai/deployments/m/chat/completions"]
)
async def test_of_two_proxies_the_one_with_the_longer_base_path_is_meant(path: str, inner_first: bool) -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        proxies = [proxy(route(up), name="inner", base_path="/openai"), proxy(route(up), name="outer", base_path="")]
        async with serving(*(proxies if inner_first else reversed(proxies))) as served:
            await served.ask(path)
            expected = "outer" if "deployments" in path else "inner"
            assert served.record.proxy == expected


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", ["/llm", "/llm/"])
async def test_who_looks_whether_anybody_is_here_is_told_no_more(path: str, method: str) -> None:
    refuse = policy(request=lambda *_: PolicyRefusal("no"))
    async with ScriptedUpstream() as up, serving(proxy(route(up), base_path="/llm", policies=(refuse,))) as served:
        answer = await served.ask(path, method=method)
        assert (answer.status, answer.body) == (200, b"" if method == "HEAD" else b'{"status":"ok"}')
        assert set(answer.headers) == {"content-type", "date", "connection", "content-length"}
        assert (await served.ask("/", method="HEAD")).status == 200
        assert (await served.ask("/", method="GET")).status == 404
        assert served.records == []


@FORMATS
async def test_paths_of_other_apis_are_not_there(api: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format=api)) as served:
        for other, path, body, _ in CALLS:
            if other != api:
                answer = await served.ask(path, body)
                assert answer.status in {404, 405}, path
                assert ERRORS[api](msgspec.json.decode(answer.body))
        assert up.requests == []


@FORMATS
@pytest.mark.parametrize(
    ("path", "where"),
    [("/llm/v1/nowhere", "behind its base path"), ("/llm", "behind its base path"), ("/llm/", "behind its base path")],
)
async def test_a_path_that_is_none_is_refused_in_the_words_of_its_api(api: str, path: str, where: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format=api, base_path="/llm")) as served:
        answer = await served.ask(path)
        assert (answer.status, answer.headers["content-type"]) == (404, "application/json")
        assert where in ERRORS[api](msgspec.json.decode(answer.body))
        assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("path", ["/", "/llmx/v1/chat/completions", "/other", "/v1/chat/completions"])
async def test_a_path_of_no_proxy_is_refused(path: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), base_path="/llm")) as served:
        answer = await served.ask(path)
        assert answer.status == 404
        assert "check the base path" in msgspec.json.decode(answer.body)["error"]["message"]


@FORMATS
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
async def test_a_wrong_method_says_which_is_right(api: str, method: str) -> None:
    path = next(path for name, path, _, _ in CALLS if name == api)
    async with ScriptedUpstream() as up, serving(proxy(route(up), format=api)) as served:
        answer = await served.ask(path, method=method)
        if api == "gemini" and method in {"GET", "HEAD"}:
            assert answer.status == 404  # a model's name may hold a colon, so this asks for a model
        else:
            assert answer.status == 405
            assert "post" in answer.headers["allow"]
        if method == "HEAD":
            assert answer.body == b""
        else:
            assert ERRORS[api](msgspec.json.decode(answer.body))


async def test_a_list_of_models_is_only_read() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        for path in ("/v1/models", "/v1/models/m"):
            answer = await served.ask(path)
            assert (answer.status, answer.headers["allow"]) == (405, "get")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/nowhere", "*"])
async def test_options_tell_what_there_is(path: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up))) as served:
        answer = await served.ask(path, method="OPTIONS")
        assert (answer.status, answer.body) == (204, b"")
        assert answer.headers["allow"] == "get, head, post, delete, options"


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/publishers%2Fm:generateContent", "publishers/m"),
        ("/v1beta/models/a/b:generateContent", "a/b"),
        ("/v1beta/models/a:b:generateContent", "a:b"),
        ("/v1beta/models/caf%C3%A9:generateContent", "café"),
        ("/v1beta/models/%FF:generateContent", "\ufffd"),
    ],
)
async def test_a_path_may_name_any_model(path: str, model: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="gemini", strategy="weighted")) as served:
        up.on(OK)
        assert (await served.ask(path, GENERATE)).status == 200
        assert served.record.requested_model == model


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta1/projects/p/locations/eu/publishers/google/models/m:generateContent", "m"),
        ("/v1/projects/p/locations/eu/publishers/google/models/a/b:generateContent", "a/b"),
        ("/projects/p/publishers/google/models/m:generateContent", "m"),
        ("/v1beta1/publishers/google/models/m:generateContent", "m"),
    ],
)
async def test_what_an_sdk_writes_before_the_model_is_not_looked_at(path: str, model: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="gemini", strategy="weighted")) as served:
        up.on(OK)
        assert (await served.ask(path, GENERATE)).status == 200
        assert served.record.requested_model == model


@pytest.mark.parametrize(
    "path",
    [
        "/v1/projects/p/locations/eu/models/m:generateContent",
        "/v1/projects//publishers/google/models/m:generateContent",
        "/v1/projects/p/publishers/google/models/:generateContent",
        "/v1/projects/publishers/google/models/m:generateContent",
    ],
)
async def test_but_it_must_be_there(path: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="gemini", strategy="weighted")) as served:
        assert (await served.ask(path, GENERATE)).status == 404
        assert up.requests == []


async def test_one_text_is_embedded_by_the_same_api_whose_providers_are_asked_for_batches() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="gemini"), format="gemini")) as served:
        up.on(script.reply(json={"embeddings": [{"values": [1.0]}]}))
        answer = await served.ask("/v1beta/models/m:embedContent", {"content": {"parts": [{"text": "hi"}]}})
        assert msgspec.json.decode(answer.body) == {"embedding": {"values": [1.0]}}
        (asked,) = up.requests
        assert asked.path == "/v1/models/m:batchEmbedContents"
        assert asked.json() == {"requests": [{"model": "models/m", "content": {"parts": [{"text": "hi"}]}}]}


async def test_a_path_without_a_model_is_none() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="gemini")) as served:
        assert (await served.ask("/v1beta/models/:generateContent", GENERATE)).status == 405
        assert up.requests == []


async def test_the_action_of_the_path_says_whether_it_streams() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), format="gemini")) as served:
        up.on(OK)
        await served.ask("/v1beta/models/m:streamGenerateContent", {**GENERATE, "stream": False})
        assert up.requests[0].json()["stream"] is True  # type: ignore[index]


async def test_proxies_whose_base_paths_begin_alike_are_told_apart() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        proxies = [proxy(route(up), name=name, base_path=name) for name in ("", "/llm", "/llm/eu")]
        async with serving(*proxies) as served:
            for name in ("", "/llm", "/llm/eu"):
                await served.ask(f"{name}/v1/chat/completions")
            assert [record.proxy for record in served.records] == ["", "/llm", "/llm/eu"]


async def test_a_model_without_conversations_says_so() -> None:
    there = route("http://127.0.0.1:1", provider="vertex", target_model="gemini-embedding-2")
    async with serving(proxy(there)) as served:
        answer = await served.ask()
        error = msgspec.json.decode(answer.body)["error"]
        assert (answer.status, error["code"], error["param"]) == (400, "operation_not_supported", "model")


async def test_a_provider_without_embeddings_says_so() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="anthropic"))) as served:
        answer = await served.ask("/v1/embeddings", {"model": "m", "input": "hi"})
        error = msgspec.json.decode(answer.body)["error"]
        assert (answer.status, error["code"], error["param"]) == (400, "operation_not_supported", "model")
        assert "has no embeddings" in error["message"]


async def test_a_provider_without_conversations_says_so() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="voyage"))) as served:
        answer = await served.ask()
        error = msgspec.json.decode(answer.body)["error"]
        assert (answer.status, error["code"], error["param"]) == (400, "operation_not_supported", "model")
        assert "has no conversations" in error["message"]


@pytest.mark.parametrize(
    ("path", "matches"),
    [
        ("/files/file-1", True),
        ("/files/a.b_c:d=@~-", True),
        ("/files/", False),
        ("/files/.", False),
        ("/files/..", False),
        ("/files/../models", False),
        ("/files/a/b", False),
        ("/files/a%2Fb", False),
        ("/files/a?b", False),
        ("/files/" + "a" * 257, False),
        ("/files/...", True),
    ],
)
def test_an_id_in_a_path_is_one_plain_segment(path: str, matches: bool) -> None:
    assert bool(re.fullmatch(path_pattern("/files/{id}"), path)) is matches


def test_a_name_in_braces_is_told_from_what_stands_around_it() -> None:
    found = re.fullmatch(
        path_pattern("/vector_stores/{id}/files/{file_id}/content"), "/vector_stores/v/files/f/content"
    )
    assert found is not None
    assert found.groupdict() == {"id": "v", "file_id": "f"}
