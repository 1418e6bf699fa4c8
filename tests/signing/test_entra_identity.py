import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.support.identities import certificate_pem, private_pem, verified

from tollway.interfaces.secrets import Secret
from tollway.signing.assertions import signed
from tollway.signing.entra_identity import Application, managed_grant, read_certificate

SCOPE = "https://cognitiveservices.azure.com/.default"
APPLICATION = Application("contoso.example", "app-1")
URL = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"
FORM = (("grant_type", "client_credentials"), ("client_id", "app-1"), ("scope", SCOPE))
ASSERTION_TYPE = ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")


def test_an_application_proves_itself_by_its_secret() -> None:
    grant = APPLICATION.with_secret(Secret("s"), SCOPE)
    assert (grant.url, grant.form, grant.secret_form) == (URL, FORM, (("client_secret", Secret("s")),))


def test_or_by_its_certificate() -> None:
    key, name = read_certificate(certificate_pem())
    grant = APPLICATION.with_certificate(key, name, SCOPE)
    assert grant.form == (*FORM, ASSERTION_TYPE)
    assert grant.assertion is not None
    assert grant.assertion.parameter == "client_assertion"
    header, claims = verified(signed(grant.assertion, now_seconds=5, new_id="id"))
    assert (header["alg"], header["x5t#S256"]) == ("PS256", name)
    assert claims == {"aud": URL, "iss": "app-1", "sub": "app-1", "iat": 5, "nbf": 5, "exp": 605, "jti": "id"}


def test_or_by_a_token_of_another_issuer() -> None:
    grant = APPLICATION.with_federated_token(Secret("ey.a.b"), SCOPE)
    assert (grant.form, grant.secret_form) == ((*FORM, ASSERTION_TYPE), (("client_assertion", Secret("ey.a.b")),))


def test_other_clouds_have_their_own_authority() -> None:
    application = Application("t", "a", authority="https://login.microsoftonline.us")
    assert application.with_secret(Secret("s"), SCOPE).url == "https://login.microsoftonline.us/t/oauth2/v2.0/token"


def test_a_machine_asks_its_own_service() -> None:
    grant = managed_grant(SCOPE, client_id="user-assigned")
    assert grant.url == (
        "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01"
        "&resource=https%3A%2F%2Fcognitiveservices.azure.com&client_id=user-assigned"
    )
    assert (grant.method, grant.headers, grant.secret_headers) == ("GET", (("metadata", "true"),), ())
    assert (grant.allow_private, grant.direct) == (True, True)


def test_an_app_service_asks_with_its_header() -> None:
    grant = managed_grant(SCOPE, url="http://localhost:42356/msi/token", header=Secret("h"))
    assert grant.url.startswith("http://localhost:42356/msi/token?api-version=2019-08-01&")
    assert grant.secret_headers == (("x-identity-header", Secret("h")),)


def test_the_order_of_certificate_and_key_does_not_matter() -> None:
    pem = certificate_pem()
    split = pem.index("-----BEGIN PRIVATE")
    assert read_certificate(pem[split:] + pem[:split]) == read_certificate(pem)


OTHER = rsa.generate_private_key(65_537, 2048)


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        pytest.param("", "no private key", id="nothing"),
        pytest.param(certificate_pem().partition("-----BEGIN PRIVATE")[0], "no private key", id="no key"),
        pytest.param(private_pem(), "no certificate", id="no certificate"),
        pytest.param(private_pem() + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "no certificate",
                     id="no real certificate"),
        pytest.param(certificate_pem(with_key=OTHER), "not that of the certificate", id="another's key"),
    ],
)  # fmt: skip
def test_what_is_no_pair_is_refused(pem: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        read_certificate(pem)
    assert private_pem().splitlines()[3] not in str(raised.value)
