"""The pages at the root and in the packages tell the truth: what they name is there, and what they show works."""

import re
from pathlib import Path

import pytest
from tests.docs.blocks import ROOT

from tollway.snapshot.plugins import policy_ids, provider_names

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "src").rglob("README.md")), ROOT / "benchmarks" / "README.md"]
PACKAGES = sorted(path.parent.name for path in (ROOT / "src" / "tollway").glob("*/__init__.py"))
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)")
_NAMED_FILE = re.compile(r"`((?:[a-z_0-9*]+/)*[a-z_0-9*]+\.py)`")


def _text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def _place(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("page", PAGES, ids=_place)
def test_every_link_leads_somewhere(page: Path) -> None:
    for target in _LINK.findall(page.read_text("utf-8")):
        assert (page.parent / target).exists(), target


def test_the_architecture_names_only_files_there_are() -> None:
    source, tests = ROOT / "src" / "tollway", ROOT / "tests"
    folders = (ROOT, source, source / "gateway", tests / "dialects", tests / "gateway", tests / "snapshot")
    names = set(_NAMED_FILE.findall(_text("ARCHITECTURE.md")))
    assert len(names) > 40
    for name in names:
        assert any(next(folder.glob(name), None) for folder in folders), name


def test_the_architecture_puts_every_package_on_a_floor() -> None:
    floors = _text("ARCHITECTURE.md").partition("## Floors")[2].partition("\n## ")[0]
    rows = [line for line in floors.splitlines() if re.match(r"\| \d", line)]
    named = [name for row in rows for name in re.findall(r"`([a-z]+)`", row.split("|")[2])]
    assert sorted(named) == PACKAGES


@pytest.mark.parametrize(
    "package",
    ["cli", "gateway", "metering", "policies", "providers", "routing", "snapshot", "stores", "testing"],
)
def test_a_package_of_an_upper_floor_says_what_it_owns_what_not_and_what_holds(package: str) -> None:
    page = (ROOT / "src" / "tollway" / package / "README.md").read_text("utf-8")
    assert page.startswith(f"# {package}\n")
    for word in ("Does not own", "Invariants"):
        assert f"**{word}" in page, word


def test_the_readme_names_every_provider_and_policy() -> None:
    for name in (*provider_names(), *policy_ids()):
        assert f"`{name}`" in _text("README.md"), name


def test_the_make_targets_that_pages_name_are_there() -> None:
    targets = set(re.findall(r"^([a-z]+):", _text("Makefile"), re.MULTILINE))
    named = {name for page in PAGES for name in re.findall(r"`make ([a-z]+)`", page.read_text("utf-8"))}
    assert {"run", "check", "test"} <= named
    assert named <= targets
