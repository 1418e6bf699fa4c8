"""Client secrets as hashes: how one is made, written down and checked.

Client secrets are long random strings that the gateway compares on every call, so one salted
SHA-256 is used: a slow hash protects weak passwords, and would cost more than the whole exchange.
"""

import hashlib
import hmac
import secrets
from typing import Final

from tollway.snapshot.document import SecretHash

_SALT_CHARACTERS: Final = 32


def hash_client_secret(secret: str, salt: str) -> str:
    """The hash that a snapshot holds: `sha256(salt + secret)`, hexadecimal."""
    return hashlib.sha256(salt.encode() + secret.encode()).hexdigest()


def verify_client_secret(secret: str, stored: SecretHash, *, now_us: int) -> bool:
    """Whether `secret` is the stored one and still live, in constant time."""
    same = hmac.compare_digest(hash_client_secret(secret, stored.salt), stored.sha256)
    return same and (stored.expires_us == 0 or now_us < stored.expires_us)


def written_hash(secret: str, salt: str | None = None) -> str:
    """The hash as operators write it, `sha256:<salt>:<hex>`; with a fresh salt unless one is given."""
    used = fresh_salt() if salt is None else salt
    return f"sha256:{used}:{hash_client_secret(secret, used)}"


def fresh_salt() -> str:
    """A random salt."""
    return secrets.token_hex(_SALT_CHARACTERS // 2)


def derived_salt(client_id: str) -> str:
    """The salt for a secret that is given by reference.

    It is the same every time, so that equal configurations compile to equal snapshots, and differs
    from client to client, so that equal secrets do not show.
    """
    return hashlib.sha256(b"tollway client secret\0" + client_id.encode()).hexdigest()[:_SALT_CHARACTERS]
