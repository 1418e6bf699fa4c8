"""Every error a caller can meet, with its status, its code and whose fault it is.

    TollwayError
    ├── CallerError            the request cannot be served as it is
    │   ├── BadRequest         400
    │   ├── Unauthenticated    401
    │   ├── Forbidden          403
    │   ├── NotFound           404  no proxy, endpoint or model of that name
    │   ├── MethodNotAllowed   405
    │   ├── RequestTimeout     408  the caller was too slow
    │   ├── BodyTooLarge       413
    │   ├── UnsupportedMedia   415
    │   └── HeadersTooLarge    431
    ├── PolicyRefusal          a policy said no (its own status)
    ├── UpstreamError          the provider's side failed
    │   ├── UpstreamAnswered   the provider answered with an error of its own
    │   ├── UpstreamUnreachable 502
    │   ├── UpstreamGarbled    502  what it sent is not what its API promises
    │   ├── UpstreamCut        502  it stopped in the middle
    │   ├── UpstreamTimeout    504
    │   ├── SignInFailed       503  the provider wants a token, and none could be had
    │   └── NoHealthyRoute     503
    └── InternalError          500  ours
        └── NotReady           503  draining, or unable to keep its records

Messages say what was wrong, where, and what would fix it. They never hold a secret, an upstream
address or a version: every one of them may be shown to a stranger.
"""

from collections.abc import Mapping
from typing import ClassVar, Literal

Fault = Literal["caller", "policy", "upstream", "gateway"]


class TollwayError(Exception):
    """An outcome that ends a call without the provider's answer."""

    status: int = 500
    code: str = "internal_error"
    fault: ClassVar[Fault] = "gateway"

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        param: str | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        retry_after_seconds: float | None = None,
        should_retry: bool | None = None,
        openai_body: Mapping[str, object] | None = None,
    ) -> None:
        """Describe the error.

        Args:
            message: what was wrong, where, what would fix it.
            status: HTTP status, where it is not the class's own.
            code: machine-readable reason in snake_case, where it is not the class's own.
            param: the request field at fault, as the caller wrote it.
            headers: extra response headers.
            retry_after_seconds: when a repeat may succeed.
            should_retry: told to SDKs as `x-should-retry`; None leaves it to the status.
            openai_body: the exact body for callers of the OpenAI format, where the product we
                match fixed one; other formats render their own shape.
        """
        super().__init__(message)
        self.message = message
        if status is not None:
            self.status = status
        if code is not None:
            self.code = code
        self.param = param
        self.headers = headers
        self.retry_after_seconds = retry_after_seconds
        self.should_retry = should_retry
        self.openai_body = openai_body


class CallerError(TollwayError):
    """The request cannot be served as it is; repeating it unchanged cannot help."""

    status = 400
    code = "invalid_request"
    fault = "caller"


class BadRequest(CallerError):
    """400: a field is missing, unknown, contradictory or of the wrong type."""


class Unauthenticated(CallerError):
    """401: no credentials, or credentials that do not match."""

    status = 401
    code = "invalid_credentials"


class Forbidden(CallerError):
    """403: known, but not allowed."""

    status = 403
    code = "forbidden"


class NotFound(CallerError):
    """404: no proxy, endpoint or model of that name."""

    status = 404
    code = "not_found"


class MethodNotAllowed(CallerError):
    """405: the path exists, the method does not."""

    status = 405
    code = "method_not_allowed"


class RequestTimeout(CallerError):
    """408: the caller took too long to send its request."""

    status = 408
    code = "request_timeout"


class BodyTooLarge(CallerError):
    """413: the body exceeds the listener's limit."""

    status = 413
    code = "body_too_large"


class UnsupportedMedia(CallerError):
    """415: a content type or encoding this endpoint does not take."""

    status = 415
    code = "unsupported_media_type"


class HeadersTooLarge(CallerError):
    """431: the request head exceeds the listener's limit."""

    status = 431
    code = "headers_too_large"


class PolicyRefusal(TollwayError):
    """A policy said no."""

    status = 403
    code = "policy_refused"
    fault = "policy"


class UpstreamError(TollwayError):
    """The provider's side failed."""

    status = 502
    code = "upstream_error"
    fault = "upstream"


class UpstreamAnswered(UpstreamError):
    """The provider answered with an error of its own; status and meaning are kept."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        kind: str = "",
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Describe the provider's error.

        Args:
            message: the provider's own words.
            status: the provider's own status.
            kind: the provider's error type, such as `rate_limit_error`; empty when it gave none.
            code: the provider's error code.
            param: the field it complained of.
            retry_after_seconds: the provider's `Retry-After`.
        """
        super().__init__(message, status=status, code=code, param=param, retry_after_seconds=retry_after_seconds)
        self.kind = kind


class UpstreamUnreachable(UpstreamError):
    """502: no connection could be made, or it closed before a byte of the answer."""

    code = "upstream_unreachable"


class UpstreamGarbled(UpstreamError):
    """502: what the provider sent is not what its API promises."""

    code = "upstream_garbled"


class UpstreamCut(UpstreamError):
    """502: the provider's answer stopped in the middle."""

    code = "upstream_cut"


class UpstreamTimeout(UpstreamError):
    """504: the provider did not connect, answer, or go on in time."""

    status = 504
    code = "upstream_timeout"


class SignInFailed(UpstreamError):
    """503: the provider wants a token from elsewhere, and the gateway could not get one."""

    status = 503
    code = "sign_in_failed"


class NoHealthyRoute(UpstreamError):
    """503: every target that could serve the call is unhealthy or at its cap."""

    status = 503
    code = "no_healthy_route"


class InternalError(TollwayError):
    """500: our own fault. The message says no more than that."""


class NotReady(InternalError):
    """503: the gateway is draining, or cannot keep its records."""

    status = 503
    code = "not_ready"
