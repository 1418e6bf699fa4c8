"""The documentation builds without a warning, offline."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.docs.blocks import DOCS

pytest.importorskip("sphinx", reason="the documentation's tools are not installed")


@pytest.mark.proof
def test_the_documentation_builds_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "-q", "-b", "html", "-d", str(tmp_path / "trees")]
    done = subprocess.run([*command, str(DOCS), str(tmp_path / "html")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "html" / "tutorials" / "first-llm-proxy.html").exists()
