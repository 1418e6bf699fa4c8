from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from tollway.config.problems import ConfigErrors, Problems
from tollway.snapshot.tls_files import check_authorities, check_key_pair

AT = (("certificate_file",), ("key_file",))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.pem"))
    for name in ("one", "two"):
        certificate = authority.issue_cert("localhost")
        certificate.private_key_pem.write_to_path(str(folder / f"{name}.key"))
        certificate.cert_chain_pems[0].write_to_path(str(folder / f"{name}.pem"))
    key = load_pem_private_key((folder / "one.key").read_bytes(), None)
    encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"pass"))
    (folder / "encrypted.key").write_bytes(encrypted)
    (folder / "text").write_text("a text")
    (folder / "damaged.key").write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    return folder


def problem(problems: Problems) -> str:
    try:
        problems.raise_if_any()
    except ConfigErrors as errors:
        return str(errors)
    return ""


def test_a_certificate_and_its_key_pass(folder: Path) -> None:
    problems = Problems()
    check_key_pair(folder / "one.pem", folder / "one.key", at=AT, problems=problems)
    check_authorities(folder / "ca.pem", ("ca_file",), problems)
    assert problem(problems) == ""


@pytest.mark.parametrize(
    ("certificate", "key", "expected"),
    [
        pytest.param("one.pem", "two.key", "key_file: two.key is not the private key of one.pem", id="another's key"),
        pytest.param("one.pem", "encrypted.key", "key_file: encrypted.key is encrypted", id="encrypted"),
        pytest.param("text", "one.key", "certificate_file: text holds no certificate", id="no certificate"),
        pytest.param("one.key", "one.key", "certificate_file: one.key holds no certificate", id="a key instead"),
        pytest.param("one.pem", "one.pem", "key_file: one.pem holds no private key", id="no key"),
        pytest.param("one.pem", "damaged.key", "certificate_file: one.pem and damaged.key cannot be", id="damaged"),
    ],
)
def test_what_does_not_fit_is_named(folder: Path, certificate: str, key: str, expected: str) -> None:
    problems = Problems()
    check_key_pair(folder / certificate, folder / key, at=AT, problems=problems)
    assert problem(problems).startswith(expected)


def test_files_that_are_not_there_are_both_named(folder: Path) -> None:
    problems = Problems()
    check_key_pair(folder / "no.pem", folder / "no.key", at=AT, problems=problems)
    assert [line.partition(":")[0] for line in problem(problems).splitlines()] == ["certificate_file", "key_file"]


@pytest.mark.parametrize("name", ["text", "one.key", "no.pem", "."])
def test_what_holds_no_authority_is_refused(folder: Path, name: str) -> None:
    problems = Problems()
    check_authorities(folder / name, ("ca_file",), problems)
    assert problem(problems).startswith("ca_file: ")
