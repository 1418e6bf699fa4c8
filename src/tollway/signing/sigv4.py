"""AWS Signature Version 4: how requests to AWS are signed, and the sums that a check of one needs too.

Credentials are texts of one of these forms:

    ACCESS_KEY_ID:SECRET                          a long-lived key
    ACCESS_KEY_ID:SECRET:SESSION_TOKEN            temporary credentials
    …@REGION                                      either, for an address that names no region
    a text without a colon                        an API key of Amazon Bedrock, sent as a bearer token

Source: "Create a signed AWS API request" in the AWS IAM user guide.
"""

import hashlib
import hmac
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final
from urllib.parse import parse_qsl, quote

import msgspec

from tollway.core.errors import BadRequest
from tollway.interfaces.signer import OutboundRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINATOR: Final = "aws4_request"

_UNRESERVED: Final = "-_.~"
_REGION: Final = re.compile(r"(?:[a-z]{2,3}(?:-[a-z]+)+-\d{1,2})")
_MICRO: Final = 1_000_000
_FORMS: Final = (
    "ACCESS_KEY_ID:SECRET or ACCESS_KEY_ID:SECRET:SESSION_TOKEN, with @REGION behind it where the address names none"
)


class AwsKey(msgspec.Struct, frozen=True):
    """A credential taken apart."""

    access_key_id: str
    secret: str
    session_token: str = ""
    region: str = ""

    def __repr__(self) -> str:
        """Show whose key it is, not the key."""
        return f"AwsKey({self.access_key_id!r})"


def read_key(credential: str) -> AwsKey | None:
    """Take a credential apart; None where it is a bearer token.

    Raises:
        ValueError: it has a colon, but not the parts of a key.
    """
    if ":" not in credential:
        return None
    text, _, region = credential.partition("@")
    access_key_id, secret, session_token = (*text.split(":", 2), "")[:3]
    if not access_key_id or not secret or (region and not _REGION.fullmatch(region)):
        msg = f"the key of this route must be {_FORMS}"
        raise ValueError(msg)
    return AwsKey(access_key_id, secret, session_token, region)


def region_of(host: str) -> str:
    """Find the region in the name of a host; empty where it names none."""
    return next((label for label in host.partition(":")[0].split(".") if _REGION.fullmatch(label)), "")


class SigV4(msgspec.Struct, frozen=True):
    """Signs for one service; a credential without a colon goes as a bearer token instead."""

    service: str

    @property
    def fixed(self) -> bool:
        """The headers depend on the whole request."""
        return False

    def complaint(self, credential: str, host: str) -> str:
        """Say what is wrong with a credential for requests to `host`; empty where nothing is."""
        try:
            key = read_key(credential)
        except ValueError as error:
            return str(error)
        if key is None:
            if not credential.isascii() or not credential.isprintable() or credential != credential.strip():
                return "the key holds characters that cannot be sent in a header; store it anew"
            return ""
        if not key.region and not region_of(host):
            return f"{host} names no region: write the key as {_FORMS}"
        return ""

    def headers(self, credential: str, request: OutboundRequest | None) -> tuple[tuple[str, str], ...]:
        """Give the headers; without a request, those of a bearer token.

        Raises:
            BadRequest: the credential is not well formed, which only one that came with a call can be by now.
        """
        try:
            key = read_key(credential)
        except ValueError as error:
            raise BadRequest(str(error), code="invalid_provider_key") from error
        if key is None or request is None:
            return (("authorization", f"Bearer {credential}"),) if credential else ()
        region = key.region or region_of(request.host)
        if not region:
            msg = f"the provider's address names no region: write the key as {_FORMS}"
            raise BadRequest(msg, code="invalid_provider_key")
        return self._signed(key, region, request)

    def _signed(self, key: AwsKey, region: str, request: OutboundRequest) -> tuple[tuple[str, str], ...]:
        moment = amz_date(request.now_us)
        added = [("x-amz-date", moment)]
        if key.session_token:
            added.append(("x-amz-security-token", key.session_token))
        signed = sorted([("host", request.host), *added])
        path, _, query = request.target.partition("?")
        canonical = canonical_request(request.method, path, query, signed, hashlib.sha256(request.body).hexdigest())
        scope = f"{moment[:8]}/{region}/{self.service}/{TERMINATOR}"
        signature = sign(signing_key(key.secret, moment[:8], region, self.service), moment, scope, canonical)
        names = ";".join(name for name, _ in signed)
        proof = f"{ALGORITHM} Credential={key.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
        return (*added, ("authorization", proof))


def amz_date(now_us: int) -> str:
    """Write a time as `20260131T235959Z`."""
    return datetime.fromtimestamp(now_us // _MICRO, UTC).strftime("%Y%m%dT%H%M%SZ")


def canonical_request(
    method: str, path: str, query: str, headers: Iterable[tuple[str, str]], payload_sha256: str
) -> str:
    """Write a request as it is signed.

    Args:
        method: in capitals.
        path: as sent. It is encoded once more: every service but S3 wants that.
        query: as sent, without the `?`.
        headers: the signed ones, names lower case, in order.
        payload_sha256: of the body, hexadecimal.
    """
    lines = [(name, " ".join(value.split())) for name, value in headers]
    pairs = sorted((_encoded(name), _encoded(value)) for name, value in parse_qsl(query, keep_blank_values=True))
    return "\n".join(
        (
            method,
            quote(_normal(path), safe="/" + _UNRESERVED),
            "&".join(f"{name}={value}" for name, value in pairs),
            *(f"{name}:{value}" for name, value in lines),
            "",
            ";".join(name for name, _ in lines),
            payload_sha256,
        )
    )


def sign(key: bytes, moment: str, scope: str, canonical: str) -> str:
    """Give the signature of a canonical request, hexadecimal."""
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    return _mac(key, f"{ALGORITHM}\n{moment}\n{scope}\n{digest}").hex()


@lru_cache(maxsize=256)
def signing_key(secret: str, date: str, region: str, service: str) -> bytes:
    """Derive the key of one day, region and service. Kept, because every call of the day needs it."""
    found = f"AWS4{secret}".encode()
    for part in (date, region, service, TERMINATOR):
        found = _mac(found, part)
    return found


def _mac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def _encoded(text: str) -> str:
    return quote(text, safe=_UNRESERVED)


def _normal(path: str) -> str:
    """Resolve dot segments and double slashes, as AWS does before it signs (RFC 3986, section 5.2.4)."""
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            if kept:
                kept.pop()
        elif segment not in ("", "."):
            kept.append(segment)
    found = "/" + "/".join(kept)
    return found + "/" if kept and path.endswith("/") else found
