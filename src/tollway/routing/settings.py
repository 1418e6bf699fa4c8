"""What routing needs to know of a proxy's settings. `snapshot.document` has the values; they fit as they are."""

from collections.abc import Mapping
from typing import Literal, Protocol

Trigger = Literal[
    "unknown_model",
    "unhealthy",
    "status_408",
    "status_429",
    "status_5xx",
    "connect_error",
    "first_byte_timeout",
    "budget",
]
"""Why a call goes elsewhere, or is repeated."""

Strategy = Literal["model-based", "weighted", "priority"]


class RouteSettings(Protocol):
    """One route."""

    @property
    def name(self) -> str:
        """Unique within the proxy."""
        ...

    @property
    def provider(self) -> str:
        """The provider's name, which is also a prefix of model names."""
        ...

    @property
    def target_model(self) -> str | None:
        """The model always asked for; None: the one from the request."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """Bare names it serves."""
        ...

    @property
    def aliases(self) -> Mapping[str, str]:
        """Name a caller may use → model asked of the provider."""
        ...

    @property
    def match_headers(self) -> Mapping[str, str]:
        """Headers a request must have; names in lower case."""
        ...

    @property
    def weight(self) -> int:
        """Its share, with the weighted strategy and within one priority; 0 is never chosen."""
        ...

    @property
    def priority(self) -> int:
        """Lower is tried first, with the priority strategy."""
        ...


class FallbackSettings(Protocol):
    """Where a call goes when its own routes fail."""

    @property
    def route(self) -> str:
        """The route's name."""
        ...

    @property
    def model(self) -> str | None:
        """The model asked for there; None: that route's own, or the request's."""
        ...

    @property
    def on(self) -> frozenset[Trigger]:
        """What sends a call there."""
        ...


class RetrySettings(Protocol):
    """Repeats of one call on its own route."""

    @property
    def attempts(self) -> int:
        """Repeats beside the first attempt."""
        ...

    @property
    def on(self) -> frozenset[Trigger]:
        """What is repeated."""
        ...

    @property
    def backoff_seconds(self) -> float:
        """Wait before the first repeat; doubled each time."""
        ...

    @property
    def max_backoff_seconds(self) -> float:
        """Longest wait, a provider's `Retry-After` included."""
        ...

    @property
    def only_within_seconds(self) -> float:
        """A failure that took longer is not repeated."""
        ...

    @property
    def budget_ratio(self) -> float:
        """Repeats per call, over all calls of an upstream."""
        ...


class HealthSettings(Protocol):
    """When an upstream counts as unhealthy."""

    @property
    def window_seconds(self) -> float:
        """How far back calls are looked at."""
        ...

    @property
    def minimum_calls(self) -> int:
        """Fewer calls than this in the window prove nothing."""
        ...

    @property
    def error_rate(self) -> float:
        """Share of failed calls that makes it unhealthy."""
        ...

    @property
    def open_seconds(self) -> float:
        """How long it rests before one call may probe it."""
        ...

    @property
    def max_concurrent(self) -> int:
        """Calls in flight at most."""
        ...
