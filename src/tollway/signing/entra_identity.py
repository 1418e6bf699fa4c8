"""Microsoft Entra ID's identities of applications and of machines.

https://learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow
https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token
"""

from typing import Final
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import Assertion, TokenGrant
from tollway.signing.assertions import read_private_key, thumbprint

AUTHORITY: Final = "https://login.microsoftonline.com"
IMDS_URL: Final = "http://169.254.169.254/metadata/identity/oauth2/token"
"""The Instance Metadata Service's own address."""

_JWT_BEARER: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_SECONDS: Final = 600
"""The vendor's page on certificate credentials: "short - 5-10 minutes after nbf at most"."""
_DEFAULT: Final = "/.default"
_IMDS_VERSION: Final = "2018-02-01"
_APP_SERVICE_VERSION: Final = "2019-08-01"


class Application:
    """An application registered in a tenant."""

    __slots__ = ("client_id", "url")

    def __init__(self, tenant: str, client_id: str, *, authority: str = AUTHORITY) -> None:
        """Sign in to `tenant` at `authority`."""
        self.client_id = client_id
        self.url = f"{authority}/{tenant}/oauth2/v2.0/token"

    def with_secret(self, secret: Secret, scope: str) -> TokenGrant:
        """Prove the application by its secret."""
        return TokenGrant(url=self.url, form=self._form(scope), secret_form=(("client_secret", secret),))

    def with_certificate(self, key: Secret, name: str, scope: str) -> TokenGrant:
        """Prove the application by a certificate; `name` is its thumbprint."""
        return TokenGrant(
            url=self.url,
            form=(*self._form(scope), ("client_assertion_type", _JWT_BEARER)),
            assertion=Assertion(
                parameter="client_assertion",
                key=key,
                algorithm="PS256",
                headers=(("x5t#S256", name),),
                claims=(("aud", self.url), ("iss", self.client_id), ("sub", self.client_id)),
                lifetime_seconds=_ASSERTION_SECONDS,
                single_use=True,
            ),
        )

    def with_federated_token(self, token: Secret, scope: str) -> TokenGrant:
        """Prove the application by another issuer's token, such as a Kubernetes service account's."""
        return TokenGrant(
            url=self.url,
            form=(*self._form(scope), ("client_assertion_type", _JWT_BEARER)),
            secret_form=(("client_assertion", token),),
        )

    def _form(self, scope: str) -> tuple[tuple[str, str], ...]:
        return (("grant_type", "client_credentials"), ("client_id", self.client_id), ("scope", scope))


def read_certificate(pem: str) -> tuple[Secret, str]:
    """Read a file that holds a certificate and its private key; give the key and the certificate's thumbprint.

    Raises:
        ValueError: with what is wrong and the mend; it never quotes the file.
    """
    key_pem = _part(pem, "PRIVATE KEY")
    key = read_private_key(key_pem)
    try:
        certificate = x509.load_pem_x509_certificate(_part(pem, "CERTIFICATE").encode())
    except ValueError:
        raise ValueError("there is no certificate in PEM form (-----BEGIN CERTIFICATE-----) beside the key") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if certificate.public_key().public_bytes(*form) != key.public_key().public_bytes(*form):
        raise ValueError("the private key is not that of the certificate: give the pair that was made together")
    return Secret(key_pem), thumbprint(certificate.public_bytes(Encoding.DER))


def managed_grant(
    scope: str, *, url: str = IMDS_URL, client_id: str = "", header: Secret | None = None, allow_private: bool = True
) -> TokenGrant:
    """Ask the machine's own identity service: a virtual machine's, or with `header` an App Service's."""
    query = {
        "api-version": _IMDS_VERSION if header is None else _APP_SERVICE_VERSION,
        "resource": scope.removesuffix(_DEFAULT),
    }
    if client_id:
        query["client_id"] = client_id
    return TokenGrant(
        method="GET",
        url=f"{url}?{urlencode(query)}",
        headers=(("metadata", "true"),),
        secret_headers=() if header is None else (("x-identity-header", header),),
        allow_private=allow_private,
        direct=True,
    )


def _part(pem: str, kind: str) -> str:
    """Cut one block out of a PEM file: from the first line that begins such a thing to its end."""
    begin = next((line for line in pem.splitlines() if line.startswith("-----BEGIN ") and kind in line), "")
    end = begin.replace("BEGIN", "END", 1).strip()
    start = pem.find(begin) if begin else -1
    stop = pem.find(end, start) if begin else -1
    return pem[start : stop + len(end)] + "\n" if start >= 0 and stop >= 0 else ""
