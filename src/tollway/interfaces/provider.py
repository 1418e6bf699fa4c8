"""A provider: where it is, what it speaks, how to log in, what it cannot take, how it counts. Data, one file each.

Rules of this file:
- Every member is read by code or by the generated reference page; nothing stands here to be admired.
- What is said of a provider holds for any of its models: where one model takes pictures, the provider does.
"""

import re
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from tollway.interfaces.framing import StreamEnvelope
from tollway.interfaces.signer import Signer

Medium = Literal["image", "image-address", "audio", "file"]
"""What a message may hold beside words: a picture inline, a picture by address, sound, a document."""

ALL_MEDIA: Final[frozenset[Medium]] = frozenset({"image", "image-address", "audio", "file"})

OutputForm = Literal["json", "schema"]
"""A shape the answer's text can be held to: any JSON object, or one that fits a JSON Schema."""

Counted = Literal["inside", "beside", "not reported"]
"""Where a provider counts some tokens: inside the total they belong to, beside it, or nowhere."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The most a provider takes of something, where its reference says so; None where it does not."""

    stop_sequences: int | None = None
    tools: int | None = None


class Counting(msgspec.Struct, frozen=True, kw_only=True):
    """Which token counts a provider reports, and how."""

    stream_usage: Literal["asked", "always"] = "asked"
    """Whether a stream tells its usage only when `stream_options.include_usage` asks for it. Where it
    always does, nothing is asked: some servers refuse the question."""
    cached: Counted = "inside"
    """Input tokens read from a cache, in relation to the provider's own total of the input."""
    cache_writes: Counted = "not reported"
    """Input tokens written to a cache, in relation to the same total."""
    reasoning: Counted = "inside"
    """Output tokens spent on thinking, in relation to the provider's own total of the output."""
    web_searches: bool = False
    """Searches of the provider's own tools are counted."""


class Surface(msgspec.Struct, frozen=True, kw_only=True):
    """A part of a provider that is asked in another way than the rest: some models, or some base URLs.

    What is None is as the provider has it.
    """

    models: str = ""
    """Regular expression that a whole target model fits, in any case of letters; empty: every model."""
    base_path: str = ""
    """How the path of the route's base URL ends (`/openai/v1`); empty: however it ends."""
    not_for: frozenset[str] = frozenset()
    """Dialects of callers that pass it by: in these the rest of the provider serves the models too."""
    conversation: Mapping[str, str] = {}
    """As the provider's; empty when these models have none."""
    embeddings: Mapping[str, str] = {}
    """As the provider's; empty when these models have none."""
    realtime: Mapping[str, str] | None = None
    operations: Mapping[str, str] | None = None
    body: Mapping[str, str] = {}
    omits: frozenset[str] = frozenset()
    envelope: StreamEnvelope | None = None
    own_errors: bool | None = None
    signer: Signer | None = None
    headers: Mapping[str, str] | None = None
    forward_headers: frozenset[str] | None = None
    query: Mapping[str, str] | None = None
    unsupported: frozenset[str] | None = None
    media: frozenset[Medium] | None = None
    output_forms: frozenset[OutputForm] | None = None
    limits: Limits | None = None
    counting: Counting | None = None
    max_tokens_field: str | None = None
    default_max_output_tokens: int | None = None


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor or server. A value, not a class: a new provider is a new file of data."""

    name: str
    """The prefix callers write (`openai/gpt-5`), and the file's name."""
    title: str
    docs: str
    """Address of the vendor's API reference."""
    base_url: str | None
    """Prefilled URL; None where every customer has their own (Azure, vLLM)."""
    base_path_tail: str = ""
    """An end of the base URL that operators may write or leave out (`/v1`): the paths below have it
    themselves where it belongs."""
    conversation: Mapping[str, str]
    """Conversation dialect → path under the base URL, in order of preference: the first is used when
    the caller's own dialect is not among them. `{model}` is the target model, percent-encoded,
    `{action}` Gemini's method; of `{predict|streamPredict}` the first is for whole answers, the second for streams."""
    embeddings: Mapping[str, str] = {}
    """Embeddings dialect → path; empty when it has none."""
    surfaces: tuple[Surface, ...] = ()
    """Parts of it that are asked in another way, the first that fits is taken. The fields above and
    below are for the rest."""
    body: Mapping[str, str] = {}
    """Members set in every body, in place of the caller's own (`anthropic_version` where it is no header)."""
    omits: frozenset[str] = frozenset()
    """Members of its dialects that are not sent, because the path says them (`model`)."""
    envelope: StreamEnvelope | None = None
    """How it wraps streams that its dialects frame in another way; None where it does not."""
    own_errors: bool = False
    """True where errors come in a shape of its own, so that they are written anew for callers of the same dialect."""
    realtime: Mapping[str, str] = {}
    """Realtime dialect → path under the base URL, with the query it needs; `{model}` is the target model, and
    `/..` at its start leaves the base URL's last segment. `query` below is not added: it is for calls."""
    keeps: bool = False
    """Whether it keeps files, batches or answers for whoever has the key: then the gateway looks whose they are."""
    rerank: Mapping[str, str] = {}
    """Rerank dialect → path; empty when it has none."""
    operations: Mapping[str, str] = {}
    """Operation that passes without a hub (`PassedEndpoint.provides`) → path under the base URL. What is
    not here is refused before anything is sent."""
    signer: Signer
    token_scopes: Mapping[str, str] = {}
    """Kind of identity (`google`, `entra`) → scope of the token it takes in place of a key. A token of
    any other kind, or for anybody else, is sent only where its credential names the scope."""
    headers: Mapping[str, str] = {}
    """Sent with every call (`anthropic-version`)."""
    forward_headers: frozenset[str] = frozenset()
    """Request headers of the caller that may pass, lower case (`anthropic-beta`)."""
    query: Mapping[str, str] = {}
    """Added to every call's query (`api-version`); a route may override."""
    environment_key: str | None = None
    """Environment variable that customarily holds its key."""
    sim_path: str = ""
    """Where `tollway sim` speaks it, in place of the base URL's path; empty when it does not."""
    key_optional: bool = False
    """True for servers that may run without a key (Ollama, vLLM)."""
    keeps_turns: bool = False
    """It keeps answers itself, for later requests to refer to; so requests about them pass to it."""
    unsupported: frozenset[str] = frozenset()
    """Request fields of its preferred dialect that it refuses; dropped and reported."""
    media: frozenset[Medium] = ALL_MEDIA
    """What its messages may hold beside words; a request that holds anything else is refused."""
    output_forms: frozenset[OutputForm] = frozenset({"json", "schema"})
    """A demand for a schema is refused where there are none; one for any JSON is dropped and reported."""
    limits: Limits = Limits()
    """A request beyond one of these is refused before it is sent."""
    counting: Counting = Counting()
    tool_call_id_length: int = 0
    """The exact length, in letters and digits, of the ids of tool calls; ids of the history that are not so
    are replaced, each by the same one wherever it stands. 0 where any id will do."""
    max_tokens_field: str = ""
    """Chat only: `max_tokens` or `max_completion_tokens`, where it takes just one of them."""
    renamed: Mapping[str, str] = {}
    """Chat and its embeddings: OpenAI's name of a request field → this provider's own (`seed` → `random_seed`)."""
    file_part: Literal["file", "document_url"] = "file"
    """Chat only: the kind of content part that holds a document."""
    bare_audio: bool = False
    """Chat only: sound is the base64 text itself, not an object around it."""
    thinking_off: Mapping[str, object] = {}
    """Chat only: the request members that switch thinking off, whichever model is asked; empty where there
    are none, so that a caller's wish for no thinking is dropped and reported."""
    thinking_member: str = ""
    """Chat only: the member of an assistant message in which it wants its earlier thinking back; empty
    where it refuses or ignores it, so that thinking of the history is dropped and reported."""
    default_max_output_tokens: int | None = None
    """Sent where its dialect demands a maximum and the caller gave none."""
    known_models: frozenset[str] = frozenset()
    """Models it is known to serve; used only to tell whose a bare model name is."""
    otel_name: str = ""
    """`gen_ai.provider.name`; empty means the provider's own name."""

    def through(self, surface: Surface) -> "Provider":
        """The provider as it is asked through one of its surfaces."""
        said = {name: getattr(surface, name) for name in surface.__struct_fields__ if name not in _CHOOSING}
        given = {name: value for name, value in said.items() if value is not None}
        return msgspec.structs.replace(self, surfaces=(), **given)

    def surfaces_at(self, base_path: str) -> "tuple[tuple[re.Pattern[str], frozenset[str], Provider], ...]":
        """The surfaces there are behind a base URL with this path, in order.

        Each with the models it is for, and the dialects of callers it is not for.
        """
        return tuple(
            (re.compile(surface.models or ".*", re.IGNORECASE | re.DOTALL), surface.not_for, self.through(surface))
            for surface in self.surfaces
            if base_path.endswith(surface.base_path)
        )

    def serving(self, model: str, base_path: str = "", *, caller: str = "") -> "Provider":
        """The provider as it is asked for `model` by callers of the dialect `caller`."""
        for models, not_for, provider in self.surfaces_at(base_path):
            if caller not in not_for and models.fullmatch(model):
                return provider
        return self


_CHOOSING: Final = frozenset({"models", "base_path", "not_for"})
"""Fields of a surface that say when it is taken; the others say how it is asked."""
