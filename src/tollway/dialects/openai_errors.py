"""The error shape shared by every API of the OpenAI family, both directions."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import msgspec

from tollway.core.answer import StreamFailed
from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import NOT_JSON, Json, JsonObject
from tollway.dialects.caller_fields import as_list, as_object

_TYPE_BY_STATUS = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "invalid_request_error",
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    431: "invalid_request_error",
}

_OWN_TYPES = frozenset(_TYPE_BY_STATUS.values()) | {
    "server_error",
    "insufficient_quota",
    "tokens",
    "requests",
    "exceeded_quota_error",
    "exceed_context_size_error",
    "image_generation_user_error",
}

_STATUS_BY_WORD = {
    "invalid_request_error": 400,
    "invalid_prompt": 400,
    "context_length_exceeded": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_error": 403,
    "not_found_error": 404,
    "model_not_found": 404,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
    "tokens": 429,
    "requests": 429,
    "timeout_error": 504,
    "overloaded_error": 503,
}


def error_object(error: TollwayError) -> JsonObject:
    """The inner `error` object: `message`, `type`, `param`, `code`, the last two possibly null."""
    return {
        "message": error.message,
        "type": error_type(error),
        "param": error.param,
        "code": error_code(error),
    }


def error_type(error: TollwayError) -> str:
    """The provider's own type where it is one of this family, else the one its status has."""
    if isinstance(error, UpstreamAnswered) and error.kind in _OWN_TYPES:
        return error.kind
    return _TYPE_BY_STATUS.get(error.status, "server_error" if error.status >= 500 else "invalid_request_error")


def error_code(error: TollwayError) -> str | None:
    """The machine-readable reason. A provider's foreign type is kept here when it gave no code."""
    if isinstance(error, UpstreamAnswered):
        if error.code not in {None, UpstreamAnswered.code}:
            return error.code
        return error.kind.lower() if error.kind and error.kind not in _OWN_TYPES else None
    return error.code


def render_error(error: TollwayError) -> bytes:
    """Write an error body."""
    if error.openai_body is not None:
        return msgspec.json.encode(error.openai_body)
    return msgspec.json.encode({"error": error_object(error)})


def parse_error(status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
    """Read a provider's error: OpenAI's shape, and what servers that follow it loosely send.

    Seen in the wild: `error` as a string; the fields at the top (`object: "error"`), `message` with
    a capital; `detail` as a string or a list, also inside `message`; `message` as that list; another
    provider's error inside `metadata.raw`; RFC 9457's `title` and `detail`; `fault.faultstring`; the
    whole wrapped in a list; plain text; HTML.
    """
    try:
        value: Json = msgspec.json.decode(body)
    except NOT_JSON:
        value = None
    wrapped = as_list(value)
    fields = _error_fields(as_object(wrapped[0] if wrapped else value))
    message = fields.get("message")
    code = fields.get("code")
    kind = fields.get("type") or fields.get("error_type") or fields.get("status")
    param = fields.get("param")
    return UpstreamAnswered(
        message if isinstance(message, str) and message else _plain_message(status, body, is_json=value is not None),
        status=status,
        # RFC 9457 makes `type` an address of documentation, which is no kind of error.
        kind=kind if isinstance(kind, str) and ":" not in kind else "",
        code=None if code is None or code in (status, str(status)) else str(code),
        param=param if isinstance(param, str) else None,
        retry_after_seconds=retry_after(headers),
    )


def _error_fields(value: JsonObject) -> JsonObject:
    error = value.get("error")
    if isinstance(error, dict):
        inner = as_object(error)
        if "message" not in inner and "message" in value:
            return {**inner, "message": value["message"]}
        return inner | _words_of_another(inner)
    if isinstance(error, str):
        return {**value, "message": value.get("message") or error}
    fault = as_object(value.get("fault")).get("faultstring")
    if isinstance(fault, str):
        return {"message": fault}
    message = value.get("message")
    if isinstance(message, str):
        return value
    if isinstance(value.get("Message"), str):
        return {**value, "message": value["Message"]}
    if message:  # what a validation found, instead of words about it
        return {**value, "message": None} | _validation(as_object(message).get("detail", message))
    return value | _validation(value.get("detail"))


def _validation(detail: Json) -> JsonObject:
    """Read what a validating server found: its first complaint, and the field it is about."""
    if isinstance(detail, str):
        return {"message": detail}
    for item in as_list(detail):
        found = as_object(item)
        if isinstance(found.get("msg"), str):
            where = ".".join(str(step) for step in as_list(found.get("loc")))
            return {"message": f"{where}: {found['msg']}" if where else found["msg"], "param": where or None}
    return {}


def _words_of_another(error: JsonObject) -> JsonObject:
    """Find what the provider behind a router said, which the router's own words do not tell."""
    raw = as_object(error.get("metadata")).get("raw")
    if not isinstance(raw, str) or raw.lstrip().startswith("<"):
        return {}
    try:
        inner = _error_fields(as_object(msgspec.json.decode(raw))).get("message")
    except NOT_JSON:
        inner = raw.strip()
    if not isinstance(inner, str) or not inner:
        return {}
    return {"message": f"{error.get('message') or 'the provider reported an error'}: {inner[:500]}"}


def _plain_message(status: int, body: bytes, *, is_json: bool) -> str:
    text = "" if is_json else body[:2000].decode("utf-8", "replace").strip()
    if not text or text.startswith("<"):
        return f"the provider answered with status {status} and no explanation"
    return text[:500]


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds until a repeat may succeed, as far as the provider says.

    RFC 9110, section 10.2.3: Retry-After is an HTTP-date or a delay in seconds. A date is measured
    against the same answer's `Date`, so no clock is needed.
    """
    milliseconds = headers.get("retry-after-ms")
    if milliseconds is not None and re.fullmatch(r"\d{1,12}(\.\d+)?", milliseconds.strip()):
        return float(milliseconds) / 1000
    value = headers.get("retry-after")
    if value is None:
        return None
    value = value.strip()
    if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
        return float(value)
    try:
        return max((parsedate_to_datetime(value) - parsedate_to_datetime(headers["date"])).total_seconds(), 0.0)
    except (ValueError, KeyError, TypeError):
        return None


def status_of_stream_error(error: JsonObject) -> int:
    """The status an error inside a stream would have had outside it."""
    for name in ("status", "code", "status_code"):
        number = error.get(name)
        if isinstance(number, str) and number.isdecimal():
            number = int(number)
        if isinstance(number, int) and 400 <= number <= 599:
            return number
    for name in ("code", "type"):
        word = error.get(name)
        if isinstance(word, str) and word in _STATUS_BY_WORD:
            return _STATUS_BY_WORD[word]
    return 502


def error_in_answer(value: JsonObject) -> UpstreamAnswered | None:
    """Find an error in a body that was sent as a success (or as an event of a stream)."""
    found = value.get("error")
    if not found:
        return None
    error = as_object(found)
    fields = _error_fields(value)
    message, code, kind = fields.get("message"), error.get("code"), error.get("type") or error.get("status")
    return UpstreamAnswered(
        message if isinstance(message, str) and message else "the provider reported an error",
        status=status_of_stream_error(error),
        kind=kind if isinstance(kind, str) else "",
        code=code if isinstance(code, str) else None,
    )


def stream_failure(error: UpstreamAnswered) -> StreamFailed:
    """Tell an error of a provider as the end of its stream."""
    code = None if error.code == UpstreamAnswered.code else error.code
    return StreamFailed(error.message, status=error.status, kind=error.kind, code=code)
