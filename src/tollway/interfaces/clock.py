"""Time and identifiers, handed in so that tests can hold them still."""

from typing import Protocol


class Clock(Protocol):
    """Where time and fresh ids come from."""

    def monotonic(self) -> float:
        """Seconds that never go back; only differences mean anything."""
        ...

    def wall_us(self) -> int:
        """Microseconds since the epoch, UTC."""
        ...

    def new_id(self) -> str:
        """A fresh ULID."""
        ...
