import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_metrics_page_is_the_one_the_code_makes() -> None:
    tool = ROOT / "tools" / "docs_metrics.py"
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
