"""Azure OpenAI: deployments, the v1 paths, content-filter members and the odd first chunk."""

import re
from typing import Final

from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim import (
    models,
    openai_chat,
    openai_chat_request,
    openai_embeddings,
    openai_errors,
    openai_realtime,
    openai_responses,
)
from tollway.testing.sim.exchange import JSON_TYPE, SSE_TYPE, Answer, Exchange, sse_data
from tollway.testing.sim.openai_chat import Flavour, Object
from tollway.testing.sim.openai_errors import RequestError
from tollway.testing.sim.openai_responses import Store
from tollway.testing.sim.openai_responses_body import Spoken

USUAL_MODEL: Final = "gpt-4.1-mini-2025-04-14"
USUAL_EMBEDDING: Final = "text-embedding-3-small"
DEPLOYMENT: Final = re.compile(r"/openai/deployments/([^/]+)/(chat/completions|embeddings)")
MISSING: Final = "missing"
"""Deployments whose name begins like this do not exist; every other name does."""

STATUSES: Final = {
    400: ("BadRequest", "The request could not be understood."),
    401: ("401", "Access denied: wrong key, wrong endpoint, or no permission."),
    403: ("403", "The request is not allowed by the network rules of the resource."),
    408: ("Timeout", "The operation was timeout."),
    429: ("429", "Requests have exceeded the rate limit of the deployment. Please retry later."),
    500: ("InternalServerError", "The server had an error processing the request."),
    503: ("ServiceUnavailable", "The service is temporarily unable to process the request."),
}
SAFE: Final = {"filtered": False, "severity": "safe"}
CLEAR: Final = {"filtered": False, "detected": False}
HARMS: Final[Object] = {"hate": SAFE, "self_harm": SAFE, "sexual": SAFE, "violence": SAFE}
PROMPT_FILTERS: Final[Object] = {**HARMS, "jailbreak": CLEAR}
TEXT_FILTERS: Final[Object] = {
    **HARMS,
    "protected_material_code": CLEAR,
    "protected_material_text": CLEAR,
}
PROMPT_RESULTS: Final = [{"prompt_index": 0, "content_filter_results": PROMPT_FILTERS}]


def served(deployment: str) -> str | None:
    """The model behind a deployment: the one it is named after, else the usual one."""
    if deployment.startswith(MISSING):
        return None
    return models.openai_served(deployment) or USUAL_MODEL


FLAVOUR: Final = Flavour(
    served=served,
    fingerprint="fp_b6f445fc1c",
    padded=False,
    service_tier=None,
    body_members={"prompt_filter_results": PROMPT_RESULTS},
    choice_members={"content_filter_results": TEXT_FILTERS},
    silent_choice_members={"content_filter_results": {}},
    # The real service opens every stream with a chunk that has no id, object or model.
    opening_chunk={
        "choices": [],
        "created": 0,
        "id": "",
        "model": "",
        "object": "",
        "prompt_filter_results": PROMPT_RESULTS,
    },
)


def answer(exchange: Exchange, path: str, store: Store) -> Answer:
    """Answer a request to an Azure resource."""
    refusal = _refused_at_the_door(exchange)
    if refusal is not None:
        return refusal
    deployment = DEPLOYMENT.fullmatch(path)
    if exchange.request.method == "GET" and path == "/openai/v1/realtime":
        return openai_realtime.open_session(exchange, served_by=served)
    if exchange.request.method != "POST":
        return _error(exchange, 404, "404", "Resource not found")
    if deployment is not None:
        if "api-version=" not in exchange.request.query:
            return _error(exchange, 404, "404", "Resource not found")
        name, operation = deployment.groups()
        return _embed(exchange, name) if operation == "embeddings" else _complete(exchange, name)
    match path:
        case "/openai/v1/chat/completions":
            return _complete(exchange, None)
        case "/openai/v1/embeddings":
            return _embed(exchange, None)
        case "/openai/v1/responses" | "/openai/responses":
            return _respond(exchange, store)
        case _:
            return _error(exchange, 404, "404", "Resource not found")


def _complete(exchange: Exchange, deployment: str | None) -> Answer:
    try:
        asked = openai_errors.read(openai_chat_request.DECODER, exchange.request.body)
        asked.model = deployment or asked.model
        chat = openai_chat.prepare(exchange, asked, FLAVOUR)
    except RequestError as error:
        return _refused(exchange, error)
    if exchange.behaviour.status is not None:
        return _troubled(exchange, exchange.behaviour.status)
    if exchange.behaviour.kind == "refuse":
        return _filtered(exchange)
    if asked.stream:
        events = [*map(sse_data, openai_chat.chunks(chat)), openai_chat.DONE]
        failure = openai_errors.stream_error()
        return exchange.stream(events, _headers(exchange, SSE_TYPE), error=failure)
    return exchange.plain(openai_chat.completion(chat), _headers(exchange))


def _embed(exchange: Exchange, deployment: str | None) -> Answer:
    try:
        asked = openai_errors.read(openai_embeddings.DECODER, exchange.request.body)
        asked.model = deployment or asked.model
        body = openai_embeddings.embeddings(exchange, asked, size_of=_embedding_size)
    except RequestError as error:
        return _refused(exchange, error)
    if exchange.behaviour.status is not None:
        return _troubled(exchange, exchange.behaviour.status)
    return exchange.plain(body, _headers(exchange))


def _embedding_size(deployment: str) -> int | None:
    if deployment.startswith(MISSING):
        return None
    return models.OPENAI_EMBEDDINGS.get(deployment, models.OPENAI_EMBEDDINGS[USUAL_EMBEDDING])


def _respond(exchange: Exchange, store: Store) -> Answer:
    try:
        asked = openai_errors.read(openai_responses.DECODER, exchange.request.body)
        spoken = openai_responses.prepare(exchange, asked, store, served_by=served)
    except RequestError as error:
        return _refused(exchange, error)
    if exchange.behaviour.status is not None:
        return _troubled(exchange, exchange.behaviour.status)
    if exchange.behaviour.kind == "refuse":
        return _filtered(exchange)
    spoken.extra = {"content_filters": _content_filters(spoken)}
    return openai_responses.deliver(spoken, store, _headers(exchange), _headers(exchange, SSE_TYPE))


def _content_filters(spoken: Spoken) -> list[Object]:
    found: list[tuple[str, Object, int]] = [
        ("prompt", PROMPT_FILTERS, spoken.input_chars),
        ("completion", TEXT_FILTERS, len(spoken.reply.text)),
    ]
    return [
        {
            "blocked": False,
            "source_type": source,
            "content_filter_raw": [],
            "content_filter_results": results,
            "content_filter_offsets": {"start_offset": 0, "end_offset": end, "check_offset": 0},
        }
        for source, results, end in found
    ]


def _refused_at_the_door(exchange: Exchange) -> Response | None:
    scheme, _, bearer = (exchange.request.header("authorization") or "").partition(" ")
    key = exchange.request.header("api-key") or (bearer if scheme.lower() == "bearer" else "")
    if key.strip() and not key.startswith("invalid"):
        return None
    return _error(exchange, 401, *STATUSES[401])


def _refused(exchange: Exchange, error: RequestError) -> Response:
    if error.status == 404:
        what = "The API deployment for this resource does not exist."
        return _error(exchange, 404, "DeploymentNotFound", what)
    return exchange.plain(error.body, _headers(exchange), error.status)


def _troubled(exchange: Exchange, status: int) -> Response:
    code, what = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
    extra: Headers = []
    if status in {429, 503}:
        wait = str(exchange.behaviour.amount)
        extra = [("retry-after", wait), ("retry-after-ms", f"{wait}000")]
    return _error(exchange, status, code, what, extra)


def _error(exchange: Exchange, status: int, code: str, what: str, extra: Headers | None = None) -> Response:
    body = {"error": {"code": code, "message": what}}
    return exchange.plain(body, [*_headers(exchange), *(extra or [])], status)


def _filtered(exchange: Exchange) -> Response:
    """The refusal of a prompt that the content filter stops."""
    found = {**PROMPT_FILTERS, "violence": {"filtered": True, "severity": "high"}}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": found}
    error: Object = {
        "message": "The prompt was stopped by the content management policy of the deployment.",
        "type": None,
        "param": "prompt",
        "code": "content_filter",
        "status": 400,
        "innererror": inner,
    }
    return exchange.plain({"error": error}, _headers(exchange), 400)


def _headers(exchange: Exchange, content_type: tuple[str, str] = JSON_TYPE) -> Headers:
    return [
        content_type,
        ("apim-request-id", exchange.mint("", digits=32)),
        ("x-ms-region", "Sweden Central"),
        ("x-ms-rai-invoked", "true"),
        ("x-ratelimit-remaining-requests", "119"),
        ("x-ratelimit-remaining-tokens", "119986"),
        ("x-request-id", exchange.mint("", 1, digits=32)),
    ]
