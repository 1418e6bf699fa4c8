"""What the gateway answers by itself: how errors tell SDKs what to do, and the models there are."""

from typing import Any

import msgspec
import pytest

from tollway.core.errors import (
    BadRequest,
    InternalError,
    NotReady,
    PolicyRefusal,
    TollwayError,
    UpstreamAnswered,
    UpstreamCut,
)
from tollway.gateway.answers import error_lines
from tollway.testing.upstream import ScriptedUpstream

from .serving import proxy, route, serving

PRODUCTION_LOOP = True

MODELS: dict[str, Any] = {"target_model": None, "models": ("m1", "m2"), "aliases": {"fast": "m1"}}
NAMES = ["openai/m1", "openai/m2", "fast"]


@pytest.mark.parametrize(
    ("error", "repeat"),
    [
        (BadRequest("x"), False),
        (PolicyRefusal("x", status=429), True),
        (PolicyRefusal("x", status=429, should_retry=False), False),
        (PolicyRefusal("x"), False),
        (UpstreamAnswered("x", status=429), False),
        (UpstreamAnswered("x", status=429, retry_after_seconds=2), True),
        (UpstreamAnswered("x", status=500), False),
        (UpstreamCut("x"), False),
        (InternalError("x"), False),
        (NotReady("x", retry_after_seconds=1), True),
    ],
    ids=lambda value: f"{type(value).__name__} {value.status}" if isinstance(value, TollwayError) else None,
)
def test_sdks_are_told_whether_a_repeat_can_help(error: TollwayError, repeat: bool) -> None:
    assert error_lines(error)[-1] == (b"x-should-retry: true\r\n" if repeat else b"x-should-retry: false\r\n")


@pytest.mark.parametrize(
    ("seconds", "line"),
    [
        (0, b"retry-after: 1\r\n"),
        (0.2, b"retry-after: 1\r\n"),
        (2, b"retry-after: 2\r\n"),
        (2.1, b"retry-after: 3\r\n"),
    ],
)
def test_a_wait_is_told_in_whole_seconds_and_never_too_short(seconds: float, line: bytes) -> None:
    assert line in error_lines(PolicyRefusal("x", retry_after_seconds=seconds))


def test_the_providers_own_wait_is_not_told_twice() -> None:
    error = UpstreamAnswered("x", status=429, retry_after_seconds=7)
    assert not any(b"retry-after" in line for line in error_lines(error, {b"retry-after": b"7"}))


def test_headers_of_an_error_cannot_begin_another_line() -> None:
    lines = b"".join(error_lines(BadRequest("x", headers=(("allow", "GET\r\nx-evil: 1"),))))
    assert b"\r\nx-evil" not in lines
    assert lines.startswith(b"allow: GET%0D%0Ax-evil: 1\r\n")


SHAPES: list[tuple[str, str, Any, Any]] = [
    (
        "openai",
        "/v1",
        {"id": "fast", "object": "model", "created": 0, "owned_by": "openai"},
        lambda ones: {"object": "list", "data": ones},
    ),
    (
        "anthropic",
        "/v1",
        {
            "type": "model",
            "id": "fast",
            "display_name": "fast",
            "created_at": "1970-01-01T00:00:00Z",
            "lifecycle": "active",
        },
        lambda ones: {"data": ones, "has_more": False, "first_id": NAMES[0], "last_id": NAMES[-1]},
    ),
    (
        "gemini",
        "/v1beta",
        {
            "name": "models/fast",
            "displayName": "fast",
            "supportedGenerationMethods": ["generateContent", "streamGenerateContent"],
        },
        lambda ones: {"models": ones},
    ),
    (
        "cohere",
        "/v1",
        {"name": "fast", "is_deprecated": False, "finetuned": False, "endpoints": ["chat"], "features": None},
        lambda ones: {"models": ones},
    ),
]


def _named(shape: dict[str, Any], name: str) -> dict[str, Any]:
    return {
        member: value.replace("fast", name) if isinstance(value, str) and "fast" in value else value
        for member, value in shape.items()
    }


@pytest.mark.parametrize(("api", "version", "one", "many"), SHAPES, ids=[shape[0] for shape in SHAPES])
async def test_models_are_listed_and_described_as_each_api_does(api: str, version: str, one: Any, many: Any) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS), format=api)) as served:
        listed = await served.ask(f"{version}/models", method="GET")
        assert (listed.status, listed.headers["content-type"]) == (200, "application/json")
        assert msgspec.json.decode(listed.body) == many([_named(one, name) for name in NAMES])
        found = await served.ask(f"{version}/models/fast", method="GET")
        assert (found.status, msgspec.json.decode(found.body)) == (200, one)
        assert up.requests == []


@pytest.mark.parametrize("path", ["/v1/models/openai/m1", "/v1/models/openai%2Fm1"])
async def test_a_name_with_a_slash_is_described_too(path: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS))) as served:
        answer = await served.ask(path, method="GET")
        assert (answer.status, msgspec.json.decode(answer.body)["id"]) == (200, "openai/m1")


@pytest.mark.parametrize("name", ["nothing", "%0d%0ax-evil:%201", "%ff", "caf%C3%A9"])
async def test_a_model_there_is_not_is_not_found(name: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS))) as served:
        answer = await served.ask(f"/v1/models/{name}", method="GET")
        assert answer.status == 404
        error = msgspec.json.decode(answer.body)["error"]
        assert "GET /models lists those there are" in error["message"]
        assert "x-evil" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "member"),
    [
        ({}, "object"),
        ({"anthropic-version": "2023-06-01"}, "has_more"),
        ({"x-goog-api-key": "k"}, "models"),
        ({"x-fern-sdk-name": "cohere"}, "models"),
        ({"authorization": "Bearer k"}, "object"),
    ],
    ids=["nothing", "anthropic", "gemini", "cohere", "openai"],
)
async def test_where_all_apis_are_spoken_the_headers_tell_which_list_is_meant(
    headers: dict[str, str], member: str
) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS), format="any")) as served:
        answer = await served.ask("/v1/models", method="GET", headers=headers)
        assert (answer.status, member in msgspec.json.decode(answer.body)) == (200, True)


@pytest.mark.parametrize(
    ("headers", "member"),
    [
        ({}, "owned_by"),
        ({"anthropic-version": "2023-06-01"}, "display_name"),
        ({"x-fern-sdk-name": "cohere"}, "endpoints"),
    ],
    ids=["nothing", "anthropic", "cohere"],
)
async def test_and_whose_description_of_one_model(headers: dict[str, str], member: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS), format="any")) as served:
        answer = await served.ask("/v1/models/fast", method="GET", headers=headers)
        assert (answer.status, member in msgspec.json.decode(answer.body)) == (200, True)


@pytest.mark.parametrize("format", ["ollama", "any"])
async def test_an_api_that_names_the_model_in_the_body_is_told_of_it(format: str) -> None:  # noqa: A002 - the setting's name
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS), format=format)) as served:
        listed = await served.ask("/api/tags", method="GET")
        assert [one["model"] for one in msgspec.json.decode(listed.body)["models"]] == NAMES
        found = await served.ask("/api/show", {"model": "fast"})
        assert (found.status, msgspec.json.decode(found.body)["name"]) == (200, "fast")
        missing = await served.ask("/api/show", {"model": "nothing"})
        assert missing.status == 404
        assert "GET /api/tags lists those there are" in msgspec.json.decode(missing.body)["error"]
        assert up.requests == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"model":7}', b"nope"], ids=repr)
async def test_a_body_that_names_no_model_is_refused(body: bytes) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS), format="ollama")) as served:
        answer = await served.ask("/api/show", raw=body)
        assert (answer.status, "model: required" in msgspec.json.decode(answer.body)["error"]) == (400, True)


async def test_what_an_api_says_of_itself_is_said() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS), format="ollama")) as served:
        answer = await served.ask("/api/version", method="GET")
        assert (answer.status, list(msgspec.json.decode(answer.body))) == (200, ["version"])


async def test_a_list_of_models_is_a_call_with_a_record_and_policies() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS))) as served:
        await served.ask("/v1/models", method="GET", headers={"x-correlation-id": "c"})
        record = served.record
        assert (record.operation, record.outcome, record.status, record.attempt) == ("models", "ok", 200, 0)
        assert record.correlation_id == "c"


async def test_a_head_request_gets_the_head_of_the_list() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, **MODELS))) as served:
        whole = await served.ask("/v1/models", method="GET")
        head = await served.ask("/v1/models", method="HEAD")
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-length"] == whole.headers["content-length"] == str(len(whole.body))


async def test_a_proxy_without_models_lists_none() -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up, provider="vllm", target_model=None))) as served:
        answer = await served.ask("/v1/models", method="GET")
        assert msgspec.json.decode(answer.body) == {"object": "list", "data": []}
