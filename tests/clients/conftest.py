"""What the proofs with other people's programs share: a simulator, and a gateway with a proxy for each of them."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.clients.command_lines import COMMAND_LINES
from tests.clients.programs import CLIENTS, MODELS
from tests.support.running import Gateway, key_file, routes_to

from tollway.testing.sim.app import RunningSim

CLIENT_ID = "proof"
CLIENT_SECRET = "proof-client-secret-9083"
KEY = f"{CLIENT_ID}:{CLIENT_SECRET}"


@pytest.fixture(scope="session")
def sim() -> Iterator[RunningSim]:
    with RunningSim() as running:
        yield running


@pytest.fixture(scope="session")
def gateway(sim: RunningSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """One guarded proxy for each client and provider, so that the ledger tells whose calls are whose."""
    folder = tmp_path_factory.mktemp("proof")
    names = {proxy_name(one.name, provider): one.prefix for one in CLIENTS for provider in one.providers}
    names |= {proxy_name(one.name, provider): "" for one in COMMAND_LINES for provider in MODELS}
    routes = routes_to(
        {"openai": f"{sim.url}/openai/v1", "anthropic": f"{sim.url}/v1", "gemini": f"{sim.url}/v1beta"},
        health={"minimum_calls": 100_000},
    )
    secret = key_file(folder, "client", CLIENT_SECRET)
    application = {"name": "Proof", "client_id": CLIENT_ID, "secrets": [secret], "signing_secret": secret}
    resources = {
        "clients": [application],
        "credentials": [{"name": "key", "values": key_file(folder)}],
        "llm_proxies": [guarded(name, prefix, routes) for name, prefix in names.items()],
    }
    with Gateway(folder, resources) as running:
        yield running


def proxy_name(client: str, provider: str) -> str:
    """Name the proxy that one client is run against with one provider's models."""
    return f"{client}-{provider}".replace(".", "-")


def guarded(name: str, prefix: str, routes: list[dict[str, Any]]) -> dict[str, Any]:
    """Write an LLM proxy that takes every API, and only callers with a key."""
    return {
        "name": name,
        "base_path": f"/{name}{prefix}",
        "format": "any",
        "routes": routes,
        "retries": {"attempts": 0},
        "policies": [{"policy": "client-id-enforcement"}],
        "contracts": "all",
    }
