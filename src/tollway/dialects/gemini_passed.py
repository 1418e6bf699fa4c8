"""What Google's Gemini APIs that pass without a hub have in common."""

from collections.abc import Mapping

import msgspec

from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import JsonObject
from tollway.dialects.gemini.errors import parse_error, render_error
from tollway.dialects.openai_passed import EdgesWatch
from tollway.interfaces.dialect import ConversationCaller, InboundFormat, StreamWatch
from tollway.interfaces.passed import BatchLine, PassedEndpoint
from tollway.wire.sse import sse_event


class GeminiPassed:
    """Base of the dialects; each adds its endpoints, and finds its own facts."""

    format: InboundFormat = "gemini"
    telling_header: bytes = b"x-goog-api-key"
    kept_members: frozenset[str] = frozenset()
    cursor: str = "pageToken"
    own_query: frozenset[str] = frozenset({"key", "$alt"})
    emulation: ConversationCaller | None = None

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write an error event."""
        return sse_event(render_error(error))

    def render_estimate(self, tokens: int) -> bytes:
        """Write a count of tokens."""
        return msgspec.json.encode({"totalTokens": tokens})

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return parse_error(status, body, headers)

    def batch_line(self, line: bytes) -> BatchLine | None:
        """Read one line of a batch's results: here there are none."""
        del line

    def rewrite_links(self, answer: JsonObject, base: str) -> None:
        """Nothing to rewrite: answers name no address of the provider."""

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Nothing to ask."""
        del members
        return False

    def passed_watch(self, endpoint: PassedEndpoint, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of a stream; none of these streams."""
        del endpoint, hide_usage
        return EdgesWatch()
