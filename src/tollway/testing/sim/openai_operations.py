"""OpenAI's other operations, as far as a newcomer tries them: texts, pictures, sound, and what is kept.

A batch is done the moment it is made: each of its lines is answered by the simulator itself.
"""

from __future__ import annotations

import base64
import io
import re
import wave
from collections.abc import Callable
from typing import Any, Final

import msgspec

from tollway.dialects.caller_fields import as_object
from tollway.testing.http_messages import Request, Response
from tollway.testing.sim import openai_errors
from tollway.testing.sim.answers import tokens
from tollway.testing.sim.exchange import JSON_TYPE, Answer, Exchange, sse_data
from tollway.wire.multipart import boundary_of, scan_form

PIXEL: Final = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
)
HEARD: Final = "The simulator hears what it is told."
_STORED: Final = re.compile(r"/v1/(files|batches|vector_stores)(?:/([\w-]+)(/content|/cancel|/search)?)?")

Document = dict[str, Any]


class Kept:
    """What the simulated service keeps between calls."""

    def __init__(self) -> None:
        """Keep nothing yet."""
        self.documents: dict[str, dict[str, Document]] = {"files": {}, "batches": {}, "vector_stores": {}}
        self.contents: dict[str, bytes] = {}


def answer(exchange: Exchange, path: str, kept: Kept, ask: Callable[[Request], Answer]) -> Answer | None:
    """Answer one of these operations; None for any other path. `ask` answers a line of a batch."""
    request = exchange.request
    match request.method, path:
        case "POST", "/v1/completions":
            return _complete(exchange, _json(request))
        case "POST", "/v1/moderations":
            result: Document = {
                "flagged": False,
                "categories": {},
                "category_scores": {},
                "category_applied_input_types": {},
            }
            model = _json(request).get("model", "omni-moderation-latest")
            return _plain(exchange, {"id": exchange.mint("modr-"), "model": model, "results": [result]})
        case "POST", "/v1/images/generations":
            return _pictures(exchange, int(_json(request).get("n") or 1))
        case "POST", "/v1/images/edits" | "/v1/images/variations":
            _form(request)
            return _pictures(exchange, 1)
        case "POST", "/v1/audio/speech":
            return Response(status=200, headers=[("content-type", "audio/wav")], body=_silence())
        case "POST", "/v1/audio/transcriptions" | "/v1/audio/translations":
            return _transcript(exchange, _form(request))
        case _:
            stored = _STORED.fullmatch(path)
            return None if stored is None else _keep(exchange, stored, kept, ask)


def _complete(exchange: Exchange, body: Document) -> Answer:
    prompt = body.get("prompt")
    text = f" You said: {prompt}"
    usage: dict[str, int] = {"prompt_tokens": tokens(str(prompt)), "completion_tokens": tokens(text)}
    usage["total_tokens"] = sum(usage.values())
    whole = {
        "id": exchange.mint("cmpl-"),
        "object": "text_completion",
        "created": exchange.created,
        "model": exchange.settle(str(body.get("model", ""))),
    }
    choice = {"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}
    if not body.get("stream"):
        return _plain(exchange, {**whole, "choices": [choice], "usage": usage})
    events = [sse_data({**whole, "choices": [choice]})]
    if b"include_usage" in exchange.request.body:
        events.append(sse_data({**whole, "choices": [], "usage": usage}))
    return exchange.stream([*events, b"data: [DONE]\n\n"], [("content-type", "text/event-stream")], error=b"")


def _pictures(exchange: Exchange, count: int) -> Answer:
    picture = {"b64_json": base64.b64encode(PIXEL).decode()}
    usage = {
        "input_tokens": 10,
        "output_tokens": 100 * count,
        "total_tokens": 10 + 100 * count,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
    }
    return _plain(exchange, {"created": exchange.created, "data": [picture] * count, "usage": usage})


def _silence() -> bytes:
    """A tenth of a second of it."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(2)
        written.setframerate(16_000)
        written.writeframes(b"\0\0" * 1_600)
    return sound.getvalue()


def _transcript(exchange: Exchange, form: dict[str, bytes]) -> Answer:
    if form.get("response_format") == b"text":
        return Response(
            status=200, headers=[("content-type", "text/plain; charset=utf-8")], body=HEARD.encode() + b"\n"
        )
    return _plain(exchange, {"text": HEARD, "usage": {"type": "duration", "seconds": 3}})


def _keep(exchange: Exchange, stored: re.Match[str], kept: Kept, ask: Callable[[Request], Answer]) -> Answer:
    kind, name, below = stored[1], stored[2], stored[3] or ""
    documents = kept.documents[kind]
    if name is None:
        if exchange.request.method == "POST":
            made = _make(exchange, kind, kept, ask)
            documents[made["id"]] = made
            return _plain(exchange, made)
        data = list(documents.values())
        ends = {"first_id": data[0]["id"], "last_id": data[-1]["id"]} if data else {}
        return _plain(exchange, {"object": "list", "data": data, "has_more": False, **ends})
    document = documents.get(name)
    if document is None:
        return openai_errors.no_such_path(exchange)
    if below == "/content":
        return Response(
            status=200, headers=[("content-type", "application/octet-stream")], body=kept.contents.get(name, b"")
        )
    if below == "/search":
        return _plain(exchange, {"object": "vector_store.search_results.page", "data": [], "has_more": False})
    if exchange.request.method == "DELETE":
        del documents[name]
        return _plain(exchange, {"id": name, "object": document["object"], "deleted": True})
    return _plain(exchange, document)


def _make(exchange: Exchange, kind: str, kept: Kept, ask: Callable[[Request], Answer]) -> Document:
    if kind == "files":
        form = _form(exchange.request)
        return _file(exchange, kept, form.get("file", b""), form.get("purpose", b"").decode())
    body = _json(exchange.request)
    if kind == "vector_stores":
        counts = dict.fromkeys(("in_progress", "completed", "failed", "cancelled", "total"), 0)
        return {
            "id": exchange.mint("vs_"),
            "object": "vector_store",
            "created_at": exchange.created,
            "name": body.get("name"),
            "status": "completed",
            "file_counts": counts,
            "usage_bytes": 0,
            "last_active_at": None,
            "metadata": None,
        }
    lines = [msgspec.json.decode(line) for line in kept.contents.get(body["input_file_id"], b"").splitlines() if line]
    results = b"".join(_answered(exchange, line, ask) for line in lines)
    output = _file(exchange, kept, results, "batch_output")
    kept.documents["files"][output["id"]] = output
    return {
        "id": exchange.mint("batch_"),
        "object": "batch",
        "endpoint": body.get("endpoint"),
        "input_file_id": body["input_file_id"],
        "completion_window": body.get("completion_window"),
        "status": "completed",
        "output_file_id": output["id"],
        "created_at": exchange.created,
        "request_counts": {"total": len(lines), "completed": len(lines), "failed": 0},
    }


def _answered(exchange: Exchange, line: Document, ask: Callable[[Request], Answer]) -> bytes:
    request = msgspec.structs.replace(
        exchange.request, method="POST", target=line["url"], body=msgspec.json.encode(line["body"])
    )
    got = ask(request)
    answered = got if isinstance(got, Response) else None  # no line of a batch asks for a stream or a session
    body = msgspec.json.decode(answered.body) if answered is not None else None
    response: Document = {
        "status_code": answered.status if answered is not None else 400,
        "request_id": "sim",
        "body": body,
    }
    return msgspec.json.encode({"id": "batch_req", "custom_id": line["custom_id"], "response": response}) + b"\n"


def _file(exchange: Exchange, kept: Kept, content: bytes, purpose: str) -> Document:
    name = exchange.mint("file-", len(kept.contents))
    kept.contents[name] = content
    return {
        "id": name,
        "object": "file",
        "bytes": len(content),
        "created_at": exchange.created,
        "filename": "file.jsonl",
        "purpose": purpose,
        "status": "processed",
    }


def _json(request: Request) -> Document:
    try:
        body = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return {}
    return as_object(body)


def _form(request: Request) -> dict[str, bytes]:
    try:
        boundary = boundary_of((request.header("content-type") or "").encode())
        return {part.name: request.body[part.start : part.end] for part in scan_form(request.body, boundary)}
    except ValueError:
        return {}


def _plain(exchange: Exchange, body: object) -> Response:
    return exchange.plain(body, [JSON_TYPE])
