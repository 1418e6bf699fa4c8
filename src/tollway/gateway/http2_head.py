r"""HTTP/2 heads: a request's field list becomes a `Request`, an answer's lines become a field list.

Rules of this file:
- h2 is told not to validate: it would end the whole connection, with every other caller behind it,
  for one malformed request. So RFC 9113's rules for requests are here, but for the length of bodies.
- What reaches a `Request` has passed the same checks as over HTTP/1.1: no control characters, no
  empty or upper-case names, nothing that means one connection only.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from tollway.core.errors import BadRequest, CallerError, TollwayError
from tollway.gateway.refusals import body_too_large, connect_refused, headers_too_large
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits

Fields = Iterable[tuple[bytes, bytes]]

# RFC 9110, section 5.6.2, without upper case, which RFC 9113, section 8.2.1 forbids.
_NAME: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")
_METHOD: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PATH: Final = re.compile(rb"[\x21-\x7e]+")
# RFC 9113, section 8.2.1 and RFC 9110, section 5.5: no control characters, no white space at the ends.
_VALUE: Final = re.compile(rb"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
# RFC 9113, section 8.2.2.
_ONE_CONNECTION: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)
_PSEUDO: Final = frozenset({b":method", b":scheme", b":authority", b":path"})


class MalformedHeadError(ValueError):
    """The request breaks a rule of HTTP/2 itself; its stream is reset."""


def read_head(fields: Fields, address: str, limits: Limits) -> tuple[Request, TollwayError | None]:
    """Read a request's head.

    Args:
        fields: as HPACK gave them.
        address: the connection's other end.
        limits: the listener's.

    Returns:
        The request without its body, and why it is refused, if it is.

    Raises:
        MalformedHeadError: it breaks a rule of HTTP/2 itself.
    """
    pseudo, lines = _divide(fields)
    method = pseudo.get(b":method", b"")
    if not _METHOD.fullmatch(method):
        msg = "no method, or none that can be one"
        raise MalformedHeadError(msg)
    if method == b"CONNECT":
        return Request(method, b"/", address), connect_refused()
    path = pseudo.get(b":path", b"")
    if b":scheme" not in pseudo or not _PATH.fullmatch(path):
        msg = "no scheme, or no path that can be one"
        raise MalformedHeadError(msg)
    trouble: TollwayError | None = None
    try:
        request = Request(method, path, address)
    except BadRequest as error:
        request, trouble = Request(method, b"/", address), error
    request.version = "HTTP/2"
    request.scheme = "https"
    authority = pseudo.get(b":authority")
    if authority is not None:
        request.headers[b"host"] = authority
    for name, value in lines:
        if name == b"host" and value == authority:
            continue
        trouble = request.add_header(name, value) or trouble
    return request, trouble or _refusal(request, len(lines), limits)


def write_head(status: int, lines: Sequence[bytes], length: int | None) -> list[tuple[bytes, bytes]]:
    """Write an answer's field list from its ready-made header lines; `length` is the body's, if it is known."""
    fields = [(b":status", b"%d" % status)]
    for line in b"".join(lines).split(b"\r\n"):
        name, _, value = line.partition(b":")
        name = name.lower()
        if name and name not in _ONE_CONNECTION:
            fields.append((name, value.strip()))
    if length is not None:
        fields.append((b"content-length", b"%d" % length))
    return fields


def _divide(fields: Fields) -> tuple[dict[bytes, bytes], list[tuple[bytes, bytes]]]:
    """Check every field by itself, and tell pseudo-headers from the others."""
    pseudo: dict[bytes, bytes] = {}
    lines: list[tuple[bytes, bytes]] = []
    for name, value in fields:
        if not _VALUE.fullmatch(value):
            msg = "a value with a control character, or with white space around it"
            raise MalformedHeadError(msg)
        if name[:1] == b":":
            if lines or name in pseudo or name not in _PSEUDO:
                msg = "a pseudo-header that is unknown, repeated or late"
                raise MalformedHeadError(msg)
            pseudo[name] = value
        elif not _NAME.fullmatch(name) or name in _ONE_CONNECTION or (name == b"te" and value != b"trailers"):
            msg = "a header name that HTTP/2 forbids"
            raise MalformedHeadError(msg)
        else:
            lines.append((name, value))
    return pseudo, lines


def _refusal(request: Request, lines: int, limits: Limits) -> TollwayError | None:
    headers = request.headers
    if b"host" not in headers:
        return BadRequest("neither ':authority' nor Host is there", param="host")
    if lines > limits.header_count or request.head_bytes() > limits.header_bytes:
        return headers_too_large(limits)
    length = headers.get(b"content-length")
    if length is not None and int(length) > limits.body_bytes:
        return body_too_large(limits)
    if headers.get(b"expect", b"100-continue").lower() != b"100-continue":
        # RFC 9110, section 10.1.1: only 100-continue is defined; others get 417.
        return CallerError("the only expectation met is 100-continue", status=417, code="expectation")
    return None
