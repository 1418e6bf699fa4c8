"""Keys and key files of made-up identities, and what a token endpoint reads of what they sign."""

import base64
import datetime as dt
import functools
from typing import Any
from urllib.parse import parse_qs

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

EMAIL = "gateway@bank-llm.iam.gserviceaccount.com"


@functools.cache
def rsa_key() -> rsa.RSAPrivateKey:
    """Make a key, one for all tests: it takes a while."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2048)


def private_pem(key: Any = None) -> str:
    """Write a private key."""
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return (key or rsa_key()).private_bytes(*form).decode()


def service_account(**changes: Any) -> str:
    """Write a service account's key file."""
    file = {
        "type": "service_account",
        "project_id": "bank-llm",
        "private_key_id": "k-1",
        "private_key": private_pem(),
        "client_email": EMAIL,
        "client_id": "1",
        "token_uri": "https://oauth2.googleapis.com/token",
        "universe_domain": "googleapis.com",
        **changes,
    }
    return msgspec.json.encode({name: value for name, value in file.items() if value is not None}).decode()


def authorized_user(**changes: Any) -> str:
    """Write an authorised user's key file."""
    file = {
        "type": "authorized_user",
        "client_id": "c.apps.googleusercontent.com",
        "client_secret": "user-client-secret",
        "refresh_token": "1//refresh",
        **changes,
    }
    return msgspec.json.encode({name: value for name, value in file.items() if value is not None}).decode()


def certificate_pem(key: Any = None, *, with_key: Any = None) -> str:
    """Write a certificate of `key` and a private key, its own unless another is given."""
    signer = key or rsa_key()
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "gateway")])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(signer.public_key())
        .serial_number(7)
        .not_valid_before(day)
        .not_valid_after(day + dt.timedelta(days=3650))
        .sign(signer, hashes.SHA256())
    )
    return certificate.public_bytes(serialization.Encoding.PEM).decode() + private_pem(with_key or signer)


def form_of(body: bytes) -> dict[str, str]:
    """Read a form, each field once."""
    return {name: value for name, (value,) in parse_qs(body.decode(), strict_parsing=True).items()}


def verified(assertion: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Check an assertion's signature, as the endpoint does; give its header and claims."""
    head, claims, signature = assertion.split(".")
    header = msgspec.json.decode(_bytes(head))
    scheme: Any = padding.PKCS1v15()
    if header["alg"] == "PS256":
        scheme = padding.PSS(padding.MGF1(hashes.SHA256()), 32)
    rsa_key().public_key().verify(_bytes(signature), f"{head}.{claims}".encode(), scheme, hashes.SHA256())
    return header, msgspec.json.decode(_bytes(claims))


def _bytes(text: str) -> bytes:
    assert "=" not in text
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
