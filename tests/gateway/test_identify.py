"""Which client application a secret belongs to."""

import hashlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.core.errors import CallerError
from tollway.gateway.identify import Registry
from tollway.interfaces.identity import ClientApplication, TokenLimit
from tollway.interfaces.secrets import Secret
from tollway.interfaces.signer import OutboundRequest
from tollway.signing.sigv4 import SigV4
from tollway.snapshot.document import Client, Contract, SecretHash
from tollway.testing.clock import FrozenClock
from tollway.testing.exchange import FakeExchange


def hashed(secret: str, salt: str = "salt", expires_us: int = 0) -> SecretHash:
    digest = hashlib.sha256((salt + secret).encode()).hexdigest()
    return SecretHash(salt=salt, sha256=digest, expires_us=expires_us)


def registry(*clients: Client, clock: FrozenClock | None = None, tier: str = "") -> Registry:
    contracts = [Contract(client_id=client.client_id, sla_tier=tier) for client in clients]
    known = {client.client_id: client for client in clients}
    return Registry(contracts, known, wall_us=(clock or FrozenClock()).wall_us)


SHOP = Client(client_id="shop", name="Web shop", business_group="retail", secrets=(hashed("s3cret"),))


def test_the_right_secret_gives_the_application_with_its_contract():
    limits = (TokenLimit(total_tokens=10),)
    contract = Contract(client_id="shop", sla_tier="gold", sla_limits=limits)
    known = Registry([contract], {"shop": SHOP}, wall_us=FrozenClock().wall_us)
    application = known.authenticate("shop", "s3cret")
    assert application is not None
    assert (application.client_id, application.name, application.business_group) == ("shop", "Web shop", "retail")
    assert (application.sla_tier, application.sla_limits) == ("gold", limits)


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        ("shop", ""),
        ("shop", "S3cret"),
        ("shop", "s3cret "),
        ("shop", "salts3cret"),
        ("SHOP", "s3cret"),
        ("", "s3cret"),
        ("other", "s3cret"),
    ],
)
def test_any_other_pair_gives_nobody(client_id: str, secret: str):
    assert registry(SHOP).authenticate(client_id, secret) is None


@given(st.text(), st.text())
def test_nothing_a_stranger_sends_raises(client_id: str, secret: str):
    assert registry(SHOP).authenticate(client_id, secret.replace("s3cret", "")) is None


def test_an_application_without_a_contract_is_nobody_here():
    known = Registry([], {"shop": SHOP}, wall_us=FrozenClock().wall_us)
    assert (known.authenticate("shop", "s3cret"), known.find("shop")) == (None, None)


def test_every_live_secret_counts_until_it_expires():
    clock = FrozenClock()
    old = hashed("old", "a", expires_us=clock.wall_us() + 1_000_000)
    rotating = Client(client_id="shop", name="Web shop", secrets=(old, hashed("new", "b")))
    known = registry(rotating, clock=clock)
    assert known.authenticate("shop", "old") is not None
    clock.advance(1.0)
    assert known.authenticate("shop", "old") is None
    assert known.authenticate("shop", "new") is not None


def test_an_application_can_be_found_by_its_public_id_alone():
    found = registry(SHOP).find("shop")
    assert found is not None
    assert found.name == "Web shop"
    assert registry(SHOP).find("other") is None


def test_a_signed_request_is_its_signers_who_has_a_contract_and_a_signing_secret():
    signing = msgspec.structs.replace(SHOP, signing_secret=Secret("hush"))
    request = OutboundRequest(
        method="POST", host="g", target="/x", headers=(), body=b"{}", now_us=FrozenClock().wall_us()
    )
    headers = {"host": "g", **dict(SigV4("bedrock").headers("shop:hush@eu-west-1", request))}
    asked = FakeExchange(path="/x", headers=headers, body=b"{}")
    application = registry(signing).authenticate_signed(asked)
    assert isinstance(application, ClientApplication)
    assert application.client_id == "shop"
    assert isinstance(registry(SHOP).authenticate_signed(asked), CallerError)
    assert isinstance(registry().authenticate_signed(asked), CallerError)
    assert registry(signing).authenticate_signed(FakeExchange()) is None
