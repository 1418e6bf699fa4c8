"""The neutral conversation: what every dialect is read into and written from.

Rules of this file:
- Hub and spoke: a dialect knows this form and its own wire form, never another dialect.
- Nothing is lost on the way in. A field that no neutral field stands for rides in `rest`, a part
  nobody else understands rides as `Opaque`; the way out decides, by a documented rule, whether the
  other side can carry it, and reports what it cannot (`Losses`).
- Values are frozen. Text is Python `str`; arguments of tool calls stay JSON *text*, byte for byte.
"""

from typing import Literal, TypeAlias

import msgspec

from tollway.core.json_value import Json, JsonObject

Role = Literal["system", "developer", "user", "assistant", "tool"]

DialectName: TypeAlias = str
"""The name of a conversation dialect: `openai-chat` lives in `dialects/openai_chat`."""


class Text(msgspec.Struct, frozen=True, tag="text", omit_defaults=True):
    """Words."""

    text: str
    annotations: tuple[Json, ...] = ()
    """Citations as the source dialect wrote them."""
    cache: JsonObject | None = None
    """A prompt-cache mark after this part (Anthropic `cache_control`), as written."""
    signature: str | None = None
    """Gemini's thought signature on a text part."""
    origin: JsonObject = {}
    """Where the words stood in their own dialect, where that is no text part: read by it alone, and no
    loss to any other."""
    rest: JsonObject = {}


class Image(msgspec.Struct, frozen=True, tag="image", omit_defaults=True):
    """A picture: by address, inline, or by the provider's file id; exactly one of the three."""

    url: str | None = None
    data: str | None = None
    """Base64."""
    media_type: str | None = None
    file_id: str | None = None
    detail: str | None = None
    cache: JsonObject | None = None
    rest: JsonObject = {}


class Audio(msgspec.Struct, frozen=True, tag="audio", omit_defaults=True):
    """Sound, inline."""

    data: str
    """Base64."""
    format: str
    """`wav`, `mp3`, …: the last word of its media type."""
    rest: JsonObject = {}


class File(msgspec.Struct, frozen=True, tag="file", omit_defaults=True):
    """A document: by address, inline (base64 or plain text), or by the provider's file id."""

    url: str | None = None
    data: str | None = None
    """Base64, unless `media_type` is text/plain and `plain` is set."""
    plain: str | None = None
    media_type: str | None = None
    filename: str | None = None
    file_id: str | None = None
    cache: JsonObject | None = None
    origin: JsonObject = {}
    """As `Text.origin`."""
    rest: JsonObject = {}


class ToolCall(msgspec.Struct, frozen=True, tag="tool_call", omit_defaults=True):
    """The model asks for a tool."""

    id: str
    name: str
    arguments: str
    """JSON text as the model wrote it (for a custom tool: plain text). Empty means no arguments."""
    custom: bool = False
    item_id: str | None = None
    """The Responses item id (`fc_…`), which differs from the call id."""
    signature: str | None = None
    """Gemini's thought signature; it must come back with the call."""
    cache: JsonObject | None = None
    rest: JsonObject = {}


class ToolResult(msgspec.Struct, frozen=True, tag="tool_result", omit_defaults=True):
    """What the tool answered."""

    call_id: str
    parts: tuple["Part", ...]
    name: str | None = None
    """The tool's name, where the dialect says it (Gemini needs it)."""
    is_error: bool = False
    custom: bool = False
    structured: bool = False
    """True when the source gave a JSON object; then `parts` holds one `Text` with its JSON text."""
    cache: JsonObject | None = None
    rest: JsonObject = {}


class Reasoning(msgspec.Struct, frozen=True, tag="reasoning", omit_defaults=True):
    """The model's thinking, as far as the provider shows it."""

    text: str = ""
    """Full thinking text."""
    summary: tuple[str, ...] = ()
    """Summaries of it (Responses)."""
    signature: str | None = None
    """Proof that the provider wrote it (Anthropic); must come back unchanged."""
    encrypted: str | None = None
    """Opaque thinking (Responses `encrypted_content`, Anthropic `redacted_thinking.data`)."""
    carried: bool = False
    """It came packed in a field of the caller's API: no provider of that API wrote it."""
    id: str | None = None
    rest: JsonObject = {}


class Refusal(msgspec.Struct, frozen=True, tag="refusal", omit_defaults=True):
    """The model declines."""

    text: str


class Opaque(msgspec.Struct, frozen=True, tag="opaque", omit_defaults=True):
    """A part only its own dialect understands, whole."""

    dialect: DialectName
    value: JsonObject


Part: TypeAlias = Text | Image | Audio | File | ToolCall | ToolResult | Reasoning | Refusal | Opaque


class Message(msgspec.Struct, frozen=True, omit_defaults=True):
    """One turn, or a run of parts of one role."""

    role: Role
    parts: tuple[Part, ...]
    name: str | None = None
    id: str | None = None
    rest: JsonObject = {}


class Tool(msgspec.Struct, frozen=True, omit_defaults=True):
    """A function the model may call, or a built-in tool of one dialect (`builtin`, whole)."""

    name: str = ""
    description: str | None = None
    parameters: JsonObject | None = None
    """JSON Schema; None where the source gave none."""
    strict: bool | None = None
    custom_format: JsonObject | None = None
    """A custom (free-text) tool's format; set, possibly empty, only for custom tools."""
    builtin: Opaque | None = None
    cache: JsonObject | None = None
    rest: JsonObject = {}


class ToolChoice(msgspec.Struct, frozen=True, omit_defaults=True):
    """Whether and which tool must be called."""

    mode: Literal["auto", "none", "required", "named", "allowed", "opaque"]
    names: tuple[str, ...] = ()
    """The one tool (`named`) or the tools (`allowed`)."""
    required: bool = False
    """With `allowed`: one of them must be called."""
    opaque: Opaque | None = None


class OutputFormat(msgspec.Struct, frozen=True, omit_defaults=True):
    """The shape the answer's text must have."""

    kind: Literal["text", "json", "schema"]
    name: str | None = None
    description: str | None = None
    schema: JsonObject | None = None
    strict: bool | None = None


class ReasoningRequest(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much to think, and whether to show it."""

    effort: str | None = None
    """`none`, `minimal`, `low`, `medium`, `high`, `xhigh`, or a vendor's own word."""
    budget_tokens: int | None = None
    enabled: bool | None = None
    """False switches thinking off explicitly; None says nothing."""
    adaptive: bool = False
    """Anthropic's adaptive thinking: on, amount chosen by the model."""
    show: bool | None = None
    """Ask for the thoughts themselves (Gemini `includeThoughts`, Responses `summary`)."""
    summary: str | None = None
    """Responses: `auto`, `concise`, `detailed`."""
    rest: JsonObject = {}


class KeptTurn(msgspec.Struct, frozen=True, omit_defaults=True):
    """How the gateway itself keeps the answer, for an API in which later requests can refer to it."""

    id: str
    """The answer's id, in place of the provider's."""
    stored: bool = True
    """False where the answer is not kept under that id."""
    previous: str = ""
    """The answer it follows, whose items are among the messages."""
    thread: str = ""
    """The conversation it belongs to, whose items are among the messages."""


class Conversation(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A request for the next turn."""

    dialect: DialectName
    """The dialect it was read from."""
    model: str
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_output_tokens: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    count: int | None = None
    """How many alternatives (`n`, `candidateCount`)."""
    output: OutputFormat | None = None
    reasoning: ReasoningRequest | None = None
    verbosity: str | None = None
    modalities: tuple[str, ...] = ()
    logprobs: bool | None = None
    top_logprobs: int | None = None
    logit_bias: JsonObject | None = None
    user: str | None = None
    metadata: JsonObject | None = None
    service_tier: str | None = None
    store: bool | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    stream: bool = False
    stream_usage: bool = False
    """The caller asked for usage in the stream (Chat `stream_options.include_usage`; the other
    dialects always send it)."""
    specific: JsonObject = {}
    """Fields the source dialect knows and no neutral field stands for (`safetySettings`,
    `context_management`, `include`, `prediction` …), as written: they reach a provider of the same
    dialect unchanged, and are reported as dropped (or refused) for any other."""
    essential: tuple[str, ...] = ()
    """Names in `specific` (or of items, as the caller wrote them) without which the request means
    something else (`previous_response_id`): any other dialect must refuse it, not drop them."""
    rest: JsonObject = {}
    """Top-level fields that the source dialect does not know: they pass through to any provider."""
    kept: KeptTurn | None = None
    """Set by the gateway where it keeps the answer; what providers get does not tell of it."""


class Losses:
    """Collects what a pair of dialects could not carry, for the `x-tollway-dropped-fields` header."""

    __slots__ = ("fields",)

    def __init__(self) -> None:
        """Start with nothing lost."""
        self.fields: list[str] = []

    def drop(self, field: str) -> None:
        """Note that `field` (the caller's own name for it) was left out. Once each, in order."""
        if field not in self.fields:
            self.fields.append(field)
