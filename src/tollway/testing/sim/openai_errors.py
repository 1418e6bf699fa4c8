"""OpenAI's error bodies, shared by its endpoints and by those who imitate them."""

from __future__ import annotations

from typing import Final, TypeVar

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim.exchange import JSON_TYPE, Exchange, sse_data

RequestT = TypeVar("RequestT")

STATUSES: Final = {
    400: ("invalid_request_error", None, "The request could not be understood."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: ("invalid_request_error", "unsupported_country_region_territory", "Not allowed here."),
    404: ("invalid_request_error", "model_not_found", "There is no such model."),
    408: ("server_error", None, "The request took too long."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests per minute."),
    500: ("server_error", None, "The server had an error while processing your request."),
    503: ("server_error", None, "The engine is currently overloaded, please try again later."),
}
NO_KEY: Final = "You didn't provide an API key. Send it as `Authorization: Bearer YOUR_KEY`."
RETRYABLE: Final = frozenset({429, 503, 529})


class RequestError(Exception):
    """The caller's request cannot be answered; `status` and `body` say so to the caller."""

    def __init__(
        self,
        message: str,
        *,
        status: int = 400,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.body = body(message, kind=kind, code=code, param=param)


def body(message: str, *, kind: str, code: str | None, param: str | None = None) -> object:
    """The error object in its envelope."""
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refuse(exchange: Exchange, error: RequestError) -> Response:
    """The answer that carries a request error."""
    return exchange.plain(error.body, headers(exchange), error.status)


def troubled(exchange: Exchange, status: int) -> Response:
    """The answer of a vendor in trouble, with Retry-After where a repeat may help."""
    kind, code, message = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
    extra = headers(exchange)
    if status in RETRYABLE:
        extra.append(("retry-after", str(exchange.behaviour.amount)))
    return exchange.plain(body(message, kind=kind, code=code), extra, status)


def stream_error() -> bytes:
    """The event that ends a chat stream which failed half-way."""
    kind, code, message = STATUSES[500]
    return sse_data(body(message, kind=kind, code=code))


def headers(exchange: Exchange, content_type: tuple[str, str] = JSON_TYPE) -> Headers:
    """The headers OpenAI sends with every answer."""
    return [
        content_type,
        ("openai-organization", "org-tollway-sim"),
        ("openai-processing-ms", "12"),
        ("openai-version", "2020-10-01"),
        ("x-request-id", exchange.mint("req_", digits=32)),
        ("x-ratelimit-limit-requests", "10000"),
        ("x-ratelimit-remaining-requests", "9999"),
        ("x-ratelimit-limit-tokens", "2000000"),
        ("x-ratelimit-remaining-tokens", "1999000"),
    ]


def no_such_path(exchange: Exchange) -> Response:
    """The answer to a method and path that the server does not have."""
    request = exchange.request
    message = f"Invalid URL ({request.method} {request.path})"
    return refuse(exchange, RequestError(message, status=404))


def missing_key(exchange: Exchange) -> Response | None:
    """The refusal of a request without a usable bearer key; nothing when it has one."""
    scheme, _, key = (exchange.request.header("authorization") or "").partition(" ")
    if scheme.lower() != "bearer" or not key.strip():
        refusal = body(NO_KEY, kind="invalid_request_error", code=None)
        return exchange.plain(refusal, headers(exchange), 401)
    if key.strip().startswith("invalid"):
        message = f"Incorrect API key provided: {key.strip()[:7]}***."
        refusal = body(message, kind="invalid_request_error", code="invalid_api_key")
        return exchange.plain(refusal, headers(exchange), 401)
    return None


def read(decoder: msgspec.json.Decoder[RequestT], data: bytes) -> RequestT:
    """The request body as a typed value.

    Raises:
        RequestError: the body is not JSON, or a member has the wrong type.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        message = f"Invalid request body: {error}."
        raise RequestError(message, code="invalid_type", param=_member(str(error))) from error
    except NOT_JSON as error:
        message = f"We could not parse the JSON body of your request: {error}."
        raise RequestError(message) from error


def _member(message: str) -> str | None:
    """The member that a validation message names: `... - at `$.messages[0].role``."""
    _, found, place = message.partition("at `$.")
    return place.rstrip("`") if found else None
