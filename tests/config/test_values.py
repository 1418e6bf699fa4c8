import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollway.config.values import (
    Address,
    ByteSize,
    ClientSecretValue,
    Duration,
    SecretReference,
    SecretReferences,
    looks_like_reference,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("500ms", 0.5), ("30s", 30), ("1.5s", 1.5), ("2m", 120), ("1h", 3600), ("7d", 604_800), ("0s", 0)],
)
def test_a_duration_is_a_number_with_its_unit(written: str, seconds: float) -> None:
    assert Duration.parse(written) == seconds


@pytest.mark.parametrize(
    "written", ["30", "s", "-1s", "1 s", "1S", "1w", "", None, True, [], "1e3s", "9" * 400 + "s"], ids=repr
)
def test_anything_else_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="not a duration"):
        Duration.parse(written)


def test_a_number_without_unit_is_told_its_units() -> None:
    with pytest.raises(ValueError, match="30 has no unit: write 30s"):
        Duration.parse(30)


@given(st.integers(0, 10**8))
def test_a_duration_reads_as_it_is_shown(milliseconds: int) -> None:
    duration = Duration(milliseconds / 1000)
    assert Duration.parse(str(duration)) == pytest.approx(duration, rel=1e-5)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (1, 1),
        ("64", 64),
        ("64KiB", 65_536),
        ("1 MiB", 1_048_576),
        ("16MB", 16_000_000),
        ("1.5kB", 1500),
        ("2GiB", 2 * 2**30),
        ("7B", 7),
    ],
)
def test_a_size_is_a_number_of_bytes_or_one_with_its_unit(written: object, size: int) -> None:
    assert ByteSize.parse(written) == size


@pytest.mark.parametrize("written", [0, -1, "0", "10XB", "", None, True, 1.5, [], "9" * 400], ids=repr)
def test_anything_else_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match=r"not a size|at least 1"):
        ByteSize.parse(written)


@given(st.integers(1, 2**40))
def test_a_size_reads_as_it_is_shown(size: int) -> None:
    assert ByteSize.parse(str(ByteSize(size))) == size


@pytest.mark.parametrize(
    ("written", "host", "port"),
    [
        pytest.param(8081, "127.0.0.1", 8081, id="a number"),
        pytest.param("8081", "127.0.0.1", 8081, id="a port as text"),
        pytest.param(":8081", "127.0.0.1", 8081, id="no host before the colon"),
        pytest.param("0.0.0.0:80", "0.0.0.0", 80, id="everywhere, said"),
        pytest.param("[::1]:8081", "::1", 8081, id="version 6"),
        pytest.param("localhost:0", "localhost", 0, id="any free port"),
    ],
)
def test_an_address_opens_to_others_only_when_it_says_so(written: object, host: str, port: int) -> None:
    address = Address.parse(written)
    assert (address.host, address.port) == (host, port)


@pytest.mark.parametrize(
    "written", ["", "host", "host:", "1.2.3.4:99999", 70_000, True, None, -1, "a b:80", "::1:80"], ids=repr
)
def test_anything_else_is_no_address(written: object) -> None:
    with pytest.raises(ValueError, match=r"not an address|not a port"):
        Address.parse(written)


@pytest.mark.parametrize(
    ("written", "scheme", "name"),
    [
        ("${env:OPENAI_API_KEY}", "env", "OPENAI_API_KEY"),
        ("${file:/run/secrets/key}", "file", "/run/secrets/key"),
        ("${vault:prod/openai}", "vault", "prod/openai"),
    ],
)
def test_a_reference_names_its_place(written: str, scheme: str, name: str) -> None:
    reference = SecretReference.parse(written)
    assert (reference.scheme, reference.name) == (scheme, name)


SECRET = "sk-very-secret-value"


@pytest.mark.parametrize("kind", [SecretReference, SecretReferences, ClientSecretValue])
@pytest.mark.parametrize(
    "written",
    [SECRET, f"${{{SECRET}}}", f"x${{env:{SECRET}}}", [SECRET], {"value": SECRET}, f"sha256:{SECRET}", 5, None],
)
def test_a_secret_in_plain_text_is_refused_without_being_quoted(kind: type, written: object) -> None:
    with pytest.raises(ValueError, match=r"secret|hash") as raised:
        kind.parse(written)
    assert SECRET not in str(raised.value)


def test_the_refusal_says_where_to_put_a_secret() -> None:
    with pytest.raises(ValueError, match=re.escape("tollway secret set NAME")):
        SecretReference.parse(SECRET)


def test_a_place_nobody_knows_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=re.escape("${env:…}, ${file:…}, ${vault:…}")):
        SecretReference.parse("${aws:key}")


def test_one_reference_and_a_list_of_one_are_the_same() -> None:
    assert SecretReferences.parse("${env:A}") == SecretReferences.parse(["${env:A}"])
    with pytest.raises(ValueError, match="at least one"):
        SecretReferences.parse([])


def test_a_client_secret_is_a_hash_or_a_reference() -> None:
    hashed = ClientSecretValue.parse(f"sha256:0123456789abcdef:{'a' * 64}")
    assert (hashed.reference, hashed.salt, hashed.sha256) == (None, "0123456789abcdef", "a" * 64)
    referred = ClientSecretValue.parse("${env:A}").reference
    assert referred is not None
    assert referred.name == "A"


@pytest.mark.parametrize(
    ("text", "is_one"), [("${env:A}", True), ("a ${vault:b} c", True), ("$5", False), ("{env:A}", False), ("$x", False)]
)
def test_references_are_recognised_anywhere_in_a_text(text: str, is_one: bool) -> None:
    assert looks_like_reference(text) is is_one
