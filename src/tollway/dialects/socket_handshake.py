"""What the realtime dialects share: keys of callers that cannot set headers, and the query's parameters.

A browser's WebSocket takes no headers. OpenAI's SDK then sends the key as a subprotocol, Google's as a query
parameter. Both reach the policies as the header that it would have been, and neither reaches a provider.
"""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import unquote

import msgspec

from tollway.core.errors import BadRequest, TollwayError
from tollway.core.json_value import JsonObject

_KEY_SUBPROTOCOL: Final = "openai-insecure-api-key."
_BETA_SUBPROTOCOL: Final = "openai-beta."
REALTIME_SUBPROTOCOL: Final = "realtime"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_text: Final = msgspec.json.Decoder(str).decode

BYTES_PER_TOKEN: Final = 4
"""Of a message's JSON, as the gateway guesses for requests too."""


def subprotocol_headers(subprotocols: Sequence[str]) -> dict[bytes, bytes]:
    """Read OpenAI's subprotocols as the headers they stand for.

    RFC 6455, section 4.1: a subprotocol is an HTTP token, which has no colon. So `id:secret` is written as
    `encodeURIComponent` writes it; clients that send the colon itself are understood too.
    """
    found: dict[bytes, bytes] = {}
    for offered in subprotocols:
        if offered.startswith(_KEY_SUBPROTOCOL):
            key = unquote(offered[len(_KEY_SUBPROTOCOL) :])
            if key.isascii() and key.isprintable():
                found[b"authorization"] = b"Bearer " + key.encode("ascii")
        elif offered.startswith(_BETA_SUBPROTOCOL):
            name, _, version = offered[len(_BETA_SUBPROTOCOL) :].partition("-")
            found[b"openai-beta"] = f"{name}={version}".encode("ascii", "replace")
    return found


def openai_subprotocol(offered: Sequence[str]) -> str:
    """Choose `realtime`, if it is offered: a browser fails the connection when none of its own comes back."""
    return REALTIME_SUBPROTOCOL if REALTIME_SUBPROTOCOL in offered else ""


def passed_query(query: Mapping[str, str], *, own: frozenset[str], passed: frozenset[str]) -> dict[str, str]:
    """Give the parameters that pass to the provider.

    Args:
        query: the caller's.
        own: those that the gateway reads, or replaces by the route's.
        passed: those that go to the provider as they are.

    Raises:
        BadRequest: there is another one.
    """
    for name in query:
        if name not in own and name not in passed:
            known = ", ".join(sorted(own | passed))
            raise BadRequest(
                f"the query parameter '{name}' means nothing here; leave it out (known: {known})", param=name
            )
    return {name: value for name, value in query.items() if name in passed}


def members_of(data: bytes) -> dict[str, msgspec.Raw]:
    """Decode a message's members, each kept raw.

    Raises:
        BadRequest: it is not a JSON object.
    """
    try:
        return _members(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        msg = "the message is not a JSON object"
        raise BadRequest(msg, code="invalid_json") from None


def text_of(raw: msgspec.Raw | None, field: str) -> str:
    """Decode a member that is a string; empty when there is none.

    Raises:
        BadRequest: it is something else.
    """
    if raw is None or bytes(raw) == b"null":
        return ""
    try:
        return _text(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest(f"'{field}' must be a string", param=field) from None


def replaced(data: bytes, path: Sequence[str], value: str) -> bytes:
    """Write a message again with the string at `path` replaced; all else stays as it came."""
    name, *deeper = path
    members = members_of(data)
    if deeper:
        members[name] = msgspec.Raw(replaced(bytes(members[name]), deeper, value))
    else:
        members[name] = msgspec.Raw(msgspec.json.encode(value))
    return msgspec.json.encode(members)


def close_code_of(error: TollwayError) -> int:
    """Choose the close code of an error that ends a session. RFC 6455, section 7.4.1, and IANA's registry."""
    if error.code == "not_ready" or error.status in (429, 503):
        return 1013  # try again later
    if error.fault in ("caller", "policy"):
        return 1008  # policy violation: the generic one for what a server does not take
    return 1011  # the server met something unexpected


def compact(value: JsonObject) -> bytes:
    """Write a message of ours."""
    return msgspec.json.encode(value)
