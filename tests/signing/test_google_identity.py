import pytest
from tests.support.identities import EMAIL, authorized_user, private_pem, service_account, verified

from tollway.interfaces.secrets import Secret
from tollway.signing.assertions import signed
from tollway.signing.google_identity import metadata_grant, read_key_file

SCOPE = "https://www.googleapis.com/auth/cloud-platform"


def test_a_service_account_asserts_itself_for_a_scope() -> None:
    grant = read_key_file(service_account()).grant(SCOPE)
    assert grant.url == "https://oauth2.googleapis.com/token"
    assert grant.form == (("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),)
    assert grant.assertion is not None
    assert grant.assertion.parameter == "assertion"
    header, claims = verified(signed(grant.assertion, now_seconds=5, new_id=""))
    assert header["kid"] == "k-1"
    assert claims == {"iss": EMAIL, "scope": SCOPE, "aud": grant.url, "iat": 5, "exp": 3605}


def test_an_authorised_user_refreshes() -> None:
    grant = read_key_file(authorized_user()).grant(SCOPE)
    assert grant.form == (("grant_type", "refresh_token"), ("client_id", "c.apps.googleusercontent.com"))
    assert grant.secret_form == (
        ("client_secret", Secret("user-client-secret")),
        ("refresh_token", Secret("1//refresh")),
    )
    assert grant.assertion is None


def test_another_endpoint_is_asked_where_the_operator_says_so() -> None:
    grant = read_key_file(service_account(token_uri="https://evil.example/t"), token_url="https://proxy.bank/t").grant(
        ""
    )
    assert grant.url == "https://proxy.bank/t"
    assert grant.assertion is not None
    assert dict(grant.assertion.claims)["aud"] == "https://proxy.bank/t"


def test_the_metadata_server_is_asked_directly_by_its_own_header() -> None:
    grant = metadata_grant(SCOPE)
    assert grant.url.startswith("http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token?")
    assert grant.url.endswith("scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform")
    assert (grant.method, grant.headers) == ("GET", (("metadata-flavor", "Google"),))
    assert (grant.allow_private, grant.direct) == (True, True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("sk-4711", "not a Google key file", id="a plain key"),
        pytest.param("[1]", "not a Google key file", id="not an object"),
        pytest.param('{"type": 5}', "not a Google key file", id="a wrong type"),
        pytest.param("{}", "type. is none", id="no type"),
        pytest.param('{"type": "external_account"}', "type. is none", id="another type"),
        pytest.param(service_account(private_key=None), "no `private_key`", id="no key"),
        pytest.param(service_account(client_email=""), "no `client_email`", id="no address"),
        pytest.param(authorized_user(refresh_token=None), "no `refresh_token`", id="nothing to refresh with"),
        pytest.param(service_account(private_key="sk-4711"), "no private key in PEM form", id="not a key"),
        pytest.param(service_account(universe_domain="s3ns.fr"), "another cloud", id="another cloud"),
        pytest.param(service_account(token_uri="https://evil.example/token"), "none of Google's", id="another host"),
        pytest.param(service_account(token_uri="http://oauth2.googleapis.com/t"), "none of Google's", id="not https"),
        pytest.param(
            service_account(token_uri="https://oauth2.googleapis.com@evil.example/t"), "none of Google's", id="a user"
        ),
        pytest.param(
            service_account(token_uri="https://oauth2.googleapis.com:444/t"), "none of Google's", id="another port"
        ),
    ],
)
def test_a_file_that_cannot_sign_in_is_refused_without_quoting_it(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        read_key_file(text)
    for secret in ("sk-4711", "user-client-secret", "1//refresh", private_pem().splitlines()[3]):
        assert secret not in str(raised.value)


def test_a_file_that_was_read_shows_no_secret() -> None:
    for text in (service_account(), authorized_user()):
        read = read_key_file(text)
        shown = repr(read) + repr(read.grant(SCOPE))
        for secret in (private_pem().splitlines()[3], "user-client-secret", "1//refresh"):
            assert secret not in shown
