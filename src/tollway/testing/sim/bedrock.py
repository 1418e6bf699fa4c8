"""Amazon Bedrock: Converse and InvokeModel, plain and in binary frames.

Keys: a bearer token or a signature of version 4, neither checked; a bearer token that begins with
`invalid`, and an access key id that does, are refused. Claude is answered by InvokeModel in
Anthropic's Messages, every other family in Nova's schema, which is Converse's own.
"""

import base64
import re
from typing import Final
from urllib.parse import unquote

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.testing.http_messages import Headers, Response
from tollway.testing.sim import anthropic_body, anthropic_request
from tollway.testing.sim.answers import Reply, answer
from tollway.testing.sim.anthropic_events import events as messages_events
from tollway.testing.sim.anthropic_request import MessagesRequest, PromptCache
from tollway.testing.sim.bedrock_body import ConverseRequest, RequestError, answer_body, ask_of, check, events, usage
from tollway.testing.sim.exchange import JSON_TYPE, Answer, Exchange
from tollway.wire.aws_event_stream import encode_event, encode_exception

STREAM_TYPE: Final = ("content-type", "application/vnd.amazon.eventstream")
STATUSES: Final = {
    400: ("ValidationException", "The request is not valid."),
    403: ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
    404: ("ResourceNotFoundException", "The specified resource was not found."),
    408: ("ModelTimeoutException", "The model took too long."),
    424: ("ModelErrorException", "The model failed."),
    429: ("ThrottlingException", "Too many requests, please wait before trying again."),
    500: ("InternalServerException", "An internal error occurred."),
    503: ("ServiceUnavailableException", "The service is not currently available."),
}
_FAMILIES: Final = re.compile(
    r"(?:arn:aws[a-z-]*:bedrock:.*[/:])?(?:(?:us|eu|apac|global)\.)?"
    r"(?:amazon|anthropic|meta|mistral|cohere|deepseek|openai|qwen|sim)(?:\.[\w.:-]+)?"
)
_PATH: Final = re.compile(r"/model/(.+)/(converse|converse-stream|invoke|invoke-with-response-stream)", re.DOTALL)
_CLAUDE: Final = re.compile(r".*anthropic\.(claude[\w.-]*?)(?:-v\d+)?(?::\d+)?")
_METRICS: Final = "amazon-bedrock-invocationMetrics"
_CONVERSE: Final = msgspec.json.Decoder(ConverseRequest)
_MESSAGES: Final = msgspec.json.Decoder(MessagesRequest)


def handle(exchange: Exchange, path: str, cache: PromptCache) -> Answer:
    """Answer `POST /model/{model}/{action}`."""
    try:
        return _answered(exchange, path, cache)
    except RequestError as error:
        return _refused(exchange, error)
    except anthropic_request.RequestError as error:
        return _refused(exchange, RequestError(str(error), error.status))


def _answered(exchange: Exchange, path: str, cache: PromptCache) -> Answer:
    _check_key(exchange)
    found = _PATH.fullmatch(path)
    if found is None or exchange.request.method != "POST":
        raise RequestError(
            "Unable to determine service/operation name to be authorized", 404, "UnknownOperationException"
        )
    model = exchange.settle(unquote(found[1]))
    if not _FAMILIES.fullmatch(model):
        raise RequestError("The provided model identifier is invalid.")
    status = exchange.behaviour.status
    if status is not None:
        kind, what = STATUSES.get(status, STATUSES[500 if status >= 500 else 400])
        raise RequestError(what, status, kind)
    claude = _CLAUDE.fullmatch(model)
    if found[2].startswith("invoke") and claude is not None:
        return _messages(exchange, claude[1], cache, streamed=found[2] != "invoke")
    return _converse(exchange, found[2])


def _check_key(exchange: Exchange) -> None:
    scheme, _, proof = (exchange.request.header("authorization") or "").partition(" ")
    known = scheme == "Bearer" or (scheme == "AWS4-HMAC-SHA256" and exchange.request.header("x-amz-date"))
    if not known or not proof.strip():
        raise RequestError("Missing Authentication Token", 403, "MissingAuthenticationTokenException")
    if proof.removeprefix("Credential=").startswith("invalid"):
        raise RequestError("The security token included in the request is invalid.", 403, "UnrecognizedClientException")


def _converse(exchange: Exchange, action: str) -> Answer:
    try:
        asked = _CONVERSE.decode(exchange.request.body)
    except NOT_JSON as error:
        what = f"Malformed input request: {error}, please reformat your input and try again."
        raise RequestError(what) from error
    check(asked)
    reply = answer(ask_of(asked, refuse=exchange.behaviour.kind == "refuse"))
    if action in {"converse", "invoke"}:
        return exchange.plain(answer_body(exchange, reply), _headers(exchange, reply if action == "invoke" else None))
    if action == "converse-stream":
        return _stream(exchange, [encode_event(name, _padded(event)) for name, event in events(exchange, reply)])
    whole: list[dict[str, object]] = [{name: event} for name, event in events(exchange, reply)]
    return _stream(exchange, _chunks(whole, reply.input_tokens, reply.output_tokens))


def _messages(exchange: Exchange, model: str, cache: PromptCache, *, streamed: bool) -> Answer:
    try:
        asked = _MESSAGES.decode(exchange.request.body)
    except NOT_JSON as error:
        raise RequestError(f"Malformed input request: {error}, please reformat your input and try again.") from error
    members = msgspec.json.decode(exchange.request.body, type=dict[str, msgspec.Raw])
    for name in ("model", "stream"):
        if name in members:
            raise RequestError(f"Malformed input request: #: extraneous key [{name}] is not permitted.")
    if "anthropic_version" not in members:
        raise RequestError("anthropic_version: Field required")
    asked.model = model
    anthropic_request.check(asked)
    reply = answer(anthropic_request.ask_of(asked, refuse=exchange.behaviour.kind == "refuse"))
    spoken = anthropic_body.Spoken(
        exchange=exchange, asked=asked, served=model, reply=reply, split=cache.split(asked, reply.input_tokens)
    )
    if not streamed:
        return exchange.plain(anthropic_body.message(spoken), _headers(exchange, reply))
    whole = list(messages_events(spoken))
    return _stream(exchange, _chunks(whole, reply.input_tokens, reply.output_tokens))


def _chunks(whole: list[dict[str, object]], inputs: int, outputs: int) -> list[bytes]:
    whole[-1] = whole[-1] | {_METRICS: {"inputTokenCount": inputs, "outputTokenCount": outputs}}
    encoded = (base64.b64encode(msgspec.json.encode(event)).decode() for event in whole)
    return [encode_event("chunk", _padded({"bytes": event})) for event in encoded]


def _padded(event: dict[str, object]) -> bytes:
    """The event with characters that hide its length, as in the real streams."""
    plain = msgspec.json.encode(event)
    return msgspec.json.encode(event | {"p": "abcdefghijk"[: len(plain) % 11 + 1]})


def _stream(exchange: Exchange, frames: list[bytes]) -> Answer:
    trouble = msgspec.json.encode({"message": "The service is not currently available."})
    headers = [STREAM_TYPE, *_headers(exchange, None)[1:]]
    return exchange.stream(frames, headers, error=encode_exception("serviceUnavailableException", trouble))


def _headers(exchange: Exchange, counted: Reply | None) -> Headers:
    found: Headers = [JSON_TYPE, ("x-amzn-requestid", exchange.mint("", digits=32))]
    if counted is not None:
        told = usage(counted)
        found.append(("x-amzn-bedrock-input-token-count", str(told["inputTokens"])))
        found.append(("x-amzn-bedrock-output-token-count", str(told["outputTokens"])))
    return found


def _refused(exchange: Exchange, error: RequestError) -> Response:
    headers = [*_headers(exchange, None), ("x-amzn-errortype", f"{error.kind}:http://internal.amazon.com/coral/")]
    if error.status in {429, 503}:
        headers.append(("retry-after", str(exchange.behaviour.amount)))
    return exchange.plain({"message": str(error)}, headers, error.status)
