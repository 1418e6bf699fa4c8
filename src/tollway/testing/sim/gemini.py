"""Google's Gemini API: generate (plain, SSE and array streams), count, embed, list models."""

from typing import Final
from urllib.parse import parse_qsl

import msgspec

from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim import gemini_body as bodies
from tollway.testing.sim import models
from tollway.testing.sim.answers import answer, input_tokens, tokens
from tollway.testing.sim.exchange import Answer, Exchange
from tollway.testing.sim.gemini_body import GenerateRequest, RequestError, Spoken
from tollway.testing.sim.gemini_request import read
from tollway.testing.sim.openai_embeddings import vector

STATUSES: Final = {
    400: ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    401: ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
    403: ("PERMISSION_DENIED", "The caller does not have permission."),
    404: ("NOT_FOUND", "Requested entity was not found."),
    429: ("RESOURCE_EXHAUSTED", "You exceeded your current quota, please check your plan."),
    500: ("INTERNAL", "An internal error has occurred. Please retry."),
    503: ("UNAVAILABLE", "The model is overloaded. Please try again later."),
    504: ("DEADLINE_EXCEEDED", "The request could not be completed in time."),
}
JSON: Final = ("content-type", "application/json; charset=UTF-8")
SSE: Final = ("content-type", "text/event-stream")
TYPE_PREFIX: Final = "type.googleapis.com/google.rpc."
METHODS: Final = ["generateContent", "countTokens"]
EMBED_METHODS: Final = ["embedContent", "batchEmbedContents"]
PAGE_SIZE: Final = 50


class EmbedRequest(msgspec.Struct, rename="camel"):
    """One text to embed."""

    content: bodies.Content | None = None
    output_dimensionality: int | None = None


class BatchRequest(msgspec.Struct):
    """Several texts to embed."""

    requests: list[EmbedRequest] = []


class CountRequest(msgspec.Struct, rename="camel"):
    """Contents to count, bare or as a whole generate request."""

    contents: list[bodies.Content] | None = None
    generate_content_request: GenerateRequest | None = None


def generate(exchange: Exchange, name: str) -> Answer:
    """Answer `POST /v1beta/models/{model}:generateContent`."""
    try:
        spoken = _spoken(exchange, name)
    except RequestError as error:
        return refused(exchange, error)
    if exchange.behaviour.status is not None:
        return troubled(exchange, exchange.behaviour.status)
    return exchange.plain(bodies.whole(spoken), headers(JSON))


def stream(exchange: Exchange, name: str) -> Answer:
    """Answer `POST /v1beta/models/{model}:streamGenerateContent`, with `?alt=sse` or without."""
    try:
        spoken = _spoken(exchange, name)
    except RequestError as error:
        return refused(exchange, error)
    if exchange.behaviour.status is not None:
        return troubled(exchange, exchange.behaviour.status)
    parts = [msgspec.json.encode(part) for part in bodies.parts(spoken)]
    trouble = msgspec.json.encode(error_body(503))
    if "alt=sse" in exchange.request.query.split("&"):
        events = [b"data: " + part + b"\r\n\r\n" for part in parts]
        framed = [*headers(SSE), ("content-disposition", "attachment")]
        return exchange.stream(events, framed, error=b"data: " + trouble + b"\r\n\r\n")
    # Without SSE the vendor sends one JSON array, an element at a time.
    elements = [(b"[" if i == 0 else b",\r\n") + part for i, part in enumerate(parts)]
    elements.append(b"]\n")
    return exchange.stream(elements, headers(JSON), error=b",\r\n" + trouble + b"\n]\n")


def count_tokens(exchange: Exchange, name: str) -> Answer:
    """Answer `POST /v1beta/models/{model}:countTokens`."""
    try:
        _served(exchange, name, "countTokens")
        asked = read(exchange.request.body, CountRequest)
        request = asked.generate_content_request or GenerateRequest(contents=asked.contents)
        bodies.check(request)
    except RequestError as error:
        return refused(exchange, error)
    total = input_tokens(bodies.ask_of(request, name, refuse=False))
    details = [{"modality": "TEXT", "tokenCount": total}]
    counted = {"totalTokens": total, "promptTokensDetails": details}
    return exchange.plain(counted, headers(JSON))


def embed(exchange: Exchange, name: str, *, batch: bool) -> Answer:
    """Answer `:embedContent` and `:batchEmbedContents`."""
    data = exchange.request.body
    try:
        largest = _embedding_size(exchange, name)
        requests = _batch(data) if batch else [read(data, EmbedRequest)]
        embeddings = [_embedding(request, largest) for request in requests]
    except RequestError as error:
        return refused(exchange, error)
    if exchange.behaviour.status is not None:
        return troubled(exchange, exchange.behaviour.status)
    counted = sum(tokens(_embedded_text(request)) for request in requests)
    usage = {"promptTokenCount": counted}
    if batch:
        return exchange.plain({"embeddings": embeddings, "usageMetadata": usage}, headers(JSON))
    return exchange.plain({"embedding": embeddings[0], "usageMetadata": usage}, headers(JSON))


def list_models(exchange: Exchange) -> Answer:
    """Answer `GET /v1beta/models`, in pages when asked."""
    wanted = dict(parse_qsl(exchange.request.query))
    size, start = wanted.get("pageSize", ""), wanted.get("pageToken", "")
    known = [*models.GEMINI, *models.GEMINI_EMBEDDINGS]
    first = int(start) if start.isdecimal() else 0
    end = first + (int(size) if size.isdecimal() and int(size) else PAGE_SIZE)
    listing: dict[str, object] = {"models": [_model(name) for name in known[first:end]]}
    if end < len(known):
        listing["nextPageToken"] = str(end)
    return exchange.plain(listing, headers(JSON))


def show_model(exchange: Exchange, name: str) -> Answer:
    """Answer `GET /v1beta/models/{model}`."""
    if name not in models.GEMINI and name not in models.GEMINI_EMBEDDINGS:
        return refused(exchange, _unknown(name, "GetModel"))
    return exchange.plain(_model(name), headers(JSON))


def refused_at_the_door(exchange: Exchange) -> Response | None:
    """The refusal of a request without a usable key; nothing when it has one."""
    request = exchange.request
    query = dict(parse_qsl(request.query))
    scheme, _, bearer = (request.header("authorization") or "").partition(" ")
    key = request.header("x-goog-api-key") or query.get("key", "")
    if not key.strip() and not (scheme.lower() == "bearer" and bearer.strip()):
        what = "Unregistered callers cannot use this method. Send an API key with the request."
        return exchange.plain(error_body(403, what), headers(JSON), 403)
    if key.startswith("invalid"):
        what = "API key not valid. Please pass a valid API key."
        reason = {"@type": TYPE_PREFIX + "ErrorInfo", "reason": "API_KEY_INVALID"}
        body = error_body(400, what, [{**reason, "domain": "googleapis.com"}])
        return exchange.plain(body, headers(JSON), 400)
    return None


def no_such_path(exchange: Exchange) -> Response:
    """The answer to a method and path that the server does not have."""
    return refused(exchange, RequestError(STATUSES[404][1], status=404))


def refused(exchange: Exchange, error: RequestError) -> Response:
    """The answer that carries a request error."""
    details: list[object] = []
    if error.field is not None:
        violation = {"field": error.field, "description": str(error)}
        details = [{"@type": TYPE_PREFIX + "BadRequest", "fieldViolations": [violation]}]
    body = error_body(error.status, str(error), details)
    return exchange.plain(body, headers(JSON), error.status)


def troubled(exchange: Exchange, status: int) -> Response:
    """The answer of a vendor in trouble; the time to wait is in the body, not in a header."""
    details: list[object] = []
    if status in {429, 503}:
        wait = f"{exchange.behaviour.amount}s"
        details = [{"@type": TYPE_PREFIX + "RetryInfo", "retryDelay": wait}]
    return exchange.plain(error_body(status, None, details), headers(JSON), status)


def error_body(status: int, what: str | None = None, details: list[object] | None = None) -> object:
    """The vendor's error envelope."""
    name, usual = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
    error: dict[str, object] = {"code": status, "message": what or usual, "status": name}
    if details:
        error["details"] = details
    return {"error": error}


def headers(content_type: tuple[str, str]) -> Headers:
    """The headers Google sends with every answer."""
    return [
        content_type,
        ("vary", "Origin"),
        ("vary", "X-Origin"),
        ("vary", "Referer"),
        ("server", "scaffolding on HTTPServer2"),
        ("server-timing", "gfet4t7; dur=12"),
    ]


def _spoken(exchange: Exchange, name: str) -> Spoken:
    served = _served(exchange, name, "generateContent")
    asked = read(exchange.request.body, GenerateRequest)
    bodies.check(asked)
    ask = bodies.ask_of(asked, served, refuse=exchange.behaviour.kind == "refuse")
    count = asked.generation_config.candidate_count or 1
    replies = [answer(msgspec.structs.replace(ask, choice=i)) for i in range(count)]
    return Spoken(exchange, asked, served, replies)


def _served(exchange: Exchange, name: str, method: str) -> str:
    served = models.gemini_served(exchange.settle(name))
    if served is None:
        raise _unknown(name, method)
    return served


def _unknown(name: str, method: str) -> RequestError:
    what = (
        f"models/{name} is not found for API version v1beta, or is not supported for {method}. "
        "Call ModelService.ListModels to see the list of available models and their methods."
    )
    return RequestError(what, status=404)


def _batch(data: bytes) -> list[EmbedRequest]:
    requests = read(data, BatchRequest).requests
    if not requests:
        raise RequestError("* BatchEmbedContentsRequest.requests: must not be empty", field="requests")
    return requests


def _embedding_size(exchange: Exchange, name: str) -> int:
    plain = exchange.settle(name)
    if plain == models.SIM_MODEL:
        return 768
    if plain not in models.GEMINI_EMBEDDINGS:
        raise _unknown(name, "embedContent")
    return models.GEMINI_EMBEDDINGS[plain]


def _embedding(request: EmbedRequest, largest: int) -> object:
    text = _embedded_text(request)
    if not text:
        raise RequestError("* EmbedContentRequest.content: content is empty", field="content")
    size = request.output_dimensionality or largest
    if not 1 <= size <= largest:
        what = f"output_dimensionality must be between 1 and {largest}, got {size}."
        raise RequestError(what, field="output_dimensionality")
    return {"values": vector(text, size)}


def _embedded_text(request: EmbedRequest) -> str:
    parts = request.content.parts if request.content is not None else []
    return "\n".join(part.text for part in parts if part.text)


def _model(name: str) -> object:
    embeds = name in models.GEMINI_EMBEDDINGS
    return {
        "name": f"models/{name}",
        "version": "001",
        "displayName": name.replace("-", " ").title(),
        "description": f"Simulated {name}.",
        "inputTokenLimit": 2048 if embeds else 1_048_576,
        "outputTokenLimit": 1 if embeds else 65_536,
        "supportedGenerationMethods": EMBED_METHODS if embeds else METHODS,
    }
