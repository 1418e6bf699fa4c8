"""Checks requests that a caller has signed, as AWS SDKs do: Signature Version 4, the other way round.

Rules of this file:
- What is signed is computed from the request as it was received, never from what it claims of itself.
- The signature is compared in constant time, and the work is the same whether or not the signer is known.
- A signature counts for 15 minutes around its time, as at AWS. Within them a recorded request can be
  sent again: that is for TLS to prevent.

Source: "Signing and authenticating requests" in the AWS IAM user guide.
"""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

from tollway.core.errors import BadRequest, CallerError, Forbidden
from tollway.interfaces.identity import SignedRequest
from tollway.interfaces.secrets import Secret
from tollway.signing.sigv4 import ALGORITHM, TERMINATOR, canonical_request, sign, signing_key

SKEW_SECONDS: Final = 900

_SCHEME: Final = ALGORITHM.lower().encode() + b" "
_PROOF: Final = re.compile(
    r"Credential=(?P<id>[^,/\s]{1,128})/(?P<date>\d{8})/(?P<region>[A-Za-z0-9-]{1,64})/(?P<service>[A-Za-z0-9-]{1,64})"
    rf"/{TERMINATOR},\s*SignedHeaders=(?P<headers>[a-z0-9;_.-]{{1,4096}}),\s*Signature=(?P<signature>[0-9a-f]{{64}})"
)
_DATE: Final = re.compile(r"\d{8}T\d{6}Z")
_MUST_BE_SIGNED: Final = frozenset({"host", "x-amz-date"})
_PAYLOAD: Final = b"x-amz-content-sha256"
_DECOY: Final = Secret("a secret that nobody has")


class Proof(msgspec.Struct, frozen=True):
    """What the `Authorization` header of a signed request says."""

    signer: str
    """Who claims to have signed it."""
    date: str
    region: str
    service: str
    headers: tuple[str, ...]
    """The signed ones, lower case."""
    signature: str


def signer_of(request: SignedRequest, secret_of: Callable[[str], Secret | None]) -> str | CallerError | None:
    """Tell who signed a request: an id whose secret it is signed with, why it is refused, or None if it is not signed.

    Args:
        request: as it was received.
        secret_of: gives the secret of a signer; None where it has none.
    """
    authorization = request.raw_header(b"authorization")
    if authorization is None or authorization[: len(_SCHEME)].lower() != _SCHEME:
        return None
    proof = read_proof(authorization[len(_SCHEME) :].decode("latin-1").strip())
    if proof is None:
        return _incomplete("its Authorization header must hold Credential, SignedHeaders and Signature")
    moment = (request.raw_header(b"x-amz-date") or b"").decode("latin-1")
    missing = _MUST_BE_SIGNED.difference(proof.headers)
    if missing:
        return _incomplete(f"the header {min(missing)!r} must be signed")
    if not _DATE.fullmatch(moment) or moment[:8] != proof.date:
        return _incomplete(
            "the header 'x-amz-date' must have the form 20260131T235959Z, and the date of the credential"
        )
    if not _is_now(moment, request.now_us):
        return Forbidden(
            f"the request was signed at {moment}, more than {SKEW_SECONDS // 60} minutes from now; "
            "set the caller's clock, and sign each request anew",
            code="expired_signature",
        )
    payload = hashlib.sha256(request.body).hexdigest()
    claimed = request.raw_header(_PAYLOAD)
    if claimed is not None and claimed != payload.encode():
        return Forbidden(
            "the header 'x-amz-content-sha256' is not the SHA-256 of the body; sign the body that is sent",
            code="invalid_signature",
        )
    secret = secret_of(proof.signer)
    expected = _expected(request, proof, moment, payload, secret or _DECOY)
    if expected is None or not hmac.compare_digest(expected, proof.signature) or secret is None:
        return Forbidden(
            "the signature does not fit; sign with the client application's id as access key id and its signing "
            "secret as secret access key, for the address that is called",
            code="invalid_signature",
        )
    return proof.signer


def read_proof(text: str) -> Proof | None:
    """Read what follows the algorithm in `Authorization`; None where it is not well formed."""
    found = _PROOF.fullmatch(text)
    if found is None:
        return None
    return Proof(
        signer=found["id"],
        date=found["date"],
        region=found["region"],
        service=found["service"],
        headers=tuple(found["headers"].split(";")),
        signature=found["signature"],
    )


def _expected(request: SignedRequest, proof: Proof, moment: str, payload: str, secret: Secret) -> str | None:
    """Give the signature that the secret makes; None where a signed header is not there."""
    headers: list[tuple[str, str]] = []
    for name in proof.headers:
        value = request.raw_header(name.encode())
        if value is None:
            return None
        headers.append((name, value.decode("latin-1")))
    path, _, query = request.request_uri.partition("?")
    canonical = canonical_request(request.method, path, query, headers, payload)
    scope = f"{proof.date}/{proof.region}/{proof.service}/{TERMINATOR}"
    # Region and service are the caller's words: keys derived from them must not drive out those of providers.
    key = signing_key.__wrapped__(secret.reveal(), proof.date, proof.region, proof.service)
    return sign(key, moment, scope, canonical)


def _is_now(moment: str, now_us: int) -> bool:
    try:
        signed = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return False
    return abs(signed.timestamp() - now_us / 1_000_000) <= SKEW_SECONDS


def _incomplete(what: str) -> BadRequest:
    return BadRequest(f"the request's signature is not complete: {what}", code="incomplete_signature")
