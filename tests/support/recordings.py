"""Recorded provider traffic, read from the material folder beside the project.

Three layouts are on disk: vcrpy cassettes (`request.uri`, `response.body.string` or `parsed_body`),
go-vcr cassettes (`request.url`, `response.body` as text) and bare answers (`*.json` is one body,
`*.chunks.txt` one stream chunk a line). All come out as `Recording`.
"""

import base64
import csv
import functools
import gzip
import os
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

_ROOT = Path(__file__).resolve().parents[2]

_ENDPOINTS: tuple[tuple[str, str], ...] = (
    (r"/chat/completions$", "chat"),
    (r"/responses$", "responses"),
    (r"/responses/compact$", "compact"),
    (r"/embeddings$", "embeddings"),
    (r":(batchEmbedContents|embedContent|predict)$", "embeddings"),
    (r":(streamGenerateContent|generateContent)$", "generate"),
    (r":countTokens$", "count_tokens"),
    (r"/messages/count_tokens$", "count_tokens"),
    (r"/messages$", "messages"),
    (r"/files(/.*)?$", "files"),
    (r"/(v1|v2)/chat$", "chat"),
    (r"/api/chat$", "ollama-chat"),
    (r"/api/generate$", "ollama-generate"),
    (r"/converse(-stream)?$", "converse"),
    (r"/invoke(-with-response-stream)?$", "invoke"),
    (r"/count-tokens$", "count_tokens"),
    (r"/completions$", "completions"),
    (r"/models(/.*)?$", "models"),
)


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One request and its answer. Bare answers have an empty `url` and no request."""

    id: str
    """File and position, short enough to be a test id."""
    provider: str
    endpoint: str
    """`chat`, `responses`, `embeddings`, `messages`, `generate`, `count_tokens`, `converse`, …"""
    method: str
    url: str
    request_body: Any
    """Decoded JSON, or None."""
    status: int
    headers: dict[str, str]
    """The answer's, lower case."""
    body: bytes
    """The answer, content encoding undone; bare stream chunks are framed as server-sent events."""
    is_stream: bool


def material(*parts: str) -> Path:
    """Give a path in the material folder, or skip the test when the folder is not there."""
    folder = Path(os.environ.get("TOLLWAY_MATERIAL", _ROOT.parent / "shared" / "material"))
    path = folder.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"recorded material is absent: set TOLLWAY_MATERIAL to the folder that holds {'/'.join(parts)}")
    return path


def recordings(provider: str | None = None, endpoint: str | None = None) -> list[Recording]:
    """All recordings of a provider and an endpoint; empty when the material is absent.

    Empty rather than skipped, because it is called while tests are collected.
    """
    folder = Path(os.environ.get("TOLLWAY_MATERIAL", _ROOT.parent / "shared" / "material")) / "recordings" / "open"
    if not folder.is_dir():
        return []
    return [
        one
        for one in _all(str(folder))
        if (provider is None or one.provider == provider) and (endpoint is None or one.endpoint == endpoint)
    ]


@functools.cache
def _all(folder: str) -> list[Recording]:
    found: list[Recording] = []
    root = Path(folder)
    with (root / "INDEX.csv").open(newline="", encoding="utf-8") as index:
        for row in csv.DictReader(index):
            path = root / row["path"]
            name = _short(row["path"])
            if row["type"] == "cassette":
                found.extend(_cassette(path, name, row["provider_endpoint"].split(";")))
            else:
                found.append(_bare(path, name, row["provider_endpoint"]))
    return found


def _short(path: str) -> str:
    parts = path.split("/")
    return f"{parts[0].split('+')[-1]}/{parts[-2]}/{parts[-1]}" if "cassettes" not in parts[-2] else parts[-1]


def _cassette(path: Path, name: str, pairs: list[str]) -> list[Recording]:
    document = _yaml(path)
    found: list[Recording] = []
    for number, interaction in enumerate(document["interactions"]):
        request, response = interaction["request"], interaction["response"]
        url = request.get("uri") or request["url"]
        headers = _headers(response.get("headers") or {})
        body = _response_body(response, headers)
        provider, endpoint = _classify(url, pairs)
        code = response["code"] if "code" in response else response["status"]["code"]
        found.append(
            Recording(
                id=f"{name}#{number}",
                provider=provider,
                endpoint=endpoint,
                method=request.get("method", "POST"),
                url=url,
                request_body=_request_body(request),
                status=code,
                headers=headers,
                body=body,
                is_stream=_looks_streamed(headers, body),
            )
        )
    return found


def _yaml(path: Path) -> Any:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(path.read_bytes(), Loader=loader)


def _headers(raw: dict[str, Any]) -> dict[str, str]:
    return {name.lower(): ", ".join(map(str, v)) if isinstance(v, list) else str(v) for name, v in raw.items()}


def _request_body(request: dict[str, Any]) -> Any:
    if "parsed_body" in request:
        return request["parsed_body"]
    body = request.get("body")
    if isinstance(body, dict):
        body = body.get("string")
    if not body:
        return None
    if isinstance(body, bytes) and body[:2] == b"\x1f\x8b":
        body = gzip.decompress(body)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _response_body(response: dict[str, Any], headers: dict[str, str]) -> bytes:
    if "parsed_body" in response:
        return msgspec.json.encode(response["parsed_body"])
    body = response.get("body", "")
    if isinstance(body, dict):
        body = body["string"] if "string" in body else base64.b64decode(body.get("base64_string", ""))
    data = body.encode() if isinstance(body, str) else (body or b"")
    if data[:2] == b"\x1f\x8b":
        data = gzip.decompress(data)
        headers.pop("content-encoding", None)
    return data


def _classify(url: str, pairs: list[str]) -> tuple[str, str]:
    path = url.partition("?")[0].replace("%3A", ":")
    endpoint = next((name for pattern, name in _ENDPOINTS if re.search(pattern, path)), "")
    split = [pair.partition("/")[::2] for pair in pairs]
    for provider, named in split:
        if named == endpoint:
            return provider, endpoint
    return split[0][0], endpoint or split[0][1]


def _looks_streamed(headers: dict[str, str], body: bytes) -> bool:
    kind = headers.get("content-type", "")
    return (
        "event-stream" in kind
        or "eventstream" in kind
        or "ndjson" in kind
        or body.lstrip().startswith((b"data:", b"event:", b": "))
    )


def _bare(path: Path, name: str, provider: str) -> Recording:
    text = path.read_text(encoding="utf-8")
    if path.name.endswith(".chunks.txt"):
        chunks = [line for line in text.splitlines() if line.strip()]
        first = msgspec.json.decode(chunks[0])
        endpoint = _endpoint_of(first)
        body = "".join(_framed(chunk, endpoint) for chunk in chunks)
        if endpoint == "chat" and provider != "cohere":
            body += "data: [DONE]\n\n"
        streamed = True
    else:
        endpoint, body, streamed = _endpoint_of(msgspec.json.decode(text)), text, False
    return Recording(
        id=name,
        provider=provider,
        endpoint=endpoint,
        method="POST",
        url="",
        request_body=None,
        status=200,
        headers={"content-type": "text/event-stream" if streamed else "application/json"},
        body=body.encode(),
        is_stream=streamed,
    )


def _framed(chunk: str, endpoint: str) -> str:
    kind = msgspec.json.decode(chunk).get("type")
    named = isinstance(kind, str) and endpoint in {"responses", "messages"}
    return f"event: {kind}\ndata: {chunk}\n\n" if named else f"data: {chunk}\n\n"


def _endpoint_of(body: Any) -> str:
    if not isinstance(body, dict):
        return ""
    kind = str(body.get("type", ""))
    if body.get("object") == "response" or kind.startswith("response."):
        return "responses"
    if "candidates" in body:
        return "generate"
    if kind in {"message", "message_start"}:
        return "messages"
    if "choices" in body or "finish_reason" in body:
        return "chat"
    if kind in {"message-start", "messageStart"} or "messageStart" in body or "output" in body:
        return "converse" if "messageStart" in body or "output" in body else "chat"
    return ""
