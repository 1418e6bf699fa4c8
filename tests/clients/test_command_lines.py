"""Coding command lines, as their users run them, asked one question through a running gateway."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.clients.command_lines import COMMAND_LINES, Call, CommandLine
from tests.clients.conftest import KEY, proxy_name
from tests.clients.programs import MODELS
from tests.support.running import Gateway, until

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

_SECONDS = 180


@pytest.mark.parametrize("provider", ["openai", "anthropic", "gemini"])
@pytest.mark.parametrize("program", COMMAND_LINES, ids=lambda program: program.name)
def test_a_coding_command_line_is_answered_and_metered(
    gateway: Gateway, tmp_path: Path, program: CommandLine, provider: str
) -> None:
    proxy = proxy_name(program.name, provider)
    work = tmp_path / "work"
    work.mkdir()
    call = Call(
        url=f"{gateway.url}/{proxy}",
        key=KEY,
        model=MODELS[provider][0],
        question="What is the capital of France?",
        home=tmp_path / "home",
    )
    call.home.mkdir()
    done = subprocess.run(
        program.command(call),
        cwd=work,
        env=program.environment(call),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr

    def answered() -> list[dict[str, Any]]:
        rows = [row for row in gateway.ledger() if row["proxy"] == proxy]
        return rows if rows and all(row["outcome"] for row in rows) else []

    rows = until(answered, f"the ledger's rows of {proxy}")
    # The simulated model calls tools when it is offered many, so there may be several turns.
    assert {(row["outcome"], row["status"]) for row in rows} == {("ok", 200)}
    assert {row["inbound_dialect"] for row in rows} == {program.dialect}
    assert {row["provider"] for row in rows} == {provider}
    assert {row["usage"].get("source", "provider") for row in rows} == {"provider"}
    assert done.stdout.strip(), done.stderr
