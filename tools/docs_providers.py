"""Writes `docs/reference/providers.md` from the value each provider's file holds.

What each provider takes is not copied from its file but tried: a request that holds just that is written for it, and
the table says what became of it.

python tools/docs_providers.py            write it
python tools/docs_providers.py --check    exit 1 when it is not what the providers say
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from tollway.core.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Losses,
    Message,
    OutputFormat,
    Part,
    ReasoningRequest,
    Text,
    Tool,
    ToolChoice,
)
from tollway.core.errors import BadRequest
from tollway.dialects.fitting import fitted
from tollway.dialects.registry import conversation_dialect
from tollway.interfaces.provider import Provider, Surface
from tollway.interfaces.signer import Signer
from tollway.snapshot.plugins import provider, provider_names

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "providers.md"

_INTRODUCTION: Final = """\
# Providers

<!-- Made by tools/docs_providers.py from src/tollway/providers: edit those. -->

A route names its provider by the name in the first column; callers write it before a model, as in `openai/gpt-5`.
What each API carries of another is in [](translation.md); how to add one is in [](../how-to/add-a-provider.md).

"""

_TAKEN: Final = """\

## What each of them takes

When a call is translated, a provider gets what it takes and no more.
`yes`: it gets it, in its own API's words; `left out`: the answer's `x-tollway-dropped-fields` header names it;
`refused`: without it the request would be another one, so the caller gets a 400 that names it, and nothing is sent.
What is said here holds for the provider: a model of it may take less, and then the provider says so itself.
Where a caller speaks the provider's own API, bytes pass, and none of this applies.

"""

_COUNTED: Final = """\

## What each of them limits and counts

A call with more than these limits is refused before it is sent.
*Usage of streams*: whether Tollway asks for it (`stream_options.include_usage`) or the provider tells it unasked.
*Inside* and *beside* say whether tokens are part of the provider's own total of its input or output;
the ledger's counts never overlap, whatever the provider does.

| provider | stop sequences | tools | usage of streams | cached input | cache writes | thinking | searches counted |
|---|---|---|---|---|---|---|---|
"""

_APIS: Final = {
    "openai-chat": "Chat Completions",
    "openai-responses": "Responses",
    "anthropic-messages": "Messages",
    "gemini": "generateContent",
    "bedrock-converse": "Converse",
    "bedrock-invoke": "InvokeModel",
    "cohere-chat": "Cohere Chat",
    "ollama-chat": "Ollama Chat",
    "ollama-generate": "Ollama Generate",
    "openai-embeddings": "Embeddings",
    "gemini-embeddings": "batchEmbedContents",
    "vertex-embeddings": "predict",
    "vertex-content-embeddings": "batchEmbedContents",
    "openai-realtime": "Realtime",
    "openai-responses-socket": "Responses by WebSocket",
    "gemini-live": "Live",
    "cohere-embeddings": "Cohere Embed",
    "ollama-embeddings": "Ollama Embed",
    "voyage-embeddings": "Voyage Embeddings",
    "jina-embeddings": "Jina Embeddings",
    "cohere-rerank": "Cohere's Rerank",
    "jina-rerank": "Jina's Rerank",
    "voyage-rerank": "Voyage's Rerank",
}


def page() -> str:
    """The whole page."""
    providers = [provider(name) for name in provider_names()]
    rows = [
        "| name | provider | URL | key in |\n",
        "|---|---|---|---|\n",
        *(f"| [`{one.name}`](#{_anchor(one)}) | {one.title} | {_url(one)} | {_key(one)} |\n" for one in providers),
    ]
    tables = [_TAKEN, *(_taken(providers, features) for features in (_CONTENT, _SETTINGS)), _COUNTED]
    return "".join([_INTRODUCTION, *rows, *tables, *map(_counted, providers), *map(_section, providers)])


def _with(*parts: Part, **fields: Any) -> Conversation:
    return Conversation(dialect="", model="", messages=(Message("user", (Text("hello"), *parts)),), **fields)


_TOOLS: Final = (Tool(name="f", parameters={"type": "object", "properties": {}}),)
_SCHEMA: Final = {"type": "object", "properties": {}, "additionalProperties": False}

_CONTENT: Final = {
    "pictures": _with(Image(data="QQ==", media_type="image/png")),
    "pictures by address": _with(Image(url="https://example.com/a.png")),
    "sound": _with(Audio("QQ==", "wav")),
    "documents": _with(File(data="QQ==", media_type="application/pdf", filename="a.pdf")),
    "tools": _with(tools=_TOOLS),
    "a demanded tool": _with(tools=_TOOLS, tool_choice=ToolChoice("named", names=("f",))),
    "one tool at a time": _with(tools=_TOOLS, parallel_tool_calls=False),
    "any JSON": _with(output=OutputFormat("json")),
    "a JSON Schema": _with(output=OutputFormat("schema", schema=_SCHEMA)),
}
_SETTINGS: Final = {
    "effort of thinking": _with(reasoning=ReasoningRequest(effort="low")),
    "several answers": _with(count=2),
    "log probabilities": _with(logprobs=True, top_logprobs=2),
    "seed": _with(seed=1),
    "`top_k`": _with(top_k=4),
    "penalties": _with(presence_penalty=0.1, frequency_penalty=0.1),
    "stop sequences": _with(stop=("END",)),
    "who asks": _with(user="u"),
}


def _taken(providers: list[Provider], features: Mapping[str, Conversation]) -> str:
    head = f"| provider | {' | '.join(features)} |\n|---|{'---|' * len(features)}\n"
    rows = (
        f"| `{one.name}` | {' | '.join(_outcome(one, request) for request in features.values())} |\n"
        for one in providers
        if one.conversation
    )
    return head + "".join(rows) + "\n"


def _outcome(one: Provider, asked: Conversation) -> str:
    """The best that becomes of a request, whichever of the provider's models is asked."""
    found = {_tried(one, asked, model) for model in one.known_models or {"m"}}
    return next(outcome for outcome in ("yes", "left out", "refused") if outcome in found)


def _tried(one: Provider, asked: Conversation, model: str) -> str:
    """What becomes of a request whose caller speaks another API than the provider does."""
    target = next(iter(one.conversation))
    caller = "gemini" if target != "gemini" else "openai-chat"
    request = msgspec.structs.replace(asked, dialect=caller, model=model)
    losses = Losses()
    try:
        conversation_dialect(target).render_request(fitted(request, one, losses), one, losses)
    except BadRequest:
        return "refused"
    return "left out" if losses.fields else "yes"


def _counted(one: Provider) -> str:
    limits, counting = one.limits, one.counting
    cells = (
        f"`{one.name}`",
        str(limits.stop_sequences or ""),
        str(limits.tools or ""),
        "asked for" if counting.stream_usage == "asked" else "always",
        counting.cached,
        counting.cache_writes,
        counting.reasoning,
        "yes" if counting.web_searches else "no",
    )
    return f"| {' | '.join(cells)} |\n"


def _operations(one: Provider) -> str:
    """Its paths; which endpoints they serve is told by the page of endpoints."""
    return ", ".join(f"`{path}`" for path in dict.fromkeys(one.operations.values())) + " ([](endpoints.md))"


def _anchor(one: Provider) -> str:
    return re.sub(r"[^a-z0-9 -]", "", one.title.lower()).replace(" ", "-")


def _url(one: Provider) -> str:
    return f"`{one.base_url}`" if one.base_url is not None else "yours: set `url`"


def _key(one: Provider) -> str:
    """Where the provider looks for its key."""
    need = " (may be absent)" if one.key_optional else ""
    return f"{_signing(one.signer)}{need}"


def _signing(signer: Signer) -> str:
    """The header itself where it depends on the key alone, else the signer's name."""
    if not signer.fixed:
        return type(signer).__name__
    return ", ".join(f"`{name}: {value}`" for name, value in signer.headers("KEY", None)) or "none"


def _section(one: Provider) -> str:
    lines = [
        f"\n## {one.title}\n\n",
        f"Provider `{one.name}`. API reference: <{one.docs}>.\n\n",
        "| what | value |\n|---|---|\n",
        f"| URL | {_url(one)} |\n",
        f"| key | {_key(one)} |\n",
    ]
    if one.environment_key is not None:
        lines.append(f"| variable that customarily holds the key | `{one.environment_key}` |\n")
    if one.base_path_tail:
        lines.append(f"| end of the URL that may be written or left out | `{one.base_path_tail}` |\n")
    lines.append(f"| conversations, the preferred API first | {_paths(one.conversation) or 'none'} |\n")
    lines.append(f"| embeddings | {_paths(one.embeddings) or 'none'} |\n")
    lines.extend(f"| {_surface(surface)} | {_speaks(surface)} |\n" for surface in one.surfaces)
    if one.keeps_turns:
        lines.append("| keeps responses itself | yes: `previous_response_id` and `conversation` pass to it |\n")
    if one.realtime:
        lines.append(f"| sessions over WebSocket | {_paths(one.realtime)} |\n")
    if one.rerank:
        lines.append(f"| rankings | {_paths(one.rerank)} |\n")
    if one.operations:
        lines.append(f"| what passes without translation | {_operations(one)} |\n")
    for what, pairs in (("headers sent with every call", one.headers), ("query sent with every call", one.query)):
        if pairs:
            lines.append(f"| {what} | {_pairs(pairs)} |\n")
    if one.forward_headers:
        lines.append(f"| caller's headers that pass | {_names(one.forward_headers)} |\n")
    if one.default_max_output_tokens is not None:
        lines.append(f"| maximum of output tokens where the caller gave none | {one.default_max_output_tokens:,} |\n")
    if one.max_tokens_field:
        lines.append(f"| the maximum is sent as | `{one.max_tokens_field}` |\n")
    lines.extend(_own_words(one))
    if one.unsupported:
        lines.append(f"| left out when translating, and reported | {_names(one.unsupported)} |\n")
    lines.append(f"| spoken by `tollway sim` | {f'`{one.sim_path}`' if one.sim_path else 'no'} |\n")
    lines.append(f"| `gen_ai.provider.name` | `{one.otel_name or one.name}` |\n")
    if one.known_models:
        lines.append(f"\nModels that lead here without a prefix: {_names(one.known_models)}.\n")
    return "".join(lines)


def _own_words(one: Provider) -> Iterator[str]:
    """Where its words differ from OpenAI's."""
    if one.renamed:
        yield f"| fields it names otherwise | {_renamed(one.renamed)} |\n"
    if one.tool_call_id_length:
        yield f"| ids of tool calls | replaced by {one.tool_call_id_length} letters and digits |\n"
    if one.file_part != "file":
        yield f"| a document is sent as | `{one.file_part}` |\n"
    if one.bare_audio:
        yield "| sound is sent as | the base64 text itself |\n"
    if one.thinking_off:
        off = msgspec.json.encode(one.thinking_off).decode()
        yield f"| thinking is switched off by | `{off}` |\n"
    if one.thinking_member:
        yield f"| earlier thinking goes back as | `{one.thinking_member}` |\n"


def _surface(surface: Surface) -> str:
    """Say what a surface is for."""
    parts = [f"models `{_cell(surface.models)}`"] if surface.models else []
    if surface.base_path:
        parts.append(f"a URL that ends in `{surface.base_path}`")
    return ", at ".join(parts) or "all"


def _speaks(surface: Surface) -> str:
    """Say how it is asked."""
    paths = ", ".join(
        filter(None, (_paths(surface.conversation), _paths(surface.embeddings), _paths(surface.realtime or {})))
    )
    if surface.body:
        paths += f"; with {_pairs(surface.body)} in the body"
    if surface.omits:
        paths += f"; without {_names(surface.omits)} in it"
    if surface.query is not None:
        paths += f"; query: {_pairs(surface.query) or 'none'}"
    return paths


def _cell(text: str) -> str:
    """Escape what would end a cell of the table."""
    return text.replace("|", "\\|")


def _paths(paths: Mapping[str, str]) -> str:
    return ", ".join(f"{_APIS[dialect]} at `{_cell(path)}`" for dialect, path in paths.items())


def _renamed(renamed: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` as `{own}`" for name, own in renamed.items())


def _pairs(pairs: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}: {value}`" for name, value in pairs.items())


def _names(names: frozenset[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def main() -> int:
    """Write or check the page."""
    text = page()
    if "--check" in sys.argv[1:]:
        same = PAGE.exists() and PAGE.read_text("utf-8") == text
        print(f"{PAGE.name}: {'as the providers say' if same else 'is not what the providers say: run this tool'}")
        return 0 if same else 1
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(text, "utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
