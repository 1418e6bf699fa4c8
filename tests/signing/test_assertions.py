from typing import Literal

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from tests.support.identities import certificate_pem, private_pem, rsa_key, verified

from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import Assertion
from tollway.signing.assertions import read_private_key, signed, thumbprint


def _assertion(algorithm: Literal["RS256", "PS256"] = "RS256", *, single_use: bool = False) -> Assertion:
    return Assertion(
        parameter="assertion",
        key=Secret(private_pem()),
        algorithm=algorithm,
        headers=(("kid", "k-1"),),
        claims=(("iss", "me"), ("aud", "https://there")),
        lifetime_seconds=600,
        single_use=single_use,
    )


@pytest.mark.parametrize("algorithm", ["RS256", "PS256"])
def test_whoever_has_the_public_key_can_check_who_asks(algorithm: Literal["RS256", "PS256"]) -> None:
    header, claims = verified(signed(_assertion(algorithm), now_seconds=1000, new_id="id"))
    assert header == {"alg": algorithm, "typ": "JWT", "kid": "k-1"}
    assert claims == {"iss": "me", "aud": "https://there", "iat": 1000, "exp": 1600}


def test_one_for_single_use_has_an_id_and_a_beginning() -> None:
    _, claims = verified(signed(_assertion(single_use=True), now_seconds=1000, new_id="id-7"))
    assert (claims["jti"], claims["nbf"]) == ("id-7", 1000)


def test_a_changed_statement_does_not_hold() -> None:
    head, claims, signature = signed(_assertion(), now_seconds=1000, new_id="").split(".")
    other = signed(_assertion(), now_seconds=1001, new_id="").split(".")[1]
    assert other != claims
    with pytest.raises(InvalidSignature):
        verified(f"{head}.{other}.{signature}")


ENCRYPTED = (
    rsa_key()
    .private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"x")
    )
    .decode()
)


@pytest.mark.parametrize(
    ("pem", "message"),
    [
        pytest.param("", "no private key in PEM form", id="nothing"),
        pytest.param("sk-not-a-key-4471", "no private key in PEM form", id="another secret"),
        pytest.param(private_pem()[:200], "no private key in PEM form", id="half a key"),
        pytest.param(ENCRYPTED, "is encrypted", id="with a password"),
        pytest.param(private_pem(ec.generate_private_key(ec.SECP256R1())), "not an RSA key", id="another kind"),
        pytest.param(private_pem(rsa.generate_private_key(65_537, 1024)), "has 1024 bits", id="too short"),
    ],
)
def test_what_is_no_key_is_refused_without_quoting_it(pem: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        read_private_key(pem)
    assert not any(line and line in str(raised.value) for line in pem.splitlines() if "-----" not in line)


def test_a_statement_shows_no_key() -> None:
    assert "PRIVATE" not in repr(_assertion())
    assert certificate_pem() not in repr(_assertion())


def test_a_certificate_is_named_by_its_hash() -> None:
    # RFC 7515, section 4.1.8: base64url of the SHA-256 of the DER; this is that of no bytes at all.
    assert thumbprint(b"") == "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"
