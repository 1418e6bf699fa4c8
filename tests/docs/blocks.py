"""The fenced blocks of the documentation's pages."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(page for page in DOCS.rglob("*.md") if "_build" not in page.parts)
_BLOCK = re.compile(
    r"^(?P<fence>`{3,})(?P<language>[a-z]+|\{code-block\} [a-z]+)\n(?P<inside>.*?)^(?P=fence)$",
    re.MULTILINE | re.DOTALL,
)
_NAME = re.compile(r":name: (.+)\n")


class Block(NamedTuple):
    """One block."""

    page: Path
    number: int
    language: str
    name: str
    """As given by `:name:`; empty without."""
    text: str

    def __str__(self) -> str:
        return f"{self.page.relative_to(DOCS).as_posix()}:{self.name or self.number}"


def blocks(page: Path) -> list[Block]:
    """All blocks of a page, in order."""
    found: list[Block] = []
    for number, match in enumerate(_BLOCK.finditer(page.read_text("utf-8"))):
        inside = match["inside"]
        name = _NAME.match(inside)
        text = inside if name is None else inside[name.end() :]
        language = match["language"].removeprefix("{code-block} ")
        found.append(Block(page, number, language, name[1] if name is not None else "", text.lstrip("\n")))
    return found


def named(page: str) -> dict[str, str]:
    """The named blocks of a page, by name."""
    return {block.name: block.text for block in blocks(DOCS / page) if block.name}
