"""How the events of a stream are told apart, and how some providers wrap a dialect's stream in another."""

from collections.abc import Sequence
from typing import Literal, Protocol

from tollway.core.errors import UpstreamAnswered

StreamFraming = Literal["sse", "json-array", "ndjson", "aws-event-stream"]
"""How the events of a stream are told apart; see `wire/framing.py`."""


class Unwrapper(Protocol):
    """Takes a dialect's own stream out of a provider's envelopes, whatever the cuts."""

    def feed(self, data: bytes) -> Sequence[bytes | UpstreamAnswered]:
        """Take the next bytes; return pieces of the dialect's own stream, and the errors told beside it.

        Raises:
            ValueError: the bytes are not framed as the envelope is.
        """
        ...


class StreamEnvelope(Protocol):
    """How a provider wraps the stream of a dialect that is framed in another way by everybody else."""

    @property
    def framing(self) -> StreamFraming:
        """How the envelopes are told apart."""
        ...

    def unwrapper(self) -> Unwrapper:
        """Make what opens the envelopes of one stream."""
        ...
