"""OAuth 2.0 client credentials at any authorization server. RFC 6749, section 4.4."""

import base64
from collections.abc import Mapping
from typing import Literal
from urllib.parse import quote_plus

from tollway.interfaces.secrets import Secret
from tollway.interfaces.token_grant import TokenGrant


def client_credentials_grant(
    url: str,
    client_id: str,
    client_secret: Secret,
    *,
    scope: str = "",
    parameters: Mapping[str, str] | None = None,
    authentication: Literal["header", "body"] = "header",
) -> TokenGrant:
    """Ask for a token for this client itself.

    Args:
        url: the token endpoint.
        client_id: as it was registered.
        client_secret: its secret.
        scope: what the token shall be good for; empty leaves it to the server.
        parameters: what the server wants beside (`audience`, `resource`).
        authentication: where id and secret are sent.
    """
    form = (("grant_type", "client_credentials"), *((("scope", scope),) if scope else ()), *(parameters or {}).items())
    if authentication == "body":
        return TokenGrant(
            url=url, form=(*form, ("client_id", client_id)), secret_form=(("client_secret", client_secret),)
        )
    # RFC 6749, section 2.3.1: both are encoded as form values before they are joined.
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret.reveal())}"
    basic = Secret("Basic " + base64.b64encode(pair.encode()).decode())
    return TokenGrant(url=url, form=form, secret_headers=(("authorization", basic),))
