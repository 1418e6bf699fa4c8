"""How an attempt failed, what that triggers, and what it says about the upstream."""

from typing import Final, Literal

import msgspec

from tollway.routing.health import Verdict
from tollway.routing.settings import Trigger

FailureKind = Literal[
    "status", "connect_error", "first_byte_timeout", "timeout", "cut", "garbled", "sign_in", "internal"
]
"""`status`: the provider answered with an error. `connect_error`: no connection, or it closed before
a byte of the answer. `timeout`: too slow after its first byte. `sign_in`: no token could be had, which
says nothing about the upstream itself. `internal`: our own fault."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt that came to nothing."""

    kind: FailureKind
    status: int = 0
    """The provider's status, for kind `status`."""
    elapsed_seconds: float = 0.0
    """From sending the attempt to its failure."""
    retry_after_seconds: float | None = None
    """The provider's own `Retry-After`."""
    token_renewed: bool = False
    """The provider refused a token, and another is being fetched: the same route may do with that one."""
    answer_begun: bool = False
    """A byte of the answer has gone to the caller: nothing may be tried again."""


KEY_STATUSES: Final = frozenset({401, 403, 429})
"""Statuses that are about the key, so that another key may do."""

_BY_STATUS: Final[dict[int, Trigger]] = {408: "status_408", 429: "status_429"}
_BY_KIND: Final[dict[FailureKind, Trigger]] = {
    "connect_error": "connect_error",
    "first_byte_timeout": "first_byte_timeout",
    "sign_in": "connect_error",
}


def trigger_of(failure: Failure) -> Trigger | None:
    """Tell what the failure triggers; None for one that settings cannot name."""
    if failure.kind == "status":
        return "status_5xx" if failure.status >= 500 else _BY_STATUS.get(failure.status)
    return _BY_KIND.get(failure.kind)


def verdict_of(failure: Failure) -> Verdict:
    """Tell whose fault it was: the upstream's, or one that says nothing about it."""
    if failure.kind == "status":
        return "fault" if failure.status >= 500 else "neutral"
    return "neutral" if failure.kind in {"internal", "sign_in"} else "fault"
