"""Cohere's Chat (plain and streamed), Embed and list of models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, TypeVar

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim import models
from tollway.testing.sim.answers import Reply, answer, grouped, tokens
from tollway.testing.sim.cohere_request import (
    PREAMBLE_TOKENS,
    ChatRequest,
    EmbedRequest,
    RequestError,
    ask_of,
    check,
)
from tollway.testing.sim.exchange import JSON_TYPE, SSE_TYPE, Answer, Exchange, cached, sse_event
from tollway.testing.sim.openai_embeddings import SIM_DIMENSIONS, packed, vector

RequestT = TypeVar("RequestT")
Object = dict[str, object]

FINISH: Final = {
    "stop": "COMPLETE",
    "stop_sequence": "STOP_SEQUENCE",
    "length": "MAX_TOKENS",
    "tool_calls": "TOOL_CALL",
    "refusal": "COMPLETE",
}
STATUSES: Final = {
    400: "invalid request: the request is not valid",
    401: "invalid api token",
    403: "this token may not use the resource",
    404: "resource not found",
    429: "You are past the per minute request limit, please wait and try again later.",
    500: "internal server error, please contact support@cohere.com",
    503: "the service is unavailable, try again later",
    504: "the request timed out",
}
RETRYABLE: Final = frozenset({429, 503})
TOKENS_PER_EVENT: Final = 2
ARGUMENT_CHARS: Final = 12
INPUT_TYPES: Final = frozenset({"search_document", "search_query", "classification", "clustering", "image"})
TRAILER: Final = b"data: [DONE]\n\n"

CHAT: Final = msgspec.json.Decoder(ChatRequest)
EMBED: Final = msgspec.json.Decoder(EmbedRequest)


def chat(exchange: Exchange) -> Answer:
    """Answer `POST /v2/chat`."""
    try:
        asked = _read(CHAT, exchange)
        check(asked)
        served = exchange.settle(asked.model or "")
        if not models.cohere_served(served):
            raise _no_model(served)
    except RequestError as error:
        return _refused(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return _troubled(exchange, status)
    reply = answer(ask_of(asked, served, refuse=exchange.behaviour.kind == "refuse"))
    if not asked.stream:
        return exchange.plain(_whole(exchange, reply), headers(exchange))
    trouble: Object = {"finish_reason": "ERROR", "error": "the generation failed", "usage": _usage(reply)}
    return exchange.stream(
        [*(sse_event(str(event["type"]), event) for event in _events(exchange, reply)), TRAILER],
        headers(exchange, SSE_TYPE),
        error=sse_event("message-end", {"type": "message-end", "delta": trouble}),
    )


def embed(exchange: Exchange) -> Answer:
    """Answer `POST /v2/embed`."""
    try:
        asked = _read(EMBED, exchange)
        body = _embedded(exchange, asked)
    except RequestError as error:
        return _refused(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return _troubled(exchange, status)
    return exchange.plain(body, headers(exchange))


def list_models(exchange: Exchange) -> Answer:
    """Answer `GET /v1/models`."""
    listed = [_model(name, "chat") for name in sorted(models.COHERE)]
    listed += [_model(name, "embed") for name in models.COHERE_EMBEDDINGS]
    return exchange.plain({"models": listed}, headers(exchange))


def show_model(exchange: Exchange, name: str) -> Answer:
    """Answer `GET /v1/models/{model}`."""
    if name in models.COHERE_EMBEDDINGS:
        return exchange.plain(_model(name, "embed"), headers(exchange))
    if not models.cohere_served(name):
        return _refused(exchange, _no_model(name))
    return exchange.plain(_model(name, "chat"), headers(exchange))


def headers(exchange: Exchange, content_type: tuple[str, str] = JSON_TYPE) -> Headers:
    """The headers Cohere sends with every answer."""
    return [
        content_type,
        ("x-debug-trace-id", exchange.mint("", digits=32)),
        ("x-endpoint-monthly-call-limit", "1000"),
        ("x-trial-endpoint-call-limit", "20"),
        ("x-trial-endpoint-call-remaining", "19"),
    ]


def refused_at_the_door(exchange: Exchange) -> Response | None:
    """The refusal of a request without a key; nothing when it has one."""
    scheme, _, key = (exchange.request.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        return _refused(exchange, RequestError("no api key supplied", 401))
    if key.startswith("invalid"):
        return _refused(exchange, RequestError("invalid api token", 401))
    return None


def no_such_path(exchange: Exchange) -> Response:
    """The answer to a method and path that the server does not have."""
    return _refused(exchange, RequestError("page not found", 404))


# --- chat


def _whole(exchange: Exchange, reply: Reply) -> Object:
    message: Object = {"role": "assistant"}
    content: list[Object] = []
    if reply.reasoning:
        content.append({"type": "thinking", "thinking": reply.reasoning_text})
    if reply.calls:
        if reply.pieces:
            message["tool_plan"] = reply.text
        message["tool_calls"] = [_call(exchange, reply, i, call.arguments) for i, call in enumerate(reply.calls)]
    elif reply.pieces:
        content.append({"type": "text", "text": reply.text})
    if content:
        message["content"] = content
    return {
        "id": exchange.mint("", digits=32),
        "message": message,
        "finish_reason": FINISH[reply.finish],
        "usage": _usage(reply),
    }


def _call(exchange: Exchange, reply: Reply, index: int, arguments: str) -> Object:
    name = reply.calls[index].name
    return {
        "id": exchange.mint(f"{name}_", index, digits=12),
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _usage(reply: Reply) -> Object:
    seen = reply.input_tokens + PREAMBLE_TOKENS
    return {
        "billed_units": {"input_tokens": reply.input_tokens, "output_tokens": reply.output_tokens},
        "tokens": {"input_tokens": seen, "output_tokens": reply.output_tokens},
        "cached_tokens": cached(seen),
    }


def _events(exchange: Exchange, reply: Reply) -> Iterator[Object]:
    """Every event in order."""
    nothing: list[object] = []
    opening = {"role": "assistant", "content": nothing, "tool_plan": "", "tool_calls": nothing, "citations": nothing}
    yield {"type": "message-start", "id": exchange.mint("", digits=32), "delta": {"message": opening}}
    index = 0
    if reply.reasoning:
        yield from _content(index, "thinking", reply.reasoning)
        index += 1
    if reply.calls:
        for plan in grouped(reply.pieces, TOKENS_PER_EVENT):
            yield {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": plan}}}
        for i, call in enumerate(reply.calls):
            yield {
                "type": "tool-call-start",
                "index": i,
                "delta": {"message": {"tool_calls": _call(exchange, reply, i, "")}},
            }
            for at in range(0, len(call.arguments), ARGUMENT_CHARS):
                piece = {"function": {"arguments": call.arguments[at : at + ARGUMENT_CHARS]}}
                yield {"type": "tool-call-delta", "index": i, "delta": {"message": {"tool_calls": piece}}}
            yield {"type": "tool-call-end", "index": i}
    elif reply.pieces:
        yield from _content(index, "text", reply.pieces)
    yield {"type": "message-end", "delta": {"finish_reason": FINISH[reply.finish], "usage": _usage(reply)}}


def _content(index: int, kind: str, pieces: list[str]) -> Iterator[Object]:
    yield {"type": "content-start", "index": index, "delta": {"message": {"content": {"type": kind, kind: ""}}}}
    for piece in grouped(pieces, TOKENS_PER_EVENT):
        yield {"type": "content-delta", "index": index, "delta": {"message": {"content": {kind: piece}}}}
    yield {"type": "content-end", "index": index}


# --- embeddings


def _embedded(exchange: Exchange, asked: EmbedRequest) -> Object:
    if not asked.model:
        raise RequestError("invalid request: model parameter is required")
    if asked.input_type not in INPUT_TYPES:
        raise RequestError("invalid request: valid input_type must be provided with the provided model")
    if not asked.texts:
        raise RequestError("invalid request: at least one text must be provided")
    served = exchange.settle(asked.model)
    size = SIM_DIMENSIONS if served == models.SIM_MODEL else models.COHERE_EMBEDDINGS.get(served)
    if size is None:
        raise _no_model(served)
    vectors = [vector(text, asked.output_dimension or size) for text in asked.texts]
    forms: Object = {}
    for form in asked.embedding_types:
        match form:
            case "float":
                forms["float"] = vectors
            case "base64":
                forms["base64"] = [packed(one) for one in vectors]
            case "int8":
                forms["int8"] = [[round(value * 127) for value in one] for one in vectors]
            case _:
                raise RequestError(f"invalid request: embedding type {form} is not supported")
    count = sum(tokens(text) for text in asked.texts)
    return {
        "id": exchange.mint("", digits=32),
        "texts": asked.texts,
        "embeddings": forms,
        "meta": {"api_version": {"version": "2"}, "billed_units": {"input_tokens": count}},
        "response_type": "embeddings_by_type",
    }


# --- errors


def _read(decoder: msgspec.json.Decoder[RequestT], exchange: Exchange) -> RequestT:
    try:
        return decoder.decode(exchange.request.body)
    except NOT_JSON as error:
        raise RequestError(f"invalid request: {error}") from error


def _no_model(name: str) -> RequestError:
    return RequestError(f"model '{name}' not found, make sure the correct model ID was used", 404)


def _refused(exchange: Exchange, error: RequestError) -> Response:
    return exchange.plain(_error(exchange, str(error)), headers(exchange), error.status)


def _troubled(exchange: Exchange, status: int) -> Response:
    extra = headers(exchange)
    if status in RETRYABLE:
        extra.append(("retry-after", str(exchange.behaviour.amount)))
    return exchange.plain(
        _error(exchange, STATUSES.get(status, STATUSES[500 if status >= 500 else 400])), extra, status
    )


def _error(exchange: Exchange, message: str) -> Object:
    return {"id": exchange.mint("", digits=32), "message": message}


def _model(name: str, endpoint: str) -> Object:
    return {"name": name, "is_deprecated": False, "endpoints": [endpoint], "finetuned": False, "context_length": 128000}
