"""What a route makes of a call: the bytes the provider gets."""

import gc
import re
from typing import Any
from urllib.parse import unquote

import msgspec
import pytest

from tollway.gateway.target import Target
from tollway.interfaces.policy import Attempt, PolicyExchange
from tollway.interfaces.secrets import Secret
from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

from .serving import CHAT, CHAT_PATH, KEY, MESSAGES, MESSAGES_PATH, OK, policy, proxy, route, serving

PRODUCTION_LOOP = True

AZURE: dict[str, Any] = {"provider": "azureopenai", "target_model": None}
MODEL_PATH = re.compile(r"/openai/deployments/([A-Za-z0-9._~:@%-]+)/chat/completions")


def azure(up: ScriptedUpstream, **settings: Any) -> Any:
    return proxy(route(up.url, **AZURE, **settings), strategy="weighted")


HOSTILE = {
    "parent": "../../../admin",
    "parent alone": "..",
    "dot": ".",
    "encoded dots": "%2e%2e",
    "encoded slash": "a%2fb",
    "slash": "a/b",
    "query": "m?api-version=1&x=y",
    "fragment": "m#frag",
    "space": "my model",
    "line break": "m\r\nx-evil: 1",
    "another request": "m HTTP/1.1\r\nhost: evil\r\n\r\nGET / HTTP/1.1",
    "nul": "m\0",
    "unicode": "modèle-模型-😀",
    "semicolon": "m;a=b",
    "backslash": "a\\b",
    "percent": "100%",
    "plus": "a+b",
    "colon and at": "arn:aws@1",
}


@pytest.mark.parametrize("model", HOSTILE.values(), ids=HOSTILE)
async def test_a_model_name_stays_one_segment_of_the_path(model: str) -> None:
    async with ScriptedUpstream() as up, serving(azure(up)) as served:
        up.on(OK)
        answer = await served.ask(body={**CHAT, "model": model})
        if answer.status == 400:
            assert model in {".", ".."}
            assert up.requests == []
            return
        (recorded,) = up.requests
        assert (answer.status, recorded.header("x-evil"), recorded.query) == (
            200,
            None,
            "api-version=2025-04-01-preview",
        )
        found = MODEL_PATH.fullmatch(recorded.path)
        assert found is not None, recorded.path
        assert unquote(found[1]) == model


async def test_a_call_without_a_model_reaches_no_path() -> None:
    async with ScriptedUpstream() as up, serving(azure(up)) as served:
        answer = await served.ask(body={"messages": []})
        assert (answer.status, up.requests) == (400, [])
        assert msgspec.json.decode(answer.body)["error"]["param"] == "model"


async def test_the_same_name_asked_again_gets_the_same_path() -> None:
    async with ScriptedUpstream() as up, serving(azure(up)) as served:
        up.on(OK)
        for model in ("a", "b", "a", "b"):
            await served.ask(body={**CHAT, "model": model})
        assert [recorded.path.split("/")[3] for recorded in up.requests] == ["a", "b", "a", "b"]


async def test_names_from_callers_do_not_pile_up() -> None:
    async with ScriptedUpstream() as up, serving(azure(up)) as served:
        up.on(OK)
        for number in range(1100):
            assert (await served.ask(body={**CHAT, "model": f"m{number}"})).status == 200
        assert up.requests[-1].path == "/openai/deployments/m1099/chat/completions"
        targets = [one for one in gc.get_objects() if type(one) is Target]  # a dead proxy cannot be asked what it is
        kept = [len(held) for one in targets for held in gc.get_referents(one) if isinstance(held, dict)]
        assert kept
        assert max(kept) <= 1024


async def test_the_request_is_whole_and_says_who_asks() -> None:
    async with (
        ScriptedUpstream() as up,
        serving(proxy(route(up, headers={"x-org": "acme"}, query={"v": "1"}))) as served,
    ):
        up.on(OK)
        await served.ask(headers={"authorization": "Bearer callers-own", "cookie": "a=b", "x-private": "1"})
        (recorded,) = up.requests
        names = [name.lower() for name, _ in recorded.request.headers]
        assert sorted(names) == sorted(set(names))
        assert set(names) == {
            "host",
            "content-type",
            "accept-encoding",
            "user-agent",
            "x-org",
            "authorization",
            "content-length",
        }
        assert recorded.header("authorization") == f"Bearer {KEY}"
        assert recorded.header("host") == up.url.removeprefix("http://")
        assert recorded.header("x-org") == "acme"
        assert (recorded.path, recorded.query) == ("/v1/chat/completions", "v=1")
        assert recorded.header("content-length") == str(len(recorded.body))


# --- headers


def _sets(name: str, value: str) -> Any:
    def request(exchange: PolicyExchange) -> None:
        exchange.set_upstream_header(name, value)

    return policy(request=request)


async def test_a_header_a_policy_sets_replaces_the_routes_own() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        uses = (_sets("X-Org", "set"), _sets("User-Agent", "mine"))
        async with serving(proxy(route(up, headers={"x-org": "acme"}), policies=uses)) as served:
            await served.ask()
            (recorded,) = up.requests
            found = [value for name, value in recorded.request.headers if name.lower() == "x-org"]
            assert found == ["set"]
            assert recorded.header("user-agent") == "mine"


async def test_a_header_set_for_one_attempt_stays_with_it() -> None:
    def upstream(_: PolicyExchange, attempt: Attempt) -> None:
        if attempt.target_model == "m":
            attempt.set_header("x-only", f"{attempt.route} {attempt.provider} {attempt.number}")

    async with ScriptedUpstream() as up:
        up.on(OK)
        routes = (route(up), route(up, name="other", target_model="n", match_headers={"x-way": "other"}))
        async with serving(proxy(*routes, strategy="priority", policies=(policy(upstream=upstream),))) as served:
            await served.ask()
            assert up.requests[0].header("x-only") == "main openai 1"


async def test_a_header_may_be_added_beside_others() -> None:
    def request(exchange: PolicyExchange) -> None:
        exchange.add_upstream_header("x-tag", "one")
        exchange.add_upstream_header("x-tag", "two")

    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(policy(request=request),))) as served:
        up.on(OK)
        await served.ask()
        assert [value for name, value in up.requests[0].request.headers if name == "x-tag"] == ["one", "two"]


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nx-evil: 1", "é", "a\0b"])
async def test_values_from_policies_cannot_begin_another_line(value: str) -> None:
    async with ScriptedUpstream() as up, serving(proxy(route(up), policies=(_sets("x-made", value),))) as served:
        up.on(OK)
        assert (await served.ask()).status == 200
        assert up.requests[0].header("x-evil") is None
        assert unquote(up.requests[0].header("x-made") or "") == value


@pytest.mark.parametrize(
    ("sent", "expected"),
    [({}, "2023-06-01"), ({"anthropic-version": "2024-01-01"}, "2024-01-01")],
    ids=["ours", "the caller's"],
)
async def test_a_caller_may_say_which_version_of_the_api_it_speaks(sent: dict[str, str], expected: str) -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        async with serving(proxy(route(up, provider="anthropic"), format="anthropic")) as served:
            await served.ask(MESSAGES_PATH, MESSAGES, headers={**sent, "anthropic-beta": "b1", "x-api-key": "callers"})
            (recorded,) = up.requests
            found = [value for name, value in recorded.request.headers if name.lower() == "anthropic-version"]
            assert found == [expected]
            assert recorded.header("anthropic-beta") == "b1"
            assert recorded.header("x-api-key") == KEY


# --- keys


async def test_a_server_that_needs_no_key_gets_none() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        async with serving(proxy(route(up, provider="ollama", keys=(), credential=""))) as served:
            assert (await served.ask()).status == 200
            assert up.requests[0].header("authorization") is None


async def test_keys_take_turns_when_one_is_throttled() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.failure(429), OK)
        keys = (Secret("sk-one"), Secret("sk-two"))
        async with serving(proxy(route(up, keys=keys))) as served:
            assert (await served.ask()).status == 200
            assert len({recorded.header("authorization") for recorded in up.requests}) == 2


async def test_a_provider_with_models_in_its_paths_has_them_there_for_what_passes_too() -> None:
    async with ScriptedUpstream() as up, serving(azure(up)) as served:
        up.on(script.reply(json={"data": [{}]}))
        await served.ask("/v1/images/generations", {"model": "a/b c", "prompt": "p"})
        request = up.requests[0].request
        assert request.target.startswith("/openai/deployments/a%2Fb%20c/images/generations?api-version=")
        assert dict(request.headers)["api-key"] == KEY
        assert msgspec.json.decode(request.body) == {"model": "a/b c", "prompt": "p"}


# --- surfaces


def vertex(up: ScriptedUpstream, **settings: Any) -> Any:
    there = route(f"{up.url}/v1/projects/p/locations/eu", provider="vertex", target_model=None)
    return proxy(there, strategy="weighted", **settings)


CLAUDE = {"type": "message", "role": "assistant", "model": "claude-9", "id": "msg_1", "stop_reason": "end_turn"}
CLAUDE |= {"content": [{"type": "text", "text": "yes"}], "usage": {"input_tokens": 3, "output_tokens": 4}}
GENERATED: dict[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "yes"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7},
}
BELOW = "/v1/projects/p/locations/eu"


@pytest.mark.parametrize(
    ("model", "answer", "path"),
    [
        ("gemini-9", GENERATED, "/publishers/google/models/gemini-9:generateContent"),
        ("claude-9@20260101", CLAUDE, "/publishers/anthropic/models/claude-9@20260101:rawPredict"),
        ("meta/llama-9", None, "/endpoints/openapi/chat/completions"),
    ],
)
async def test_models_of_one_route_are_asked_in_their_makers_ways(
    model: str, answer: dict[str, Any] | None, path: str
) -> None:
    async with ScriptedUpstream() as up, serving(vertex(up)) as served:
        up.on(OK if answer is None else script.reply(json=answer))
        found = await served.ask(body={**CHAT, "model": model})
        assert found.status == 200
        assert msgspec.json.decode(found.body)["choices"][0]["message"]["content"] == "yes"
        (recorded,) = up.requests
        assert (recorded.path, recorded.header("x-goog-api-key")) == (BELOW + path, KEY)
        assert served.record.usage is not None
        assert served.record.target_model == model


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("translated", [False, True])
async def test_what_the_path_says_is_not_in_the_body_and_what_is_no_header_is(stream: bool, translated: bool) -> None:
    body = {"model": "claude-9", "max_tokens": 9, "stream": stream, "messages": CHAT["messages"]}
    path, own = (CHAT_PATH, "openai") if translated else (MESSAGES_PATH, "anthropic")
    async with ScriptedUpstream() as up, serving(vertex(up, format=own)) as served:
        await served.ask(path, body, headers={"anthropic-beta": "b1"})
        recorded = up.requests[0]
        sent: Any = recorded.json()
        assert recorded.path.endswith(":streamRawPredict" if stream else ":rawPredict")
        assert (sent["anthropic_version"], sent.get("stream", False)) == ("vertex-2023-10-16", stream)
        assert "model" not in sent
        assert recorded.header("anthropic-version") is None
        assert recorded.header("anthropic-beta") == "b1"
        assert sent["messages"][0]["role"] == "user"


async def test_an_error_of_the_platform_reaches_callers_in_their_own_apis_shape() -> None:
    google = {"error": {"code": 404, "message": "Publisher Model was not found.", "status": "NOT_FOUND"}}
    async with ScriptedUpstream() as up, serving(vertex(up, format="anthropic")) as served:
        up.on(script.failure(404, json=google))
        answer = await served.ask(MESSAGES_PATH, {**MESSAGES, "model": "claude-9"})
        body = msgspec.json.decode(answer.body)
        assert (answer.status, body["type"], body["error"]["type"]) == (404, "error", "not_found_error")
        assert body["error"]["message"] == "Publisher Model was not found."


async def test_a_callers_own_word_for_it_is_replaced() -> None:
    async with ScriptedUpstream() as up, serving(vertex(up, format="anthropic")) as served:
        await served.ask(MESSAGES_PATH, {**MESSAGES, "model": "claude-9", "anthropic_version": "evil", "new": [1]})
        sent: Any = up.requests[0].json()
        assert (sent["anthropic_version"], sent["new"]) == ("vertex-2023-10-16", [1])


async def test_a_hostile_model_name_leads_to_no_other_path_of_a_surface() -> None:
    async with ScriptedUpstream() as up, serving(vertex(up)) as served:
        await served.ask(body={**CHAT, "model": "claude-9/../../google/models/x:rawPredict?y"})
        hostile = "claude-9%2F..%2F..%2Fgoogle%2Fmodels%2Fx:rawPredict%3Fy"
        assert {(one.path, one.query) for one in up.requests} == {
            (f"{BELOW}/publishers/anthropic/models/{hostile}:rawPredict", "")
        }


async def test_the_newer_base_url_is_asked_in_the_newer_way() -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        there = route(f"{up.url}/openai/v1", **AZURE)
        async with serving(proxy(there, strategy="weighted")) as served:
            assert (await served.ask(body={**CHAT, "model": "my-deployment"})).status == 200
            (recorded,) = up.requests
            assert (recorded.path, recorded.query) == ("/openai/v1/chat/completions", "")
            assert recorded.json()["model"] == "my-deployment"  # type: ignore[index]
            assert recorded.header("api-key") == KEY


@pytest.mark.parametrize("tail", ["", "/", "/v1", "/v1/"])
async def test_an_end_of_the_base_url_that_may_be_written_is_not_written_twice(tail: str) -> None:
    async with ScriptedUpstream() as up:
        up.on(OK)
        async with serving(proxy(route(f"{up.url}/behind{tail}", provider="ollama"))) as served:
            await served.ask()
            assert up.requests[0].path == "/behind/v1/chat/completions"


async def test_what_passes_goes_the_newer_way_behind_the_newer_base_url() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.reply(json={"id": "file-1", "data": [{}]}))
        async with serving(proxy(route(f"{up.url}/openai/v1", **AZURE))) as served:
            await served.ask("/v1/images/generations", {"model": "pictures", "prompt": "p"})
            await served.ask("/v1/vector_stores", {"name": "papers"})
            targets = [one.request.target for one in up.requests]
            assert targets == ["/openai/v1/images/generations", "/openai/v1/vector_stores"]


async def test_tokens_are_counted_by_the_models_that_can_as_an_sdk_in_cloud_mode_asks() -> None:
    async with ScriptedUpstream() as up, serving(vertex(up, format="gemini")) as served:
        up.on(script.reply(json={"totalTokens": 7}))
        body = {"contents": GENERATED["candidates"][0]["content"]}
        below = "/publishers/google/models/gemini-9:countTokens"
        for path in (f"/v1beta1/projects/mine/locations/us{below}", f"/v1beta1{below}"):
            answer = await served.ask(path, body)
            assert (answer.status, msgspec.json.decode(answer.body)) == (200, {"totalTokens": 7})
        assert {one.path for one in up.requests} == {BELOW + below}
        other = await served.ask("/v1beta/models/claude-9:countTokens", body)
        assert (other.status, len(up.requests)) == (400, 2)


async def test_operations_behind_the_newer_base_url_are_asked_in_the_newer_way() -> None:
    async with ScriptedUpstream() as up:
        up.on(script.reply(json={"id": "c", "object": "text_completion", "choices": []}))
        there = route(f"{up.url}/openai/v1", **AZURE)
        async with serving(proxy(there, strategy="weighted")) as served:
            assert (await served.ask("/v1/completions", {"model": "d", "prompt": "hi"})).status == 200
            (recorded,) = up.requests
            assert (recorded.path, recorded.query) == ("/openai/v1/completions", "")
            assert recorded.json()["model"] == "d"  # type: ignore[index]
