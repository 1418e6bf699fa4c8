"""One request as the gateway reads it: parsed once, and the same for every stage.

Identification, policies and routing all look at this one value, so that no two of them can
understand the same bytes differently.
"""

from typing import Final

from tollway.core.errors import BadRequest, CallerError

# Repeating one of these changes what the request means to somebody, so it is refused.
_SINGLE: Final = frozenset(
    {
        b"host",
        b"content-length",
        b"content-type",
        b"transfer-encoding",
        b"authorization",
        b"expect",
        b"client_id",
        b"client_secret",
        b"x-api-key",
        b"x-goog-api-key",
        b"api-key",
        b"x-correlation-id",
    }
)


class Request:
    """A whole request. Header names are lower case; values are the bytes sent."""

    __slots__ = (
        "body",
        "client_address",
        "headers",
        "keep_alive",
        "method",
        "path",
        "query",
        "scheme",
        "target",
        "version",
    )

    def __init__(
        self, method: bytes, target: bytes, client_address: str, headers: dict[bytes, bytes] | None = None
    ) -> None:
        """Begin with the request line, and with the headers where they are known.

        Raises:
            BadRequest: the target is neither a path nor an absolute address.
        """
        self.method = method
        self.target = target
        path = target if target.startswith(b"/") else _origin_form(target, method)
        if b"?" in path:
            self.path, _, self.query = path.partition(b"?")
        else:
            self.path = path
            self.query = b""
        self.headers: dict[bytes, bytes] = {} if headers is None else headers
        self.body: bytes = b""
        self.client_address = client_address
        self.keep_alive = True
        self.version = "HTTP/1.1"
        self.scheme = "http"

    def again(self, length: bytes, body: bytes) -> "Request":
        """Make a request with the same head, but for the length of its body."""
        request = object.__new__(Request)
        request.method = self.method
        request.target = self.target
        request.path = self.path
        request.query = self.query
        request.headers = headers = self.headers.copy()
        headers[b"content-length"] = length
        request.body = body
        request.client_address = self.client_address
        request.keep_alive = True
        request.version = self.version
        request.scheme = self.scheme
        return request

    def add_header(self, name: bytes, value: bytes) -> CallerError | None:
        """Take one header; repeats are joined by a comma where the standard allows it."""
        key = name.lower()
        headers = self.headers
        if key not in headers:
            headers[key] = value
            return None
        return join_repeated(headers, key, value)

    def head_bytes(self) -> int:
        """How large the head is, without its request line's other words."""
        return len(self.target) + sum(len(name) + len(value) + 4 for name, value in self.headers.items())


def join_repeated(headers: dict[bytes, bytes], key: bytes, value: bytes) -> CallerError | None:
    """Join a header that is there already by a comma, where the standard allows it."""
    if key in _SINGLE:
        shown = key.decode("latin-1")
        return BadRequest(f"the header '{shown}' is sent more than once; send it once", param=shown)
    headers[key] += b", " + value
    return None


def _origin_form(target: bytes, method: bytes) -> bytes:
    """Take path and query out of an absolute address; the authority is not used for anything.

    RFC 9112, section 3.2.2: a server must accept the absolute form.
    """
    if method == b"CONNECT" or (target == b"*" and method == b"OPTIONS"):
        return b"/"
    for scheme in (b"http://", b"https://"):
        if target[: len(scheme)].lower() == scheme:
            authority, question, query = target[len(scheme) :].partition(b"?")
            return b"/" + authority.partition(b"/")[2] + question + query
    msg = "the request target is neither a path nor an absolute address"
    raise BadRequest(msg)
