"""What llhttp leaves to us of an HTTP/1.1 request's head: versions, Host, transfer codings, sizes."""

import httptools

from tollway.core.errors import BadRequest, CallerError, TollwayError
from tollway.gateway.refusals import body_too_large, connect_refused, headers_too_large
from tollway.gateway.request import Request
from tollway.snapshot.document import Limits


def head_trouble(request: Request, version: str, limits: Limits, lines: int, read_bytes: int) -> TollwayError | None:
    """Say why a request whose head is complete is refused. Also sets the request's version.

    Args:
        request: with all its headers.
        version: as llhttp read it.
        limits: the listener's.
        lines: how many header lines came.
        read_bytes: how much was read while the head came in, and maybe more.
    """
    headers = request.headers
    coding = headers.get(b"transfer-encoding")
    if version != "1.1":
        if version != "1.0":
            return _version_refused(f"HTTP/{version}")
        request.version = "HTTP/1.0"
        if coding is not None:
            # RFC 9112, section 6.1: HTTP/1.0 knows no transfer codings, so its framing is faulty.
            return BadRequest("HTTP/1.0 knows no Transfer-Encoding; use HTTP/1.1", param="transfer-encoding")
    elif b"host" not in headers:
        # RFC 9112, section 3.2: a server must refuse an HTTP/1.1 request that lacks Host.
        return BadRequest("the Host header is missing", param="host")
    if coding is not None and coding.lower() != b"chunked":
        # RFC 9112, section 6.1: a transfer coding that is not understood gets 501.
        return CallerError("only the transfer coding 'chunked' is understood", status=501, code="transfer_coding")
    length = headers.get(b"content-length")
    if length is not None and int(length) > limits.body_bytes:
        return body_too_large(limits)
    # The head is counted exactly only if all that was read could be too much.
    too_large = read_bytes > limits.header_bytes and request.head_bytes() > limits.header_bytes
    if too_large or lines > limits.header_count:
        return headers_too_large(limits)
    if request.method == b"CONNECT":
        return connect_refused()
    return None


def parser_trouble(error: httptools.HttpParserError) -> TollwayError:
    """Say what the parser stopped at.

    Raises:
        Exception: what was raised while the request was handled, if that is not the request's
            fault: it must be seen as the defect it is.
    """
    cause = error.__context__
    if isinstance(cause, TollwayError):
        return cause
    if isinstance(error, httptools.HttpParserCallbackError) and cause is not None:
        raise cause
    reason = str(error)
    if "PRI" in reason:
        return _version_refused("HTTP/2 without TLS")
    if "HTTP version" in reason:
        return _version_refused("this version of HTTP")
    return BadRequest(f"the request is not well-formed HTTP/1.1: {reason}")


def _version_refused(version: str) -> CallerError:
    return CallerError(f"{version} is not spoken here; use HTTP/1.1", status=505, code="http_version")
