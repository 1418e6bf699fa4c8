"""What the end-to-end tests share: one simulator, and one gateway in front of it."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.running import Gateway, key_file, routes_to

from tollway.testing.sim.app import RunningSim

CLIENT_ID = "finance-forecasting"
CLIENT_SECRET = "e2e-client-secret-5521"


@pytest.fixture(scope="session")
def sim() -> Iterator[RunningSim]:
    with RunningSim() as running:
        yield running


def sim_routes(sim: RunningSim) -> list[dict[str, Any]]:
    """Write a route to each simulated provider."""
    return routes_to(
        {
            "openai": f"{sim.url}/openai/v1",
            "anthropic": f"{sim.url}/v1",
            "gemini": f"{sim.url}/v1beta",
            "azureopenai": f"{sim.url}/azureopenai",
            "ollama": f"{sim.url}/ollama",
            "cohere": f"{sim.url}/cohere",
            "vllm": f"{sim.url}/vllm/v1",
        },
        health={"minimum_calls": 100_000},
    )


@pytest.fixture(scope="session")
def gateway(sim: RunningSim, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Serve `/open` to anybody and `/guarded` to one client application."""
    folder = tmp_path_factory.mktemp("gateway")
    secret = key_file(folder, "client", CLIENT_SECRET)
    resources = {
        "business_groups": [{"name": "Finance"}],
        "clients": [
            {
                "name": "Forecasting",
                "client_id": CLIENT_ID,
                "business_group": "Finance",
                "secrets": [secret],
            }
        ],
        "credentials": [
            {"name": "key", "values": key_file(folder)},
            {"name": "refused", "values": key_file(folder, "refused", "invalid-key-of-the-operator")},
        ],
        "llm_proxies": [
            {
                "name": "open",
                "base_path": "/open",
                "format": "any",
                "routes": sim_routes(sim),
                "retries": {"attempts": 0},
            },
            {
                "name": "guarded",
                "base_path": "/guarded",
                "format": "any",
                "routes": sim_routes(sim),
                "policies": [{"policy": "client-id-enforcement"}],
                "contracts": [{"client": "Forecasting"}],
            },
            {
                "name": "refused",
                "base_path": "/refused",
                "format": "any",
                "routes": [
                    {**route, "credential": "refused"}
                    for route in sim_routes(sim)
                    if route["name"] in {"openai", "anthropic", "gemini"}
                ],
            },
        ],
    }
    with Gateway(folder, resources) as running:
        yield running
