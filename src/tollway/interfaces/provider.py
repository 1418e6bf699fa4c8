"""A provider: where it is, what it speaks, how to log in, what it cannot take. Data, one file each."""

from collections.abc import Mapping

import msgspec

from tollway.interfaces.signer import Signer


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
    max_tokens_field: str = ""
    """Chat only: `max_tokens` or `max_completion_tokens`, where it takes just one of them."""
    default_max_output_tokens: int | None = None
    """Sent where its dialect demands a maximum and the caller gave none."""
    known_models: frozenset[str] = frozenset()
    """Models it is known to serve; used only to tell whose a bare model name is."""
    otel_name: str = ""
    """`gen_ai.provider.name`; empty means the provider's own name."""
