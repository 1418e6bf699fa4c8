"""Signed statements of who asks for a token: JSON Web Tokens. RFC 7519, RFC 7523."""

import base64

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tollway.interfaces.token_grant import Assertion

_SHORTEST_BITS = 2048
"""RFC 7518, section 3.3: "A key of size 2048 bits or larger MUST be used"."""


def signed(assertion: Assertion, *, now_seconds: int, new_id: str) -> str:
    """Write and sign a statement.

    Args:
        assertion: what it says, and the key.
        now_seconds: the time it is made, as the token endpoint sees it.
        new_id: an id that no other statement has.

    Raises:
        ValueError: the key is none; checked when a snapshot is compiled.
    """
    header = {"alg": assertion.algorithm, "typ": "JWT", **dict(assertion.headers)}
    claims: dict[str, str | int] = dict(assertion.claims)
    claims |= {"iat": now_seconds, "exp": now_seconds + assertion.lifetime_seconds}
    if assertion.single_use:
        claims |= {"nbf": now_seconds, "jti": new_id}
    text = f"{_base64url(msgspec.json.encode(header))}.{_base64url(msgspec.json.encode(claims))}"
    scheme = (
        padding.PKCS1v15()
        if assertion.algorithm == "RS256"
        else padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
    )
    signature = read_private_key(assertion.key.reveal()).sign(text.encode(), scheme, hashes.SHA256())
    return f"{text}.{_base64url(signature)}"


def read_private_key(pem: str) -> rsa.RSAPrivateKey:
    """Read a key; messages never quote it.

    Raises:
        ValueError: with what is wrong and the mend.
    """
    try:
        key = serialization.load_pem_private_key(pem.encode(), password=None)
    except TypeError:
        raise ValueError("the private key is encrypted: give it without a password") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("there is no private key in PEM form (-----BEGIN PRIVATE KEY-----)") from None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise ValueError("the private key is not an RSA key: make one of 2048 bits or more")  # noqa: TRY004 - one kind of error for what an operator wrote
    if key.key_size < _SHORTEST_BITS:
        raise ValueError(f"the private key has {key.key_size} bits: make one of 2048 or more")
    return key


def thumbprint(certificate_der: bytes) -> str:
    """Name a certificate by its hash, as `x5t#S256` wants it. RFC 7515, section 4.1.8."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(certificate_der)
    return _base64url(digest.finalize())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
