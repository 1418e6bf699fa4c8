"""Adds headers to the request on its way to the provider, and to the answer on its way to the caller.

A header that may be there several times is added beside what is there; one that may be there once
takes its place. A value that is null adds nothing; one that cannot be computed is an error (500),
never a header left out in silence. Control characters in a value become spaces (RFC 9110, section 5.5).

Some names are refused when the settings are read: those that say where a message ends and who
handles the connection, those that describe a body the gateway itself writes, and, towards the
provider, those that carry its credential, which belongs to the route.
"""

import re
from typing import Annotated, ClassVar, Final, cast

import msgspec

from tollway.core.errors import InternalError
from tollway.expressions import Expression, ExpressionError, Scope, compile_expression
from tollway.interfaces.policy import Category, Policy, PolicyContext, PolicyExchange, Refusal

# RFC 9110, section 5.6.2: a field name is a token.
_TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROLS: Final = dict.fromkeys([*range(9), *range(10, 32), 127], " ")

_FRAMING: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_BODY: Final = frozenset({"accept-encoding", "content-encoding", "content-type"})
_CREDENTIALS: Final = frozenset(
    {"api-key", "apikey", "authorization", "proxy-authorization", "x-amz-security-token", "x-api-key", "x-goog-api-key"}
)

_SINGLE: Final = frozenset(
    {
        "age",
        "date",
        "etag",
        "expires",
        "from",
        "last-modified",
        "location",
        "max-forwards",
        "origin",
        "referer",
        "retry-after",
        "server",
        "traceparent",
        "user-agent",
        "x-correlation-id",
        "x-request-id",
    }
)
"""Fields whose definition allows one value only."""


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One header to add."""

    key: Annotated[str, msgspec.Meta(title="Name", description="The header's name.", min_length=1, max_length=256)]
    value: Annotated[
        str, msgspec.Meta(title="Value", description="Its value: text, an expression, or text with expressions in it.")
    ]


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel"):
    """Settings of header-injection."""

    inbound_headers: Annotated[
        tuple[Header, ...],
        msgspec.Meta(title="Inbound headers", description="Added to the request, towards the provider."),
    ] = ()
    outbound_headers: Annotated[
        tuple[Header, ...],
        msgspec.Meta(
            title="Outbound headers",
            description="Added to the answer, towards the caller. `attributes` in their expressions is the answer.",
        ),
    ] = ()


_Prepared = tuple[str, Expression, bool]
"""Name, value, and whether it takes the place of what is there."""


class HeaderInjection(Policy[Config]):
    """Adds headers in both directions."""

    id: ClassVar[str] = "header-injection"
    title: ClassVar[str] = "Header injection"
    category: ClassVar[Category] = "transformation"
    summary: ClassVar[str] = "Adds headers to requests to the provider and to answers to the caller."
    config_type: ClassVar[type[msgspec.Struct]] = Config

    def __init__(self, config: Config, context: PolicyContext) -> None:
        """Compile the values; raise ValueError for a name that may not be added or a value that cannot be read."""
        super().__init__(config, context)
        self._inbound = tuple(
            _prepare(f"inboundHeaders[{index}]", header, outbound=False)
            for index, header in enumerate(config.inbound_headers)
        )
        self._outbound = tuple(
            _prepare(f"outboundHeaders[{index}]", header, outbound=True)
            for index, header in enumerate(config.outbound_headers)
        )

    def request(self, exchange: PolicyExchange) -> Refusal:
        """Add to what the provider gets."""
        for name, expression, single in self._inbound:
            try:
                value = expression.text(cast("Scope", exchange))
            except ExpressionError:
                return _failed(name)
            if value is not None:
                send = exchange.set_upstream_header if single else exchange.add_upstream_header
                send(name, value.translate(_CONTROLS))
        return None

    def response(self, exchange: PolicyExchange, status: int) -> Refusal:
        """Add to what the caller gets."""
        del status
        for name, expression, single in self._outbound:
            try:
                value = expression.text(cast("Scope", exchange))
            except ExpressionError:
                return _failed(name)
            if value is not None:
                send = exchange.set_response_header if single else exchange.add_response_header
                send(name, value.translate(_CONTROLS))
        return None


def _prepare(where: str, header: Header, *, outbound: bool) -> _Prepared:
    name = header.key
    lower = name.lower()
    if not _TOKEN.fullmatch(name):
        raise ValueError(f"{where}.key: '{name}' is not a header name; use letters, digits and hyphens")
    if lower in _FRAMING:
        raise ValueError(f"{where}.key: '{name}' belongs to the connection and cannot be added")
    if lower in _BODY:
        raise ValueError(f"{where}.key: '{name}' describes a body that the gateway writes and cannot be added")
    if lower in _CREDENTIALS and not outbound:
        raise ValueError(f"{where}.key: '{name}' carries a credential; give it to the route as its credential")
    try:
        expression = compile_expression(header.value, message="response" if outbound else "request")
    except ExpressionError as error:
        raise ValueError(f"{where}.value: {error}") from error
    return name, expression, lower in _SINGLE


def _failed(name: str) -> InternalError:
    # The expression is the operator's own: its text and its values are not shown to a stranger.
    return InternalError(f"the value of the header '{name}' could not be computed", code="header_injection_failed")


POLICY: Final[type[Policy[Config]]] = HeaderInjection
