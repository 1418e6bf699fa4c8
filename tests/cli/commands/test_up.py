"""`tollway up`."""

import os
import signal
import socket
from pathlib import Path

import httpx
import pytest
from tests.support.running import Program, children_of, command_of, environment, free_port

from tollway.cli.main import main


def simulators() -> list[int]:
    return [pid for pid in children_of(os.getpid()) if "sim_process" in command_of(pid)]


def test_it_starts_with_nothing_says_how_to_call_it_and_takes_all_it_started_with_it(tmp_path: Path) -> None:
    port = free_port()
    program = Program(
        tmp_path, ["up", "--data", str(tmp_path / "data"), "--port", str(port)], environment(OPENAI_API_KEY="sk-own")
    )
    program.start()
    said = program.wait_for(r"(?s)\A(.*)Ctrl-C stops it")[1]
    assert f"LLM proxy: http://localhost:{port}/llm-proxy" in said
    assert "OpenAI         called with the key of your environment" in said
    assert "SIMULATED on this machine; set GEMINI_API_KEY to call the real one" in said
    assert "sk-own" not in said
    secret = (tmp_path / "data" / "quickstart.env").read_text()
    headers = {
        name: value
        for line in secret.splitlines()
        for name, _, value in [line.lower().partition("=")]
        if name.startswith("client_")
    }
    headers["ClientId"] = headers["client_id"]
    body = {
        "model": "gemini/gemini-2.5-flash",
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
    }
    url = f"http://localhost:{port}/llm-proxy/v1/chat/completions"
    answer = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=20)
    assert (answer.status_code, "Paris" in answer.text) == (200, True)
    started = program.children()
    program.signal(signal.SIGINT)
    assert program.wait() == 0
    assert [pid for pid in started if "tollway" in command_of(pid)] == []


@pytest.mark.parametrize("trouble", ["port", "folder"])
def test_what_hinders_it_is_told_and_the_simulator_does_not_stay(
    trouble: str, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    data = tmp_path / "data"
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1] if trouble == "port" else free_port()
        if trouble == "folder":
            data.write_text("a file stands where the folder shall be")
        assert main(["up", "--data", str(data), "--port", str(port)]) == 1
    out = capfd.readouterr()
    assert out.err.startswith("tollway up: ")
    assert ("is in use by another program" if trouble == "port" else "File exists") in out.err
    assert simulators() == []
