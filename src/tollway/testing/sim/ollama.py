"""Ollama's own API: chat and generate (plain and as lines), embed, tags, show, version."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim import models
from tollway.testing.sim.answers import Reply, answer, tokens
from tollway.testing.sim.exchange import GARBLED_LINE, JSON_TYPE, NDJSON_TYPE, Answer, Exchange, json_line
from tollway.testing.sim.ollama_request import (
    ChatRequest,
    EmbedRequest,
    GenerateRequest,
    RequestError,
    ShowRequest,
    as_chat,
    ask_of,
    check,
)
from tollway.testing.sim.openai_embeddings import open_size, vector
from tollway.testing.sim.openai_models import OPEN_MODELS

RequestT = TypeVar("RequestT")
Object = dict[str, object]

VERSION: Final = "0.12.6"
STATUSES: Final = {
    400: "invalid request",
    401: "unauthorized",
    404: "not found",
    429: "too many requests",
    500: "llama runner process has terminated",
    503: "server busy, please try again.  maximum pending requests exceeded",
}
RETRYABLE: Final = frozenset({429, 503})
NANOSECONDS: Final = 1_000_000

CHAT: Final = msgspec.json.Decoder(ChatRequest)
GENERATE: Final = msgspec.json.Decoder(GenerateRequest)
EMBED: Final = msgspec.json.Decoder(EmbedRequest)
SHOW: Final = msgspec.json.Decoder(ShowRequest)

Saying = Callable[[str, str, list[Object]], Object]


def chat(exchange: Exchange) -> Answer:
    """Answer `POST /api/chat`."""
    try:
        asked = _read(CHAT, exchange)
        return _answered(exchange, asked, _in_message)
    except RequestError as error:
        return _refused(exchange, error)


def generate(exchange: Exchange) -> Answer:
    """Answer `POST /api/generate`."""
    try:
        asked = as_chat(_read(GENERATE, exchange))
        return _answered(exchange, asked, _in_response)
    except RequestError as error:
        return _refused(exchange, error)


def embed(exchange: Exchange) -> Answer:
    """Answer `POST /api/embed`."""
    try:
        body = _embedded(exchange, _read(EMBED, exchange))
    except RequestError as error:
        return _refused(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return _troubled(exchange, status)
    return exchange.plain(body, [JSON_TYPE])


def tags(exchange: Exchange) -> Answer:
    """Answer `GET /api/tags`."""
    return exchange.plain({"models": [_model(exchange, name) for name in OPEN_MODELS]}, [JSON_TYPE])


def show(exchange: Exchange) -> Answer:
    """Answer `POST /api/show`."""
    try:
        served = _served(exchange, _read(SHOW, exchange).model)
    except RequestError as error:
        return _refused(exchange, error)
    described = {"details": _details(), "model_info": {"general.architecture": "llama"}, "capabilities": ["completion"]}
    return exchange.plain({**described, "modified_at": _time(exchange), "template": f"# {served}"}, [JSON_TYPE])


def version(exchange: Exchange) -> Answer:
    """Answer `GET /api/version`."""
    return exchange.plain({"version": VERSION}, [JSON_TYPE])


def no_such_path(exchange: Exchange) -> Response:
    """The answer to a method and path that the server does not have."""
    return exchange.plain_bytes(b"404 page not found", [("content-type", "text/plain")], 404)


# --- answers


def _answered(exchange: Exchange, asked: ChatRequest, say: Saying) -> Answer:
    served = _served(exchange, asked.model)
    check(asked, served)
    status = exchange.behaviour.status
    if status is not None:
        return _troubled(exchange, status)
    if not asked.messages:  # a model is loaded without being asked anything
        line = {**_head(exchange, served), **say("", "", []), "done": True, "done_reason": "load"}
        return exchange.plain(line, [JSON_TYPE])
    reply = answer(ask_of(asked, served, refuse=exchange.behaviour.kind == "refuse"))
    if asked.stream is False:
        words = say(reply.reasoning_text, reply.text, _calls(reply))
        return exchange.plain({**_head(exchange, served), **words, **_tail(reply)}, [JSON_TYPE])
    return exchange.stream(
        [json_line(line) for line in _lines(exchange, served, reply, say)],
        [NDJSON_TYPE],
        error=json_line({"error": "an error was encountered while running the model: unexpected EOF"}),
        garbled=GARBLED_LINE,
    )


def _lines(exchange: Exchange, served: str, reply: Reply, say: Saying) -> Iterator[Object]:
    """Every line in order."""
    head = _head(exchange, served)
    for piece in reply.reasoning:
        yield {**head, **say(piece, "", []), "done": False}
    for piece in reply.pieces:
        yield {**head, **say("", piece, []), "done": False}
    for call in _calls(reply):
        yield {**head, **say("", "", [call]), "done": False}
    yield {**head, **say("", "", []), **_tail(reply)}


def _head(exchange: Exchange, served: str) -> Object:
    return {"model": served, "created_at": _time(exchange)}


def _tail(reply: Reply) -> Object:
    return {
        "done": True,
        "done_reason": "length" if reply.finish == "length" else "stop",
        "total_duration": (10 + reply.output_tokens) * NANOSECONDS,
        "load_duration": NANOSECONDS,
        "prompt_eval_count": reply.input_tokens,
        "prompt_eval_duration": 5 * NANOSECONDS,
        "eval_count": reply.output_tokens,
        "eval_duration": reply.output_tokens * NANOSECONDS,
    }


def _in_message(thinking: str, text: str, calls: list[Object]) -> Object:
    message: Object = {"role": "assistant", "content": text}
    if thinking:
        message["thinking"] = thinking
    if calls:
        message["tool_calls"] = calls
    return {"message": message}


def _in_response(thinking: str, text: str, calls: list[Object]) -> Object:
    del calls
    return {"response": text, "thinking": thinking} if thinking else {"response": text}


def _calls(reply: Reply) -> list[Object]:
    return [
        {"function": {"name": call.name, "arguments": msgspec.Raw(call.arguments.encode())}} for call in reply.calls
    ]


def _time(exchange: Exchange) -> str:
    return datetime.fromtimestamp(exchange.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.000001Z")


def _embedded(exchange: Exchange, asked: EmbedRequest) -> Object:
    served = _served(exchange, asked.model)
    size = open_size(served)
    if not asked.input or size is None:
        raise RequestError("invalid input type")
    texts = [asked.input] if isinstance(asked.input, str) else asked.input
    return {
        "model": served,
        "embeddings": [vector(text, min(asked.dimensions or size, size)) for text in texts],
        "total_duration": 14 * NANOSECONDS,
        "load_duration": NANOSECONDS,
        "prompt_eval_count": sum(tokens(text) for text in texts),
    }


# --- errors and models


def _read(decoder: msgspec.json.Decoder[RequestT], exchange: Exchange) -> RequestT:
    try:
        return decoder.decode(exchange.request.body)
    except NOT_JSON as error:
        raise RequestError(str(error)) from error


def _served(exchange: Exchange, model: str | None) -> str:
    if not model:
        raise RequestError("model is required")
    served = models.open_served(exchange.settle(model))
    if served is None:
        raise RequestError(f"model '{model}' not found", 404)
    return served


def _refused(exchange: Exchange, error: RequestError) -> Response:
    return exchange.plain({"error": str(error)}, [JSON_TYPE], error.status)


def _troubled(exchange: Exchange, status: int) -> Response:
    headers: Headers = [JSON_TYPE]
    if status in RETRYABLE:
        headers.append(("retry-after", str(exchange.behaviour.amount)))
    message = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
    return exchange.plain({"error": message}, headers, status)


def _model(exchange: Exchange, name: str) -> Object:
    return {
        "name": name,
        "model": name,
        "modified_at": _time(exchange),
        "size": 2_019_393_189,
        "digest": exchange.mint(name, digits=64),
        "details": _details(),
    }


def _details() -> Object:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": "llama",
        "families": ["llama"],
        "parameter_size": "3.2B",
        "quantization_level": "Q4_K_M",
    }
