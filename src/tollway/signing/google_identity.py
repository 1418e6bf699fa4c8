"""Google's identities: key files and the metadata server. https://google.aip.dev/auth.

A key file names the endpoint that takes it; only Google's own are believed, so that a file somebody
was made to use cannot send its assertions elsewhere.
"""

from typing import Final
from urllib.parse import urlencode, urlsplit

import msgspec

from tollway.core.json_value import NOT_JSON
from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import Assertion, TokenGrant
from tollway.signing.assertions import read_private_key

TOKEN_URL: Final = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address, not a password
METADATA_URL: Final = "http://169.254.169.254"
"""The metadata server's address; by name it is `metadata.google.internal`."""

_TOKEN_HOSTS: Final = frozenset({"oauth2.googleapis.com", "accounts.google.com", "www.googleapis.com"})
_UNIVERSE: Final = "googleapis.com"
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST_SECONDS: Final = 3600
"""AIP-4112 and Google's guide: "This value has a maximum of 1 hour after the issued time"."""


_NONE: Final = Secret("")


class _KeyFile(msgspec.Struct, frozen=True):
    """What is wanted of a key file; the rest of it is for other tools."""

    type: str = ""
    client_email: str = ""
    private_key: Secret = _NONE
    private_key_id: str = ""
    token_uri: str = ""
    client_id: str = ""
    client_secret: Secret = _NONE
    refresh_token: Secret = _NONE
    universe_domain: str = _UNIVERSE


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise msgspec.ValidationError("expected text")


_decode: Final = msgspec.json.Decoder(_KeyFile, dec_hook=_secret).decode


class KeyFile(msgspec.Struct, frozen=True):
    """A key file that was read and checked, ready for any scope."""

    _file: _KeyFile
    _token_url: str

    def grant(self, scope: str) -> TokenGrant:
        """Ask for a token of `scope`. An authorised user's token has the scopes it was made with."""
        file = self._file
        if file.type == "authorized_user":
            return TokenGrant(
                url=self._token_url,
                form=(("grant_type", "refresh_token"), ("client_id", file.client_id)),
                secret_form=(("client_secret", file.client_secret), ("refresh_token", file.refresh_token)),
            )
        return TokenGrant(
            url=self._token_url,
            form=(("grant_type", _JWT_BEARER),),
            assertion=Assertion(
                parameter="assertion",
                key=file.private_key,
                headers=(("kid", file.private_key_id),) if file.private_key_id else (),
                claims=(("iss", file.client_email), ("scope", scope), ("aud", self._token_url)),
                lifetime_seconds=_LONGEST_SECONDS,
            ),
        )


def read_key_file(text: str, *, token_url: str = "") -> KeyFile:
    """Read a service account's or an authorised user's key file.

    Args:
        text: its content, JSON.
        token_url: asked in place of the endpoint the file names.

    Raises:
        ValueError: with what is wrong and the mend; it never quotes the file.
    """
    try:
        file = _decode(text)
    except NOT_JSON:
        raise ValueError("it is not a Google key file: JSON with `type`, as the console and gcloud write it") from None
    wanted = {
        "service_account": ("client_email", "private_key"),
        "authorized_user": ("client_id", "client_secret", "refresh_token"),
    }.get(file.type)
    if wanted is None:
        known = "`service_account` and `authorized_user` are taken"
        raise ValueError(f"a key file whose `type` is none that can sign in here: {known}")
    for name in wanted:
        if getattr(file, name) in {"", _NONE}:
            raise ValueError(f"the key file has no `{name}`: download it again")
    if file.universe_domain != _UNIVERSE:
        raise ValueError(f"the key file is of another cloud than {_UNIVERSE}, which is not served")
    if file.type == "service_account":
        read_private_key(file.private_key.reveal())
    return KeyFile(file, token_url or _token_url_of(file))


def metadata_grant(scope: str, *, url: str = METADATA_URL, account: str = "default") -> TokenGrant:
    """Ask the machine's own metadata server."""
    query = "?" + urlencode({"scopes": scope}) if scope else ""
    return TokenGrant(
        method="GET",
        url=f"{url}/computeMetadata/v1/instance/service-accounts/{account}/token{query}",
        headers=(("metadata-flavor", "Google"),),
        allow_private=True,
        direct=True,
    )


def _token_url_of(file: _KeyFile) -> str:
    if not file.token_uri:
        return TOKEN_URL
    url = urlsplit(file.token_uri)
    if url.scheme != "https" or url.netloc not in _TOKEN_HOSTS or url.query or url.fragment:
        known = ", ".join(sorted(_TOKEN_HOSTS))
        raise ValueError(f"the key file's `token_uri` is none of Google's ({known}): download it again")
    return file.token_uri
