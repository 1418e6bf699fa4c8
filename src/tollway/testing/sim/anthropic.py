"""Anthropic's Messages: create (plain and streamed), count tokens, list models."""

from __future__ import annotations

from typing import Final

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim import models
from tollway.testing.sim.answers import answer, input_tokens
from tollway.testing.sim.anthropic_body import Spoken, error_body, message
from tollway.testing.sim.anthropic_events import events
from tollway.testing.sim.anthropic_request import MessagesRequest, PromptCache, RequestError, ask_of, check
from tollway.testing.sim.exchange import JSON_TYPE, SSE_TYPE, Answer, Exchange, sse_event

STATUSES: Final = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "invalid x-api-key"),
    403: ("permission_error", "This key may not use the resource."),
    404: ("not_found_error", "The resource was not found."),
    413: ("request_too_large", "The request is larger than the limit."),
    429: ("rate_limit_error", "Number of requests per minute has exceeded the rate limit."),
    500: ("api_error", "Internal server error"),
    504: ("timeout_error", "The request timed out."),
    529: ("overloaded_error", "Overloaded"),
}
RETRYABLE: Final = frozenset({429, 503, 529})

DECODER: Final = msgspec.json.Decoder(MessagesRequest)


def create(exchange: Exchange, cache: PromptCache) -> Answer:
    """Answer `POST /v1/messages`."""
    try:
        asked = _read(exchange)
        check(asked)
        served = _served(exchange, asked)
        ask = ask_of(asked, refuse=exchange.behaviour.kind == "refuse")
    except RequestError as error:
        return _refused(exchange, error)
    status = exchange.behaviour.status
    if status is not None:
        return _troubled(exchange, status)
    reply = answer(ask)
    spoken = Spoken(
        exchange=exchange,
        asked=asked,
        served=served,
        reply=reply,
        split=cache.split(asked, reply.input_tokens),
    )
    if not asked.stream:
        return exchange.plain(message(spoken), headers(exchange))
    trouble = error_body("overloaded_error", "Overloaded", None)
    return exchange.stream(
        [_padded(event) for event in events(spoken)],
        [*headers(exchange, SSE_TYPE), ("cache-control", "no-cache")],
        error=sse_event("error", trouble),
    )


def count_tokens(exchange: Exchange) -> Answer:
    """Answer `POST /v1/messages/count_tokens`."""
    try:
        asked = _read(exchange)
        check(asked, limited=False)
        _served(exchange, asked)
        ask = ask_of(asked, refuse=False)
    except RequestError as error:
        return _refused(exchange, error)
    return exchange.plain({"input_tokens": input_tokens(ask)}, headers(exchange))


def list_models(exchange: Exchange) -> Answer:
    """Answer `GET /v1/models`."""
    data = [_model(name) for name in models.ANTHROPIC]
    listing = {
        "data": data,
        "has_more": False,
        "first_id": next(iter(models.ANTHROPIC)),
        "last_id": next(reversed(models.ANTHROPIC)),
    }
    return exchange.plain(listing, headers(exchange))


def show_model(exchange: Exchange, name: str) -> Answer:
    """Answer `GET /v1/models/{id}`."""
    if models.anthropic_served(name) is None:
        return _refused(exchange, RequestError(f"model: {name}", 404, "not_found_error"))
    return exchange.plain(_model(name), headers(exchange))


def headers(exchange: Exchange, content_type: tuple[str, str] = JSON_TYPE) -> Headers:
    """The headers Anthropic sends with every answer."""
    return [
        content_type,
        ("request-id", exchange.mint("req_", digits=24)),
        ("anthropic-organization-id", "5e0b6a52-0000-4000-8000-746f6c6c7761"),
        ("anthropic-ratelimit-requests-limit", "4000"),
        ("anthropic-ratelimit-requests-remaining", "3999"),
        ("anthropic-ratelimit-input-tokens-limit", "2000000"),
        ("anthropic-ratelimit-input-tokens-remaining", "1999000"),
        ("anthropic-ratelimit-output-tokens-limit", "400000"),
        ("anthropic-ratelimit-output-tokens-remaining", "399000"),
    ]


def refused_at_the_door(exchange: Exchange) -> Response | None:
    """The refusal of a request without a key or a version; nothing when it has both."""
    request = exchange.request
    scheme, _, bearer = (request.header("authorization") or "").partition(" ")
    key = request.header("x-api-key") or (bearer if scheme.lower() == "bearer" else "")
    if not key.strip():
        error = RequestError("x-api-key header is required", 401, "authentication_error")
        return _refused(exchange, error)
    if key.startswith("invalid"):
        return _refused(exchange, RequestError("invalid x-api-key", 401, "authentication_error"))
    if not request.header("anthropic-version"):
        return _refused(exchange, RequestError("anthropic-version: header is required"))
    return None


def no_such_path(exchange: Exchange) -> Response:
    """The answer to a method and path that the server does not have."""
    return _refused(exchange, RequestError("Not Found", 404, "not_found_error"))


def _read(exchange: Exchange) -> MessagesRequest:
    try:
        return DECODER.decode(exchange.request.body)
    except msgspec.ValidationError as error:
        raise RequestError(str(error)) from error
    except NOT_JSON as error:
        what = f"The request body is not valid JSON: {error}"
        raise RequestError(what) from error


def _served(exchange: Exchange, asked: MessagesRequest) -> str:
    served = models.anthropic_served(exchange.settle(asked.model or ""))
    if served is None:
        raise RequestError(f"model: {asked.model}", 404, "not_found_error")
    return served


def _refused(exchange: Exchange, error: RequestError) -> Response:
    body = error_body(error.kind, str(error), exchange.mint("req_", digits=24))
    return exchange.plain(body, headers(exchange), error.status)


def _troubled(exchange: Exchange, status: int) -> Response:
    kind, what = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
    extra = headers(exchange)
    if status in RETRYABLE:
        extra.append(("retry-after", str(exchange.behaviour.amount)))
    body = error_body(kind, what, exchange.mint("req_", digits=24))
    return exchange.plain(body, extra, status)


def _model(name: str) -> object:
    title = name.replace("-", " ").title()
    created = "2025-09-29T00:00:00Z"
    return {"type": "model", "id": name, "display_name": title, "created_at": created}


def _padded(event: dict[str, object]) -> bytes:
    """The event framed; blanks before the last brace hide its length, as in the real streams."""
    framed = sse_event(str(event["type"]), event)
    blanks = b" " * (len(framed) % 11)
    return framed[:-3] + blanks + framed[-3:]
