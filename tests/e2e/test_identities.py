"""Identities in place of keys, in a gateway as it runs: several workers, a real SDK, and nothing secret in sight."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from google import genai
from google.genai import types
from google.oauth2.credentials import Credentials
from tests.e2e.test_failures import OK
from tests.support.identities import form_of, private_pem, service_account, verified
from tests.support.running import Gateway, key_file, until

from tollway.testing import script
from tollway.testing.upstream import ScriptedUpstream

TOKEN = "ya29.nobody-may-see-this"
CLIENT_SECRET = "client-secret-51c0"
APPLICATION_SECRET = "application-secret-77"
GIVEN = script.reply(json={"access_token": TOKEN, "expires_in": 3599, "token_type": "Bearer"})
GENERATED: dict[str, Any] = {
    "candidates": [{"content": {"role": "model", "parts": [{"text": "Paris"}]}, "finishReason": "STOP"}],
    "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 4, "totalTokenCount": 7},
    "modelVersion": "gemini-2.5-flash",
}
_FAILED = re.compile(r'no token could be had.*"worker":(\d).*"credential":"entra"')
SCOPED = "/v1/projects/bank/locations/eu"


class Site:
    """A gateway with two workers, its provider, and the endpoint of its tokens."""

    def __init__(self, gateway: Gateway, upstream: ScriptedUpstream, endpoint: ScriptedUpstream) -> None:
        """Put the parts together."""
        self.gateway = gateway
        self.upstream = upstream
        self.endpoint = endpoint


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with ScriptedUpstream() as upstream, ScriptedUpstream() as endpoint:
        google = {"key": key_file(tmp_path, "account.json", service_account()), "url": f"{endpoint.url}/google"}
        entra = {
            "tenant": "contoso",
            "client_id": "app",
            "client_secret": key_file(tmp_path, "application", APPLICATION_SECRET),
            "url": endpoint.url,
        }
        vertex = {"name": "vertex", "provider": "vertex", "credential": "google", "url": f"{upstream.url}{SCOPED}"}
        azure = {"name": "azure", "provider": "azureopenai", "credential": "entra", "url": upstream.url}
        resources = {
            "gateway": {"workers": 2, "log_level": "debug"},
            "clients": [{"name": "One", "client_id": "one", "secrets": [key_file(tmp_path, "client", CLIENT_SECRET)]}],
            "credentials": [
                {"name": "google", "provider": "vertex", "google": google},
                {"name": "entra", "provider": "azureopenai", "entra": entra},
            ],
            "llm_proxies": [
                {"name": "open", "base_path": "/open", "format": "any", "routes": [vertex, azure]},
                {
                    "name": "guarded",
                    "base_path": "/guarded",
                    "format": "gemini",
                    "strategy": "weighted",
                    "routes": [vertex],
                    "policies": [{"policy": "client-id-enforcement"}],
                    "contracts": "all",
                },
            ],
        }
        endpoint.on(GIVEN)
        with Gateway(tmp_path / "gateway", resources) as gateway:
            yield Site(gateway, upstream, endpoint)
            gateway.stop()
            told = gateway.stdout + gateway.stderr
            for secret in (TOKEN, CLIENT_SECRET, APPLICATION_SECRET, private_pem().splitlines()[3]):
                assert secret not in told
            files = [one for one in gateway.data_dir.rglob("*") if one.is_file()]
            assert files
            assert not any(TOKEN.encode() in one.read_bytes() for one in files)


def test_each_worker_signs_in_once_whatever_it_is_asked(site: Site) -> None:
    site.upstream.on(OK, path="/openai/*")
    site.upstream.on(script.reply(json=GENERATED))
    message = {"messages": [{"role": "user", "content": "hi"}]}
    for model in ("vertex/gemini-2.5-flash", "azure/gpt", "vertex/meta/llama-4", "azureopenai/gpt") * 6:
        provider = model.partition("/")[0].replace("azureopenai", "azure").replace("azure", "azureopenai")
        body = {"model": f"{provider}/{model.partition('/')[2]}", **message}
        with httpx.Client() as client:  # a connection each, so that both workers have some
            answer = client.post(f"{site.gateway.url}/open/v1/chat/completions", json=body)
        assert answer.status_code in {200, 502}, answer.text  # a whole Gemini answer is no chat completion
    assert {one.header("authorization") for one in site.upstream.requests} == {f"Bearer {TOKEN}"}
    assert all(one.header("x-goog-api-key") is None and one.header("api-key") is None for one in site.upstream.requests)
    asked = [one.path for one in site.endpoint.requests]
    assert sorted(asked) == ["/contoso/oauth2/v2.0/token"] * 2 + ["/google"] * 2
    for one in site.endpoint.requests:
        form = form_of(one.body)
        if one.path == "/google":
            assert verified(form["assertion"])[1]["scope"] == "https://www.googleapis.com/auth/cloud-platform"
        else:
            assert form["client_secret"] == APPLICATION_SECRET


def test_a_real_sdk_in_its_cloud_mode_calls_through_the_gateway(site: Site) -> None:
    models = f"{SCOPED}/publishers/google/models"
    site.upstream.on(script.reply(json=GENERATED), path=f"{models}/gemini-2.5-flash:generateContent")
    site.upstream.on(
        script.reply(json={"predictions": [{"embeddings": {"values": [0.5, 1], "statistics": {"token_count": 2}}}]}),
        path=f"{models}/text-embedding-005:predict",
    )
    credentials = Credentials(token=f"one:{CLIENT_SECRET}")  # type: ignore[no-untyped-call]
    options = types.HttpOptions(base_url=f"{site.gateway.url}/guarded", retry_options=None)
    with genai.Client(
        vertexai=True, project="mine", location="us-central1", credentials=credentials, http_options=options
    ) as client:
        answer = client.models.generate_content(model="gemini-2.5-flash", contents="What is the capital of France?")
        assert answer.text == "Paris"
        embedded = client.models.embed_content(model="text-embedding-005", contents="hi")
        assert embedded.embeddings is not None
        assert embedded.embeddings[0].values == [0.5, 1]
    assert {one.header("authorization") for one in site.upstream.requests} == {f"Bearer {TOKEN}"}


def test_a_key_file_that_is_replaced_is_taken_over_while_calls_run(site: Site) -> None:
    place = re.search(r"\$\{file:(.*)\}", str(site.gateway.resources["credentials"][0]["google"]["key"]))
    assert place is not None
    file = Path(place[1])
    file.write_text(service_account(client_email="other@bank.example"))

    def asked_by_another() -> bool:
        forms = [form_of(one.body) for one in site.endpoint.requests if one.path == "/google" and one.complete.is_set()]
        return any(verified(form["assertion"])[1]["iss"] == "other@bank.example" for form in forms)

    assert until(asked_by_another, "a token for the new identity")


@pytest.mark.parametrize("refused", [401, 503])
def test_without_a_token_callers_are_told_that_and_nothing_else(site: Site, refused: int) -> None:
    site.endpoint.forget()
    quoting = {"error": "invalid_client", "error_description": f"{APPLICATION_SECRET} is wrong"}
    site.endpoint.on(script.reply(refused, json=quoting), path="/contoso/*")
    site.endpoint.on(GIVEN)
    changed = {**site.gateway.resources, "credentials": [dict(one) for one in site.gateway.resources["credentials"]]}
    changed["credentials"][1]["entra"] = {**changed["credentials"][1]["entra"], "client_id": "another"}
    site.gateway.write(changed)
    until(lambda: len(set(_FAILED.findall(site.gateway.stderr))) == 2, "a failure of each worker in the log")
    body = {"model": "azureopenai/gpt", "messages": [{"role": "user", "content": "hi"}]}
    answer = httpx.post(f"{site.gateway.url}/open/v1/chat/completions", json=body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "sign_in_failed")
    assert int(answer.headers["retry-after"]) >= 1
    assert not re.search(r"invalid_client|contoso|127\.0\.0\.1", answer.text)
