"""`GET /v1/models` as OpenAI answers it, and as Ollama and vLLM do."""

from typing import Final

from tollway.testing.sim import models, openai_errors
from tollway.testing.sim.exchange import EPOCH_SECONDS, Answer, Exchange
from tollway.testing.sim.openai_chat import unknown_model

OPEN_MODELS: Final = ("llama3.2", "qwen3:0.6b", "gpt-oss:20b", "nomic-embed-text")


def list_models(exchange: Exchange) -> Answer:
    """Every model that OpenAI is known for here."""
    names = [*models.OPENAI, *models.OPENAI_EMBEDDINGS]
    return _listing(exchange, names, "openai")


def show_model(exchange: Exchange, name: str) -> Answer:
    """One model."""
    if models.openai_served(name) is None and name not in models.OPENAI_EMBEDDINGS:
        return openai_errors.refuse(exchange, unknown_model(name))
    return exchange.plain(_model(name, "openai"), openai_errors.headers(exchange))


def list_open_models(exchange: Exchange) -> Answer:
    """A few open models, as a server that has just pulled them."""
    return _listing(exchange, OPEN_MODELS, "library")


def _listing(exchange: Exchange, names: list[str] | tuple[str, ...], owner: str) -> Answer:
    data = [_model(name, owner) for name in names]
    return exchange.plain({"object": "list", "data": data}, openai_errors.headers(exchange))


def _model(name: str, owner: str) -> object:
    return {"id": name, "object": "model", "created": EPOCH_SECONDS, "owned_by": owner}
