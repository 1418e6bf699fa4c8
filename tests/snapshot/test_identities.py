from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.support.identities import EMAIL, authorized_user, certificate_pem, private_pem, service_account

from tollway.config.loader import read_texts
from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import TokenGrant
from tollway.snapshot.codec import decode, encode
from tollway.snapshot.local import snapshot_from_files

from .compiling import ENVIRON, compiled

ENVIRONMENT = {
    **ENVIRON,
    "ACCOUNT": service_account(),
    "USER": authorized_user(),
    "CERTIFICATE": certificate_pem(),
}
VERTEX = "provider: vertex, url: 'https://eu-aiplatform.googleapis.com/v1/projects/p/locations/eu'"
AZURE = "provider: azureopenai, url: 'https://r.openai.azure.com'"
OWN = "provider: openai-compatible, url: 'https://llm.example/v1'"


def text(credential: str, route: str) -> str:
    return (
        f"credentials: [{{name: c, {credential}}}]\n"
        f"llm_proxies: [{{name: p, base_path: /p, routes: [{{name: r, credential: c, {route}}}]}}]"
    )


def grant(credential: str, route: str, environ: Mapping[str, str] = ENVIRONMENT) -> TokenGrant:
    made = compiled(text(credential, route), environ).proxies[0].routes[0]
    assert (made.keys, made.credential) == ((), "c")
    assert made.token is not None
    return made.token


def claims(made: TokenGrant) -> dict[str, str]:
    assert made.assertion is not None
    return dict(made.assertion.claims)


def test_a_service_account_asks_for_what_the_provider_wants() -> None:
    made = grant('google: {key: "${env:ACCOUNT}"}', VERTEX)
    assert made.url == "https://oauth2.googleapis.com/token"
    assert claims(made) == {
        "iss": EMAIL,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
    }
    assert (made.allow_private, made.ca_file, made.direct) == (False, None, False)


def test_or_for_what_its_credential_says() -> None:
    assert claims(grant('google: {key: "${env:ACCOUNT}", scope: other}', OWN))["scope"] == "other"


def test_an_authorised_user_is_one_too() -> None:
    assert ("refresh_token", Secret("1//refresh")) in grant('google: {key: "${env:USER}"}', VERTEX).secret_form


def test_a_machine_has_an_identity_of_its_own() -> None:
    google = grant("google: {metadata_server: true}", VERTEX)
    azure = grant("entra: {managed_identity: true, client_id: u}", AZURE)
    for made in (google, azure):
        assert made.url.startswith("http://169.254.169.254/")
        assert (made.allow_private, made.direct) == (True, True)
    assert "resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=u" in azure.url
    app_service = (
        'entra: {managed_identity: true, url: "http://localhost:42356/msi/token", identity_header: "${env:KEY}"}'
    )
    assert grant(app_service, AZURE).secret_headers == (("x-identity-header", Secret("sk-key")),)


@pytest.mark.parametrize(
    ("proof", "parameter"),
    [
        ('client_secret: "${env:KEY}"', "client_secret"),
        ('federated_token: "${env:KEY}"', "client_assertion"),
        ('certificate: "${env:CERTIFICATE}"', "client_assertion"),
    ],
)
def test_an_application_has_one_of_several_proofs(proof: str, parameter: str) -> None:
    made = grant(f"entra: {{tenant: contoso.example, client_id: a, {proof}}}", AZURE)
    assert made.url == "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
    assert ("scope", "https://cognitiveservices.azure.com/.default") in made.form
    sent = [name for name, _ in made.secret_form]
    assert (sent or [made.assertion and made.assertion.parameter]) == [parameter]


def test_another_authority_may_be_named() -> None:
    made = grant(
        'entra: {tenant: t, client_id: a, client_secret: "${env:KEY}", url: "https://login.microsoftonline.us", '
        "scope: 'https://cognitiveservices.azure.us/.default'}",
        AZURE,
    )
    assert made.url == "https://login.microsoftonline.us/t/oauth2/v2.0/token"
    assert ("scope", "https://cognitiveservices.azure.us/.default") in made.form


def test_a_client_of_any_server_needs_no_scope() -> None:
    made = grant('oauth2: {url: "https://sso.example/t/", client_id: a, client_secret: "${env:KEY}"}', OWN)
    assert made.url == "https://sso.example/t/"
    assert made.form == (("grant_type", "client_credentials"),)
    in_body = (
        'oauth2: {url: "https://sso.example/t", client_id: a, client_secret: "${env:KEY}", scope: llm, '
        "parameters: {audience: x}, client_authentication: body}"
    )
    assert grant(in_body, OWN).form == (
        ("grant_type", "client_credentials"),
        ("scope", "llm"),
        ("audience", "x"),
        ("client_id", "a"),
    )


@pytest.mark.parametrize(
    ("url", "more", "private"),
    [
        ("https://sso.example/t", "", False),
        ("https://sso.example/t", ", allow_private: true", True),
        ("http://127.0.0.1:9/t", "", True),
    ],
    ids=["a name", "a name that may lead inside", "this machine"],
)
def test_only_what_is_allowed_or_this_machine_may_be_private(url: str, more: str, private: bool) -> None:
    made = grant(f'oauth2: {{url: "{url}", client_id: a, client_secret: "${{env:KEY}}"{more}}}', OWN)
    assert made.allow_private is private
    made = grant(f'google: {{key: "${{env:ACCOUNT}}", url: "{url}"{more}}}', VERTEX)
    assert (made.allow_private, claims(made)["aud"]) == (private, url)


def test_a_snapshot_with_an_identity_comes_back_from_its_bytes_equal_and_shows_no_secret() -> None:
    snapshot = compiled(text('google: {key: "${env:ACCOUNT}"}', VERTEX), ENVIRONMENT)
    assert decode(encode(snapshot)) == snapshot
    assert private_pem().splitlines()[3] not in repr(snapshot)


def test_another_key_file_makes_another_version() -> None:
    one, other = (
        compiled(text('google: {key: "${env:ACCOUNT}"}', VERTEX), {"ACCOUNT": service_account(private_key_id=name)})
        for name in ("k-1", "k-2")
    )
    assert one.version != other.version


@pytest.mark.parametrize(
    "credential",
    [
        'google: {key: "${env:ACCOUNT}"}',
        'entra: {tenant: t, client_id: a, certificate: "${env:CERTIFICATE}"}',
        'oauth2: {url: "https://sso.example/t", client_id: a, client_secret: "${env:ABSENT}"}',
        'entra: {managed_identity: true, url: "http://localhost:1/t", identity_header: "${env:ABSENT}"}',
    ],
)
def test_nothing_is_said_of_secrets_that_are_not_read(tmp_path: Path, credential: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(text(f"{credential[:-1]}, scope: s}}", OWN))
    assert snapshot_from_files(file, environ={}, read_secrets=False).snapshot.proxies[0].routes[0].token is not None


def test_the_resources_themselves_hold_references_only() -> None:
    document = read_texts([(text('google: {key: "${env:ACCOUNT}"}', VERTEX), "f.yaml")], folder=Path("/"))
    shown: Any = msgspec.to_builtins(document.resources.credentials[0].google, enc_hook=str)
    assert shown["key"] == "${env:ACCOUNT}"
