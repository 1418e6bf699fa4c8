"""Clients that nobody here wrote, each in the version a caller installs, against a running gateway.

Each script runs once for each provider and prints what came of its checks; a test looks at one of them.
"""

import functools
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.clients import environments
from tests.clients.conftest import KEY, proxy_name
from tests.clients.programs import CLIENTS, MODELS, Client
from tests.support.running import Gateway, environment, until

from tollway.core.usage import Usage
from tollway.dialects.registry import all_dialects

pytestmark = [pytest.mark.proof, pytest.mark.timeout(1800)]

_FOLDER = Path(__file__).parent
_SCRIPT_SECONDS = 120
_CASES = [
    pytest.param(client, provider, check, id=f"{client.name}-{provider}-{check}")
    for client in CLIENTS
    for provider in client.providers
    for check in client.checks
]
_RUNS = [
    pytest.param(client, provider, id=f"{client.name}-{provider}")
    for client in CLIENTS
    for provider in client.providers
]

Results = Callable[[Client, str], dict[str, Any]]


@pytest.fixture(scope="session")
def results(gateway: Gateway) -> Results:
    """Run a client's script when its results are first asked for."""

    served = {dialect.name for dialect in all_dialects()}

    @functools.cache
    def of(client: Client, provider: str) -> dict[str, Any]:
        if client.dialect and client.dialect not in served:
            pytest.skip(f"no callers of {client.dialect} are served")
        done = subprocess.run(
            _command(client, _task(gateway, client, provider)),
            capture_output=True,
            timeout=_SCRIPT_SECONDS,
            check=False,
            env=environment(NO_PROXY="127.0.0.1", PYTHONDONTWRITEBYTECODE="1"),
        )
        assert done.returncode == 0, done.stderr.decode()
        found = msgspec.json.decode(done.stdout.splitlines()[-1])
        return {**found, "stderr": done.stderr.decode()}

    return of


def _task(gateway: Gateway, client: Client, provider: str) -> dict[str, Any]:
    model, embedding = MODELS[provider]
    return {
        "url": f"{gateway.url}/{proxy_name(client.name, provider)}",
        "key": KEY,
        "model": model,
        "embedding": embedding,
        "missing": f"{provider}/sim-404",
        "stalling": f"{provider}/sim-stall-12",
        "speaks": client.speaks,
        "checks": client.checks,
    }


def _command(client: Client, task: dict[str, Any]) -> list[str]:
    argument = msgspec.json.encode(task).decode()
    if client.language == "python":
        return [str(environments.python(*client.packages)), str(_FOLDER / "python" / client.script), argument]
    home = environments.node(*client.packages)
    # Node looks for packages beside the script, wherever it is called from.
    for script in (_FOLDER / "node").glob("*.mjs"):
        fresh = home / f"{script.name}.{os.getpid()}"
        fresh.write_bytes(script.read_bytes())
        fresh.replace(home / script.name)
    return ["node", str(home / client.script), argument]


@pytest.mark.parametrize(("client", "provider", "check"), _CASES)
def test_a_client_gets_what_it_would_get_from_its_own_vendor(
    results: Results, client: Client, provider: str, check: str
) -> None:
    found = results(client, provider)
    _EXPECTED[check](client, found[check])


@pytest.mark.parametrize(("client", "provider"), _RUNS)
def test_everything_a_client_called_is_in_the_ledger(
    gateway: Gateway, results: Results, client: Client, provider: str
) -> None:
    results(client, provider)
    proxy = proxy_name(client.name, provider)

    def complete() -> list[dict[str, Any]]:
        rows = [row for row in gateway.ledger() if row["proxy"] == proxy]
        outcomes = [row["outcome"] for row in rows]
        whole = ("cancel" not in client.checks or "cancelled" in outcomes) and "error" in outcomes
        return rows if whole else []

    rows = until(complete, f"the ledger's rows of {proxy}")
    # Those with a wrong key are strangers: they are counted and not recorded.
    calling = [check for check in client.checks if check != "unauthorized"]
    assert len(rows) >= len(calling)
    assert {row["client_name"] for row in rows} == {"Proof"}
    for row in rows:
        if row["outcome"] == "ok":
            usage = msgspec.convert(row["usage"], Usage)
            assert usage.source == "provider", row
            assert usage.input_tokens > 0, row
    assert [row["status"] for row in rows if row["outcome"] == "error"] == [404]
    assert [row["outcome"] for row in rows].count("cancelled") == (1 if "cancel" in client.checks else 0)


def _answered(client: Client, found: dict[str, Any]) -> None:
    assert "Paris" in found["text"]
    assert found.get("tokens", 1) > 0


def _structured(client: Client, found: dict[str, Any]) -> None:
    assert isinstance(found["city"], str)


def _used_the_tool(client: Client, found: dict[str, Any]) -> None:
    assert "17 degrees" in found["text"]


def _embedded(client: Client, found: dict[str, Any]) -> None:
    assert found["sizes"] == [256, 256]


def _not_found(client: Client, found: dict[str, Any]) -> None:
    assert client.error in found["raised"]
    assert found["status"] == 404
    assert re.search("no such model|not found", found["message"], re.IGNORECASE)


def _refused(client: Client, found: dict[str, Any]) -> None:
    assert client.refused in found["raised"]
    assert found["status"] == client.refused_status
    assert found["message"]


def _left(client: Client, found: dict[str, Any]) -> None:
    assert found == {"read": True}


_EXPECTED: dict[str, Callable[[Client, dict[str, Any]], None]] = {
    "chat": _answered,
    "stream": _answered,
    "tools": _used_the_tool,
    "structured": _structured,
    "schema": _structured,
    "embed": _embedded,
    "error": _not_found,
    "unauthorized": _refused,
    "cancel": _left,
}
