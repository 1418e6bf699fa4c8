"""`tollway sim`."""

import signal
import socket
from pathlib import Path

import httpx
import pytest
from tests.support.running import Program, free_port

from tollway.cli.main import main


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_answers_as_providers_do_until_it_is_told_to_stop(number: signal.Signals, tmp_path: Path) -> None:
    port = free_port()
    program = Program(tmp_path, ["sim", "--port", str(port), "--pace-ms", "0"])
    program.start()
    program.wait_for(rf"http://127\.0\.0\.1:{port}")
    answer = httpx.post(
        f"http://127.0.0.1:{port}/openai/v1/chat/completions",
        json={"model": "gpt-5", "messages": [{"role": "user", "content": "What is the capital of France?"}]},
        headers={"authorization": "Bearer anything"},
        trust_env=False,
        timeout=20,
    )
    assert (answer.status_code, "Paris" in answer.text) == (200, True)
    program.signal(number)
    assert program.wait() == 0


def test_a_port_that_is_taken_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert main(["sim", "--port", str(port)]) == 1
    expected = f"tollway sim: 127.0.0.1:{port} cannot be listened on: Address already in use\n"
    assert capsys.readouterr().err == expected
