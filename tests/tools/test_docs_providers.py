import importlib.util
import sys
from pathlib import Path

import msgspec
import pytest

from tollway.snapshot.plugins import provider, provider_names

TOOL = Path(__file__).parents[2] / "tools" / "docs_providers.py"


@pytest.fixture
def tool():
    spec = importlib.util.spec_from_file_location("docs_providers", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_says_what_the_providers_do(tool, monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.setattr(sys, "argv", ["docs_providers.py", "--check"])
    assert tool.main() == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "feature", "outcome"),
    [
        ("anthropic", "`top_k`", "yes"),  # its newest models refuse it, others do not
        ("anthropic", "sound", "refused"),
        ("deepseek", "a JSON Schema", "refused"),
        ("groq", "log probabilities", "left out"),
        ("openai", "documents", "yes"),
    ],
)
def test_what_a_provider_takes_is_tried_and_not_copied(tool, name, feature, outcome):
    asked = (tool._CONTENT | tool._SETTINGS)[feature]
    assert tool._outcome(provider(name), asked) == outcome


def test_a_change_of_what_a_provider_takes_shows(tool):
    without = msgspec.structs.replace(provider("openai"), media=frozenset(), unsupported=frozenset({"seed"}))
    assert tool._outcome(without, tool._CONTENT["pictures"]) == "refused"
    assert tool._outcome(without, tool._SETTINGS["seed"]) == "left out"


def test_every_provider_has_a_row_in_every_table(tool):
    page = tool.page()
    for name in provider_names():
        rows = [line for line in page.splitlines() if line.startswith((f"| `{name}` |", f"| [`{name}`]"))]
        # What a message may hold and say is a matter of conversations.
        assert len(rows) == (4 if provider(name).conversation else 2), name
