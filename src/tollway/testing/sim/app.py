"""Routing and authentication of the simulator, and how it is started.

One port serves every provider by its own paths, and again under a prefix that names the
provider, so that a base URL such as `http://127.0.0.1:PORT/gemini/v1beta` works.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Final, Self

import uvloop

from tollway.testing.http_messages import Request, Response
from tollway.testing.http_server import Answering, Connection, HttpServer
from tollway.testing.serving import InThread
from tollway.testing.sim import (
    anthropic,
    azure,
    bedrock,
    cohere,
    gemini,
    gemini_live,
    ollama,
    openai_chat,
    openai_embeddings,
    openai_errors,
    openai_models,
    openai_operations,
    openai_realtime,
    openai_responses,
    openai_responses_socket,
)
from tollway.testing.sim.anthropic_request import PromptCache
from tollway.testing.sim.exchange import Answer, Exchange
from tollway.testing.sim.openai_chat import Flavour

DEFAULT_HOST: Final = "127.0.0.1"
DEFAULT_PORT: Final = 8090
DEFAULT_PACE_MS: Final = 10.0
PREFIXES: Final = frozenset(
    {"openai", "anthropic", "gemini", "azureopenai", "cohere", "ollama", "vllm", "compatible", "bedrock"}
)
GEMINI_VERSIONS: Final = frozenset({"v1", "v1beta", "v1alpha"})


class Simulator:
    """Answers requests; holds what the real services remember between calls."""

    def __init__(self, *, pace_ms: float = DEFAULT_PACE_MS) -> None:
        self._pace = pace_ms / 1000
        self._calls = 0
        self._responses = openai_responses.Store()
        self._cache = PromptCache()
        self._kept = openai_operations.Kept()
        self._attempts: dict[str, int] = {}

    def connect(self, number: int, registry: set[Connection]) -> Connection:
        """A connection of the server that this simulator answers on."""
        return Answering(number, registry, self.answer)

    def answer(self, request: Request) -> Answer:
        """The answer to one request."""
        self._calls += 1
        exchange = Exchange(request, self._calls, self._pace, self._attempts)
        provider, path = provider_of(request)
        if path == "/":
            return _greeting(exchange)
        match provider:
            case "anthropic":
                return self._anthropic(exchange, path)
            case "bedrock":
                return bedrock.handle(exchange, path, self._cache)
            case "gemini":
                return _gemini(exchange, path)
            case "azureopenai":
                return azure.answer(exchange, path, self._responses)
            case "cohere":
                return _cohere(exchange, path)
            case "ollama":
                return _ollama(exchange, path)
            case "vllm":
                return _open_server(exchange, path, openai_chat.VLLM)
            case "compatible":
                return _compatible(exchange, path)
            case _:
                return self._openai(exchange, path)

    def _openai(self, exchange: Exchange, path: str) -> Answer:
        refusal = openai_errors.missing_key(exchange)
        if refusal is not None:
            return refusal
        name = path.removeprefix("/v1/responses/")
        match exchange.request.method, path:
            case "POST", "/v1/chat/completions":
                return openai_chat.complete(exchange)
            case "GET", "/v1/realtime":
                return openai_realtime.open_session(exchange)
            case "POST", "/v1/responses":
                return openai_responses.create(exchange, self._responses)
            case "GET", "/v1/responses":
                return openai_responses_socket.open_session(exchange, self._responses)
            case "GET" | "DELETE", _ if name != path and "/" not in name:
                return openai_responses.fetch(exchange, self._responses, name)
            case "POST", "/v1/embeddings":
                return openai_embeddings.embed(exchange)
            case "GET", "/v1/models":
                return openai_models.list_models(exchange)
            case "GET", _ if path.startswith("/v1/models/"):
                return openai_models.show_model(exchange, path.removeprefix("/v1/models/"))
            case _:
                other = openai_operations.answer(exchange, path, self._kept, self.answer)
                return openai_errors.no_such_path(exchange) if other is None else other

    def _anthropic(self, exchange: Exchange, path: str) -> Answer:
        refusal = anthropic.refused_at_the_door(exchange)
        if refusal is not None:
            return refusal
        match exchange.request.method, path:
            case "POST", "/v1/messages":
                return anthropic.create(exchange, self._cache)
            case "POST", "/v1/messages/count_tokens":
                return anthropic.count_tokens(exchange)
            case "GET", "/v1/models":
                return anthropic.list_models(exchange)
            case "GET", _ if path.startswith("/v1/models/"):
                return anthropic.show_model(exchange, path.removeprefix("/v1/models/"))
            case _:
                return anthropic.no_such_path(exchange)


def provider_of(request: Request) -> tuple[str, str]:
    """Whose API a request speaks, and the path under that provider's own root."""
    path = request.path
    first, _, rest = path[1:].partition("/")
    if first == "openai" and _is_azure(request, rest):
        return "azureopenai", path
    if path.startswith("/model/"):
        return "bedrock", path
    if first in PREFIXES:
        return first, f"/{rest}"
    if path.startswith(gemini_live.PATH):
        return "gemini", path
    if (first in GEMINI_VERSIONS and ":" in rest) or first in {"v1beta", "v1alpha"}:
        return "gemini", path
    if path.startswith("/v1/messages"):
        return "anthropic", path
    if path in {"/v2/chat", "/v2/embed"}:
        return "cohere", path
    if path.startswith("/api/"):
        return "ollama", path
    if path.startswith("/v1/models"):
        # Four vendors list their models here; their headers tell them apart.
        if request.header("x-fern-sdk-name"):
            return "cohere", path
        if request.header("anthropic-version"):
            return "anthropic", path
        if request.header("x-goog-api-key"):
            return "gemini", path
    return "openai", path


def _is_azure(request: Request, rest: str) -> bool:
    # `/openai/v1/…` is both OpenAI under its prefix and Azure's own path: the key header decides.
    return rest.startswith("deployments/") or request.header("api-key") is not None


def _gemini(exchange: Exchange, path: str) -> Answer:
    refusal = gemini.refused_at_the_door(exchange)
    if refusal is not None:
        return refusal
    if path.startswith(gemini_live.PATH) and path.endswith(gemini_live.METHOD):
        return gemini_live.open_session(exchange)
    version, _, rest = path[1:].partition("/")
    name, _, method = rest.removeprefix("models/").partition(":")
    if version not in GEMINI_VERSIONS or not (rest == "models" or rest.startswith("models/")):
        return gemini.no_such_path(exchange)
    match exchange.request.method, method:
        case "GET", "" if rest == "models":
            return gemini.list_models(exchange)
        case "GET", "":
            return gemini.show_model(exchange, name)
        case "POST", "generateContent":
            return gemini.generate(exchange, name)
        case "POST", "streamGenerateContent":
            return gemini.stream(exchange, name)
        case "POST", "countTokens":
            return gemini.count_tokens(exchange, name)
        case "POST", "embedContent" | "batchEmbedContents":
            return gemini.embed(exchange, name, batch=method == "batchEmbedContents")
        case _:
            return gemini.no_such_path(exchange)


def _cohere(exchange: Exchange, path: str) -> Answer:
    refusal = cohere.refused_at_the_door(exchange)
    if refusal is not None:
        return refusal
    match exchange.request.method, path:
        case "POST", "/v2/chat":
            return cohere.chat(exchange)
        case "POST", "/v2/embed":
            return cohere.embed(exchange)
        case "GET", "/v1/models":
            return cohere.list_models(exchange)
        case "GET", _ if path.startswith("/v1/models/"):
            return cohere.show_model(exchange, path.removeprefix("/v1/models/"))
        case _:
            return cohere.no_such_path(exchange)


def _ollama(exchange: Exchange, path: str) -> Answer:
    """Ollama: its own paths, and those of OpenAI."""
    match exchange.request.method, path:
        case "POST", "/api/chat":
            return ollama.chat(exchange)
        case "POST", "/api/generate":
            return ollama.generate(exchange)
        case "POST", "/api/embed":
            return ollama.embed(exchange)
        case "POST", "/api/show":
            return ollama.show(exchange)
        case "GET", "/api/tags":
            return ollama.tags(exchange)
        case "GET", "/api/version":
            return ollama.version(exchange)
        case _ if path.startswith("/api/"):
            return ollama.no_such_path(exchange)
        case _:
            return _open_server(exchange, path, openai_chat.OLLAMA)


def _open_server(exchange: Exchange, path: str, flavour: Flavour) -> Answer:
    """Ollama and vLLM: the same paths as OpenAI, other models, and no key needed."""
    match exchange.request.method, path:
        case "POST", "/v1/chat/completions":
            return openai_chat.complete(exchange, flavour)
        case "POST", "/v1/embeddings":
            return openai_embeddings.embed(exchange, size_of=openai_embeddings.open_size)
        case "GET", "/v1/models":
            return openai_models.list_open_models(exchange)
        case _:
            return openai_errors.no_such_path(exchange)


def _compatible(exchange: Exchange, path: str) -> Answer:
    """Any other server of Chat Completions: every model, and a key that may be absent but not wrong."""
    refusal = openai_errors.missing_key(exchange) if exchange.request.header("authorization") else None
    if refusal is not None:
        return refusal
    match exchange.request.method, path:
        case "POST", "/v1/chat/completions":
            return openai_chat.complete(exchange, openai_chat.COMPATIBLE)
        case "POST", "/v1/embeddings":
            return openai_embeddings.embed(exchange, size_of=openai_embeddings.any_size)
        case "GET", "/v1/models":
            return openai_models.list_open_models(exchange)
        case _:
            return openai_errors.no_such_path(exchange)


def _greeting(exchange: Exchange) -> Response:
    """What stands at the root, for people and for clients that look before they call."""
    greeting = {"service": "tollway sim", "providers": sorted(PREFIXES)}
    return exchange.plain(greeting, [("content-type", "application/json")])


class RunningSim:
    """A simulator on a thread of its own, for tests: `with RunningSim() as sim: sim.url`."""

    def __init__(self, *, host: str = DEFAULT_HOST, port: int = 0, pace_ms: float = 0.0) -> None:
        self._host = host
        self._wanted_port = port
        self._server = HttpServer(Simulator(pace_ms=pace_ms).connect)
        self._thread = InThread("tollway-sim", self._start, self._server.close)
        self.port = 0

    @property
    def url(self) -> str:
        """The root under which the providers' prefixes are."""
        return f"http://{self._host}:{self.port}"

    async def _start(self) -> None:
        self.port = await self._server.start(self._host, self._wanted_port)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.stop()


async def serve(
    host: str,
    port: int,
    *,
    pace_ms: float = DEFAULT_PACE_MS,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until cancelled. `ready` is told the port once connections are accepted."""
    server = HttpServer(Simulator(pace_ms=pace_ms).connect)
    bound = await server.start(host, port)
    try:
        if ready is not None:
            ready(bound)
        await asyncio.get_running_loop().create_future()
    finally:
        await server.close()


def run(
    *,
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    pace_ms: float = DEFAULT_PACE_MS,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM."""

    async def until_told() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if task is not None:
            for number in (signal.SIGINT, signal.SIGTERM):
                loop.add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await serve(host, port, pace_ms=pace_ms, ready=ready)

    uvloop.run(until_told())


def main(argv: Sequence[str] | None = None) -> int:
    """The command line of `python -m tollway.testing.sim`."""
    parser = argparse.ArgumentParser(
        prog="tollway sim", description="A local upstream that speaks the providers' formats."
    )
    parser.add_argument("--host", default=DEFAULT_HOST)
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 lets the system choose")
    parser.add_argument("--pace-ms", type=float, default=DEFAULT_PACE_MS, help="time between two events of a stream")
    options = parser.parse_args(argv)

    def announce(port: int) -> None:
        sys.stdout.write(f"tollway sim listens on http://{options.host}:{port}\n")
        sys.stdout.flush()

    run(host=options.host, port=options.port, pace_ms=options.pace_ms, ready=announce)
    return 0
