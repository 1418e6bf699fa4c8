"""Only client applications with a contract may call: checks a client id and its secret.

Where the credentials are, in this order:

1. where the settings say: two expressions (as a rule the headers `client_id` and `client_secret`),
   or HTTP Basic;
2. when nothing is there, and `acceptSdkKeys` allows it: wherever a vendor's SDK puts its API key,
   written as `id:secret`. So every SDK works with `api_key="id:secret"` and no further setting.

3. when there is no key either, the request's signature, made with a client's signing secret; also only
   where `acceptSdkKeys` allows it.

Credentials that contradict each other are refused, never chosen between. A bearer token without a
colon is no credential of ours: SDKs send one (`api_key="unused"`) beside the headers.
"""

import binascii
from collections.abc import Callable
from typing import Annotated, ClassVar, Final, Literal, cast

import msgspec

from tollway.core.errors import CallerError, Unauthenticated
from tollway.expressions import Expression, ExpressionError, Scope, compile_expression
from tollway.interfaces.identity import ClientApplication
from tollway.interfaces.policy import Authentication, Category, Policy, PolicyContext, PolicyExchange, Refusal

_NOT_PRESENT: Final = "Client ID is not present"
_FAILED: Final = "Authentication Attempt Failed"

_SDK_KEY_HEADERS: Final = (b"apikey", b"x-api-key", b"x-goog-api-key", b"api-key")
"""Where SDKs that do not use `Authorization` put their key: generic, Anthropic, Google, Azure."""

_Credentials = tuple[str, str | None]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Settings of client-id-enforcement."""

    credentials_origin_has_http_basic_authentication_header: Annotated[
        Literal["customExpression", "httpBasicAuthenticationHeader"],
        msgspec.Meta(
            title="Credentials origin",
            description="Where the credentials are: in the two expressions, or in an HTTP Basic "
            "`Authorization` header.",
        ),
    ] = "customExpression"
    client_id_expression: Annotated[
        str, msgspec.Meta(title="Client id", description="Expression that gives the client id.")
    ] = "#[attributes.headers['client_id']]"
    client_secret_expression: Annotated[
        str | None,
        msgspec.Meta(
            title="Client secret",
            description="Expression that gives the client secret. Null: the client id alone is enough.",
        ),
    ] = "#[attributes.headers['client_secret']]"  # noqa: S105 - where a secret is found, not one
    accept_sdk_keys: Annotated[
        bool,
        msgspec.Meta(
            title="Accept SDK keys",
            description="When there are no credentials at their origin, also take `id:secret` from where SDKs put "
            "their API key: `Authorization: Bearer` or `Basic`, `apikey`, `x-api-key`, `x-goog-api-key`, `api-key`. "
            "And a request's signature, made with a client's signing secret.",
        ),
    ] = True


class ClientIdEnforcement(Policy[Config]):
    """Identifies the client application, or answers 401."""

    id: ClassVar[str] = "client-id-enforcement"
    title: ClassVar[str] = "Client ID enforcement"
    category: ClassVar[Category] = "compliance"
    summary: ClassVar[str] = (
        "Lets only client applications with a contract call, by client id and secret, from headers, HTTP Basic or "
        "any SDK's API key."
    )
    config_type: ClassVar[type[msgspec.Struct]] = Config

    def __init__(self, config: Config, context: PolicyContext) -> None:
        """Compile the expressions; raise ValueError for one that cannot be read."""
        super().__init__(config, context)
        basic = config.credentials_origin_has_http_basic_authentication_header == "httpBasicAuthenticationHeader"
        self._challenge = 'Basic realm="mule-realm"' if basic else "Client-ID-Enforcement"
        self._needs_secret = basic or config.client_secret_expression is not None
        self._authenticate = context.clients.authenticate
        self._authentications: dict[str, Authentication] = {}
        """Of clients that proved themselves, so it holds no more entries than there are contracts."""
        self._basic = basic
        if not basic:
            self._read_id = _reader("clientIdExpression", config.client_id_expression)
            self._read_secret = (
                _reader("clientSecretExpression", config.client_secret_expression)
                if config.client_secret_expression is not None
                else _nothing
            )

    def request(self, exchange: PolicyExchange) -> Refusal:
        """Read the credentials, check them, say who it is."""
        if self._basic:
            return self._by_key(exchange)
        client_id = self._read_id(exchange)
        secret = self._read_secret(exchange)
        if not client_id:
            return self._refuse(_NOT_PRESENT) if secret else self._by_key(exchange)
        bearer = exchange.raw_header(b"authorization")
        if (
            bearer is not None
            and b"," not in bearer
            and b":" in bearer
            and self._contradicts(bearer, client_id, secret)
        ):
            return self._refuse(_FAILED)
        return self._check(exchange, client_id, secret)

    def _check(self, exchange: PolicyExchange, client_id: str, secret: str | None) -> Refusal:
        if self._needs_secret:
            client = self._authenticate(client_id, secret) if secret else None
        else:
            client = self.context.clients.find(client_id)
        # Repeated headers arrive joined by a comma: two ids are none, even if an id had a comma.
        if client is None or "," in client_id:
            return self._refuse(_FAILED)
        return self._identify(exchange, client)

    def _identify(self, exchange: PolicyExchange, client: ClientApplication) -> Refusal:
        client_id = client.client_id
        authentication = self._authentications.get(client_id)
        if authentication is None:
            authentication = self._authentications[client_id] = Authentication(
                client=client, principal=client_id, properties={**client.properties, "slaId": client.sla_tier}
            )
        exchange.identify(authentication)
        return None

    def _by_key(self, exchange: PolicyExchange) -> Refusal:
        """Find the credentials where HTTP Basic or an SDK's key would be."""
        found: list[_Credentials] = []
        authorization = exchange.raw_header(b"authorization")
        if authorization is not None:
            scheme, _, key = authorization.partition(b" ")
            scheme = scheme.lower()
            if scheme == b"basic" and (self._basic or self.config.accept_sdk_keys):
                credentials = _from_basic(key)
                if credentials is None:
                    return self._refuse(_FAILED)
                found.append(credentials)
            elif scheme == b"bearer" and self.config.accept_sdk_keys:
                self._add_key(found, key)
        if self.config.accept_sdk_keys:
            for name in _SDK_KEY_HEADERS:
                key = exchange.raw_header(name)
                if key is not None:
                    self._add_key(found, key)
        if not found and authorization is not None and self.config.accept_sdk_keys:
            return self._by_signature(exchange)
        if not found or not found[0][0]:
            return self._refuse(_NOT_PRESENT)
        if any(credentials != found[0] for credentials in found):
            return self._refuse(_FAILED)
        return self._check(exchange, *found[0])

    def _by_signature(self, exchange: PolicyExchange) -> Refusal:
        """See whether one of our clients signed the request."""
        signer = self.context.clients.authenticate_signed(exchange)
        if isinstance(signer, CallerError):
            return signer
        return self._refuse(_NOT_PRESENT) if signer is None else self._identify(exchange, signer)

    def _add_key(self, found: list[_Credentials], key: bytes) -> None:
        """Take `id:secret`; where the id alone is enough, also a key without a colon."""
        client_id, colon, secret = _text(key.strip()).partition(":")
        if colon:
            found.append((client_id, secret if self._needs_secret else None))
        elif not self._needs_secret:
            found.append((client_id, None))

    def _contradicts(self, authorization: bytes, client_id: str, secret: str | None) -> bool:
        """Tell whether `Authorization` holds credentials, and not the ones given elsewhere."""
        scheme, _, key = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        other_id, _, other_secret = _text(key.strip()).partition(":")
        return other_id != client_id or (self._needs_secret and other_secret != secret)

    def _refuse(self, message: str) -> Unauthenticated:
        return Unauthenticated(
            message,
            headers=(("WWW-Authenticate", self._challenge),),
            should_retry=False,
            openai_body={"error": message},
        )


def _reader(setting: str, source: str) -> Callable[[PolicyExchange], str | None]:
    """Prepare an expression; the plain look-up of a header skips its machinery."""
    try:
        expression: Expression = compile_expression(source)
    except ExpressionError as error:
        raise ValueError(f"{setting}: {error}") from error
    if expression.header_name is not None:
        name = expression.header_name.encode("latin-1")

        def from_header(exchange: PolicyExchange) -> str | None:
            raw = exchange.raw_header(name)
            return None if raw is None else raw.decode("utf-8", "replace")

        return from_header

    def from_expression(exchange: PolicyExchange) -> str | None:
        try:
            return expression.text(cast("Scope", exchange))
        except ExpressionError:
            return None  # what cannot be read is not there

    return from_expression


def _nothing(exchange: PolicyExchange) -> None:
    """Stand in for a secret nobody asks for."""
    del exchange


def _from_basic(key: bytes) -> _Credentials | None:
    """Split the credentials of HTTP Basic; None when they are not well formed."""
    # RFC 7617, section 2: base64 of user-id ":" password; the user-id holds no colon.
    try:
        user, colon, password = _text(binascii.a2b_base64(key.strip(), strict_mode=True)).partition(":")
    except binascii.Error:
        return None
    return (user, password) if colon else None


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


POLICY: Final[type[Policy[Config]]] = ClientIdEnforcement
