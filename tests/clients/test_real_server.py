"""A model server that nobody here wrote, behind a running gateway: llama.cpp's, with models made on this machine."""

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import httpx
import msgspec
import pytest
from tests.clients import environments
from tests.clients.llama_server import Counts, LlamaServer, own_tests
from tests.support.running import Gateway, environment

from tollway.core.usage import Usage

pytestmark = [pytest.mark.proof, pytest.mark.timeout(7200)]

_PROVIDERS = ["llama-cpp", "vllm", "openai-compatible"]
_QUESTION = "How does a call travel through the gateway?"
_OWN_TEST_FILES = (
    "test_chat_completion.py",
    "test_compat_anthropic.py",
    "test_compat_oai_responses.py",
    "test_stream.py",
)
_OWN_TEST_PACKAGES = (
    "filelock",
    "numpy",
    "openai==2.54.0",
    "prometheus-client",
    "pytest==8.3.5",
    "pytest-timeout==2.4.0",
    "requests",
    "wget",
)
_NOT_THROUGH_A_GATEWAY = {
    # Paths of this server's own, which no provider's API has.
    "unit.test_chat_completion::test_logit_bias": "asks /tokenize",
    "unit.test_chat_completion::test_chat_completions_token_count": "asks /chat/completions/input_tokens",
    "unit.test_stream::test_stream_resume_and_stop_with_slashed_model_name": "asks /v1/stream",
    # What translation from Chat Completions cannot know, or has no word for.
    "unit.test_compat_anthropic::test_anthropic_messages_streaming": "input tokens before the first word",
    "unit.test_compat_oai_responses::test_responses_stream_with_llama_telemetry": "timings of its own in events",
    # Where a gateway does not serve this operation.
    "unit.test_compat_anthropic::test_anthropic_count_tokens": "count_tokens",
    "unit.test_compat_anthropic::test_anthropic_count_tokens_with_system": "count_tokens",
    "unit.test_compat_anthropic::test_anthropic_count_tokens_no_max_tokens": "count_tokens",
}
"""Tests that pass directly and cannot through Tollway → what they ask for."""


def _bodies(model: str, *, max_tokens: int = 200) -> dict[str, tuple[str, dict[str, Any]]]:
    """One question in every API, plain and streamed: name → path and body."""
    message = {"role": "user", "content": _QUESTION}
    chat = {"model": model, "messages": [message], "max_tokens": max_tokens}
    respond = {"model": model, "input": _QUESTION, "max_output_tokens": max_tokens}
    generate = {
        "contents": [{"role": "user", "parts": [{"text": _QUESTION}]}],
        "generationConfig": {"maxOutputTokens": max_tokens},
    }
    return {
        "chat": ("/v1/chat/completions", chat),
        "chat streamed": ("/v1/chat/completions", {**chat, "stream": True}),
        "messages": ("/v1/messages", chat),
        "messages streamed": ("/v1/messages", {**chat, "stream": True}),
        "responses": ("/v1/responses", respond),
        "responses streamed": ("/v1/responses", {**respond, "stream": True}),
        "gemini": (f"/v1beta/models/{model}:generateContent", generate),
        "gemini streamed": (f"/v1beta/models/{model}:streamGenerateContent?alt=sse", generate),
    }


_CALLS = sorted(_bodies("any"))


def _gateway(folder: Path, servers: dict[str, LlamaServer]) -> Gateway:
    """Serve each server at `/<its name>`, whatever model is asked for."""
    proxies = [
        {
            "name": name,
            "base_path": f"/{name}",
            "format": "any",
            "strategy": "priority",
            "retries": {"attempts": 0},
            "routes": [
                {
                    "name": "llama",
                    "provider": provider,
                    "url": f"{server.url}/v1",
                    "target_model": server.model,
                    "priority": 1,
                }
            ],
        }
        for provider in _PROVIDERS
        for name, server in ((f"{provider}-{kind}", server) for kind, server in servers.items())
    ]
    return Gateway(folder, {"llm_proxies": proxies})


@pytest.fixture(scope="module")
def servers() -> Iterator[dict[str, LlamaServer]]:
    with LlamaServer("chat") as chat, LlamaServer("reason") as reason, LlamaServer("tool") as tool:
        yield {"chat": chat, "reason": reason, "tool": tool}


@pytest.fixture(scope="module")
def gateway(servers: dict[str, LlamaServer], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with _gateway(tmp_path_factory.mktemp("real"), servers) as running:
        yield running


@pytest.mark.parametrize("kind", ["chat", "reason", "tool"])
@pytest.mark.parametrize("provider", _PROVIDERS)
def test_the_ledger_counts_what_the_server_counts(
    servers: dict[str, LlamaServer], gateway: Gateway, provider: str, kind: str
) -> None:
    before = servers[kind].tokens()
    known: list[str] = []
    with httpx.Client(base_url=f"{gateway.url}/{provider}-{kind}", timeout=60) as caller:
        for path, body in _bodies(f"tiny-{kind}").values():
            answer = caller.post(path, json=body)
            assert answer.status_code == 200, answer.text
            known.append(answer.headers["x-correlation-id"])
    after = servers[kind].tokens()
    rows = [row for row in gateway.settled_ledger(known) if row["correlation_id"] in known]
    assert [row["outcome"] for row in rows] == ["ok"] * len(known)
    assert _sum(rows) == Counts(
        input_fresh=after.input_fresh - before.input_fresh,
        cache_read=after.cache_read - before.cache_read,
        output=after.output - before.output,
    )


@pytest.fixture(scope="module")
def endless() -> Iterator[LlamaServer]:
    with LlamaServer("chat", "--ignore-eos") as server:
        yield server


@pytest.fixture(scope="module")
def endless_gateway(endless: LlamaServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    with _gateway(tmp_path_factory.mktemp("endless"), {"endless": endless}) as running:
        yield running


@pytest.mark.parametrize("call", _CALLS)
def test_a_caller_that_leaves_stops_the_server(endless: LlamaServer, endless_gateway: Gateway, call: str) -> None:
    # Left alone, it would go on for tens of thousands of tokens.
    path, body = _bodies(endless.model, max_tokens=50_000)[call]
    correlation = f"leaves-{call.replace(' ', '-')}"
    with httpx.Client(base_url=f"{endless_gateway.url}/vllm-endless", timeout=60) as caller:
        headers = {"x-correlation-id": correlation}
        if call.endswith("streamed"):
            with caller.stream("POST", path, json=body, headers=headers) as answer:
                assert answer.status_code == 200
                assert next(answer.iter_raw())
        else:
            with pytest.raises(httpx.ReadTimeout):
                caller.post(path, json=body, headers=headers, timeout=1.0)
    endless.wait_until_idle(10)
    record = endless_gateway.record(correlation)
    assert record.outcome == "cancelled"
    # The server was stopped before it had counted: the gateway estimates, and says so.
    assert record.usage.source == ("estimated" if call.endswith("streamed") else "none")


def test_what_passes_directly_passes_through_the_gateway(servers: dict[str, LlamaServer], tmp_path: Path) -> None:
    """llama.cpp's own tests of its server: those that pass with our model directly must pass through Tollway."""
    tool = servers["tool"]
    resources = {
        "llm_proxies": [
            {
                "name": "root",
                "base_path": "/",
                "format": "any",
                "strategy": "priority",
                "retries": {"attempts": 0},
                "routes": [
                    {
                        "name": "llama",
                        "provider": "openai-compatible",
                        "url": f"{tool.url}/v1",
                        "target_model": tool.model,
                        "priority": 1,
                    }
                ],
            }
        ]
    }
    directly = _own_tests_passed(tool.url, tmp_path / "directly.xml")
    assert len(directly) > 40, "the server and its own tests do not fit each other"
    with Gateway(tmp_path / "gateway", resources) as gateway:
        through = _own_tests_passed(gateway.url, tmp_path / "through.xml")
    assert sorted(directly - through - set(_NOT_THROUGH_A_GATEWAY)) == []


def _sum(rows: list[dict[str, Any]]) -> Counts:
    usages = [msgspec.convert(row["usage"], Usage) for row in rows]
    return Counts(
        input_fresh=sum(usage.input_fresh for usage in usages),
        cache_read=sum(usage.cache_read for usage in usages),
        output=sum(usage.output_tokens for usage in usages),
    )


def _own_tests_passed(url: str, report: Path) -> set[str]:
    """Run llama.cpp's tests against an address; give the names of those that passed."""
    python = environments.python(*_OWN_TEST_PACKAGES)
    # Tests of a full context start the server anew with a small one, which cannot be done from outside.
    only = ["-k", "not context_size", "--timeout=20"]
    subprocess.run(
        [str(python), "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junit-xml={report}", *only, *_OWN_TEST_FILES],
        cwd=own_tests() / "unit",
        env=environment(DEBUG_EXTERNAL="1", PORT=url.rpartition(":")[2], PYTHONDONTWRITEBYTECODE="1"),
        capture_output=True,
        timeout=900,
        check=False,
    )
    cases = ET.parse(report).getroot().iter("testcase")
    return {f"{case.get('classname')}::{case.get('name')}" for case in cases if len(case) == 0 or _only_output(case)}


def _only_output(case: Any) -> bool:
    return all(child.tag in {"system-out", "system-err", "properties"} for child in case)
