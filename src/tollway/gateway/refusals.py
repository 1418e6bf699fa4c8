"""What a listener refuses by itself, in whichever protocol it came."""

from tollway.core.errors import BodyTooLarge, HeadersTooLarge, MethodNotAllowed, RequestTimeout
from tollway.snapshot.document import Limits


def headers_too_large(limits: Limits) -> HeadersTooLarge:
    """431."""
    return HeadersTooLarge(
        f"the request's headers exceed {limits.header_bytes} bytes or {limits.header_count} lines; "
        "send fewer or shorter ones"
    )


def body_too_large(limits: Limits) -> BodyTooLarge:
    """413."""
    return BodyTooLarge(f"the request's body exceeds {limits.body_bytes} bytes; send less at once")


def too_slow(what: str, seconds: float) -> RequestTimeout:
    """408: `what` of the request did not come in time."""
    return RequestTimeout(f"the request's {what} did not arrive within {seconds:g} s")


def connect_refused() -> MethodNotAllowed:
    """405 for CONNECT."""
    # RFC 9110, section 15.5.6: a 405 answer must say which methods there are.
    return MethodNotAllowed(
        "CONNECT is not served: this is a gateway, not a forward proxy",
        headers=(("allow", "GET, HEAD, POST, OPTIONS"),),
    )
