"""The OpenAI SDK for Node against a running gateway; skipped where Node or its packages cannot be had."""

import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.e2e.conftest import CLIENT_ID, CLIENT_SECRET
from tests.support.running import Gateway

_FOLDER = Path(__file__).parent / "node"
_PROVIDERS = ["openai", "anthropic", "gemini"]


@pytest.fixture(scope="module")
def project(pytestconfig: pytest.Config) -> Path:
    """Install the pinned packages, once for each lock file, beside pytest's own cache."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("node and npm are not installed")
    assert pytestconfig.cache is not None
    wanted = hashlib.sha256((_FOLDER / "package-lock.json").read_bytes()).hexdigest()[:16]
    project = pytestconfig.cache.mkdir(f"tollway-node-{wanted}") / "project"
    if not project.exists():
        fresh = project.with_name(f"fresh-{id(project):x}")
        fresh.mkdir()
        for name in ("package.json", "package-lock.json"):
            shutil.copy(_FOLDER / name, fresh)
        command = ["npm", "ci", "--omit=optional", "--ignore-scripts", "--no-audit", "--no-fund"]
        done = subprocess.run(command, cwd=fresh, capture_output=True, text=True, timeout=90, check=False)
        if done.returncode != 0:
            shutil.rmtree(fresh)
            pytest.skip(f"npm could not install the SDK: {done.stderr[-300:]}")
        if not project.exists():  # another test process may have been faster
            fresh.rename(project)
    return project


@pytest.fixture(scope="module")
def results(project: Path, gateway: Gateway) -> dict[str, Any]:
    script = project / "calls.mjs"
    shutil.copy(_FOLDER / "calls.mjs", script)
    command = ["node", str(script), gateway.url, f"{CLIENT_ID}:{CLIENT_SECRET}"]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return msgspec.json.decode(done.stdout)


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_answers_are_read(results: dict[str, Any], provider: str) -> None:
    chat, response = results[provider]["chat"], results[provider]["response"]
    assert "Paris" in chat["text"]
    assert chat["tokens"] > 0
    assert "Paris" in response["text"]
    assert response["status"] == "completed"
    assert response["tokens"] > 0


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_streams_are_read(results: dict[str, Any], provider: str) -> None:
    chat, response = results[provider]["chatStream"], results[provider]["responseStream"]
    assert "Paris" in chat["text"]
    assert chat["finish"] == "stop"
    assert chat["tokens"] > 0
    assert "Paris" in response["text"]
    assert response["last"] == "response.completed"
    assert response["numbers"] == list(range(len(response["numbers"])))


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_a_streamed_tool_call_is_put_together(results: dict[str, Any], provider: str) -> None:
    call = results[provider]["toolCall"]
    assert call["name"] == "get_weather"
    assert "city" in call["arguments"]


@pytest.mark.parametrize("provider", _PROVIDERS)
def test_errors_are_of_the_right_class(results: dict[str, Any], provider: str) -> None:
    found = {
        name: (results[provider][name]["name"], results[provider][name]["status"])
        for name in ("notFound", "rateLimit", "broken")
    }
    assert found == {
        "notFound": ("NotFoundError", 404),
        "rateLimit": ("RateLimitError", 429),
        "broken": ("InternalServerError", 500),
    }
    assert results[provider]["cut"]["name"] == "APIError"


def test_credentials_are_taken_from_the_key(results: dict[str, Any]) -> None:
    assert (results["refused"]["name"], results["refused"]["status"]) == ("AuthenticationError", 401)
    assert results["identified"]["name"] == "none"
