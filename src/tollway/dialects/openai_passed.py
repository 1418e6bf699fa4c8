"""What OpenAI's APIs that pass without a hub have in common: their errors, their usage, the end of their streams.

Rules of this file:
- An event may hold a picture or a sound of many megabytes. Only where it begins and where it ends
  is kept and looked into, which is where its type and its usage stand.
"""

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import JsonObject
from tollway.core.usage import Usage, usage_from_totals
from tollway.dialects import openai_errors
from tollway.dialects.caller_fields import as_count, as_object, as_text
from tollway.interfaces.dialect import AnswerFacts, ConversationCaller, InboundFormat, StreamWatch
from tollway.interfaces.passed import BatchLine, PassedEndpoint
from tollway.wire.sse import sse_event

_BOUNDARY: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_EDGE_BYTES: Final = 16_384
_LARGEST_WHOLE: Final = 4 * _EDGE_BYTES
_END: Final = re.compile(rb'"type"\s*:\s*"[a-z_.]+\.(?:completed|done)"')
_FAILED: Final = re.compile(rb'"type"\s*:\s*"error"|^event: ?error|"error"\s*:\s*\{', re.MULTILINE)
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(?=\{)')


class OpenAIPassed:
    """Base of the dialects; each adds its endpoints, and finds its own facts."""

    format: InboundFormat = "openai"
    telling_header: bytes = b""
    kept_members: frozenset[str] = frozenset()
    cursor: str = "after"
    own_query: frozenset[str] = frozenset({"api-version"})
    emulation: ConversationCaller | None = None

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body."""
        return openai_errors.render_error(error)

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write an error event."""
        return sse_event(openai_errors.render_error(error), b"error")

    def render_estimate(self, tokens: int) -> bytes:
        """Write a count of tokens."""
        return msgspec.json.encode({"object": "response.input_tokens", "input_tokens": tokens})

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error."""
        return openai_errors.parse_error(status, body, headers)

    def batch_line(self, line: bytes) -> BatchLine | None:
        """Read one line of a batch's results: here there are none."""
        del line

    def rewrite_links(self, answer: JsonObject, base: str) -> None:
        """Nothing to rewrite: answers name no address of the provider."""

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Nothing to ask: the last event says it."""
        del members
        return False

    def passed_watch(self, endpoint: PassedEndpoint, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one stream."""
        del endpoint, hide_usage
        return EdgesWatch()


class EdgesWatch:
    """Finds the end and the usage of a stream whose last event is called `….completed` or `….done`."""

    __slots__ = ("_ended", "_event", "_failed", "_head", "_usage")

    def __init__(self) -> None:
        """Begin before the first event."""
        self._event = bytearray()
        self._head = b""
        self._usage: Usage | None = None
        self._ended = False
        self._failed = False

    def feed(self, data: bytes) -> bytes:
        """See the next bytes; all of them pass."""
        event = self._event
        searched = max(len(event) - 3, 0)
        event += data
        start = 0
        while (found := _BOUNDARY.search(event, max(searched, start))) is not None:
            self._look(self._head + bytes(event[start : found.end()]))
            self._head = b""
            start = found.end()
        del event[:start]
        if len(event) > _LARGEST_WHOLE:
            if not self._head:
                self._head = bytes(event[:_EDGE_BYTES])
            del event[:-_EDGE_BYTES]
        return data

    @property
    def ended(self) -> bool:
        """True once the last event was seen."""
        return self._ended

    @property
    def failed(self) -> bool:
        """True once an error event was seen."""
        return self._failed

    def facts(self) -> AnswerFacts:
        """Tell what was found."""
        return AnswerFacts(usage=self._usage)

    def _look(self, event: bytes) -> None:
        if len(event) > _LARGEST_WHOLE:
            event = event[:_EDGE_BYTES] + event[-_EDGE_BYTES:]
        if _FAILED.search(event) is not None:
            self._failed = True
        elif _END.search(event) is not None:
            self._ended = True
            self._usage = parse_usage(_usage_in(event)) or self._usage


def _usage_in(event: bytes) -> JsonObject:
    found = _USAGE.search(event)
    if found is None:
        return {}
    # A usage holds numbers and no texts, so that braces tell where it ends.
    depth = 0
    for brace in re.finditer(rb"[{}]", event[found.end() : found.end() + _EDGE_BYTES]):
        depth += 1 if brace.group() == b"{" else -1
        if depth == 0:
            try:
                return as_object(msgspec.json.decode(event[found.end() : found.end() + brace.end()]))
            except (msgspec.DecodeError, UnicodeDecodeError):
                return {}
    return {}


def parse_usage(value: JsonObject) -> Usage | None:
    """Read the `usage` of pictures and sound: tokens, or the length of what was heard; None where it holds neither."""
    if value.get("type") == "duration":
        return duration_usage(value.get("seconds"))
    if "input_tokens" not in value and "output_tokens" not in value:
        return None
    inputs = as_object(value.get("input_tokens_details")) or as_object(value.get("input_token_details"))
    outputs = as_object(value.get("output_tokens_details")) or as_object(value.get("output_token_details"))
    total = value.get("total_tokens")
    return usage_from_totals(
        as_count(value.get("input_tokens")),
        as_count(value.get("output_tokens")),
        input_audio=as_count(inputs.get("audio_tokens")),
        input_image=as_count(inputs.get("image_tokens")),
        cache_read=as_count(inputs.get("cached_tokens")),
        output_audio=as_count(outputs.get("audio_tokens")),
        output_image=as_count(outputs.get("image_tokens")),
        reasoning=as_count(outputs.get("reasoning_tokens")),
        provider_total=as_count(total) if total is not None else None,
    )


def duration_usage(seconds: object) -> Usage | None:
    """Count sound that is billed by its length."""
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < 1e9:
        return None
    return Usage(input_audio_ms=round(seconds * 1000))


def decoded(body: bytes | None) -> JsonObject:
    """Read an answer as far as it is a JSON object; empty where it is none."""
    if body is None:
        return {}
    try:
        return as_object(msgspec.json.decode(body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}


def text_of(members: Mapping[str, msgspec.Raw], name: str) -> str:
    """Read a member of the request that should be a text; empty where it is none."""
    raw = members.get(name)
    if raw is None:
        return ""
    try:
        return as_text(msgspec.json.decode(raw))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ""
