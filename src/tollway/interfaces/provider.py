"""A provider: where it is, what it speaks, how to log in, what it cannot take, how it counts. Data, one file each.

Rules of this file:
- Every member is read by code or by the generated reference page; nothing stands here to be admired.
- What is said of a provider holds for any of its models: where one model takes pictures, the provider does.
"""

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

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


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor or server. A value, not a class: a new provider is a new file of data."""

    name: str
    """The prefix callers write (`openai/gpt-5`), and the file's name."""
    title: str
    docs: str
    """Address of the vendor's API reference."""
    base_url: str | None
    """Prefilled URL; None where every customer has their own (Azure, vLLM)."""
    conversation: Mapping[str, str]
    """Conversation dialect → path under the base URL, in order of preference: the first is used when
    the caller's own dialect is not among them. `{model}` is the target model, `{action}` Gemini's
    method, percent-encoded."""
    embeddings: Mapping[str, str] = {}
    """Embeddings dialect → path; empty when it has none."""
    keeps: bool = False
    """Whether it keeps files, batches or answers for whoever has the key: then the gateway looks whose they are."""
    rerank: Mapping[str, str] = {}
    """Rerank dialect → path; empty when it has none."""
    operations: Mapping[str, str] = {}
    """Operation that passes without a hub (`PassedEndpoint.provides`) → path under the base URL. What is
    not here is refused before anything is sent."""
    signer: Signer
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
