"""A running simulator, a client for each provider, and the outside judges of its bodies."""

import importlib.util
import os
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tollway.testing.sim.app import RunningSim

MATERIAL = Path(os.environ.get("TOLLWAY_MATERIAL") or Path(__file__).parents[4] / "shared" / "material")
KEYS = {
    "openai": {"authorization": "Bearer any"},
    "anthropic": {"x-api-key": "any", "anthropic-version": "2023-06-01"},
    "gemini": {"x-goog-api-key": "any"},
    "azureopenai": {"api-key": "any"},
    "cohere": {"authorization": "Bearer any"},
    "ollama": {},
    "vllm": {},
}
FRANCE = "What is the capital of France?"
WEATHER_SCHEMA = {
    "type": "object",
    "properties": {
        "city": {"type": "string"},
        "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
        "days": {"type": "integer", "minimum": 1, "maximum": 7},
    },
    "required": ["city", "unit"],
    "additionalProperties": False,
}


@pytest.fixture(scope="session")
def sim() -> Iterator[RunningSim]:
    with RunningSim() as running:
        yield running


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=20) as client:
        yield client


class Caller:
    """Posts to one provider under its prefix, with its key."""

    def __init__(self, client: httpx.Client, sim: RunningSim, provider: str) -> None:
        self.client = client
        self.base = f"{sim.url}/{provider}"
        self.headers = KEYS[provider]

    def post(self, path: str, body: object, **headers: str) -> httpx.Response:
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        return self.client.post(self.base + path, content=content, headers=self.headers | extra)

    def get(self, path: str) -> httpx.Response:
        return self.client.get(self.base + path, headers=self.headers)

    def delete(self, path: str) -> httpx.Response:
        return self.client.delete(self.base + path, headers=self.headers)


@pytest.fixture
def call(http: httpx.Client, sim: RunningSim) -> Callable[[str], Caller]:
    return lambda provider: Caller(http, sim, provider)


@pytest.fixture(scope="session")
def events() -> Callable[[str], list[dict]]:
    def read(text: str) -> list[dict]:
        found = []
        for block in text.replace("\r\n", "\n").split("\n\n"):
            lines = [line[5:].lstrip() for line in block.split("\n") if line.startswith("data:")]
            if lines and lines != ["[DONE]"]:
                found.append(msgspec.json.decode("\n".join(lines)))
        return found

    return read


@pytest.fixture(scope="session")
def judge() -> Callable[[str, object], list[str]]:
    """Complaints of the vendors' SDK types, and of their specifications where these can be read."""
    path = MATERIAL / "validators" / "validate.py"
    if not path.exists():
        pytest.skip("the outside validators are not here; set TOLLWAY_MATERIAL to where they are")
    spec = importlib.util.spec_from_file_location("outside_validate", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    how = ("sdk", "spec", "or") if importlib.util.find_spec("jsonschema") else ("sdk",)
    with warnings.catch_warnings():
        # It leaves its files to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        for name in how[1:]:
            module.spec(name)
    return lambda kind, body: module.check(kind, body, how=how)


@pytest.fixture(scope="session")
def recordings() -> Path:
    path = MATERIAL / "recordings" / "open"
    if not path.exists():
        pytest.skip("the recordings are not here; set TOLLWAY_MATERIAL to where they are")
    return path


@pytest.fixture
def france() -> str:
    return FRANCE


@pytest.fixture
def weather() -> dict:
    return WEATHER_SCHEMA
