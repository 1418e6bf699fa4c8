import importlib.util
import sys
from pathlib import Path

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "docs_policies.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("docs_policies", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_pages_of_all_policies_are_up_to_date(tool, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(sys, "argv", ["docs_policies.py", "--check"])
    assert tool.main() == 0, capsys.readouterr().out


def test_every_page_says_more_than_its_settings(tool):
    for policy in tool.all_policies():
        page = (tool.PAGES / f"{policy.id}.md").read_text("utf-8")
        assert "\n## " in page.partition(tool.END)[2], f"{policy.id}.md: describe what it does, with an example"


def test_a_page_that_is_out_of_date_or_of_no_policy_is_found(tool, monkeypatch, tmp_path: Path, capsys):
    monkeypatch.setattr(tool, "PAGES", tmp_path)
    monkeypatch.setattr(sys, "argv", ["docs_policies.py"])
    assert tool.main() == 0
    monkeypatch.setattr(sys, "argv", ["docs_policies.py", "--check"])
    assert tool.main() == 0
    page = tmp_path / "client-id-enforcement.md"
    page.write_text(page.read_text("utf-8").replace("## Settings", "## Other"), "utf-8")
    assert tool.main() == 1
    assert "out of date: client-id-enforcement.md" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", ["docs_policies.py"])
    (tmp_path / "gone.md").write_text("x", "utf-8")
    assert tool.main() == 1
    assert "gone.md" in capsys.readouterr().out


def test_what_is_written_by_hand_stays(tool):
    page = f"before\n{tool.BEGIN}\nold\n{tool.END}\nafter\n"
    assert tool.with_block(page, f"{tool.BEGIN}\nnew\n{tool.END}") == page.replace("old", "new")
