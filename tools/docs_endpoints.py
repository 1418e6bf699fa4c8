"""Writes `docs/reference/endpoints.md` from the endpoints of the dialects and the paths of the providers.

python tools/docs_endpoints.py            write it
python tools/docs_endpoints.py --check    exit 1 when it is not what the code says
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from tollway.dialects.registry import all_dialects
from tollway.interfaces.dialect import Endpoint
from tollway.interfaces.passed import PassedEndpoint
from tollway.snapshot.plugins import provider, provider_names

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "endpoints.md"

_INTRODUCTION: Final = """\
# Endpoints

<!-- Made by tools/docs_endpoints.py from src/tollway/dialects and src/tollway/providers: edit those. -->

Every path stands below the base path of an LLM proxy whose `format` is the one in the heading, or `any`.
Names in braces are yours; a model's name may hold slashes.
What a call is for stands in the usage record's `operation`.

Conversations, embeddings and rankings reach every provider that has any API of their kind: where it is
another one, they are translated ([](translation.md)).
Everything else passes unchanged, but for the model's name, to providers that have the very same API:
the last column names them.
A call that names no model goes to the route named by `x-llm-proxy-route`, else to the first that can serve it.
Where no route can, the answer is 404 with the code `operation_not_supported`; for a model whose provider cannot, 400.
"""


def page() -> str:
    """The whole page."""
    formats: dict[str, list[Endpoint]] = {}
    for dialect in all_dialects():
        formats.setdefault(dialect.format, []).extend(dialect.endpoints)
    return "".join([_INTRODUCTION, *(_section(name, formats[name]) for name in sorted(formats, key=_order))])


def _order(name: str) -> tuple[bool, str]:
    return name != "openai", name


def _section(name: str, endpoints: Sequence[Endpoint]) -> str:
    return "".join([f"\n## {name}\n", *_tables(endpoints)])


def _tables(endpoints: Sequence[Endpoint]) -> Iterator[str]:
    """One table for each set of prefixes, those of most endpoints first."""
    groups: dict[tuple[str, ...], list[Endpoint]] = {}
    for one in endpoints:
        groups.setdefault(one.versions, []).append(one)
    for versions, members in sorted(groups.items(), key=lambda group: -len(group[1])):
        prefixes = ", ".join(f"`{version}`" if version else "nothing" for version in versions)
        yield f"\nWith one of these before the path: {prefixes}.\n\n"
        yield "| method | path | operation | providers |\n|---|---|---|---|\n"
        yield from map(_row, sorted(members, key=lambda one: (one.path, one.method)))


def _row(one: Endpoint) -> str:
    return f"| {one.method} | `{one.path}` | `{one.operation}` | {_served_by(one)} |\n"


def _served_by(one: Endpoint) -> str:
    if not isinstance(one, PassedEndpoint):
        return "all that have any API of its kind"
    names = [name for name in provider_names() if one.provides in provider(name).operations]
    more = _OTHERS.get(one.operation, "")
    return ", ".join(f"`{name}`" for name in names) + more or "those of third parties"


_OTHERS: Final = {
    "completion": "; for others, as a conversation of one turn",
    "token-count": "; for others an estimate, marked by `x-tollway-estimated: true`",
}


def main(arguments: Sequence[str]) -> int:
    """Write the page, or say whether it is up to date."""
    text = page()
    if "--check" not in arguments:
        PAGE.write_text(text, "utf-8")
        return 0
    if PAGE.is_file() and PAGE.read_text("utf-8") == text:
        return 0
    print(f"{PAGE.name}: is not what the code says: run this tool")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
