import hashlib

import pytest

from tollway.config.values import ClientSecretValue
from tollway.snapshot.client_secrets import (
    derived_salt,
    fresh_salt,
    hash_client_secret,
    verify_client_secret,
    written_hash,
)
from tollway.snapshot.document import SecretHash


def stored(secret: str, expires_us: int = 0) -> SecretHash:
    return SecretHash(salt="salt", sha256=hash_client_secret(secret, "salt"), expires_us=expires_us)


def test_the_hash_is_sha256_of_salt_and_secret() -> None:
    assert hash_client_secret("sécret", "salt") == hashlib.sha256("saltsécret".encode()).hexdigest()


def test_the_right_secret_is_accepted_and_no_other() -> None:
    assert verify_client_secret("right", stored("right"), now_us=5)
    assert not verify_client_secret("wrong", stored("right"), now_us=5)
    assert not verify_client_secret("", stored("right"), now_us=5)


@pytest.mark.parametrize(("now_us", "accepted"), [(9, True), (10, False), (11, False)])
def test_a_secret_ends_at_its_time(now_us: int, accepted: bool) -> None:
    assert verify_client_secret("right", stored("right", expires_us=10), now_us=now_us) is accepted


def test_what_is_written_can_be_read_and_checked() -> None:
    value = ClientSecretValue.parse(written_hash("right"))
    assert verify_client_secret("right", SecretHash(salt=value.salt, sha256=value.sha256), now_us=0)


def test_fresh_salts_differ_and_derived_ones_stay() -> None:
    assert fresh_salt() != fresh_salt()
    assert derived_salt("a") == derived_salt("a")
    assert derived_salt("a") != derived_salt("b")
    assert written_hash("x", derived_salt("a")) == written_hash("x", derived_salt("a"))
