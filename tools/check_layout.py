"""Checks that everything stands where a reader looks for it, and names what is missing.

    python tools/check_layout.py

- A provider is a module, a test, goldens and a place in the reference; a policy likewise.
- `src/tollway/a/b.py` is tested in `tests/a/test_b.py`, and every such test has its source. Modules
  without behaviour (values, Protocols, data) need no test of their own.

Both lists of exceptions below carry their reasons, and an exception that is no longer needed is an error.
"""

import ast
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

UNMIRRORED_FOLDERS: Final = frozenset(
    {"benchmarks", "clients", "corpus", "docs", "e2e", "fuzz", "golden", "support", "tools"}
)
"""Folders of `tests` that mirror no package: whole processes, clients, pages, tools, and material."""

TESTED_ELSEWHERE: Final[Mapping[str, str]] = {
    # The package is the dialect; its modules are the halves of it.
    "dialects/anthropic_messages/__init__.py": "dialects/anthropic_messages/test_dialect.py",
    "dialects/bedrock_converse/__init__.py": "dialects/bedrock_converse/test_dialect.py",
    "dialects/bedrock_invoke/__init__.py": "dialects/bedrock_invoke/test_dialect.py",
    "dialects/cohere_chat/__init__.py": "dialects/cohere_chat/test_dialect.py",
    "dialects/gemini/__init__.py": "dialects/gemini/test_dialect.py",
    "dialects/ollama_chat/__init__.py": "dialects/ollama_chat/test_dialect.py",
    "dialects/openai_chat/__init__.py": "dialects/openai_chat/test_dialect.py",
    "dialects/openai_responses/__init__.py": "dialects/openai_responses/test_dialect.py",
    # Contract suites are tests: they hold by what runs them, and by faulty subjects that must not pass.
    "testing/contracts/ledger.py": "stores/test_ledger_memory.py",
}
"""Module under `src/tollway` → the test file that tests it instead, under `tests`."""

TESTS_OF_SEVERAL: Final[Mapping[str, str]] = {
    "dialects/test_every_pair.py": "made-up conversations, answers and streams through every pair of dialects",
    "dialects/test_goldens.py": "what every provider dialect gets for every request of the corpus",
    "dialects/test_openai_round_trips.py": "requests through the OpenAI dialects and back",
    "dialects/test_openai_sdk.py": "what the OpenAI SDK makes of our streams and errors",
    "dialects/test_recorded_anthropic_and_gemini.py": "recorded traffic through every pair of dialects",
    "dialects/test_recorded_bedrock.py": "recorded traffic from one dialect to every caller",
    "dialects/test_recorded_openai.py": "recorded traffic through every pair of dialects",
    "dialects/test_round_trips.py": "requests, answers and streams through every dialect and back",
    "providers/test_goldens.py": "what every provider gets for every request of the corpus",
    "providers/test_recorded_counting.py": "how every provider counts, against its recorded answers",
}
"""Test file under `tests` without a source of its name → what it tests."""


def missing(root: Path) -> Iterator[str]:
    """Say everything that is not where it belongs, one sentence each."""
    yield from missing_of_providers(root)
    yield from missing_of_policies(root)
    yield from untested_modules(root, TESTED_ELSEWHERE)
    yield from sourceless_tests(root, TESTS_OF_SEVERAL, frozenset(TESTED_ELSEWHERE.values()))


def missing_of_providers(root: Path) -> Iterator[str]:
    """Say what each provider lacks."""
    pages = root / "docs" / "reference"
    listed = (pages / "providers.md").read_text("utf-8") if (pages / "providers.md").is_file() else ""
    for module in _plugins(root / "src" / "tollway" / "providers"):
        name = module.replace("_", "-")
        yield from _absent(root, f"provider {name}", f"tests/providers/test_{module}.py")
        yield from _absent(root, f"provider {name}", f"tests/golden/providers/{name}")
        if f"Provider `{name}`." not in listed:
            yield f"provider {name}: docs/reference/providers.md has no section of it"


def missing_of_policies(root: Path) -> Iterator[str]:
    """Say what each policy lacks."""
    for module in _plugins(root / "src" / "tollway" / "policies"):
        name = module.replace("_", "-")
        yield from _absent(root, f"policy {name}", f"tests/policies/test_{module}.py")
        yield from _absent(root, f"policy {name}", f"tests/golden/policies/{name}")
        yield from _absent(root, f"policy {name}", f"docs/reference/policies/{name}.md")


def untested_modules(root: Path, elsewhere: Mapping[str, str]) -> Iterator[str]:
    """Say which modules have behaviour and no test, and which exceptions are not needed."""
    source = root / "src" / "tollway"
    unused = set(elsewhere)
    for path in sorted(source.rglob("*.py")):
        module = path.relative_to(source)
        mirror = root / "tests" / test_of(module)
        if mirror.is_file() or not has_behaviour(path.read_text("utf-8")):
            continue
        unused.discard(str(module))
        instead = elsewhere.get(str(module), str(test_of(module)))
        yield from _absent(root, f"src/tollway/{module}", f"tests/{instead}")
    for module_name in sorted(unused):
        yield f"tools/check_layout.py: src/tollway/{module_name} needs no exception"


def sourceless_tests(root: Path, of_several: Mapping[str, str], instead: frozenset[str]) -> Iterator[str]:
    """Say which tests mirror nothing, and which exceptions are not needed."""
    tests = root / "tests"
    unused = set(of_several)
    mirrors = {test_of(path.relative_to(root / "src" / "tollway")) for path in (root / "src" / "tollway").rglob("*.py")}
    for path in sorted(tests.rglob("test_*.py")):
        test = path.relative_to(tests)
        if test.parts[0] in UNMIRRORED_FOLDERS or test in mirrors or str(test) in instead:
            continue
        if str(test) in unused:
            unused.discard(str(test))
        else:
            yield f"tests/{test}: no module of that name in src/tollway"
    for test_name in sorted(unused):
        yield f"tools/check_layout.py: tests/{test_name} needs no exception"


def test_of(module: Path) -> Path:
    """Name the test of a module; a package's own code is tested beside its modules, under the package's name."""
    if module.name == "__init__.py":
        return module.parent / f"test_{module.parent.name or 'tollway'}.py"
    return module.parent / f"test_{module.name}"


def has_behaviour(source: str) -> bool:
    """Whether any function in it does something: Protocols and plain values promise, they do not act."""
    tree = ast.parse(source)
    promises = {
        function
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and _is_protocol(node)
        for function in ast.walk(node)
    }
    return any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node not in promises for node in ast.walk(tree)
    )


def _is_protocol(node: ast.ClassDef) -> bool:
    names = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return any(isinstance(name, ast.Name) and name.id == "Protocol" for name in names)


def _plugins(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if not path.stem.startswith("_"))


def _absent(root: Path, what: str, place: str) -> Iterator[str]:
    if not (root / place).exists():
        yield f"{what}: {place} is missing"


def main(lines: Iterable[str]) -> int:
    """Print what is missing."""
    found: Sequence[str] = list(lines)
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    raise SystemExit(main(missing(ROOT)))
