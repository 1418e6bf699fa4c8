"""Writes `docs/reference/providers.md` from the value each provider's file holds.

python tools/docs_providers.py            write it
python tools/docs_providers.py --check    exit 1 when it is not what the providers say
"""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tollway.interfaces.provider import Provider
from tollway.interfaces.signer import Signer
from tollway.snapshot.plugins import provider, provider_names

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "providers.md"

_INTRODUCTION: Final = """\
# Providers

<!-- Made by tools/docs_providers.py from src/tollway/providers: edit those. -->

A route names its provider by the name in the first column; callers write it before a model, as in `openai/gpt-5`.
What each API carries of another is in [](translation.md); how to add one is in [](../how-to/add-a-provider.md).

"""

_APIS: Final = {
    "openai-chat": "Chat Completions",
    "openai-responses": "Responses",
    "anthropic-messages": "Messages",
    "gemini": "generateContent",
    "openai-embeddings": "Embeddings",
    "gemini-embeddings": "batchEmbedContents",
}


def page() -> str:
    """The whole page."""
    providers = [provider(name) for name in provider_names()]
    rows = [
        "| name | provider | URL | key in |\n",
        "|---|---|---|---|\n",
        *(f"| [`{one.name}`](#{_anchor(one)}) | {one.title} | {_url(one)} | {_key(one)} |\n" for one in providers),
    ]
    return "".join([_INTRODUCTION, *rows, *map(_section, providers)])


def _anchor(one: Provider) -> str:
    return one.title.lower().replace(" ", "-")


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
    lines.append(f"| conversations, the preferred API first | {_paths(one.conversation)} |\n")
    lines.append(f"| embeddings | {_paths(one.embeddings) or 'none'} |\n")
    for what, pairs in (("headers sent with every call", one.headers), ("query sent with every call", one.query)):
        if pairs:
            lines.append(f"| {what} | {_pairs(pairs)} |\n")
    if one.forward_headers:
        lines.append(f"| caller's headers that pass | {_names(one.forward_headers)} |\n")
    if one.default_max_output_tokens is not None:
        lines.append(f"| maximum of output tokens where the caller gave none | {one.default_max_output_tokens:,} |\n")
    if one.max_tokens_field:
        lines.append(f"| the maximum is sent as | `{one.max_tokens_field}` |\n")
    if one.unsupported:
        lines.append(f"| left out when translating, and reported | {_names(one.unsupported)} |\n")
    lines.append(f"| spoken by `tollway sim` | {f'`{one.sim_path}`' if one.sim_path else 'no'} |\n")
    lines.append(f"| `gen_ai.provider.name` | `{one.otel_name or one.name}` |\n")
    if one.known_models:
        lines.append(f"\nModels that lead here without a prefix: {_names(one.known_models)}.\n")
    return "".join(lines)


def _paths(paths: Mapping[str, str]) -> str:
    return ", ".join(f"{_APIS[dialect]} at `{path}`" for dialect, path in paths.items())


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
