import importlib.util
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "check_layout.py"
spec = importlib.util.spec_from_file_location("check_layout", TOOL)
assert spec is not None
assert spec.loader is not None
layout = importlib.util.module_from_spec(spec)
spec.loader.exec_module(layout)


def _write(root: Path, *names: str, text: str = "def act():\n    return 1\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_a_provider_needs_a_test_goldens_and_a_section(tmp_path: Path) -> None:
    _write(tmp_path, "src/tollway/providers/open_ai.py")
    assert list(layout.missing_of_providers(tmp_path)) == [
        "provider open-ai: tests/providers/test_open_ai.py is missing",
        "provider open-ai: tests/golden/providers/open-ai is missing",
        "provider open-ai: docs/reference/providers.md has no section of it",
    ]
    _write(tmp_path, "tests/providers/test_open_ai.py", "tests/golden/providers/open-ai/full.json")
    _write(tmp_path, "docs/reference/providers.md", text="## Open AI\n\nProvider `open-ai`. Words.\n")
    assert list(layout.missing_of_providers(tmp_path)) == []


def test_a_policy_needs_a_test_cases_and_a_page(tmp_path: Path) -> None:
    _write(tmp_path, "src/tollway/policies/ip_list.py", "src/tollway/policies/__init__.py")
    assert list(layout.missing_of_policies(tmp_path)) == [
        "policy ip-list: tests/policies/test_ip_list.py is missing",
        "policy ip-list: tests/golden/policies/ip-list is missing",
        "policy ip-list: docs/reference/policies/ip-list.md is missing",
    ]


def test_a_module_that_does_something_needs_its_test(tmp_path: Path) -> None:
    _write(tmp_path, "src/tollway/core/a.py", "src/tollway/core/b.py", "tests/core/test_b.py")
    assert list(layout.untested_modules(tmp_path, {})) == ["src/tollway/core/a.py: tests/core/test_a.py is missing"]
    assert list(layout.untested_modules(tmp_path, {"core/a.py": "core/test_b.py"})) == []


def test_an_exception_points_at_a_test_and_is_needed(tmp_path: Path) -> None:
    _write(tmp_path, "src/tollway/core/a.py", "src/tollway/core/b.py", "tests/core/test_b.py")
    assert list(layout.untested_modules(tmp_path, {"core/a.py": "e2e/test_a.py", "core/b.py": "e2e/test_a.py"})) == [
        "src/tollway/core/a.py: tests/e2e/test_a.py is missing",
        "tools/check_layout.py: src/tollway/core/b.py needs no exception",
    ]


def test_a_test_needs_its_source(tmp_path: Path) -> None:
    _write(tmp_path, "src/tollway/core/a.py", "src/tollway/dialects/__init__.py")
    _write(tmp_path, "tests/core/test_a.py", "tests/core/test_c.py", "tests/dialects/test_dialects.py")
    _write(tmp_path, "tests/e2e/test_all.py", "tests/core/test_all.py")
    assert list(layout.sourceless_tests(tmp_path, {"core/test_all.py": "all"}, frozenset())) == [
        "tests/core/test_c.py: no module of that name in src/tollway"
    ]
    assert list(layout.sourceless_tests(tmp_path, {"core/test_gone.py": "x"}, frozenset({"core/test_c.py"}))) == [
        "tests/core/test_all.py: no module of that name in src/tollway",
        "tools/check_layout.py: tests/core/test_gone.py needs no exception",
    ]


@pytest.mark.parametrize(
    ("source", "behaves"),
    [
        pytest.param("X = 1\n", False, id="data"),
        pytest.param("class A:\n    x: int = 0\n", False, id="values"),
        pytest.param("class A(Protocol[T]):\n    def f(self) -> int: ...\n", False, id="protocol"),
        pytest.param("class A:\n    def f(self) -> int:\n        return 1\n", True, id="method"),
        pytest.param("async def f() -> None:\n    await g()\n", True, id="function"),
    ],
)
def test_what_only_promises_needs_no_test(source: str, behaves: bool) -> None:
    assert layout.has_behaviour(source) is behaves


def test_what_is_missing_fails_and_nothing_passes(capsys: pytest.CaptureFixture[str]) -> None:
    assert layout.main(["a is missing"]) == 1
    assert capsys.readouterr().err == "a is missing\n"
    assert layout.main([]) == 0
