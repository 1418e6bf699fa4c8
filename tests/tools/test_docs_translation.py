import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_translation_page_is_what_the_dialects_do() -> None:
    tool = ROOT / "tools" / "docs_translation.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
