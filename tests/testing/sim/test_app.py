"""Routing, starting and stopping."""

import os
import signal
import subprocess
import sys

import httpx
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tollway.testing.http_messages import Request, Response, Stream
from tollway.testing.sim.app import RunningSim, Simulator, provider_of


def request(target, body=b"", method="POST", **headers):
    return Request(
        method=method,
        target=target,
        headers=[(name.replace("_", "-"), value) for name, value in headers.items()],
        connection=1,
        keep_alive=True,
        http_version="1.1",
        body=body,
    )


@pytest.mark.parametrize(
    ("target", "headers", "expected"),
    [
        ("/v1/chat/completions", {}, ("openai", "/v1/chat/completions")),
        ("/openai/v1/chat/completions", {}, ("openai", "/v1/chat/completions")),
        ("/openai/v1/chat/completions", {"api_key": "x"}, ("azureopenai", "/openai/v1/chat/completions")),
        ("/openai/deployments/d/embeddings", {}, ("azureopenai", "/openai/deployments/d/embeddings")),
        ("/azureopenai/openai/v1/responses", {}, ("azureopenai", "/openai/v1/responses")),
        ("/v1/messages/count_tokens?beta=true", {}, ("anthropic", "/v1/messages/count_tokens")),
        ("/anthropic/v1/models", {}, ("anthropic", "/v1/models")),
        ("/v1beta/models/m:generateContent", {}, ("gemini", "/v1beta/models/m:generateContent")),
        ("/v1/models/m:generateContent", {}, ("gemini", "/v1/models/m:generateContent")),
        ("/gemini/v1beta/models", {}, ("gemini", "/v1beta/models")),
        ("/v1/models", {}, ("openai", "/v1/models")),
        ("/v1/models", {"anthropic_version": "x"}, ("anthropic", "/v1/models")),
        ("/v1/models", {"x_goog_api_key": "x"}, ("gemini", "/v1/models")),
        ("/ollama/v1/chat/completions", {}, ("ollama", "/v1/chat/completions")),
        ("/vllm/v1/models", {}, ("vllm", "/v1/models")),
        ("/compatible/v1/embeddings", {}, ("compatible", "/v1/embeddings")),
        ("/cohere/v2/chat", {}, ("cohere", "/v2/chat")),
        ("/v2/embed", {}, ("cohere", "/v2/embed")),
        ("/v1/models", {"x_fern_sdk_name": "cohere"}, ("cohere", "/v1/models")),
        ("/api/chat", {}, ("ollama", "/api/chat")),
        ("/ollama/api/tags", {}, ("ollama", "/api/tags")),
    ],
)
def test_the_path_tells_whose_api_is_spoken_and_headers_only_where_it_cannot(target, headers, expected):
    assert provider_of(request(target, **headers)) == expected


@pytest.mark.parametrize("path", ["/", "/anthropic", "/gemini/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_root_says_what_this_is(http, sim, method, path):
    answer = http.request(method, sim.url + path)
    assert answer.status_code == 200
    assert (b"tollway sim" in answer.content) == (method == "GET")


def test_any_other_server_of_chat_completions_has_every_model_and_may_go_without_a_key(http, sim):
    url = f"{sim.url}/compatible/v1"
    asked = {"model": "grok-4.7", "messages": [{"role": "user", "content": "What is the capital of France?"}]}
    answer = http.post(f"{url}/chat/completions", json=asked).json()
    assert answer["model"] == "grok-4.7"
    assert answer["choices"][0]["message"]["content"] == "The capital of France is Paris."
    assert len(http.post(f"{url}/embeddings", json={"model": "x", "input": "a"}).json()["data"]) == 1
    assert http.get(f"{url}/models").status_code == 200
    assert http.post(f"{url}/other", json={}).status_code == 404
    wrong = {"authorization": "Bearer invalid"}
    assert http.post(f"{url}/chat/completions", json=asked, headers=wrong).status_code == 401


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = (
    "messages", "input", "contents", "max_tokens", "tools", "tool_choice", "stream", "system", "stop",
    "response_format", "text", "thinking", "generationConfig", "toolConfig", "n", "include", "requests", "content",
)  # fmt: skip
TARGETS = (
    "/openai/v1/chat/completions", "/openai/v1/responses", "/openai/v1/embeddings", "/anthropic/v1/messages",
    "/anthropic/v1/messages/count_tokens", "/gemini/v1/models/sim:generateContent",
    "/gemini/v1/models/sim:streamGenerateContent", "/gemini/v1/models/sim:countTokens",
    "/gemini/v1/models/sim:batchEmbedContents", "/azureopenai/openai/v1/chat/completions",
)  # fmt: skip
KEYS = {
    "authorization": "Bearer any",
    "x_api_key": "any",
    "anthropic_version": "any",
    "x_goog_api_key": "any",
}


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=300)
@given(target=st.sampled_from(TARGETS), members=st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=5))
def test_no_json_body_whatever_gets_no_answer(target, members):
    body = msgspec.json.encode({"model": "sim", "messages": [{"role": "user", "content": "x"}]} | members)
    answer = Simulator().answer(request(target, body, **KEYS))
    assert isinstance(answer, Response | Stream)
    assert answer.status in {200, 400, 404}


def test_a_prefixless_port_serves_every_vendors_own_paths(http, sim):
    body = {"model": "claude-haiku-4-5", "max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
    headers = {"x-api-key": "any", "anthropic-version": "2023-06-01"}
    assert http.post(f"{sim.url}/v1/messages", json=body, headers=headers).json()["type"] == "message"
    gemini = {"contents": [{"parts": [{"text": "x"}]}]}
    answer = http.post(f"{sim.url}/v1beta/models/gemini-2.5-pro:generateContent?key=any", json=gemini)
    assert answer.json()["candidates"]


def test_a_process_announces_its_port_paces_its_streams_and_ends_when_told():
    command = [sys.executable, "-m", "tollway.testing.sim", "--port", "0", "--pace-ms", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            url = process.stdout.readline().split()[-1]
            body = {"model": "gpt-4o", "stream": True, "messages": [{"role": "user", "content": "2+2"}]}
            answer = httpx.post(f"{url}/v1/chat/completions", json=body, headers={"authorization": "Bearer x"})
            # Six events and [DONE], each 20 ms after the one before: it cannot be faster.
            assert answer.elapsed.total_seconds() >= 0.12
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_port_that_is_taken_is_an_error():
    with RunningSim() as first, pytest.raises(OSError, match=os.strerror(98)), RunningSim(port=first.port):
        pytest.fail("two simulators on one port")
