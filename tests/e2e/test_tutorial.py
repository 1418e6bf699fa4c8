"""What a newcomer does: `tollway up`, and the tutorial's own calls, word for word."""

import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai
import pytest
from tests.support.running import Program, alive, environment, free_port, until

CHAT = (
    b'{"model":"gemini/gemini-2.5-flash","messages":[{"role":"system","content":"You are a helpful assistant."},'
    b'{"role":"user","content":"Summarize the key trends in Q3 earnings."}]}'
)
RESPONSE = b'{"model":"gemini/gemini-2.5-flash","input":"What is the capital of France?"}'


class Up(Program):
    """`tollway up`, with its quickstart values."""

    def __init__(self, folder: Path, **environ: str) -> None:
        """Prepare in a folder of its own."""
        self.data = folder / "tollway-data"
        self.port = free_port()
        super().__init__(folder, ["up", "--data", str(self.data), "--port", str(self.port)], environment(**environ))

    def values(self) -> dict[str, str]:
        """Read what a shell that sources `quickstart.env` would have."""
        file = self.data / "quickstart.env"
        script = f'set -eu; . "{file}"; printf "%s\\n" "$GATEWAY_URL" "$CLIENT_ID" "$CLIENT_SECRET"'
        told = subprocess.run(["/bin/sh", "-c", script], capture_output=True, text=True, check=True)
        return dict(zip(("GATEWAY_URL", "CLIENT_ID", "CLIENT_SECRET"), told.stdout.splitlines(), strict=True))


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    program = Up(tmp_path_factory.mktemp("up"))
    program.start()
    program.wait_for("Ctrl-C stops it")
    yield program
    assert program.stop() == 0


def _headers(up: Up) -> dict[str, str]:
    values = up.values()
    return {
        "Content-Type": "application/json",
        "client_id": values["CLIENT_ID"],
        "client_secret": values["CLIENT_SECRET"],
        "ClientId": values["CLIENT_ID"],
    }


def _sdk(up: Up) -> openai.OpenAI:
    values = up.values()
    return openai.OpenAI(
        base_url=f"http://localhost:{up.port}/llm-proxy/v1",
        api_key="unused",
        default_headers={
            "client_id": values["CLIENT_ID"],
            "client_secret": values["CLIENT_SECRET"],
            "ClientId": values["CLIENT_ID"],
        },
    )


def test_the_banner_says_what_runs_and_what_is_simulated(up: Up) -> None:
    values = up.values()
    for name, variable in (("OpenAI", "OPENAI"), ("Google Gemini", "GEMINI"), ("Anthropic", "ANTHROPIC")):
        assert re.search(rf"{name} +SIMULATED on this machine; set {variable}_API_KEY", up.stdout)
    assert f"{values['GATEWAY_URL']}/llm-proxy" in up.stdout
    assert values["CLIENT_ID"] in up.stdout
    assert values["CLIENT_SECRET"] in up.stdout
    assert values["CLIENT_SECRET"] not in up.stderr


def test_the_pasted_curl_works(up: Up) -> None:
    pasted = up.stdout[up.stdout.index("curl ") : up.stdout.index("The configuration it runs")]
    done = subprocess.run(
        ["/bin/sh", "-c", f"{pasted.strip()} -sS --fail"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Paris" in done.stdout


def test_the_quickstart_file_is_for_its_owner_alone(up: Up) -> None:
    assert stat.S_IMODE((up.data / "quickstart.env").stat().st_mode) == 0o600
    assert up.values()["GATEWAY_URL"] == f"http://localhost:{up.port}"


def test_a_chat_completion_works_word_for_word(up: Up) -> None:
    url = f"http://localhost:{up.port}/llm-proxy/v1/chat/completions"
    answer = httpx.post(url, content=CHAT, headers=_headers(up))
    assert answer.status_code == 200
    body = answer.json()
    assert body["object"] == "chat.completion"
    assert body["choices"][0]["message"]["content"]
    assert body["usage"]["total_tokens"] > 0
    assert answer.headers["x-llm-proxy-llm-provider"] == "gemini"
    assert int(answer.headers["x-token-remaining"]) < int(answer.headers["x-token-limit"])


def test_a_response_works_word_for_word(up: Up) -> None:
    url = f"http://localhost:{up.port}/llm-proxy/v1/responses"
    answer = httpx.post(url, content=RESPONSE, headers=_headers(up))
    assert answer.status_code == 200
    assert "Paris" in answer.json()["output"][0]["content"][0]["text"]


@pytest.mark.parametrize("model", ["gemini/gemini-2.5-flash", "openai/gpt-5-mini", "anthropic/claude-haiku-4-5"])
def test_the_openai_sdk_works_as_the_tutorial_writes_it(up: Up, model: str) -> None:
    with _sdk(up) as client:
        chat = client.chat.completions.create(
            model=model,
            messages=[
                {"role": "system", "content": "You are a helpful assistant."},
                {"role": "user", "content": "What is the capital of France?"},
            ],
        )
        assert "Paris" in (chat.choices[0].message.content or "")
        assert chat.usage is not None
        assert chat.usage.total_tokens > 0
        response = client.responses.create(
            model=model, instructions="You are a helpful assistant.", input="What is the capital of France?"
        )
        assert response.usage is not None
        assert response.usage.total_tokens > 0
        told = next(item for item in response.output if item.type == "message").content[0]
        assert told.type == "output_text"
        assert "Paris" in told.text


def test_an_unknown_model_goes_to_the_fallback_and_says_so(up: Up) -> None:
    url = f"http://localhost:{up.port}/llm-proxy/v1/chat/completions"
    body = {"model": "no-such-model", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(url, json=body, headers=_headers(up))
    assert answer.status_code == 200
    assert answer.headers["x-llm-proxy-routing-fallback"] == "true"
    assert answer.headers["x-llm-proxy-llm-model"] == "gemini-3-pro"


@pytest.mark.parametrize(
    ("left_out", "body"),
    [
        ("client_id", {"error": "Client ID is not present"}),
        ("client_secret", {"error": "Authentication Attempt Failed"}),
    ],
)
def test_without_credentials_the_call_is_refused(up: Up, left_out: str, body: dict[str, str]) -> None:
    headers = {name: value for name, value in _headers(up).items() if name != left_out}
    answer = httpx.post(f"http://localhost:{up.port}/llm-proxy/v1/chat/completions", content=CHAT, headers=headers)
    assert (answer.status_code, answer.json()) == (401, body)
    assert answer.headers["www-authenticate"] == "Client-ID-Enforcement"


def test_usage_is_shown_by_application_and_model(up: Up) -> None:
    url = f"http://localhost:{up.port}/llm-proxy/v1/chat/completions"
    used = httpx.post(url, content=CHAT, headers=_headers(up)).json()["usage"]["total_tokens"]
    command = [sys.executable, "-m", "tollway.cli.main", "usage", "--data", str(up.data)]

    def shown() -> str:
        told = subprocess.run(command, capture_output=True, text=True, check=True)
        return told.stdout if "Finance Forecasting Agent" in told.stdout else ""

    text = until(shown, "the usage in the ledger")
    assert "gemini-2.5-flash" in text
    assert used > 0


def test_its_metrics_count_the_calls_and_hold_no_secret(up: Up) -> None:
    url = f"http://localhost:{up.port}"
    before = _counted(httpx.get(f"{url}/metrics").text)
    httpx.post(f"{url}/llm-proxy/v1/chat/completions", content=CHAT, headers=_headers(up)).raise_for_status()
    text = httpx.get(f"{url}/metrics").text
    assert _counted(text) == before + 1
    assert up.values()["CLIENT_SECRET"] not in text


def _counted(text: str) -> int:
    """Add up the calls that one caller's applications made, in Prometheus' text format."""
    return sum(int(float(one)) for one in re.findall(r"^tollway_requests_total\{.*\} (\S+)$", text, re.MULTILINE))


def test_a_real_key_is_used_and_said_and_the_client_stays_the_same(tmp_path: Path) -> None:
    key = "sk-made-up-key-of-the-operator"
    first = Up(tmp_path)
    first.start()
    first.wait_for("Ctrl-C stops it")
    before = first.values()
    children = first.children()
    assert first.stop() == 0
    until(lambda: not any(alive(pid) for pid in children), "the end of the simulator and the workers")

    second = Up(tmp_path, OPENAI_API_KEY=key)
    second.start()
    try:
        second.wait_for("Ctrl-C stops it")
        assert re.search(r"OpenAI +called with the key of your environment", second.stdout)
        assert re.search(r"Anthropic +SIMULATED", second.stdout)
        now = second.values()
        assert (now["CLIENT_ID"], now["CLIENT_SECRET"]) == (before["CLIENT_ID"], before["CLIENT_SECRET"])
        written = "".join(file.read_text(errors="replace") for file in tmp_path.rglob("*") if file.is_file())
        assert key not in written
    finally:
        assert second.stop() == 0
    assert os.environ.get("OPENAI_API_KEY") != key
