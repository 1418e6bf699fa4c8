"""The handshakes of a WebSocket: the caller's, which is checked, and the provider's, which is written.

Source: RFC 6455, section 4. Over HTTP/2 (RFC 8441) nobody is upgraded: clients fall back to HTTP/1.1 by ALPN.
"""

import base64
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from tollway.core.errors import BadRequest, CallerError, InternalError, UpstreamGarbled
from tollway.gateway.answer_headers import header_line
from tollway.gateway.request import Request
from tollway.interfaces.signer import OutboundRequest
from tollway.wire.websocket import accept_token, is_key

if TYPE_CHECKING:
    from tollway.gateway.websocket import HandshakeAnswer, SocketAttempt

_VERSION: Final = b"13"
_MODEL_SAFE: Final = "-_.~:@"


def check_offer(request: Request) -> bytes:
    """Check that a request asks for a WebSocket as the protocol wants it; give its key.

    Raises:
        CallerError: 426 when it asks for none, or for another version.
        BadRequest: what it sends with it is wrong.
    """
    headers = request.headers
    if request.method != b"GET" or not _offers_websocket(headers) or request.version != "HTTP/1.1":
        raise CallerError(
            "this endpoint is a WebSocket: connect to it by wss:// or ws://, over HTTP/1.1",
            status=426,
            code="upgrade_required",
            # RFC 9113, section 8.2.2: HTTP/2 has no such header lines.
            headers=(("upgrade", "websocket"), ("connection", "upgrade")) if request.version == "HTTP/1.1" else (),
        )
    if headers.get(b"sec-websocket-version") != _VERSION:
        raise CallerError(
            "only version 13 of the WebSocket protocol is spoken here",
            status=426,
            code="websocket_version",
            headers=(("sec-websocket-version", "13"),),
        )
    if request.body:
        raise BadRequest("the handshake of a WebSocket has no body; send none", param="content-length")
    key = headers.get(b"sec-websocket-key", b"")
    if not is_key(key):
        raise BadRequest("'Sec-WebSocket-Key' must be 16 bytes in base 64", param="sec-websocket-key")
    return key


def _offers_websocket(headers: Mapping[bytes, bytes]) -> bool:
    return b"websocket" in _tokens(headers.get(b"upgrade", b"")) and b"upgrade" in _tokens(
        headers.get(b"connection", b"")
    )


def _tokens(value: bytes) -> list[bytes]:
    return [token.strip().lower() for token in value.split(b",")]


def offered_subprotocols(headers: Mapping[bytes, bytes]) -> tuple[str, ...]:
    """Read the subprotocols a caller offers, in its order."""
    raw = headers.get(b"sec-websocket-protocol", b"").decode("latin-1")
    return tuple(token for token in (part.strip() for part in raw.split(",")) if token)


def query_of(request: Request) -> dict[str, str]:
    """Decode the query.

    Raises:
        BadRequest: a parameter is repeated, so that two readers could understand two things.
    """
    found: dict[str, str] = {}
    for name, value in parse_qsl(request.query.decode("latin-1"), keep_blank_values=True):
        if name in found:
            raise BadRequest(f"the query parameter '{name}' is sent more than once; send it once", param=name)
        found[name] = value
    return found


def seen_by_policies(request: Request, moved: Mapping[bytes, bytes]) -> Request:
    """Give the request with the headers that stood elsewhere (`RealtimeDialect.caller_headers`).

    Raises:
        BadRequest: such a header is there as well, with another value.
    """
    seen = Request(request.method, request.target, request.client_address, dict(request.headers))
    seen.scheme = request.scheme
    for name, value in moved.items():
        there = seen.headers.setdefault(name, value)
        if there != value:
            shown = name.decode("ascii")
            raise BadRequest(f"'{shown}' is sent as a header and in another place, and they differ", param=shown)
    # It names keys among other things, and has been read: nobody further on needs it.
    seen.headers.pop(b"sec-websocket-protocol", None)
    return seen


def accepting_lines(key: bytes, subprotocol: str) -> list[bytes]:
    """Write the header lines that accept a caller's handshake."""
    lines = [
        b"upgrade: websocket\r\n",
        b"connection: upgrade\r\n",
        b"sec-websocket-accept: %b\r\n" % accept_token(key),
    ]
    if subprotocol:
        lines.append(header_line("sec-websocket-protocol", subprotocol))
    return lines


# --- the provider's side


def new_key() -> bytes:
    """Draw a key: RFC 6455, section 4.1 wants 16 random bytes."""
    return base64.b64encode(os.urandom(16))


def provider_handshake(
    attempt: "SocketAttempt",
    path: str,
    *,
    query: Mapping[str, str],
    credential: str | bytes,
    headers: Mapping[str, str],
    forwarded: bytes,
    key: bytes,
    now_us: int,
) -> bytes:
    """Write the request that opens a provider's WebSocket.

    Args:
        attempt: to which target, with which model.
        path: the provider's own (`Provider.realtime`).
        query: parameters of the caller that pass.
        credential: the provider's key, empty for none; or the header line of a token that is sent in its place.
        headers: those of the caller that may pass, and what policies set, in place of any of that name.
        forwarded: header lines beside any of that name.
        key: the handshake's.
        now_us: wall clock, for signatures.
    """
    route, provider = attempt.target.route, attempt.target.provider
    url = urlsplit(route.base_url)
    # Parameters of the provider that a route sets anew are those of its dated calls: a realtime path has its own.
    extra = {name: value for name, value in route.query.items() if name not in provider.query} | dict(query)
    target = _target(url.path.rstrip("/"), path, attempt.target_model, extra)
    host = url.netloc.rpartition("@")[2]
    given = {"host": host, "user-agent": "tollway"} | dict(provider.headers) | dict(route.headers) | dict(headers)
    fixed = {name.lower(): value for name, value in given.items()}
    lines = b"".join(header_line(name, value) for name, value in fixed.items())
    if isinstance(credential, bytes):
        lines += credential
    elif credential or not provider.key_optional:
        request = OutboundRequest("GET", host, target, tuple(fixed.items()), b"", now_us)
        signed = provider.signer.headers(credential, None if provider.signer.fixed else request)
        lines += b"".join(header_line(name, value) for name, value in signed)
    return (
        b"GET %b HTTP/1.1\r\n%b%bupgrade: websocket\r\nconnection: Upgrade\r\nsec-websocket-version: 13\r\n"
        b"sec-websocket-key: %b\r\n\r\n"
    ) % (target.encode("ascii"), lines, forwarded, key)


def _target(prefix: str, path: str, model: str, extra: Mapping[str, str]) -> str:
    while path.startswith("/../"):
        prefix, path = prefix.rpartition("/")[0], path[3:]
    target = prefix + path.replace("{model}", quote(model, safe=_MODEL_SAFE))
    if extra:
        target += ("&" if "?" in target else "?") + urlencode(extra)
    return target


def check_answer(answer: "HandshakeAnswer", key: bytes) -> None:
    """Check a 101 of a provider.

    Raises:
        UpstreamGarbled: it does not accept the handshake that was sent.
    """
    headers = answer.headers
    if (
        not _offers_websocket(headers)
        or headers.get(b"sec-websocket-accept") != accept_token(key)
        # RFC 6455, section 4.1: what was not offered cannot be agreed upon.
        or headers.get(b"sec-websocket-extensions")
        or headers.get(b"sec-websocket-protocol")
    ):
        msg = "the upstream's answer to the WebSocket handshake is not the one the protocol wants"
        raise UpstreamGarbled(msg)


def wants_upgrade(connection: object) -> InternalError:
    """Say that a connection which cannot be upgraded was to be: a defect, since offers are checked first."""
    return InternalError(f"{type(connection).__name__} cannot become a WebSocket")
