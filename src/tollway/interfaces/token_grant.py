"""How a short-lived token is asked for, where a provider takes no lasting key.

Plain data: `signing` knows what each kind of identity asks, the gateway asks it. Whoever is asked is
named by the configuration or by `signing`, never by a caller.
"""

from typing import Literal

import msgspec

from tollway.interfaces.secrets import Secret

Pairs = tuple[tuple[str, str], ...]
SecretPairs = tuple[tuple[str, Secret], ...]


class Assertion(msgspec.Struct, frozen=True, kw_only=True):
    """A signed statement of who asks, made anew for each request. RFC 7523."""

    parameter: Literal["assertion", "client_assertion"]
    """The form field it is sent in: as the grant itself (section 2.1), or to prove the client (section 2.2)."""
    key: Secret
    """RSA private key, PEM."""
    algorithm: Literal["RS256", "PS256"] = "RS256"
    headers: Pairs = ()
    """Of the statement, beside `alg` and `typ`: which key signs it (`kid`, `x5t#S256`)."""
    claims: Pairs
    """What it says, beside its times."""
    lifetime_seconds: int
    single_use: bool = False
    """Also say from when it holds, and give it an id of its own (`nbf`, `jti`)."""


class TokenGrant(msgspec.Struct, frozen=True, kw_only=True):
    """One request to a token endpoint. RFC 6749, section 4; its answer is that of section 5."""

    url: str
    """`scheme://host[:port]/path?query`."""
    method: Literal["GET", "POST"] = "POST"
    headers: Pairs = ()
    secret_headers: SecretPairs = ()
    form: Pairs = ()
    secret_form: SecretPairs = ()
    assertion: Assertion | None = None
    ca_file: str | None = None
    """Trust these authorities in place of the system's."""
    allow_private: bool = False
    """The endpoint's address may be private, loopback or link-local."""
    direct: bool = False
    """Never through the route's forward proxy: the endpoint belongs to this machine (metadata servers)."""
