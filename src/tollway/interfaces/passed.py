"""An API that passes without a hub: only providers that have it themselves can serve it.

Rules of this file:
- What the provider gets is the caller's own request: its body as it came, but for the model's name.
- What the caller gets is the provider's own answer. It is read for the meter, and rewritten only
  where it would show what belongs to another caller, or an address of the provider's.
- A dialect of this kind does no I/O and keeps no state between calls, as every dialect.
"""

from collections.abc import Mapping
from typing import Literal, Protocol

import msgspec

from tollway.core.errors import TollwayError, UpstreamAnswered
from tollway.core.json_value import JsonObject
from tollway.core.usage import NO_USAGE, Usage
from tollway.interfaces.dialect import AnswerFacts, ConversationCaller, Endpoint, InboundFormat, Operation, StreamWatch

PassedBody = Literal["json", "form", "none"]
"""What a request carries: a JSON object, a `multipart/form-data` form, or nothing."""


class Governs(msgspec.Struct, frozen=True, kw_only=True):
    """What of a call is about things that a provider keeps, and whose they are."""

    ids: tuple[str, ...] = ()
    """Names in the path (`id`) whose things must be the caller's own."""
    claims: tuple[str, ...] = ()
    """Members of the answer whose ids become the caller's; a dot leads into an object (`file.id`)."""
    lists: bool = False
    """Whether the answer is a page of a list (`data`), of which the caller sees its own alone."""
    releases: bool = False
    """Whether the thing named by the first of `ids` is no more after it."""
    results: Literal["", "own", "file"] = ""
    """Whether the answer is a batch's results, one JSON object a line, to be metered: the batch named by `id`,
    or a file that may hold those of one."""
    results_of: bool = False
    """Whether what is claimed are the files with the results of the batch named by `id`."""


class BatchLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of a batch's results, as far as the meter wants it."""

    custom_id: str
    """The caller's own name for it, unique within the batch."""
    status: int
    model: str = ""
    response_id: str = ""
    operation: Operation = "conversation"
    usage: Usage = NO_USAGE


class PassedEndpoint(Endpoint, frozen=True, kw_only=True):
    """One thing a caller can ask for, and what of it passes."""

    provides: str
    """The word under which a provider names its path for it (`Provider.operations`)."""
    below: str = ""
    """What stands behind the provider's path; names in braces are those of `path`."""
    body: PassedBody = "json"
    path_names_model: bool = False
    """The model is in the path alone, and not in the body."""
    names_model: bool = True
    """Whether requests name a model. Those that do not go to the route of `x-llm-proxy-route`, else to
    the first whose provider has the operation."""
    repeatable: bool = True
    """Whether a repeat after a failure in the middle does no harm: not so where something is made."""
    estimates: bool = False
    """Whether the gateway answers by itself, with an estimate of tokens, where the provider has no such operation."""
    governs: Governs | None = None
    """For what providers keep; None where nothing is kept."""
    answer: Literal["read", "bytes"] = "read"
    """`bytes`: the answer is a file, and passes as it comes even when it is JSON."""


class PassedDialect(Protocol):
    """One API, passed through."""

    name: str
    format: InboundFormat
    endpoints: tuple[PassedEndpoint, ...]
    telling_header: bytes
    """A request header, lower case, that this API's SDKs always send: it tells whose path is meant where another
    API has the same. Empty for the one that is meant otherwise."""
    kept_members: frozenset[str]
    """Members anywhere in a request's body that hold ids of what a provider keeps (`input_file_id`)."""
    cursor: str
    """The query parameter that asks for the page of a list after an id."""
    own_query: frozenset[str]
    """Query parameters that are meant for the gateway and never for the provider (`api-version`)."""

    emulation: ConversationCaller | None
    """Says the same as a conversation, for providers that have no such operation; None where nothing does."""

    def render_error(self, error: TollwayError) -> bytes:
        """Write an error body as this API's SDKs expect it."""
        ...

    def render_stream_error(self, error: TollwayError) -> bytes:
        """Write the event that ends a broken stream of events."""
        ...

    def render_estimate(self, tokens: int) -> bytes:
        """Write an answer of an endpoint that `estimates`."""
        ...

    def parse_error(self, status: int, body: bytes, headers: Mapping[str, str]) -> UpstreamAnswered:
        """Read a provider's error, whatever its shape. Never raises."""
        ...

    def passed_facts(
        self, endpoint: PassedEndpoint, members: Mapping[str, msgspec.Raw], body: bytes | None
    ) -> AnswerFacts:
        """Find what the meter wants. Never raises.

        Args:
            endpoint: what was asked.
            members: the request's JSON members, raw; empty for a form.
            body: the whole answer; None when it was a file, which passed unread.
        """
        ...

    def batch_line(self, line: bytes) -> BatchLine | None:
        """Read one line of a batch's results; None for one that is none. Never raises."""
        ...

    def rewrite_links(self, answer: JsonObject, base: str) -> None:
        """Let addresses of the provider in an answer lead here: `base` is this proxy's own, as the caller sees it."""
        ...

    def ask_for_usage(self, members: dict[str, msgspec.Raw]) -> bool:
        """Make a raw streamed request ask for usage; True when the caller had not asked."""
        ...

    def passed_watch(self, endpoint: PassedEndpoint, *, hide_usage: bool) -> StreamWatch:
        """Make the scanner of one stream of events; `hide_usage` as in `ConversationDialect.stream_watch`."""
        ...
