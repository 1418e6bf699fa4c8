"""Checks that the files TLS needs exist, are what they must be, and fit together.

The snapshot holds their paths only: private keys are read by the workers that use them.
"""

import ssl
from pathlib import Path as FilePath

from tollway.config.problems import Path, Problems


def check_key_pair(certificate: FilePath, key: FilePath, *, at: tuple[Path, Path], problems: Problems) -> None:
    """Check a certificate chain and its private key; `at` is where each is written."""
    found = [_readable(certificate, at[0], problems), _readable(key, at[1], problems)]
    if not all(found):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(certificate, key, password=_no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            problems.add(
                at[1], f"{key.name} is not the private key of {certificate.name}: give the one it was made with"
            )
        else:
            which, why = _why_not_loaded(certificate, key)
            problems.add(at[which], why)
    except ValueError:
        problems.add(at[1], f"{key.name} is encrypted: decrypt it, and let only the gateway read it (mode 0600)")


def check_authorities(file: FilePath, path: Path, problems: Problems) -> None:
    """Check a file of certificate authorities."""
    if not _readable(file, path, problems):
        return
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    try:
        context.load_verify_locations(cafile=file)
    except ssl.SSLError:
        problems.add(path, f"{file.name} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")


def _readable(file: FilePath, path: Path, problems: Problems) -> bool:
    try:
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        problems.add(path, f"{file} cannot be read: {error.strerror}")
        return False
    return True


def _why_not_loaded(certificate: FilePath, key: FilePath) -> tuple[int, str]:
    """Which of the two is at fault, and why."""
    if b"-----BEGIN CERTIFICATE-----" not in certificate.read_bytes():
        return 0, f"{certificate.name} holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)"
    if b"PRIVATE KEY-----" not in key.read_bytes():
        return 1, f"{key.name} holds no private key in PEM form (-----BEGIN PRIVATE KEY-----)"
    return 0, f"{certificate.name} and {key.name} cannot be loaded: one of them is damaged"


def _no_password() -> str:
    # Without this OpenSSL would ask on the terminal, and a gateway would wait there for ever.
    raise ValueError("encrypted")
