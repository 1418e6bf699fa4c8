"""The neutral answer, whole and as a stream of events.

Rules of this file:
- A stream is: `AnswerStarted`, then for each part `PartStarted`, `PartDelta`*, `PartEnded`, then a
  `ChoiceFinished` per choice, `UsageReported` at any time (the last one counts), `AnswerEnded`.
  `part` numbers count up from 0 within a choice, in the order parts start. Parts may overlap only
  where the provider interleaves them (tool calls).
- Every parser gives that sequence whatever its provider sends, so every renderer may rely on it.
- `collect_stream` in `dialects/` folds a stream into the `Answer` its non-streamed twin would be.
"""

from typing import Literal, TypeAlias

import msgspec

from tollway.core.conversation import Opaque, Part
from tollway.core.json_value import Json, JsonObject
from tollway.core.usage import Usage

FinishReason = Literal["stop", "stop_sequence", "length", "tool_calls", "content_filter", "refusal", "pause", "other"]
"""Why the model stopped. `pause`: the provider wants the turn sent back (Anthropic `pause_turn`)."""

PartKind = Literal["text", "reasoning", "summary", "tool_call", "refusal", "image", "audio", "opaque"]


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """One alternative."""

    index: int
    parts: tuple[Part, ...]
    finish: FinishReason | None = None
    native_finish: str | None = None
    """The provider's own word, kept where no neutral one says the same."""
    stop_sequence: str | None = None
    logprobs: Json = None
    rest: JsonObject = {}


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A whole answer."""

    id: str
    model: str
    created: int = 0
    """Seconds since the epoch; 0 where the provider does not say (the renderer then uses now)."""
    choices: tuple[Choice, ...]
    usage: Usage | None = None
    service_tier: str | None = None
    system_fingerprint: str | None = None
    rest: JsonObject = {}
    """Top-level fields that no neutral field stands for."""
    usage_rest: JsonObject = {}
    """Members of the provider's usage that no count stands for; only its own dialect writes them."""
    dialect: str = ""
    """Whose names `rest` uses; a renderer of another dialect leaves them out."""


class AnswerStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider began to answer."""

    id: str
    model: str
    created: int = 0
    service_tier: str | None = None
    system_fingerprint: str | None = None
    rest: JsonObject = {}
    dialect: str = ""
    """Whose names `rest` uses; a renderer of another dialect leaves them out."""


class PartStarted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part begins. `id` and `name` are a tool call's; `item_id` a Responses item's."""

    choice: int
    part: int
    kind: PartKind
    id: str = ""
    name: str = ""
    item_id: str | None = None
    custom: bool = False
    opaque: Opaque | None = None
    """The whole part, for kind `opaque` (which then has no deltas)."""
    encrypted: str | None = None
    """Opaque thinking known at once (Anthropic `redacted_thinking`)."""
    signature: str | None = None
    """The part's signature, where the provider says it at once (Gemini's tool calls); `PartEnded`
    repeats it."""
    media_type: str | None = None
    """For kinds `image` and `audio`, whose deltas are base64."""
    origin: JsonObject = {}
    """As `Text.origin`."""
    rest: JsonObject = {}
    """Members of the part that no neutral field stands for (a tool call's `caller`)."""


class PartDelta(msgspec.Struct, frozen=True, omit_defaults=True):
    """More of a part: words, thinking, or a piece of the arguments' JSON text."""

    choice: int
    part: int
    text: str
    logprobs: Json = None
    annotations: tuple[Json, ...] = ()


class PartEnded(msgspec.Struct, frozen=True, omit_defaults=True):
    """A part is complete. What only its end tells comes with it."""

    choice: int
    part: int
    signature: str | None = None
    encrypted: str | None = None


class ChoiceFinished(msgspec.Struct, frozen=True, omit_defaults=True):
    """A choice is complete."""

    choice: int
    finish: FinishReason
    native_finish: str | None = None
    stop_sequence: str | None = None
    rest: JsonObject = {}


class UsageReported(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider said what the call used so far; the last one counts."""

    usage: Usage
    rest: JsonObject = {}
    """As `Answer.usage_rest`."""


class StreamFailed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider reported an error in the middle of its stream. It ends the stream."""

    message: str
    status: int = 502
    """The status the same error has outside a stream."""
    kind: str = ""
    code: str | None = None


class AnswerEnded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The provider ended the answer in the way its API promises."""


StreamEvent: TypeAlias = (
    AnswerStarted | PartStarted | PartDelta | PartEnded | ChoiceFinished | UsageReported | StreamFailed | AnswerEnded
)
